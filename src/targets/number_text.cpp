// Plain notation from the shortest digits.

#include "targets/number_text.hpp"

#include <charconv>

#include "pg/postgres.hpp"

namespace pgrepl::target {

namespace {

/// Shortest digits in any notation -> plain notation with a fraction.
std::size_t expand(const char* text, std::size_t length, char* out) {
    char digits[40];
    int count = 0;
    int point = -1;  // digits before the point
    int exponent = 0;
    std::size_t i = 0;
    char* at = out;
    if (text[0] == '-') {
        *at++ = '-';
        ++i;
    }
    for (; i < length && text[i] != 'e'; ++i) {
        if (text[i] == '.') {
            point = count;
        } else {
            digits[count++] = text[i];
        }
    }
    if (point < 0) {
        point = count;
    }
    if (i < length) {
        const char* first = text + i + 1;
        first += *first == '+' ? 1 : 0;
        std::from_chars(first, text + length, exponent);
    }
    point += exponent;
    for (int k = 0; k < point; ++k) {
        *at++ = k < count ? digits[k] : '0';
    }
    if (point <= 0) {
        *at++ = '0';
    }
    *at++ = '.';
    if (point >= count) {
        *at++ = '0';
    }
    for (int k = point; k < count; ++k) {
        *at++ = k < 0 ? '0' : digits[k];
    }
    return static_cast<std::size_t>(at - out);
}

}  // namespace

std::size_t print_double(double value, char* out) {
    char text[DOUBLE_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(double_to_shortest_decimal_buf(value, text));
    return expand(text, length, out);
}

std::size_t print_float(float value, char* out) {
    char text[FLOAT_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(float_to_shortest_decimal_buf(value, text));
    return expand(text, length, out);
}

}  // namespace pgrepl::target
