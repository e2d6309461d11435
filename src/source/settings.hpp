#pragma once
// The settings of all kinds of sources. The server knows them from its start, when no adapter is loaded; so they are in
// headers of the adapters, and the library's entry point passes them on.

#include <array>

#include "source/sqlite/settings.hpp"

namespace pgrepl::source {

inline constexpr auto kSettings = sqlite::kSettings;

}  // namespace pgrepl::source
