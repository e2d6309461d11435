#pragma once
// Writing rows of a target by their ids, for streams and repairs, and finding rows that the source does not
// have. Call all of it as the owner of the target, which is opened for it. Rows that the target refuses are added to
// `refused`; errors that concern no single row are thrown.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/refused_row.hpp"
#include "targets/open_target.hpp"
#include "targets/row_encoder.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::target {

/// Makes the target hold these rows.
void put_rows(const OpenTarget& target, const EncodedRows& rows, WhereSame where_same,
              std::vector<pg::RefusedRow>& refused);

void delete_rows(const OpenTarget& target, const std::vector<std::string>& ids, std::vector<pg::RefusedRow>& refused);

/// SQL, true for a row `t` that the first pass of a comparison (and the second, if it is told) has not met, that was
/// not written since `since`, and whose id is not among `known`.
std::string extra_row_condition(std::int32_t table_id, TimestampTz since, bool second_pass,
                                const std::vector<std::string>& known);

bool has_rows(const OpenTarget& target);

std::int64_t count_rows(const OpenTarget& target, const std::string& condition);

/// Ids of rows that meet the condition, in order, above `after`.
std::vector<std::string> list_ids(const OpenTarget& target, const std::string& condition,
                                  const std::optional<std::string>& after, std::int64_t limit);

}  // namespace pgrepl::target
