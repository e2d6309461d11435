#pragma once
// Comparisons and repairs that were asked for: replicator.job, job_table, difference.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/target_relations.hpp"
#include "catalog/wanted_workers.hpp"
#include "core/table_name.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

/// Rows listed in replicator.difference for each table of a job; more are counted only.
constexpr std::int64_t kListedDifferences = 1'000;

struct Job {
    std::int64_t id = 0;
    std::int32_t source_id = 0;
    bool repair = false;
    std::int32_t failures = 0;
    bool open = false;  ///< pending or running
};

struct JobTable {
    std::int32_t table_id = 0;
    core::TableName name;
    std::string target_schema;
    std::string target_name;
    bool up_to_date = false;  ///< it holds what the source's position says: neither failed nor paused
    std::int64_t rows_expected = 0;
    TargetRelation relation;
};

/// What a comparison found in one table.
struct Findings {
    std::int64_t rows_compared = 0;
    std::int64_t changed = 0;
    std::int64_t missing = 0;
    std::int64_t extra = 0;
    std::int64_t unconfirmed = 0;
    std::int64_t quarantined = 0;
    std::int64_t repaired = 0;
};

/// The names are those of the type replicator.difference_kind (test/lint/names.sh).
enum class DifferenceKind { kChanged, kMissing, kExtra };
inline constexpr std::array<std::string_view, 3> kDifferenceKinds = {"changed", "missing", "extra"};

struct Difference {
    std::string key;
    DifferenceKind kind = DifferenceKind::kChanged;
    bool repaired = false;
};

/// Asks for a job on these tables; returns its number.
std::int64_t request_job(std::int32_t source_id, bool repair, Oid caller, const std::vector<std::int32_t>& tables);

std::optional<Job> find_job(std::int64_t job_id);

/// The oldest job of the source that may be worked on now.
std::optional<Job> next_job(std::int32_t source_id);

/// A worker takes the job.
void begin_job(std::int64_t job_id, int worker_pid);

/// Whether the job is still to be done: it exists, was not canceled, its source is not paused.
bool is_job_wanted(std::int64_t job_id);

/// Its tables that are not done yet.
std::vector<JobTable> tables_of_job(std::int64_t job_id);

/// One table of it, as it is now; nothing if it is gone.
std::optional<JobTable> table_of_job(std::int64_t job_id, std::int32_t table_id);

/// A table is begun, from its first row on.
void begin_job_table(std::int64_t job_id, std::int32_t table_id);

/// How many of its rows have been compared so far; until the first call, the worker's phase alone shows it.
void save_rows_compared(std::int64_t job_id, std::int32_t table_id, std::int64_t rows);

/// Lists differences, up to kListedDifferences of a table; later ones are left out.
void list_differences(std::int64_t job_id, std::int32_t table_id, const std::vector<Difference>& differences);

/// A table is done, or behind if something could not be confirmed.
void finish_job_table(std::int64_t job_id, std::int32_t table_id, const Findings& findings);
void fail_job_table(std::int64_t job_id, std::int32_t table_id, const pg::SqlError& error);

/// All of its tables are done, or failed.
void finish_job(std::int64_t job_id);

/// It is begun again after `retry_ms`; failed if there is none.
void record_job_error(std::int64_t job_id, const pg::SqlError& error, std::optional<std::int64_t> retry_ms);

void cancel_job(std::int64_t job_id);

/// Sources that want a job worker.
std::vector<WantedWorker> list_job_work();

/// Removes jobs that ended longer ago than `retention_s`.
void prune_jobs(int retention_s);

}  // namespace pgrepl::catalog
