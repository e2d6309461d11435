#pragma once
// The connection of one snapshot, shared by the readers of its chunks: one of them at a time has a statement open, and
// gives it up when another, or a question about the tables, wants the connection.

#include <memory>

#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// What may have rows under way on the connection.
class RowStream {
  public:
    virtual ~RowStream() = default;

    /// Closes its statement. It goes on later after the last row that it has handed out.
    virtual void pause() noexcept = 0;
};

class ReadSession {
  public:
    enum class Reads {
        kOneState,       ///< all of them within one transaction with a consistent snapshot
        kEachStatement,  ///< each statement sees the rows as they are then: no transaction, for use beside a log
    };

    ReadSession(std::unique_ptr<Connection> connection, Reads reads);
    ReadSession(const ReadSession&) = delete;
    ReadSession& operator=(const ReadSession&) = delete;

    /// The connection, free for `stream` (null: for a question).
    Connection& take(RowStream* stream);

    /// `stream` has no rows under way any more.
    void give_back(RowStream* stream) noexcept;

    /// Opens the transaction in which everything is then read.
    void begin();

    /// Gives up the locks on tables' definitions that reading has left, which would make an ALTER TABLE at the source
    /// wait; the snapshot stays. A table that is altered afterwards can no longer be read in it (error 1412). To be
    /// called between two chunks; keeps quiet about errors, which the next read will meet.
    void release_definitions() noexcept;

  private:
    std::unique_ptr<Connection> connection_;
    Reads reads_;
    RowStream* active_ = nullptr;
    bool began_ = false;
};

}  // namespace pgrepl::mysql
