// Statements on replicator.target_relation.

#include "catalog/target_relations.hpp"

#include "catalog/table_life.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kRecognise =
    "INSERT INTO replicator.target_relation AS r (table_id) SELECT id FROM replicator.source_table t WHERE ";

}  // namespace

void note_target(std::int32_t table_id, Oid relid) {
    pg::execute(
        R"(INSERT INTO replicator.target_relation AS r (table_id, relid) VALUES ($1, $2)
           ON CONFLICT (table_id) DO UPDATE SET relid = excluded.relid WHERE r.relid IS DISTINCT FROM excluded.relid)",
        {table_id, pg::Param::oid(relid)});
    pg::execute("UPDATE replicator.source_table SET target_created = true WHERE id = $1 AND NOT target_created",
                {table_id});
}

void note_new_target(std::int32_t table_id, Oid relid) {
    note_target(table_id, relid);
    note_empty_target(table_id);
}

void have_target_recognised(std::int32_t table_id) {
    pg::execute(
        std::string(kRecognise) + "t.id = $1 AND t.target_created ON CONFLICT (table_id) DO UPDATE SET relid = NULL",
        {table_id});
}

void have_targets_recognised(std::int32_t source_id, bool restored_only) {
    pg::execute(std::string(kRecognise) + "t.source_id = $1 AND t.target_created ON CONFLICT (table_id) DO " +
                    (restored_only ? "NOTHING" : "UPDATE SET relid = NULL"),
                {source_id});
}

}  // namespace pgrepl::catalog
