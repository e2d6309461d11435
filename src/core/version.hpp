#pragma once
// The version of the library. It must equal default_version in pg_replicator.control; the build checks it.

#include "core/postgres_free.hpp"

namespace pgrepl::core {

constexpr const char* kVersion = "0.1.0";

}  // namespace pgrepl::core
