// Rows that jsonb cannot hold: each is refused with a RowError, and leaves the rows before it, and the encoder, as
// they were.
//
//   test_refused(what, size) → text   SQLSTATE of the RowError; "stored" if there is none
//   test_kept_bytes(size) → bigint    bytes that are still allocated after a row of this size was encoded and cleared
//   test_layout(what)                 makes an encoder for a layout that it does not take

#include <malloc.h>

#include <stdexcept>

#include "api/entry.hpp"
#include "targets/row_encoder.hpp"
#include "test/pg/arguments.hpp"

namespace pgrepl::test {

namespace {

using core::Value;

core::RowLayout two_columns(bool whole_document) {
    core::RowLayout layout;
    layout.columns.push_back({"id", !whole_document, core::IdStyle::kAnyType});
    layout.columns.push_back({"v", true, core::IdStyle::kAnyType});
    layout.key_columns = {0};
    layout.whole_document = whole_document;
    return layout;
}

/// Bytes of the row's container beside those of a string in `v`: header, four JEntries, keys, the number 1.
constexpr std::size_t kOverhead = 4 + 4 * 4 + 3 + 9;

Value nested(int depth, core::Arena& arena) {
    auto* const tokens = reinterpret_cast<Value*>(arena.allocate(static_cast<std::size_t>(depth) * sizeof(Value)));
    for (int i = 0; i < depth; ++i) {
        tokens[i] = Value::array(i == depth - 1 ? 0 : 1);
    }
    return Value::document(tokens, static_cast<std::uint32_t>(depth));
}

/// A document of the given tokens, which may be nonsense.
Value tokens(std::initializer_list<Value> list, core::Arena& arena) {
    char* const copy = arena.copy(list.begin(), list.size() * sizeof(Value));
    return Value::document(reinterpret_cast<const Value*>(copy), static_cast<std::uint32_t>(list.size()));
}

Value make_value(const std::string& what, std::uint32_t size, std::string& bytes, core::Arena& arena) {
    if (what == "text" || what == "bytes" || what == "row" || what == "decimal") {
        bytes.assign(what == "row" ? size - kOverhead : size, '1');
        auto const length = static_cast<std::uint32_t>(bytes.size());
        return what == "bytes"     ? Value::bytes(bytes.data(), length)
               : what == "decimal" ? Value::decimal(bytes.data(), length)
                                   : Value::text(bytes.data(), length);
    }
    if (what == "depth") {
        return nested(static_cast<int>(size), arena);
    }
    if (what == "elements") {
        return tokens({Value::array(size)}, arena);
    }
    if (what == "members") {
        return tokens({Value::object(size)}, arena);
    }
    if (what == "bad key") {
        return tokens({Value::object(1), Value::text("a\xff", 2), Value::null()}, arena);
    }
    if (what == "bad key, deep") {
        return tokens({Value::object(2), Value::text("a", 1), Value::null(), Value::text("b", 1), Value::object(1),
                       Value::text("\0", 1), Value::null()},
                      arena);
    }
    if (what == "cut document") {
        return tokens({Value::array(3), Value::null()}, arena);
    }
    if (what == "two values") {
        return tokens({Value::null(), Value::null()}, arena);
    }
    if (what == "no value") {
        return tokens({}, arena);
    }
    if (what == "loose container") {
        return Value::array(0);
    }
    bytes = what;  // any other word: as a number
    return Value::decimal(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
}

std::string dump(const target::EncodedRows& rows) {
    std::string all = std::to_string(rows.bytes()) + "," + std::to_string(rows.tagged_values());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto* const data = static_cast<const char*>(DatumGetPointer(rows.data(i)));
        all += rows.id_text(i);
        all.append(data, VARSIZE(data));
    }
    return all;
}

Datum test_refused(FunctionCallInfo fcinfo) {
    std::string const what = text_argument(fcinfo, 0);
    core::RowBatch batch(2);
    target::RowEncoder encoder(two_columns(false));
    target::EncodedRows rows;
    Value const sound[] = {Value::from_int64(1), Value::bytes("ab", 2)};
    encoder.encode(sound, rows);
    encoder.encode(sound, rows);
    std::string const before = dump(rows);
    std::string bytes;
    Value const bad[] = {Value::from_int64(1),
                         make_value(what, static_cast<std::uint32_t>(PG_GETARG_INT64(1)), bytes, batch.arena())};
    std::string sqlstate;
    try {
        encoder.encode(bad, rows);
        return text_result("stored");
    } catch (const target::RowError& error) {
        sqlstate = pg::sqlstate_text(error.sqlstate());
    }
    if (dump(rows) != before) {
        throw std::runtime_error("the rows before have changed");
    }
    // The encoder goes on, and makes of the same row what it made before.
    encoder.encode(sound, rows);
    const auto* const first = static_cast<const char*>(DatumGetPointer(rows.data(0)));
    if (rows.size() != 3 || std::memcmp(first, DatumGetPointer(rows.data(2)), VARSIZE(first)) != 0 ||
        rows.tagged_values() != 3) {
        throw std::runtime_error("the row after is not as the row before");
    }
    return text_result(sqlstate);
}

Datum test_kept_bytes(FunctionCallInfo fcinfo) {
    auto const allocated = [] {
        struct mallinfo2 const heap = mallinfo2();
        return heap.uordblks + heap.hblkhd;
    };
    std::string const bytes(static_cast<std::size_t>(PG_GETARG_INT64(0)), 'x');
    target::RowEncoder encoder(two_columns(false));
    target::EncodedRows rows;
    std::size_t const before = allocated();
    Value const row[] = {Value::text(bytes.data(), static_cast<std::uint32_t>(bytes.size())),
                         Value::text(bytes.data(), static_cast<std::uint32_t>(bytes.size()))};
    encoder.encode(row, rows);
    rows.clear();
    return Int64GetDatum(static_cast<std::int64_t>(allocated() - before));
}

/// A layout that the encoder does not take.
Datum test_layout(FunctionCallInfo fcinfo) {
    std::string const what = text_argument(fcinfo, 0);
    core::RowLayout layout = two_columns(false);
    layout.columns[1].name = what;
    target::RowEncoder const encoder(layout);
    return text_result("taken");
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_refused, pgrepl::test::test_refused)
PGREPL_SQL_FUNCTION(test_kept_bytes, pgrepl::test::test_kept_bytes)
PGREPL_SQL_FUNCTION(test_layout, pgrepl::test::test_layout)
