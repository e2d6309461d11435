#pragma once
// Reads the rows of one chunk, batch by batch.

#include <memory>
#include <optional>

#include "core/source.hpp"
#include "source/mysql/copy/read_session.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

/// `session` must outlive the reader. `at_a_time`: how much a statement reads at most, of a table with a key.
std::unique_ptr<core::ChunkReader> open_chunk_reader(ReadSession& session, TableShape shape,
                                                     const core::ChunkRange& range,
                                                     const std::optional<core::BatchLimits>& at_a_time = {});

}  // namespace pgrepl::mysql
