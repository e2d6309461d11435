#pragma once
// Which kinds of sources there are, and what must be known of one before its adapter is loaded: how its URLs begin, and
// whether it is a file of the database server. Beside src/source this is the only place that names kinds
// (test/lint/layers.sh). All else about a kind its adapter says: core::Capabilities, and the settings in
// src/source/settings.hpp.

#include <array>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

struct KindOfSource {
    std::string_view name;          ///< that of its adapter's library, after pg_replicator_
    std::string_view display_name;  ///< in messages
    bool is_file;                   ///< else it has hosts
};
inline constexpr std::array<KindOfSource, 4> kKinds{{
    {"sqlite", "SQLite", true},
    {"mysql", "MySQL", false},
    {"mongodb", "MongoDB", false},
    {"postgresql", "PostgreSQL", false},
}};

/// In the order in which messages list them.
struct UrlScheme {
    std::string_view scheme;
    std::string_view kind;
};
inline constexpr std::array<UrlScheme, 7> kSchemes{{
    {"sqlite", "sqlite"},
    {"mysql", "mysql"},
    {"mariadb", "mysql"},
    {"mongodb", "mongodb"},
    {"mongodb+srv", "mongodb"},
    {"postgresql", "postgresql"},
    {"postgres", "postgresql"},
}};

/// A path that ends so is a URL, too.
inline constexpr std::array<std::string_view, 3> kFileEndings{".db", ".sqlite", ".sqlite3"};
/// Of which kind: the scheme in messages about files, too.
inline constexpr std::string_view kKindOfPaths = "sqlite";

constexpr const KindOfSource& kind_named(std::string_view name) {
    for (const KindOfSource& kind : kKinds) {
        if (kind.name == name) {
            return kind;
        }
    }
    return kKinds.front();
}
static_assert(kind_named(kKindOfPaths).is_file);

}  // namespace pgrepl::core
