#pragma once
// Native publications that hold target tables. What we write is marked as not to be passed on (pg/origin.hpp), and a
// subscription with `origin = none` would copy the rows and then get nothing; its options cannot be seen from here.

#include <vector>

#include "core/source.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Ok if no publication holds one of the targets.
core::Check check_publications(const std::vector<PlannedTable>& planned);

}  // namespace pgrepl::replication
