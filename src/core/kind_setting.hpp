#pragma once
// A setting of the server for sources of one kind.

#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// A text, `pg_replicator.<name>`, that a superuser sets; empty by default. Static storage.
struct KindSetting {
    enum class Use {
        kDirectories,  ///< comma-separated: files of the kind may lie in them, whoever has them opened
    };

    std::string_view kind;
    Use use;
    const char* name;
    const char* text;
    const char* long_text;
};

}  // namespace pgrepl::core
