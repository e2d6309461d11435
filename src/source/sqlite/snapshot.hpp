#pragma once
// core::Snapshot for SQLite: one state of a file, its tables, and chunks of them.

#include <memory>
#include <string>

#include "core/source.hpp"
#include "source/sqlite/file_state.hpp"

namespace pgrepl::sqlite {

/// `name`: the text by which the state was asked for, or that it was given.
std::unique_ptr<core::Snapshot> make_snapshot(std::unique_ptr<FileState> state, core::StateName name);

}  // namespace pgrepl::sqlite
