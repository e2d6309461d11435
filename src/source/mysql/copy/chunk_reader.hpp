#pragma once
// Reads the rows of one chunk, batch by batch.

#include <memory>

#include "core/source.hpp"
#include "source/mysql/copy/read_session.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

/// `session` must outlive the reader.
std::unique_ptr<core::ChunkReader> open_chunk_reader(ReadSession& session, TableShape shape,
                                                     const core::ChunkRange& range);

}  // namespace pgrepl::mysql
