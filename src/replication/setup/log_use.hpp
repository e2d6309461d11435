#pragma once
// Whether the first copy of a source in mode `once` may be read beside its log, without a state that is kept open: the
// log is then followed until it has mended what was read at different times. Where that is not certain to give one
// state of the source, the copy is one consistent read.

#include <vector>

#include "core/source.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Everything is there that following the log needs. Throws SourceError.
bool is_log_usable(core::Source& source);

/// The log has all changes of those of the tables that are to be copied.
bool log_mends(core::Log& log, const std::vector<PlannedTable>& tables);

}  // namespace pgrepl::replication
