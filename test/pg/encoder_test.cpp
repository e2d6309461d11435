// The encoder against jsonb_in, and against the words of docs/user/types.md.
//
//   test_encoder(seed, cases) → text     null, or the first case that differs, with its seed
//   test_ids_differ(seed, keys) → text   null, or two keys with one id
//   test_data(names, values) → jsonb     one row's data; values as arguments.hpp writes them
//   test_id(style, values) → text        one row's id; style any, strings or hex
//   test_tagged(names, values) → int     how many tagged values a row counts

#include <map>
#include <set>

#include "api/entry.hpp"
#include "pg/memory.hpp"
#include "targets/row_encoder.hpp"
#include "targets/storable_text.hpp"
#include "test/pg/arguments.hpp"
#include "test/pg/json_text.hpp"
#include "test/pg/row_generator.hpp"

namespace pgrepl::test {

namespace {

using core::RowBatch;
using core::RowLayout;
using core::Value;
using target::EncodedRows;
using target::RowEncoder;

std::string hex_around(const char* bytes, std::size_t size, std::size_t at) {
    std::string out;
    for (std::size_t i = at < 16 ? 0 : at - 16; i < size && i < at + 16; ++i) {
        char two[4];
        std::snprintf(two, sizeof(two), i == at ? "[%02x" : "%02x", static_cast<unsigned char>(bytes[i]));
        out += two;
    }
    return out;
}

/// Empty, or where and how the datum differs from jsonb_in of the text.
std::string difference_from_jsonb_in(Datum encoded, const std::string& json) {
    const char* const text = json.c_str();
    Datum const expected = pg::CallPg([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(text)); });
    const auto* const ours = static_cast<const char*>(DatumGetPointer(encoded));
    const auto* const theirs = static_cast<const char*>(DatumGetPointer(expected));
    std::size_t const our_size = VARSIZE(ours);
    std::size_t const their_size = VARSIZE(theirs);
    std::size_t const common = std::min(our_size, their_size);
    std::size_t at = VARHDRSZ;
    while (at < common && ours[at] == theirs[at]) {
        ++at;
    }
    if (our_size == their_size && at == common) {
        return "";
    }
    return "size " + std::to_string(our_size) + ", jsonb_in's " + std::to_string(their_size) + "; from byte " +
           std::to_string(at) + ": " + hex_around(ours, our_size, at) + ", jsonb_in's " +
           hex_around(theirs, their_size, at) + "; " + (json.size() > 2'000 ? json.substr(0, 2'000) + "…" : json);
}

/// One layout, some rows of it in one EncodedRows. Empty, or what differs.
std::string check_case(std::uint64_t seed, EncodedRows& encoded) {
    RowGenerator generator(seed);
    RowLayout const layout = generator.make_layout();
    RowBatch batch(layout.columns.size());
    RowEncoder encoder(layout);
    std::uint64_t const rows = 1 + generator.below(4);
    for (std::uint64_t i = 0; i < rows; ++i) {
        generator.add_row(layout, batch);
        encoder.encode(batch.row(i), encoded);
    }
    std::uint64_t tagged = 0;
    for (std::uint64_t i = 0; i < rows; ++i) {
        std::string const json = json_of_row(layout, batch.row(i), tagged);
        if (std::string const found = difference_from_jsonb_in(encoded.data(i), json); !found.empty()) {
            return found;
        }
        std::string const id = id_of_row(layout, batch.row(i));
        if (encoded.id_text(i) != id || encoder.id_of(batch.row(i)) != id) {
            return "id " + std::string(encoded.id_text(i)) + ", not " + id;
        }
        if ((encoded.id(i) | encoded.data(i)) % MAXIMUM_ALIGNOF != 0) {
            return "a datum is not aligned";
        }
    }
    if (encoded.size() != rows || encoded.tagged_values() != tagged) {
        return "counted " + std::to_string(encoded.tagged_values()) + " tagged values, not " + std::to_string(tagged);
    }
    return "";
}

Datum test_encoder(FunctionCallInfo fcinfo) {
    auto const seed = static_cast<std::uint64_t>(PG_GETARG_INT64(0));
    pg::MemoryScope memory("encoder test");
    EncodedRows encoded;
    for (int i = 0; i < PG_GETARG_INT32(1); ++i) {
        std::string found;
        {
            pg::MemorySwitch const in_memory(memory.context());
            found = check_case(seed + static_cast<std::uint64_t>(i), encoded);
        }
        if (!found.empty()) {
            return text_result("seed " + std::to_string(seed + static_cast<std::uint64_t>(i)) + ": " + found);
        }
        encoded.clear();
        memory.reset();
        pg::CallPg([] { CHECK_FOR_INTERRUPTS(); });
    }
    fcinfo->isnull = true;
    return Datum{0};
}

