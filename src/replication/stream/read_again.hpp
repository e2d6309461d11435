#pragma once
// Tables of which something in the log could not be read (core::ChangeBatch::unread_tables): which of them are read
// again beside the stream, and which fail.
//
// Reading it again mends whatever the log did not tell, once. What is known of the table's structure, and with it how
// its events are read, may be of a later time than the event; so an event is tried again with a fresh copy as long as
// it may be older than the structure. What is newer and cannot be read either will not be read by another copy: the
// table fails, and a person is asked.

#include <cstdint>
#include <map>
#include <string>

#include "catalog/stream_state.hpp"
#include "core/source.hpp"

namespace pgrepl::replication {

class ReadAgain {
  public:
    enum class Remedy {
        kAwaited,  ///< the copy that the table waits for brings all that the event did
        kFirst,    ///< read it again
        kRepeat,   ///< the same: the copy under way starts over, because the event may be older than its structure
        kNone,     ///< it has been read again, and that did not help
    };

    /// `log` outlives it.
    explicit ReadAgain(core::Log& log) : log_(log) {}

    /// Of an event that stands after `applied`.
    [[nodiscard]] Remedy remedy_for(const catalog::StreamTable& table, const core::Position& applied);

    /// A copy of the table beside the stream has begun, with a structure that was read just now.
    void has_begun(std::int32_t table_id, const std::string& definition);

    /// It has failed, or a statement has changed it: what was tried says nothing any more.
    void forget(std::int32_t table_id) { tables_.erase(table_id); }

  private:
    struct Reading {
        std::string definition;
        core::Position known_at;  ///< no event after it is older than the structure; empty: the copy has not begun
    };

    core::Log& log_;
    std::map<std::int32_t, Reading> tables_;
};

}  // namespace pgrepl::replication
