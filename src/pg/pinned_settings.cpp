// Pins settings for a scope, or for the life of a worker.

#include "pg/pinned_settings.hpp"

namespace pgrepl::pg {

namespace {

/// A setting of the role comes first: under it nothing else could be set.
constexpr PinnedSetting kRole = {"role", "none"};
constexpr const char* kSessionUser = "session_authorization";

constexpr PinnedSetting kOfWorkers[] = {
    // An error that is dealt with would end the process.
    {"exit_on_error", "off"},
    // As native apply: only ENABLE REPLICA and ENABLE ALWAYS triggers fire.
    {"session_replication_role", "replica"},
    // For what code of an owner reads. Of a target it hides nothing: one that would is not opened (target_shape.cpp).
    {"row_security", "on"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"default_transaction_deferrable", "off"},
    {"statement_timeout", "0"},
    {"lock_timeout", "0"},
    {"transaction_timeout", "0"},
    {"idle_in_transaction_session_timeout", "0"},
    {"idle_session_timeout", "0"},
    // Rows are written to the heap directly.
    {"default_table_access_method", "heap"},
    {"plan_cache_mode", "auto"},
    {"jit", "off"},  // costs more than it brings for statements that each run once
    // What we look up by id was read a moment ago: a few per cent of a table are better fetched by index.
    {"random_page_cost", "1.1"},
};

/// Some servers do not have all of them.
void set_if_known(const PinnedSetting& setting) {
    if (GetConfigOption(setting.name, true, false) != nullptr) {
        SetConfigOption(setting.name, setting.value, PGC_SUSET, PGC_S_SESSION);
    }
}

}  // namespace

PinnedSettings::PinnedSettings() : level_(NewGUCNestLevel()), exceptions_(std::uncaught_exceptions()) {
    CallPg([] {
        for (const PinnedSetting& setting : kMeaning) {
            if (GetConfigOption(setting.name, true, false) != nullptr) {
                set_config_option(setting.name, setting.value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                                  false);
            }
        }
    });
}

PinnedSettings::~PinnedSettings() {
    if (std::uncaught_exceptions() == exceptions_) {
        AtEOXact_GUC(true, level_);
    }
}

void pin_worker_settings() {
    CallPg([] {
        // The owner of a database may set this for it, too, and for us it counts: we have logged in as a superuser.
        SetSessionAuthorization(BOOTSTRAP_SUPERUSERID, true);
        set_if_known(kRole);
        for (const PinnedSetting& setting : kMeaning) {
            set_if_known(setting);
        }
        for (const PinnedSetting& setting : kOfWorkers) {
            set_if_known(setting);
        }
        SetConfigOption("client_encoding", GetDatabaseEncodingName(), PGC_SUSET, PGC_S_SESSION);
        if (GetConfigOption(kSessionUser, true, false) != nullptr) {
            // What is said of the session user must be true, also to parallel workers.
            StartTransactionCommand();
            SetConfigOption(kSessionUser, GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), PGC_SUSET, PGC_S_SESSION);
            CommitTransactionCommand();
        }
    });
}

}  // namespace pgrepl::pg
