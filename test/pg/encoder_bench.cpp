// test_encoder_speed(rows) → float8: nanoseconds of CPU a row, encoding rows of the shape that make bench copies.

#include <ctime>
#include <random>

#include "api/entry.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::test {

namespace {

using core::Value;

constexpr std::size_t kBatchRows = 1'000;

core::RowLayout bench_layout() {
    core::RowLayout layout;
    for (const char* const name : {"id", "a", "b", "v1", "v2", "d", "ts", "x", "note", "j", "bin"}) {
        layout.columns.push_back({name, true, core::IdStyle::kAnyType});
    }
    layout.key_columns = {0};
    return layout;
}

void fill(core::RowBatch& batch, std::mt19937_64& random) {
    auto const keep = [&](const std::string& text) {
        return Value::text(batch.arena().copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
    };
    auto const number = [&](std::uint64_t limit) { return std::to_string(random() % limit); };
    for (std::size_t i = 0; i < kBatchRows; ++i) {
        std::span<Value> const row = batch.append_row();
        row[0] = Value::from_int64(static_cast<std::int64_t>(i + 1'000'000));
        row[1] = Value::from_int64(static_cast<std::int64_t>(random() >> 33));
        row[2] = Value::from_int64(static_cast<std::int64_t>(random() % 1'000));
        row[3] = keep("customer name " + number(1'000'000'000));
        row[4] = keep("street " + number(1'000'000) + " city " + number(100'000));
        row[5] = Value::from_double(static_cast<double>(random() % 1'000'000'000) / 100);
        row[6] = keep("2024-0" + std::to_string(1 + random() % 9) + "-17 10:20:30." +
                      std::to_string(100'000 + random() % 900'000));
        row[7] = Value::from_double(static_cast<double>(random() >> 11) * 0x1p-53 * 1e6);
        if (i % 3 == 0) {
            row[8] = keep("some longer note text number " + std::to_string(i) + " with words in it");
        }
        row[9] = keep("{\"k\": " + number(1'000'000) + R"(, "tags": ["a", "b"], "ok": true})");
        std::uint64_t const blob[2] = {random(), random()};
        row[10] = Value::bytes(batch.arena().copy(blob, sizeof(blob)), sizeof(blob));
    }
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Datum test_encoder_speed(FunctionCallInfo fcinfo) {
    std::mt19937_64 random(7);
    core::RowLayout const layout = bench_layout();
    core::RowBatch batch(layout.columns.size());
    fill(batch, random);
    target::RowEncoder encoder(layout);
    target::EncodedRows encoded;
    std::int64_t rows = 0;
    double const began = cpu_seconds();
    while (rows < PG_GETARG_INT32(0)) {
        encoded.clear();
        for (std::size_t i = 0; i < kBatchRows; ++i) {
            encoder.encode(batch.row(i), encoded);
        }
        rows += kBatchRows;
    }
    return Float8GetDatum((cpu_seconds() - began) / static_cast<double>(rows) * 1e9);
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_encoder_speed, pgrepl::test::test_encoder_speed)
