#pragma once
// One state of a SQLite file, kept readable. How depends on the file:
//
//   WAL                  a read transaction is held from beginning to end: writers go on, checkpoints wait.
//   rollback journal     a held read transaction would stop every writer, so each piece of work has its own,
//   and
//                        begins by asking whether the state is still there (change counter).
//   WAL without a log    where opening it as SQLite does is impossible (read-only directory) or would leave
//   -wal and
//                        -shm files of ours that its own programs cannot write: read without locks, and after
//                        each piece of work, before anything of it is used, it is proven that the file was
//                        not written.
//   private copy         nobody else writes: read without locks.

#include <memory>
#include <type_traits>
#include <utility>

#include "core/source.hpp"
#include "source/sqlite/connection.hpp"
#include "source/sqlite/state_identity.hpp"

namespace pgrepl::sqlite {

/// Where the file is and how long to wait for it.
struct FileAccess {
    Place place;
    int busy_timeout_ms = 0;
    core::Interrupts* interrupts = nullptr;
};

class FileState {
  public:
    virtual ~FileState() = default;

    [[nodiscard]] Connection& connection() const noexcept { return *connection_; }
    [[nodiscard]] const StateIdentity& identity() const noexcept { return identity_; }

    /// Reads may happen between enter() and leave() only. Both throw kStateLost if the state is gone; what
    /// was read counts only once leave() has returned.
    virtual void enter() = 0;
    virtual void leave() = 0;
    /// As enter(), but a state that is not held is taken again: identity() is then the state at this moment.
    virtual void enter_fresh() { enter(); }
    /// The way out of an error, also of enter(). Throws kStateLost if that is what the error comes from.
    virtual void abandon() = 0;

    /// Whether statements must be reset before leave(), because it gives up the lock.
    [[nodiscard]] virtual bool releases_lock() const noexcept = 0;

  protected:
    FileState(std::unique_ptr<Connection> connection, StateIdentity identity)
        : connection_(std::move(connection)), identity_(std::move(identity)) {}

    std::unique_ptr<Connection> connection_;
    StateIdentity identity_;
};

/// The file's state now, in the way that its mode asks for.
std::unique_ptr<FileState> open_current_state(const FileAccess& access);

/// A private copy, which must be complete and unchanging.
std::unique_ptr<FileState> open_copy(const FileAccess& copy, StateIdentity identity);

core::SourceError state_lost(const std::string& path, const std::string& detail);

/// Runs `work` on the state. Its result counts only if the state was there until the end.
template <typename Work>
auto within(FileState& state, Work&& work, void (FileState::*enter)() = &FileState::enter) {
    try {
        (state.*enter)();
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            state.leave();
        } else {
            auto result = work();
            state.leave();
            return result;
        }
    } catch (...) {
        state.abandon();
        throw;
    }
}

}  // namespace pgrepl::sqlite
