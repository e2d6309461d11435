#pragma once
// Tables without a key beside a stream, which cannot follow them: what is to be refreshed, and for which requests it
// was.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "core/table_name.hpp"

namespace pgrepl::catalog {

/// A table that is to be refreshed now.
struct KeylessTable {
    std::int32_t table_id = 0;
    core::TableName name;
    std::string target_schema;
    std::string target_name;
    bool target_created = false;
    TargetRelation relation;
    bool is_new = false;       ///< or asked for again
    std::int64_t request = 0;  ///< a refresh that begins now serves the requests up to this number
};

/// The next one: new, asked for again, not refreshed since the requests that were taken last, or refreshed
/// `interval_ms` ago (0: never by time). None of those in `but`.
std::optional<KeylessTable> next_keyless_table(std::int32_t source_id, int interval_ms,
                                               const std::vector<std::int32_t>& but);

/// Whether some table has still to be refreshed for the requests that were taken.
bool awaits_keyless_refresh(std::int32_t source_id);

/// Rows were staged.
void save_keyless_progress(std::int32_t table_id, std::int64_t rows, std::int64_t bytes, std::int64_t tagged_values);

/// It may still be merged: it was neither paused, nor asked for again.
bool is_keyless_refresh_wanted(std::int32_t table_id);

}  // namespace pgrepl::catalog
