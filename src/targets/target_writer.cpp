// The statements that write to targets.

#include "targets/target_writer.hpp"

#include "pg/memory.hpp"
#include "targets/heap_append.hpp"
#include "targets/row_arrays.hpp"

namespace pgrepl::target {

namespace {

// In the select list the arrays are taken apart row by row; in FROM they would be stored first.
constexpr const char* kFromArrays = R"(
    SELECT i, d, now()
    FROM (SELECT pg_catalog.unnest($1), pg_catalog.unnest($2)) AS u(i, d))";

constexpr const char* kOnConflict = R"(
    ON CONFLICT (id) DO UPDATE SET data = excluded.data, _synced_at = excluded._synced_at)";

// *<> compares the bytes: jsonb's own equality finds 1.5 equal to 1.50. Without the casts it would be applied to the
// columns of the rows, where it does not exist.
constexpr const char* kIfDifferent = R"(
    WHERE ROW(t.data)::record OPERATOR(pg_catalog.*<>) ROW(excluded.data)::record)";
constexpr const char* kDiffers = R"(
    s.id = t.id AND s.data IS NOT NULL AND ROW(s.data)::record OPERATOR(pg_catalog.*<>) ROW(t.data)::record)";

std::int64_t run(const std::string& statement, std::initializer_list<pg::Param> params = {}) {
    return static_cast<std::int64_t>(pg::execute(statement, params).processed());
}

std::int64_t run_on_group(const std::string& statement, const std::vector<std::string>* group) {
    return group == nullptr ? run(statement) : run(statement + " AND s.id = ANY ($1)", {*group});
}

}  // namespace

void TargetWriter::put(const EncodedRows& rows, std::size_t first, std::size_t count, WhereSame where_same) const {
    std::string const statement = "INSERT INTO " + table_ + " AS t (id, data, _synced_at)" + kFromArrays + kOnConflict +
                                  (where_same == WhereSame::kLeave ? kIfDifferent : "");
    pg::MemoryScope memory("pg_replicator rows");
    pg::MemorySwitch const in_memory(memory.context());
    RowArrays const arrays = as_arrays(rows, first, count);
    Oid const types[2] = {TEXTARRAYOID, JSONBARRAYOID};
    Datum const values[2] = {arrays.ids, arrays.data};
    pg::execute_with_datums(statement.c_str(), types, values);
}

void TargetWriter::put(const std::string& id, const std::string& data) const {
    run("INSERT INTO " + table_ + " (id, data, _synced_at) VALUES ($1, $2::jsonb, now())" + kOnConflict, {id, data});
}

void TargetWriter::add(const EncodedRows& rows, std::size_t first, std::size_t count, TimestampTz synced_at) const {
    insert_arrays(table_, rows, first, count, synced_at);
}

void TargetWriter::add(const EncodedRows& rows, HeapAppend& heap, TimestampTz synced_at) const {
    heap.append(rows, synced_at);
}

std::int64_t TargetWriter::remove(const std::vector<std::string>& ids) const {
    return run("DELETE FROM " + rows_ + " t WHERE t.id = ANY ($1)", {ids});
}

std::int64_t TargetWriter::remove_where(const std::string& condition) const {
    return run("DELETE FROM " + rows_ + " t WHERE " + condition);
}

void TargetWriter::truncate() const { run("TRUNCATE TABLE " + rows_); }

std::int64_t TargetWriter::remove_differing(const std::string& staging) const {
    return run("DELETE FROM " + rows_ + " t USING " + staging + " s WHERE" + kDiffers);
}

std::int64_t TargetWriter::update_differing(const std::string& staging, const std::vector<std::string>* group) const {
    return run_on_group(
        "UPDATE " + rows_ + " t SET data = s.data, _synced_at = now() FROM " + staging + " s WHERE" + kDiffers, group);
}

std::int64_t TargetWriter::add_missing(const std::string& staging, const std::vector<std::string>* group) const {
    return run_on_group("INSERT INTO " + table_ + " (id, data, _synced_at) SELECT s.id, s.data, now() FROM " + staging +
                            " s WHERE s.data IS NOT NULL AND NOT EXISTS (SELECT FROM " + rows_ +
                            " t WHERE t.id = s.id)",
                        group);
}

}  // namespace pgrepl::target
