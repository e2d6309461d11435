#pragma once
// The settings of the server for SQLite sources.

#include <array>

#include "core/kind_setting.hpp"

namespace pgrepl::sqlite {

inline constexpr std::array<core::KindSetting, 1> kSettings{{
    {.kind = "sqlite",
     .use = core::KindSetting::Use::kDirectories,
     .name = "sqlite_directories",
     .text = "Directories in which SQLite sources may lie.",
     .long_text = "Comma-separated absolute paths; files elsewhere need the rights of pg_read_server_files."},
}};

}  // namespace pgrepl::sqlite
