#pragma once
// The places in a table at which reading can stop and go on: core::ChunkRange's opaque bounds.
//
// The values of the key's leading parts, joined by commas, each as <form>:<text>:
//   n:<number>   as an SQL literal        r:<double>  with 17 digits
//   x:<hex>      text in the column's charset, or bytes
//   s:<hex>      what the server prints, in ASCII
//   end          after the last row
// A bound of fewer parts than the key has is after all rows that share these. Values go back to the server exactly as
// they came: the comparison is the server's own, by the column's collation.

#include <string>
#include <string_view>
#include <vector>

#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

constexpr std::string_view kEndBound = "end";

/// One part of a bound, as it is written down.
std::string number_bound(std::string_view digits);
std::string real_bound(double value);
std::string bytes_bound(std::string_view bytes);
std::string quoted_bound(std::string_view text);

/// The parts of a bound; empty for an open one. Throws kInternal for text that is no bound of such a key.
std::vector<std::string> parse_bound(const std::string& bound, const std::vector<KeyPart>& key);
std::string join_bound(const std::vector<std::string>& parts);

/// A part as an SQL literal, which compares as a value of the column does. Nothing but digits, hex digits and what
/// dates are made of gets into it.
std::string literal_of(const std::string& part, const KeyPart& key);

}  // namespace pgrepl::mysql
