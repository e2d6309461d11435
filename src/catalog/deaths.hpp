#pragma once
// How often processes have died of the same work, in a row and without progress. At kMostDeaths whoever counts makes
// the work fail. Progress sets the count to 0, and so does a person who has it tried again.

#include <cstdint>
#include <string>

#include "pg/error.hpp"

namespace pgrepl::catalog {

constexpr std::int32_t kMostDeaths = 3;

/// Of the source as a whole.
std::int32_t source_deaths(std::int32_t source_id);
std::int32_t count_source_death(std::int32_t source_id);
void forget_source_deaths(std::int32_t source_id);

/// Of its tables: a person has it tried again.
void forget_table_deaths(std::int32_t source_id);

/// Each counts one death more and returns how many there are; 0 if there is no such thing any more.
std::int32_t count_table_death(std::int32_t source_id, std::int32_t table_id);
std::int32_t count_chunk_death(std::int32_t source_id, std::int32_t table_id, std::int64_t number);
std::int32_t count_job_death(std::int64_t job_id);
std::int32_t count_job_table_death(std::int64_t job_id, std::int32_t table_id);
std::int32_t count_index_death(std::int64_t index_id);

/// The table's name at the source; empty if it is gone.
std::string table_label(std::int32_t table_id);

/// The transaction waits for the disk when it commits, whatever the session's do.
void make_commit_durable();

}  // namespace pgrepl::catalog
