// The text of a JSON double, as my_gcvt of MySQL's strings/dtoa.cc writes it.

#include <algorithm>
#include <charconv>

#include "source/mysql/binlog/json_binary.hpp"

namespace pgrepl::mysql {
namespace {

constexpr int kMostDigitsWithoutExponent = 15;  // MAX_DECPT_FOR_F_FORMAT

/// `digits` with the decimal point after the first `point` of them, which may lie before or after them.
char* write_fixed(std::string_view digits, int point, char* out) {
    if (point <= 0) {
        *out++ = '0';
        *out++ = '.';
        out = std::fill_n(out, -point, '0');
        return std::copy(digits.begin(), digits.end(), out);
    }
    auto const whole = std::min(static_cast<std::size_t>(point), digits.size());
    out = std::copy_n(digits.begin(), whole, out);
    out = std::fill_n(out, static_cast<std::size_t>(point) - whole, '0');
    *out++ = '.';
    if (whole == digits.size()) {
        *out++ = '0';
        return out;
    }
    return std::copy(digits.begin() + static_cast<std::ptrdiff_t>(whole), digits.end(), out);
}

char* write_with_exponent(std::string_view digits, int exponent, char* out) {
    *out++ = digits.front();
    if (digits.size() > 1) {
        *out++ = '.';
        out = std::copy(digits.begin() + 1, digits.end(), out);
    }
    *out++ = 'e';
    return std::to_chars(out, out + 8, exponent).ptr;
}

}  // namespace

char* write_json_double(double value, char* out) {
    // d.ddde±xx
    char scientific[40];
    const char* const end =
        std::to_chars(scientific, scientific + sizeof scientific, value, std::chars_format::scientific).ptr;
    const char* at = scientific;
    if (*at == '-') {
        *out++ = *at++;
    }
    const char* const mark = std::find(at, end, 'e');
    char digits[24];
    char* const digits_end = std::copy_if(at, mark, digits, [](char c) { return c != '.'; });
    int exponent = 0;
    std::from_chars(mark + (mark[1] == '+' ? 2 : 1), end, exponent);

    std::string_view const text(digits, static_cast<std::size_t>(digits_end - digits));
    int const point = exponent + 1;
    bool const fixed = point > -kMostDigitsWithoutExponent &&
                       (point <= kMostDigitsWithoutExponent || static_cast<int>(text.size()) > point);
    return fixed ? write_fixed(text, point, out) : write_with_exponent(text, exponent, out);
}

}  // namespace pgrepl::mysql
