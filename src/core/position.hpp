#pragma once
// What adapters name places and states by: opaque text, kept in the catalog and shown to users. The two are told apart
// by their types, because only places have an order.

#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// A place in the log of a source. Log::has_reached() tells the order.
struct Position {
    std::string text;
};

/// The name of one state of a source, by which others join it. Of two it can be asked whether one provably has all of
/// the other (Source::has_all_of()), for instance because they are the same, but not which of them is later. In a
/// source with a log, the text of a place also names the state that the log leads to there.
struct StateName {
    std::string text;
};

}  // namespace pgrepl::core
