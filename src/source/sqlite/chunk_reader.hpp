#pragma once
// Reads the rows of one chunk, batch by batch, from a state of a file.

#include <memory>

#include "core/source.hpp"
#include "source/sqlite/file_state.hpp"
#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {

/// `state` must outlive the reader.
std::unique_ptr<core::ChunkReader> open_chunk_reader(FileState& state, const TableShape& shape,
                                                     const core::ChunkRange& range);

}  // namespace pgrepl::sqlite
