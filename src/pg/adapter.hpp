#pragma once
// Loading of adapters: shared objects without PostgreSQL's module magic, beside the extension's own library.

#include <memory>
#include <string>

#include "core/source.hpp"

namespace pgrepl::pg {

/// The adapter for sources of `kind`. Loaded at most once in a process and never unloaded. Throws SqlError with
/// what brings it where it is not installed, and where it was built for another version.
const core::Adapter& load_adapter(const std::string& kind);

}  // namespace pgrepl::pg
