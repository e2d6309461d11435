#pragma once
// What adapters name places and states by: opaque text, kept in the catalog and shown to users. The two are told apart
// by their types, because only places have an order. Neither is made of a text without being named: whoever writes
// {{text}, …} would be understood whichever of the two stands there.

#include <string>
#include <utility>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// A place in the log of a source. Log::has_reached() tells the order.
struct Position {
    std::string text;

    Position() = default;
    explicit Position(std::string from) : text(std::move(from)) {}
};

/// The name of one state of a source, by which others join it. Of two it can be asked whether one provably has all of
/// the other (Source::has_all_of()), for instance because they are the same, but not which of them is later. In a
/// source with a log, the text of a place also names the state that the log leads to there.
struct StateName {
    std::string text;

    StateName() = default;
    explicit StateName(std::string from) : text(std::move(from)) {}
};

}  // namespace pgrepl::core
