// Statements that count.

#include "catalog/deaths.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

std::int32_t count_of(const pg::QueryResult& row) {
    return row.empty() ? 0 : static_cast<std::int32_t>(row.int64(0, 0));
}

}  // namespace

std::int32_t source_deaths(std::int32_t source_id) {
    return count_of(pg::execute("SELECT deaths FROM replicator.source_state WHERE source_id = $1", {source_id}));
}

std::int32_t count_source_death(std::int32_t source_id) {
    return count_of(pg::execute(
        "UPDATE replicator.source_state SET deaths = deaths + 1 WHERE source_id = $1 RETURNING deaths", {source_id}));
}

void forget_source_deaths(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_state SET deaths = 0 WHERE source_id = $1 AND deaths > 0", {source_id});
}

void forget_table_deaths(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_table SET deaths = 0 WHERE source_id = $1 AND deaths > 0", {source_id});
}

// What was counted for the source, because nobody knew the table yet, counts for the table that was found then.
std::int32_t count_table_death(std::int32_t source_id, std::int32_t table_id) {
    return count_of(pg::execute(R"(UPDATE replicator.source_table t SET deaths = greatest(t.deaths, st.deaths) + 1
                       FROM replicator.source_state st WHERE t.id = $2 AND t.source_id = $1 AND st.source_id = $1
                       AND t.state <> 'failed' RETURNING t.deaths)",
                                {source_id, table_id}));
}

std::int32_t count_chunk_death(std::int32_t source_id, std::int32_t table_id, std::int64_t number) {
    // That it was leased may have been lost with the process.
    pg::execute(
        "UPDATE replicator.chunk SET died = true, leases = greatest(leases, 1) WHERE table_id = $1 AND number = $2",
        {table_id, number});
    return count_table_death(source_id, table_id);
}

std::int32_t count_job_death(std::int64_t job_id) {
    return count_of(pg::execute(R"(UPDATE replicator.job SET failures = failures + 1 WHERE id = $1
                       AND state IN ('pending', 'running') RETURNING failures)",
                                {job_id}));
}

std::int32_t count_job_table_death(std::int64_t job_id, std::int32_t table_id) {
    return count_of(
        pg::execute(R"(UPDATE replicator.job_table SET deaths = deaths + 1 WHERE job_id = $1 AND table_id = $2
                       AND state IN ('pending', 'running') RETURNING deaths)",
                    {job_id, table_id}));
}

std::int32_t count_index_death(std::int64_t index_id) {
    return count_of(pg::execute(R"(UPDATE replicator.target_index SET failures = failures + 1 WHERE id = $1
                       AND state IN ('pending', 'building') RETURNING failures)",
                                {index_id}));
}

std::string table_label(std::int32_t table_id) {
    pg::QueryResult const row = pg::execute(
        "SELECT pg_catalog.concat_ws('.', nullif(schema, ''), name) FROM replicator.source_table WHERE id = $1",
        {table_id});
    return row.empty() ? "" : row.text(0, 0);
}

void make_commit_durable() { pg::execute("SELECT pg_catalog.set_config('synchronous_commit', 'on', true)"); }

}  // namespace pgrepl::catalog
