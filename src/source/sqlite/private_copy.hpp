#pragma once
// Private copies of a SQLite file in the scratch directory: a state that no writer can end. Made from one state,
// completed by a rename, so that a file with the final name is whole.

#include <string>

#include "source/sqlite/file_state.hpp"

namespace pgrepl::sqlite {

/// Copies `state` and returns the identity of the copy. Throws kResource where the disk is too small.
StateIdentity make_private_copy(FileState& state, const std::string& scratch_directory);

/// The path of the copy that `identity` names; throws kStateLost if it is not there or not whole.
std::string find_private_copy(const StateIdentity& identity, const std::string& scratch_directory);

/// Removes all copies, complete or not, but the one called `keep`.
void discard_private_copies(const std::string& scratch_directory, const std::string& keep);

}  // namespace pgrepl::sqlite
