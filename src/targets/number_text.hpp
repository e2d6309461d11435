#pragma once
// Numbers as text in plain notation, as numeric prints them: for ids.

#include <cstddef>

namespace pgrepl::target {

/// Longest text of a finite double in plain notation: sign, 1 + 323 zeros, 17 digits, point, and some.
constexpr std::size_t kMostDoubleText = 400;

/// The shortest digits that round-trip, in plain notation and always with a fraction: 5.0, 0.1, 1e20 as
/// 100000000000000000000.0. `value` is finite and not -0.0. Returns the length.
std::size_t print_double(double value, char* out);
std::size_t print_float(float value, char* out);

}  // namespace pgrepl::target