RowLayout key_layout(core::IdStyle style, std::size_t columns) {
    RowLayout layout;
    for (std::size_t i = 0; i < columns; ++i) {
        layout.columns.push_back({"k" + std::to_string(i), true, style});
        layout.key_columns.push_back(static_cast<std::uint32_t>(i));
    }
    return layout;
}

/// Whether a column of this style can hold the value.
bool fits(const Value& value, core::IdStyle style) {
    bool const text = value.kind == core::ValueKind::kText && target::is_storable_text(value.view());
    return style == core::IdStyle::kAnyType || text ||
           (style == core::IdStyle::kHexBytes && value.kind == core::ValueKind::kBytes && value.subtype == 0);
}

Datum test_ids_differ(FunctionCallInfo fcinfo) {
    RowGenerator generator(static_cast<std::uint64_t>(PG_GETARG_INT64(0)));
    pg::MemoryScope memory("encoder test");
    for (int number = 0; number < 6; ++number) {
        auto const style = static_cast<core::IdStyle>(number % 3);
        RowLayout const layout = key_layout(style, number < 3 ? 1 : 2);
        RowEncoder encoder(layout);
        std::map<std::string, std::string> key_of_id;
        for (int i = 0; i < PG_GETARG_INT32(1); ++i) {
            RowBatch batch(layout.columns.size());
            std::span<Value> const row = batch.append_row();
            std::string key;
            for (Value& value : row) {
                do {
                    value = generator.make_key(batch.arena());
                } while (!fits(value, style));
                // Bytes and decimals that look alike are the same key only if their JSON is.
                key += key_json(value) + ",";
            }
            std::string const id = encoder.id_of(row);
            auto const [found, added] = key_of_id.emplace(id, key);
            if (!added && found->second != key) {
                return text_result(id + " is the id of " + found->second + " and of " + key);
            }
            memory.reset();
        }
    }
    fcinfo->isnull = true;
    return Datum{0};
}

/// A row of named, written values; its key is a column of its own.
struct WrittenRow {
    explicit WrittenRow(FunctionCallInfo fcinfo) : batch(1 + array_argument(fcinfo, 0).size()) {
        std::vector<std::string> const names = array_argument(fcinfo, 0);
        std::vector<std::string> const values = array_argument(fcinfo, 1);
        layout.columns.push_back({"key", false, core::IdStyle::kAnyType});
        layout.key_columns = {0};
        std::span<Value> const row = batch.append_row();
        row[0] = Value::from_int64(1);
        for (std::size_t i = 0; i < names.size(); ++i) {
            layout.columns.push_back({names[i], true, core::IdStyle::kAnyType});
            row[i + 1] = parse_value(values.at(i), batch.arena());
        }
        RowEncoder(layout).encode(row, encoded);
    }
    RowLayout layout;
    RowBatch batch;
    EncodedRows encoded;
};

Datum test_data(FunctionCallInfo fcinfo) {
    WrittenRow const row(fcinfo);
    const auto* const data = static_cast<const char*>(DatumGetPointer(row.encoded.data(0)));
    return pg::CallPg([&] { return PointerGetDatum(std::memcpy(palloc(VARSIZE(data)), data, VARSIZE(data))); });
}

Datum test_tagged(FunctionCallInfo fcinfo) {
    return Int32GetDatum(static_cast<int>(WrittenRow(fcinfo).encoded.tagged_values()));
}

Datum test_id(FunctionCallInfo fcinfo) {
    std::string const name = text_argument(fcinfo, 0);
    std::vector<std::string> const values = array_argument(fcinfo, 1);
    core::IdStyle const style = name == "strings" ? core::IdStyle::kStringsOnly
                                : name == "hex"   ? core::IdStyle::kHexBytes
                                                  : core::IdStyle::kAnyType;
    RowLayout layout = key_layout(style, values.size());
    layout.null_key_column = static_cast<std::uint32_t>(values.size());
    layout.columns.push_back({"rowid", false, core::IdStyle::kAnyType});
    RowBatch batch(layout.columns.size());
    std::span<Value> const row = batch.append_row();
    for (std::size_t i = 0; i < values.size(); ++i) {
        row[i] = parse_value(values[i], batch.arena());
    }
    row[values.size()] = Value::from_int64(42);
    EncodedRows encoded;
    RowEncoder(layout).encode(row, encoded);
    return text_result(std::string(encoded.id_text(0)));
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_encoder, pgrepl::test::test_encoder)
PGREPL_SQL_FUNCTION(test_ids_differ, pgrepl::test::test_ids_differ)
PGREPL_SQL_FUNCTION(test_data, pgrepl::test::test_data)
PGREPL_SQL_FUNCTION(test_tagged, pgrepl::test::test_tagged)
PGREPL_SQL_FUNCTION(test_id, pgrepl::test::test_id)
