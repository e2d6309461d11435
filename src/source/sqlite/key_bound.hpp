#pragma once
// The places in a table at which reading can stop and go on: core::ChunkRange's opaque bounds.
//
//   rowid tables   the rowid, in decimal
//   key tables     the values of the key's parts, in the index's order, joined by commas: i:<decimal>, r:<the
//   bits of
//                  the double in hex>, t:<the text's bytes, in the database's encoding, in hex>, b:<bytes in
//                  hex>
//   end            after the last row

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

constexpr std::string_view kEndBound = "end";

/// Throws kInternal for text that is no bound.
std::int64_t parse_rowid_bound(const std::string& bound);

/// A key's value exactly as it is stored.
struct KeyText {
    std::string raw;
};
struct KeyBlob {
    std::string raw;
};
using KeyValue = std::variant<std::int64_t, double, KeyText, KeyBlob>;

/// The value of a result column on which no conversion was done.
KeyValue read_key_value(sqlite3_stmt* statement, int column);

std::string format_key_bound(const std::vector<KeyValue>& values);
std::vector<KeyValue> parse_key_bound(const std::string& bound, std::size_t parts);

/// Binds so that SQLite sees the very value that was read. `encoding`: SQLITE_UTF8, SQLITE_UTF16LE or
/// _UTF16BE. Returns SQLite's result code.
int bind_key_value(sqlite3_stmt* statement, int parameter, const KeyValue& value, unsigned char encoding);

}  // namespace pgrepl::sqlite
