// Parsing of options.

#include "catalog/source_options.hpp"

#include <algorithm>
#include <vector>

#include "pg/error.hpp"
#include "pg/json_object.hpp"

namespace pgrepl::catalog {

namespace {

template <typename Value>
using Field = Value SourceOptions::*;

struct OptionKind {
    const char* name;
    Field<std::optional<int>> field;
    int unit_flags;
    int min;
    int max;
};

/// Options that are one of a few words; the first is that of a source for which none is given.
struct ChoiceKind {
    const char* name;
    Field<std::string> field;
    std::vector<std::string> choices;

    [[nodiscard]] std::string listed() const {
        std::string list;
        for (const std::string& choice : choices) {
            list += (list.empty() ? "" : ", ") + choice;
        }
        return list;
    }
};

const ChoiceKind kChoices[] = {
    {"after_failover", &SourceOptions::after_failover, {"verify", "trust", "error"}},
    {"on_drop", &SourceOptions::on_drop, {"keep", "drop"}},
    {"on_position_lost", &SourceOptions::on_position_lost, {"error", "resync"}},
};

constexpr int kDayMs = 86'400'000;

const OptionKind kKnown[] = {
    {"apply_batch_bytes", &SourceOptions::apply_batch_kb, GUC_UNIT_KB, 64, 1024 * 1024},
    {"apply_batch_rows", &SourceOptions::apply_batch_rows, 0, 1, 10'000'000},
    {"connect_timeout", &SourceOptions::connect_timeout_ms, GUC_UNIT_MS, 100, 3'600'000},
    {"copy_workers_per_source", &SourceOptions::copy_workers_per_source, 0, 0, 64},
    {"keyless_refresh_interval", &SourceOptions::keyless_refresh_interval_ms, GUC_UNIT_MS, 0, INT_MAX},
    {"max_quarantined", &SourceOptions::max_quarantined, 0, 0, 1'000'000},
    {"memory_per_worker", &SourceOptions::memory_per_worker_kb, GUC_UNIT_KB, 8 * 1024, INT_MAX},
    {"retry_initial", &SourceOptions::retry_initial_ms, GUC_UNIT_MS, 10, 3'600'000},
    {"retry_max", &SourceOptions::retry_max_ms, GUC_UNIT_MS, 10, kDayMs},
    {"server_id", &SourceOptions::server_id, 0, 1, INT_MAX},
    {"target_lock_patience", &SourceOptions::target_lock_patience_ms, GUC_UNIT_MS, 10, kDayMs},
};

std::string known_names() {
    std::string names;
    for (const OptionKind& kind : kKnown) {
        names += (names.empty() ? "" : ", ") + std::string(kind.name);
    }
    for (const ChoiceKind& kind : kChoices) {
        names += ", " + std::string(kind.name);
    }
    return names;
}

const OptionKind& find_kind(std::string_view name) {
    for (const OptionKind& kind : kKnown) {
        if (name == kind.name) {
            return kind;
        }
    }
    throw pg::SqlError(ERRCODE_FDW_INVALID_OPTION_NAME, "unknown option \"" + std::string(name) + "\"",
                       "Known options: " + known_names() + ".", "Correct its name, or leave it out.");
}

int parse_value(const OptionKind& kind, const std::string& text) {
    int value = 0;
    const char* hint = nullptr;
    if (!parse_int(text.c_str(), &value, kind.unit_flags, &hint)) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                           "invalid value for option \"" + std::string(kind.name) + "\"",  // which may be a secret
                           "It must be a whole number" +
                               std::string(kind.unit_flags == 0 ? "." : ", or a text of a number and a unit."),
                           hint == nullptr ? "Give a number, for example 4." : hint);
    }
    if (value < kind.min || value > kind.max) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                           "value " + text + " is out of range for option \"" + std::string(kind.name) + "\"",
                           "The range is " + std::to_string(kind.min) + " to " + std::to_string(kind.max) +
                               (kind.unit_flags == GUC_UNIT_KB   ? " kB."
                                : kind.unit_flags == GUC_UNIT_MS ? " ms."
                                                                 : "."),
                           "Choose a value within the range.");
    }
    return value;
}

/// Whether the option is one of the choices, and then sets it.
bool set_choice(const std::string& name, const std::string& value, SourceOptions& options) {
    for (const ChoiceKind& kind : kChoices) {
        if (name != kind.name) {
            continue;
        }
        if (std::find(kind.choices.begin(), kind.choices.end(), value) == kind.choices.end()) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "invalid value for option \"" + name + "\"",
                               "It is one of: " + kind.listed() + ".",
                               "Without it, it is " + kind.choices.front() + ".");
        }
        options.*kind.field = value;
        return true;
    }
    return false;
}

}  // namespace

SourceOptions parse_source_options(const std::string& options_json) {
    // Not by SQL: a password may be among them by mistake, and auto_explain logs the plans of statements.
    auto const members = pg::read_json_object(options_json);
    if (!members) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "options must be a JSON object",
                           "They are a list, or a single value.",
                           "Write options => '{\"name\": value}'. Known options: " + known_names() + ".");
    }
    SourceOptions options;
    for (const auto& [name, value] : *members) {
        if (set_choice(name, value, options)) {
            continue;
        }
        const OptionKind& option = find_kind(name);
        options.*option.field = parse_value(option, value);
    }
    return options;
}

}  // namespace pgrepl::catalog
