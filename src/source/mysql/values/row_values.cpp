// Values of the binary protocol. Called once a value: no allocation but in the arena.

#include "source/mysql/values/row_values.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace pgrepl::mysql {
namespace {

using core::Value;

std::uint64_t little_endian(const unsigned char* at, int bytes) noexcept {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) {
        value |= static_cast<std::uint64_t>(at[i]) << (8 * i);
    }
    return value;
}

constexpr auto kDigitPairs = [] {
    std::array<char, 200> pairs{};
    for (unsigned i = 0; i < 100; ++i) {
        pairs[2 * i] = static_cast<char>('0' + i / 10);
        pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
}();

char* put_two(unsigned number, char* out) noexcept {
    std::memcpy(out, &kDigitPairs[static_cast<std::size_t>(number % 100) * 2], 2);
    return out + 2;
}

char* put_fraction(std::uint32_t micros, unsigned digits, char* out) noexcept {
    if (digits == 0) {
        return out;
    }
    *out++ = '.';
    char all[6];
    put_two(micros / 10000, all);
    put_two(micros / 100, all + 2);
    put_two(micros, all + 4);
    std::memcpy(out, all, digits);
    return out + digits;
}

char* put_clock(unsigned minute, unsigned second, char* out) noexcept {
    *out++ = ':';
    out = put_two(minute, out);
    *out++ = ':';
    return put_two(second, out);
}

Value* allocate_tokens(std::size_t count, core::Arena& arena) {
    return reinterpret_cast<Value*>(arena.allocate(count * sizeof(Value)));
}

}  // namespace

std::string_view encoded_string(const unsigned char* at) noexcept {
    std::uint64_t length = *at++;
    if (length > 250) {
        int const bytes = length == 252 ? 2 : length == 253 ? 3 : 8;
        length = little_endian(at, bytes);
        at += bytes;
    }
    return {reinterpret_cast<const char*>(at), length};
}

char* print_date(const unsigned char* at, char* out) noexcept {
    bool const given = at[0] >= 4;
    auto const year = static_cast<unsigned>(given ? little_endian(at + 1, 2) : 0);
    out = put_two(year / 100, out);
    out = put_two(year, out);
    *out++ = '-';
    out = put_two(given ? at[3] : 0, out);
    *out++ = '-';
    return put_two(given ? at[4] : 0, out);
}

char* print_date_time(const unsigned char* at, unsigned fraction, TimeStyle style, char* out) noexcept {
    out = print_date(at, out);
    bool const given = at[0] >= 7;
    *out++ = style.separator;
    out = put_two(given ? at[5] : 0, out);
    out = put_clock(given ? at[6] : 0, given ? at[7] : 0, out);
    out = put_fraction(at[0] >= 11 ? static_cast<std::uint32_t>(little_endian(at + 8, 4)) : 0, fraction, out);
    if (style.utc) {
        *out++ = 'Z';
    }
    return out;
}

char* print_time(const unsigned char* at, unsigned fraction, char* out) noexcept {
    bool const given = at[0] >= 8;
    if (given && at[1] != 0) {
        *out++ = '-';
    }
    auto const hours = static_cast<unsigned>(given ? little_endian(at + 2, 4) * 24 + at[6] : 0);
    if (hours >= 100) {
        *out++ = static_cast<char>('0' + hours / 100 % 10);
    }
    out = put_two(hours, out);
    out = put_clock(given ? at[7] : 0, given ? at[8] : 0, out);
    return put_fraction(at[0] >= 12 ? static_cast<std::uint32_t>(little_endian(at + 9, 4)) : 0, fraction, out);
}

std::uint64_t bit_number(std::string_view bytes) noexcept {
    std::uint64_t number = 0;
    for (char const letter : bytes) {
        number = number << 8 | static_cast<unsigned char>(letter);
    }
    return number;
}

std::string_view without_leading_zeros(std::string_view digits, core::Arena& arena) {
    std::size_t const sign = digits.starts_with('-') ? 1 : 0;
    std::size_t first = sign;
    while (first + 1 < digits.size() && digits[first] == '0' && digits[first + 1] >= '0' && digits[first + 1] <= '9') {
        ++first;
    }
    char* const copy = arena.allocate(digits.size());
    std::memcpy(copy, digits.data(), sign);
    std::memcpy(copy + sign, digits.data() + first, digits.size() - first);
    return {copy, digits.size() - first + sign};
}

Value label_array(std::string_view text, core::Arena& arena) {
    auto const count = text.empty() ? 0U : static_cast<std::uint32_t>(std::count(text.begin(), text.end(), ',')) + 1U;
    Value* const tokens = allocate_tokens(count + 1, arena);
    tokens[0] = Value::array(count);
    for (std::uint32_t i = 1; i <= count; ++i) {
        std::size_t const comma = std::min(text.find(','), text.size());
        tokens[i] = Value::text(text.data(), static_cast<std::uint32_t>(comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return Value::document(tokens, count + 1);
}

Value label_array(std::string_view raw, const Charset& charset, core::Arena& arena) {
    std::vector<std::string_view> const parts = charset.split_at_commas(raw);
    Value* const tokens = allocate_tokens(parts.size() + 1, arena);
    tokens[0] = Value::array(static_cast<std::uint32_t>(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        tokens[i + 1] = charset.to_value(parts[i], arena);
    }
    return Value::document(tokens, static_cast<std::uint32_t>(parts.size() + 1));
}

Value label_array(std::uint64_t bits, const std::vector<Label>& labels, core::Arena& arena) {
    Value* const tokens = allocate_tokens(labels.size() + 1, arena);
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if ((bits >> i & 1) != 0) {
            tokens[++count] = labels[i].to_value(arena);
        }
    }
    tokens[0] = Value::array(count);
    return Value::document(tokens, count + 1);
}

char* put_base64(std::string_view bytes, char* out) noexcept {
    static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    auto const byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[at])); };
    std::size_t at = 0;
    for (; at + 3 <= bytes.size(); at += 3) {
        unsigned const group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
        *out++ = kLetters[group >> 18];
        *out++ = kLetters[group >> 12 & 63];
        *out++ = kLetters[group >> 6 & 63];
        *out++ = kLetters[group & 63];
    }
    std::size_t const left = bytes.size() - at;
    if (left != 0) {
        unsigned const group = byte(at) << 16 | (left == 2 ? byte(at + 1) << 8 : 0);
        *out++ = kLetters[group >> 18];
        *out++ = kLetters[group >> 12 & 63];
        *out++ = left == 2 ? kLetters[group >> 6 & 63] : '=';
        *out++ = '=';
    }
    return out;
}

Value geometry(std::string_view bytes, core::Arena& arena) {
    if (bytes.size() < 4) {
        return Value::bytes(arena.copy(bytes.data(), bytes.size()), static_cast<std::uint32_t>(bytes.size()));
    }
    std::string_view const wkb = bytes.substr(4);
    char* const text = arena.allocate(base64_size(wkb.size()));
    char* const end = put_base64(wkb, text);
    Value* const tokens = allocate_tokens(7, arena);
    tokens[0] = Value::object(1, true);
    tokens[1] = Value::text("$geometry", 9);
    tokens[2] = Value::object(2, true);
    tokens[3] = Value::text("srid", 4);
    tokens[4] = Value::from_int64(
        static_cast<std::int64_t>(little_endian(reinterpret_cast<const unsigned char*>(bytes.data()), 4)));
    tokens[5] = Value::text("wkb", 3);
    tokens[6] = Value::text(text, static_cast<std::uint32_t>(end - text));
    return Value::document(tokens, 7);
}

}  // namespace pgrepl::mysql
