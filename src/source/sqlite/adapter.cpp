// The SQLite adapter's factory and its core::Source: a file that is opened again for each piece of work, so
// that between two of them no lock, no descriptor and no read mark of ours is in the way of the file's own
// programs.

#include "core/source.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <utility>

#include "source/sqlite/file_look.hpp"
#include "source/sqlite/file_state.hpp"
#include "source/sqlite/own_limits.hpp"
#include "source/sqlite/private_copy.hpp"
#include "source/sqlite/snapshot.hpp"
#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {
namespace {

/// How often a copy is begun when somebody starts to write to a file that was read without locks.
constexpr int kCopyAttempts = 3;

class SqliteSource final : public core::Source {
  public:
    SqliteSource(const core::OpenRequest& config, core::Interrupts& interrupts)
        : limits_({.memory_bytes = config.memory_bytes,
                   .directory = config.scratch_directory,
                   .temporary_file_bytes = config.temporary_file_bytes}),
          access_{.place = {config.url.path, config.beneath},
                  .busy_timeout_ms = config.connect_timeout_ms,
                  .interrupts = &interrupts},
          scratch_directory_(config.scratch_directory),
          opened_(mark_file(access_.place)) {
        // Finds out at once what is wrong with the file, and what there is to say about it.
        std::unique_ptr<FileState> const state = open_current_state(access_);
        describe(*state);
    }

    core::SourceInfo describe() override { return info_; }

    std::vector<core::Check> check_prerequisites(bool continuous) override {
        using Severity = core::Check::Severity;
        bool const rollback = info_.description.starts_with("rollback");
        std::vector<core::Check> checks;
        if (continuous) {
            checks.push_back({"log", false, Severity::kError, "SQLite keeps no log of changes.",
                              "Use mode => 'periodic' or 'once'."});
        }
        checks.push_back({"journal_mode", !rollback, Severity::kNote, info_.description,
                          rollback ? "In WAL mode writers never wait for a copy: PRAGMA journal_mode = WAL." : ""});
        std::int64_t const file = mark_file(access_.place).bytes;
        std::error_code error;
        auto const space =
            std::filesystem::space(std::filesystem::path(scratch_directory_).parent_path().parent_path(), error);
        if (!error) {
            checks.push_back({"disk_space", space.available > static_cast<std::uintmax_t>(file), Severity::kWarning,
                              "The file has " + std::to_string(file) + " bytes; " + std::to_string(space.available) +
                                  " are free in the data directory.",
                              "Under a busy writer a private copy of the file is needed: make room for it."});
        }
        return checks;
    }

    std::vector<core::TableInfo> discover() override {
        std::unique_ptr<FileState> const state = open_state();
        auto const read = [&] { return read_shapes(state->connection()); };
        std::vector<core::TableInfo> tables;
        for (TableShape& shape : within(*state, read, &FileState::enter_fresh)) {
            tables.push_back(std::move(shape.info));
        }
        return tables;
    }

    std::unique_ptr<core::Snapshot> open_snapshot(const core::SnapshotRequest& request) override {
        if (!request.join.text.empty()) {
            return join(request.join);
        }
        if (request.durable) {
            return copy();
        }
        std::unique_ptr<FileState> state = open_state();
        core::StateName name{state->identity().to_text()};
        return make_snapshot(std::move(state), std::move(name));
    }

    void discard_snapshots(const core::StateName& keep) override {
        std::string name;
        if (!keep.text.empty()) {
            name = StateIdentity::parse(keep.text).copy_name;
        }
        discard_private_copies(scratch_directory_, name);
    }

    [[nodiscard]] bool has_all_of(const core::StateName& held, const core::StateName& wanted) const override {
        try {
            return holds_same_rows(StateIdentity::parse(held.text), StateIdentity::parse(wanted.text));
        } catch (const core::SourceError&) {
            return false;  // a text that cannot be understood proves nothing
        }
    }

  private:
    void describe(FileState& state) {
        Connection& connection = state.connection();
        auto const look = [&] {
            std::string const encoding = connection.query_text("PRAGMA encoding", "look at the encoding");
            std::string const page_size = connection.query_text("PRAGMA page_size", "look at the page size");
            std::string const mode =
                state.identity().kind == StateIdentity::Kind::kRollback ? "rollback journal" : "WAL mode";
            std::string const manner =
                state.identity().kind == StateIdentity::Kind::kStill ? ", read without locks" : "";
            info_ = {.server_version = std::string("SQLite ") + sqlite3_libversion(),
                     .description = mode + manner + ", " + encoding + ", page size " + page_size};
        };
        within(state, look, &FileState::enter_fresh);
    }

    /// Throws kReplaced if the path has come to name another file since the source was opened.
    std::unique_ptr<FileState> open_state() {
        mark_again(access_.place, opened_);
        return open_current_state(access_);
    }

    std::unique_ptr<core::Snapshot> join(const core::StateName& name) {
        StateIdentity const wanted = StateIdentity::parse(name.text);
        if (wanted.kind == StateIdentity::Kind::kCopy) {
            return open_private_copy(wanted);
        }
        std::unique_ptr<FileState> state = open_state();
        if (!is_same_state(wanted, state->identity())) {
            throw state_lost(access_.place.path, "Wanted: " + name.text + "\nFound: " + state->identity().to_text());
        }
        return make_snapshot(std::move(state), name);
    }

    std::unique_ptr<core::Snapshot> copy() {
        for (int attempt = 1;; ++attempt) {
            std::unique_ptr<FileState> const state = open_state();
            try {
                return open_private_copy(make_private_copy(*state, scratch_directory_));
            } catch (const core::SourceError& error) {
                if (error.kind() != core::SourceErrorKind::kStateLost || attempt == kCopyAttempts) {
                    throw;
                }
            }
        }
    }

    std::unique_ptr<core::Snapshot> open_private_copy(const StateIdentity& identity) {
        FileAccess copy = access_;
        copy.place = {find_private_copy(identity, scratch_directory_), {}};
        return make_snapshot(open_copy(copy, identity), core::StateName{identity.to_text()});
    }

    ScopedLimits limits_;
    FileAccess access_;
    std::string scratch_directory_;
    FileMark opened_;
    core::SourceInfo info_;
};

std::unique_ptr<core::Source> open_source(const core::OpenRequest& config, core::Interrupts& interrupts) {
    return std::make_unique<SqliteSource>(config, interrupts);
}

constexpr core::Capabilities kCapabilities = {
    .plan = core::CopyPlan::kOneState,
    .why_not_followed = "A SQLite file has no change log that this version reads.",
    .why_no_key_rules = "Their tables have a key always: the declared one, else the rowid.",
    .target_schema = "{source}",
    .default_port = 0,
};

}  // namespace
}  // namespace pgrepl::sqlite

extern "C" __attribute__((visibility("default"))) const pgrepl::core::Adapter* pg_replicator_adapter() {
    static const pgrepl::core::Adapter adapter = {.abi_version = pgrepl::core::kAdapterAbiVersion,
                                                  .kind = "sqlite",
                                                  .library_version = sqlite3_libversion(),
                                                  .capabilities = pgrepl::sqlite::kCapabilities,
                                                  .open = pgrepl::sqlite::open_source};
    return &adapter;
}
