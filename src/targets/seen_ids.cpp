// Hashing with PostgreSQL's own functions, so that a statement can hash the target's ids the same way.

#include "targets/seen_ids.hpp"

#include "pg/memory.hpp"
#include "pg/spi.hpp"

namespace pgrepl::target {

namespace {

/// Two arrays of this many hashes and a header fit on a page, so that nothing is toasted.
constexpr std::size_t kIdsPerRow = 480;

std::int64_t hash(std::string_view id, std::uint64_t seed) {
    return static_cast<std::int64_t>(
        hash_bytes_extended(reinterpret_cast<const unsigned char*>(id.data()), static_cast<int>(id.size()), seed));
}

}  // namespace

Hash128 hash_of(std::string_view bytes) { return {hash(bytes, 0), hash(bytes, 1)}; }

void IdFingerprint::add(std::string_view id) {
    ++count;
    first ^= hash(id, 0);
    second ^= hash(id, 1);
}

IdFingerprint fingerprint_of(const OpenTarget& target) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT count(*), coalesce(bit_xor(pg_catalog.hashtextextended(id, 0)), 0),
           coalesce(bit_xor(pg_catalog.hashtextextended(id, 1)), 0) FROM )" +
        target.rows_sql());
    return {row.int64(0, 0), row.int64(0, 1), row.int64(0, 2)};
}

void SeenIds::add(std::string_view id) {
    first_.push_back(hash(id, 0));
    second_.push_back(hash(id, 1));
}

void SeenIds::write() {
    if (first_.empty()) {
        return;
    }
    std::string const insert = "INSERT INTO " + table_.sql() + " (first, second) VALUES ($1, $2)";
    Oid const types[2] = {INT8ARRAYOID, INT8ARRAYOID};
    for (std::size_t at = 0; at < first_.size(); at += kIdsPerRow) {
        std::size_t const count = std::min(kIdsPerRow, first_.size() - at);
        pg::MemoryScope memory("pg_replicator seen ids");
        pg::MemorySwitch const in_memory(memory.context());
        Datum values[2] = {};
        pg::CallPg([&] {
            const std::vector<std::int64_t>* const halves[2] = {&first_, &second_};
            for (int half = 0; half < 2; ++half) {
                auto* const datums = static_cast<Datum*>(palloc(sizeof(Datum) * count));
                for (std::size_t i = 0; i < count; ++i) {
                    datums[i] = Int64GetDatum((*halves[half])[at + i]);
                }
                values[half] = PointerGetDatum(
                    construct_array(datums, static_cast<int>(count), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
            }
        });
        pg::execute_with_datums(insert.c_str(), types, values);
    }
    first_.clear();
    second_.clear();
}

std::string SeenIds::not_seen(const TargetName& seen) {
    return "NOT EXISTS (SELECT FROM (SELECT pg_catalog.unnest(first) AS a, pg_catalog.unnest(second) AS b FROM " +
           seen.sql() +
           ") seen WHERE seen.a = pg_catalog.hashtextextended(t.id, 0) "
           "AND seen.b = pg_catalog.hashtextextended(t.id, 1))";
}

void create_seen_table(const TargetName& table, Oid owner) {
    if (!create_side_table(table, owner, "first bigint[], second bigint[]")) {
        return;
    }
    pg::execute("ALTER TABLE " + table.sql() +
                R"( ALTER COLUMN first SET STORAGE PLAIN, ALTER COLUMN second SET STORAGE PLAIN,
                   ALTER COLUMN first SET STATISTICS 0, ALTER COLUMN second SET STATISTICS 0)");
}

void mark_seen_table(const TargetName& table) {
    pg::execute("INSERT INTO " + table.sql() + " (first, second) VALUES ('{}', '{}')");
}

bool seen_table_is_intact(const TargetName& table) {
    return find_table(table) && !pg::execute("SELECT 1 FROM " + table.sql() + " LIMIT 1").empty();
}

}  // namespace pgrepl::target
