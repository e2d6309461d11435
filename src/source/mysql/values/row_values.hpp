#pragma once
// Values of the binary protocol (COM_STMT_EXECUTE's rows) as text and as core::Value, as docs/user/types.md has them.

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/arena.hpp"
#include "core/value.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

/// The bytes of a length-encoded string at `at`.
std::string_view encoded_string(const unsigned char* at) noexcept;

/// What separates date and time: `2024-01-31T10:20:30` in values, with a space in bounds.
struct TimeStyle {
    char separator = 'T';
    bool utc = false;  ///< with Z after it
};

constexpr std::size_t kMostTimeText = 40;

/// Each writes at `out` (kMostTimeText bytes) and returns the end. `at`: a length and the value, as in a row.
char* print_date(const unsigned char* at, char* out) noexcept;
char* print_date_time(const unsigned char* at, unsigned fraction, TimeStyle style, char* out) noexcept;
char* print_time(const unsigned char* at, unsigned fraction, char* out) noexcept;

/// Big-endian, at most 8 bytes.
std::uint64_t bit_number(std::string_view bytes) noexcept;

/// The number's text without the zeros that ZEROFILL puts in front, which JSON does not know.
std::string_view without_leading_zeros(std::string_view digits, core::Arena& arena);

/// An array of the labels in `text`, which is in the arena and has commas between them.
core::Value label_array(std::string_view text, core::Arena& arena);
/// The same of a text in a charset, in which some of the labels are not valid.
core::Value label_array(std::string_view raw, const Charset& charset, core::Arena& arena);
/// An array of the labels, 64 at most, whose bits are set.
core::Value label_array(std::uint64_t bits, const std::vector<Label>& labels, core::Arena& arena);

constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

/// Base64 (RFC 4648, with padding): writes base64_size(bytes.size()) characters and returns the end.
char* put_base64(std::string_view bytes, char* out) noexcept;

/// {"$geometry": {"srid": n, "wkb": "base64"}} of MySQL's inner form: 4 bytes of SRID and the WKB. kBytes if it is
/// shorter.
core::Value geometry(std::string_view bytes, core::Arena& arena);

}  // namespace pgrepl::mysql
