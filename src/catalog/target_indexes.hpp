#pragma once
// Indexes that a source's rules ask for on its target tables: replicator.target_index.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "catalog/wanted_workers.hpp"
#include "core/table_name.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

/// An index that rules ask for.
struct WantedIndex {
    std::string name;
    std::string method;      ///< btree or gin
    std::string definition;  ///< within the parentheses of CREATE INDEX

    bool operator==(const WantedIndex&) const = default;
};

/// Makes the list of a table's indexes what the rules say: new ones are pending, those no longer asked for are
/// forgotten (the index itself stays), but for those whose build was begun and not finished: they are unwanted.
void set_wanted_indexes(std::int32_t table_id, const std::vector<WantedIndex>& wanted);

struct TargetIndex {
    std::int32_t id = 0;
    std::int32_t failures = 0;
    std::int32_t source_id = 0;
    std::int32_t table_id = 0;
    core::TableName table;
    std::string target_schema;
    std::string target_name;
    TargetRelation relation;
    WantedIndex index;
    bool clean_up = false;  ///< it is not to be built (now): what an interrupted build has left is to be dropped
};

/// The next index of the source that can be built now (its table is complete and not paused) or is to be cleaned up.
std::optional<TargetIndex> next_index(std::int32_t source_id);

/// False if it is not wanted any more, or was paused since next_index with its table or source. Call it after
/// pg::begin_work: of a later pause the worker hears itself.
bool begin_index(std::int32_t index_id, int worker_pid);
void finish_index(std::int32_t index_id);

/// Nothing is left of a build: forgotten if it is unwanted, else pending until its table can be read again.
void finish_clean_up(std::int32_t index_id);

/// INVALID indexes that builds for the source have left, quoted for SQL.
std::vector<std::string> invalid_indexes(std::int32_t source_id);

/// It is built again after `retry_ms`; failed if there is none.
void record_index_error(std::int32_t index_id, const pg::SqlError& error, std::optional<std::int64_t> retry_ms);

/// Others keep its table locked: it is tried again after `retry_ms`, which is no failure of the index. What was to be
/// cleaned up still is.
void wait_for_lock(const TargetIndex& index, const pg::SqlError& error, std::int64_t retry_ms);

/// Failed ones are tried again.
void retry_failed_indexes(std::int32_t source_id);

/// Those that were ready but whose index is gone or invalid (the target was re-created, somebody dropped it) are
/// pending again.
void notice_lost_indexes();

/// Sources that want an index worker.
std::vector<WantedWorker> list_index_work();

/// The table, or without one all that the source has just been caught up with, is complete in this transaction: when it
/// commits the launcher looks at the database if rules ask for indexes. For workers that stay then; the end of one has
/// the launcher look anyway.
void look_for_index_work_at_commit(std::int32_t source_id, std::optional<std::int32_t> table_id);

}  // namespace pgrepl::catalog
