// Arrays of encoded rows.

#include "targets/row_arrays.hpp"

#include <vector>

#include "pg/memory.hpp"
#include "pg/spi.hpp"

namespace pgrepl::target {

RowArrays as_arrays(const EncodedRows& rows, std::size_t first, std::size_t count) {
    std::vector<Datum> ids(count);
    std::vector<Datum> data(count);
    for (std::size_t i = 0; i < count; ++i) {
        ids[i] = rows.id(first + i);
        data[i] = rows.data(first + i);
    }
    auto const elements = static_cast<int>(count);
    return pg::CallPg([&] {
        return RowArrays{PointerGetDatum(construct_array(ids.data(), elements, TEXTOID, -1, false, TYPALIGN_INT)),
                         PointerGetDatum(construct_array(data.data(), elements, JSONBOID, -1, false, TYPALIGN_INT))};
    });
}

void insert_arrays(const std::string& table, const EncodedRows& rows, std::size_t first, std::size_t count,
                   TimestampTz synced_at) {
    pg::MemoryScope memory("pg_replicator insert");
    pg::MemorySwitch const in_memory(memory.context());
    RowArrays const arrays = as_arrays(rows, first, count);
    Oid const types[3] = {TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZOID};
    Datum const values[3] = {arrays.ids, arrays.data, TimestampTzGetDatum(synced_at)};
    std::string const insert = "INSERT INTO " + table +
                               " (id, data, _synced_at) SELECT i, d, $3 FROM ROWS FROM (pg_catalog.unnest($1), "
                               "pg_catalog.unnest($2)) AS u(i, d)";
    pg::execute_with_datums(insert.c_str(), types, values);
}

}  // namespace pgrepl::target
