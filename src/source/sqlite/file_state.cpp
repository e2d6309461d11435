// The ways to keep one state of a SQLite file readable, and choosing among them.

#include "source/sqlite/file_state.hpp"

#include <chrono>
#include <utility>

#include "source/sqlite/sqlite_error.hpp"

namespace pgrepl::sqlite {
namespace {

using core::SourceError;
using core::SourceErrorKind;
using Kind = StateIdentity::Kind;

/// Held by a read transaction that ends with the object.
class HeldState final : public FileState {
  public:
    HeldState(std::unique_ptr<Connection> connection, StateIdentity identity)
        : FileState(std::move(connection), std::move(identity)) {}

    void enter() override { connection_->throw_if_interrupted(); }
    void leave() override {}
    void abandon() override {}
    [[nodiscard]] bool releases_lock() const noexcept override { return false; }
};

/// To be called in the read transaction that found the file in rollback-journal mode.
StateIdentity counted_identity(const Connection& connection, const FileMark& look) {
    StateIdentity identity;
    identity.kind = Kind::kRollback;
    identity.whole_in_file = true;
    FileHeader const header = connection.read_header();
    identity.changes = change_counter(header);
    identity.header_hash = hash_header(header);
    identity.file = mark_again(connection.place(), look);
    identity.file_settled = settled(identity.file);
    return identity;
}

/// Rollback journal: not held between two pieces of work.
class CountedState final : public FileState {
  public:
    CountedState(std::unique_ptr<Connection> connection, StateIdentity identity)
        : FileState(std::move(connection), std::move(identity)) {}

    void enter() override {
        connection_->throw_if_interrupted();
        connection_->begin_read();
        FileMark const now = mark_again(connection_->place(), identity_.file);
        FileHeader const header = connection_->read_header();
        bool const same = hash_header(header) == identity_.header_hash && now.bytes == identity_.file.bytes &&
                          now.mtime_ns == identity_.file.mtime_ns;
        if (!same) {
            throw state_lost(connection_->path(), "It is in rollback-journal mode; its change counter went from " +
                                                      std::to_string(identity_.changes) + " to " +
                                                      std::to_string(change_counter(header)) + ".");
        }
    }
    void enter_fresh() override {
        connection_->throw_if_interrupted();
        connection_->begin_read();
        identity_ = counted_identity(*connection_, identity_.file);
        if (header_says_wal(connection_->read_header())) {
            throw state_lost(connection_->path(), "It has gone over to WAL mode.");
        }
    }
    void leave() override { connection_->end_read(); }
    void abandon() override { connection_->abandon_read(); }
    [[nodiscard]] bool releases_lock() const noexcept override { return true; }
};

/// Read without locks; proven afterwards that nobody wrote.
class StillState final : public FileState {
  public:
    StillState(std::unique_ptr<Connection> connection, StateIdentity identity)
        : FileState(std::move(connection), std::move(identity)) {}

    void enter() override { connection_->throw_if_interrupted(); }
    void leave() override {
        if (!mark_again(connection_->place(), identity_.file).same_content(identity_.file)) {
            throw state_lost(connection_->path(), "It was written while it was read without locks.");
        }
    }
    // An error of SQLite may come from half-written pages: then the lost state is what to report.
    void abandon() override { leave(); }
    [[nodiscard]] bool releases_lock() const noexcept override { return false; }
};

/// A settled mark of the file, so that every later write shows; waits for it up to one tick of the file
/// system's clock, unsettled where that takes longer.
FileMark settled_mark(const FileAccess& access, const FileMark& before) {
    FileMark mark = mark_again(access.place, before);
    if (!settled(mark)) {
        access.interrupts->wait(-1, core::Interrupts::WaitFor::kTime, kSettleMs);
        mark = mark_again(access.place, before);
    }
    return mark;
}

/// Begins again until no commit came between looking at the log's index and beginning: then the snapshot is
/// exactly the state that the index names.
std::unique_ptr<FileState> open_held(std::unique_ptr<Connection> connection, const FileAccess& access,
                                     const FileMark& look) {
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(access.busy_timeout_ms);
    StateIdentity identity;
    identity.kind = Kind::kWal;
    for (;;) {
        std::optional<WalMark> const before = read_wal_mark(connection->file());
        connection->end_read();
        connection->begin_read();
        std::optional<WalMark> const after = read_wal_mark(connection->file());
        connection->throw_if_index_lost();
        if (before && before == after) {
            identity.wal = *after;
            break;
        }
        connection->throw_if_interrupted();
        if (std::chrono::steady_clock::now() > deadline) {
            throw SourceError(
                SourceErrorKind::kBusy, 0, "SQLite file \"" + access.place.path + "\" is changing too fast", true,
                "No moment between two commits was found in " + std::to_string(access.busy_timeout_ms) + " ms.");
        }
    }
    identity.whole_in_file =
        identity.wal.frames == 0 || read_backfilled_frames(connection->file()) >= identity.wal.frames;
    connection->throw_if_index_lost();
    identity.file = identity.whole_in_file ? settled_mark(access, look) : mark_again(access.place, look);
    identity.file_settled = settled(identity.file);
    return std::make_unique<HeldState>(std::move(connection), std::move(identity));
}

[[noreturn]] void throw_unusable_log(const FileAccess& access, const Sidecars& sidecars) {
    throw SourceError(
        SourceErrorKind::kPermissionDenied, SQLITE_READONLY_CANTINIT,
        "the write-ahead log of SQLite file \"" + access.place.path + "\" cannot be used without writing beside it",
        true,
        "\"" + access.place.path + "-wal\" holds " + std::to_string(sidecars.wal_bytes) +
            " bytes of changes, and the file \"" + access.place.path + "-shm\" that goes with it " +
            (sidecars.shm_exists ? "cannot be used." : "is missing: one of ours would shut out its own programs."),
        "Open the database once with its own program, or checkpoint it: sqlite3 '" + access.place.path +
            "' 'PRAGMA wal_checkpoint(TRUNCATE)'. Or run the PostgreSQL server as a user who may write to "
            "the file "
            "and its directory.");
}

std::unique_ptr<FileState> open_still(const FileAccess& access, const FileMark& look) {
    StateIdentity identity;
    identity.kind = Kind::kStill;
    identity.whole_in_file = true;
    identity.file = settled_mark(access, look);
    identity.file_settled = settled(identity.file);
    if (!identity.file_settled) {
        throw SourceError(SourceErrorKind::kBusy, 0, "SQLite file \"" + access.place.path + "\" is being written", true,
                          "It can only be read without locks, and that only while nobody writes to it.");
    }
    // After the mark: what the log held before it was in the file, and what is written there later does not
    // count.
    Sidecars const sidecars = look_at_sidecars(access.place);
    if (sidecars.wal_bytes != 0) {
        throw_unusable_log(access, sidecars);
    }
    auto connection = std::make_unique<Connection>(access.place, Connection::Access::kImmutable, access.busy_timeout_ms,
                                                   *access.interrupts);
    connection->begin_read();
    auto state = std::make_unique<StillState>(std::move(connection), std::move(identity));
    state->leave();
    return state;
}

/// Whether the log may be used as SQLite does. Without a log there is another way; with one there is none.
bool may_use_log(const FileAccess& access, const FileMark& look) {
    Sidecars const sidecars = look_at_sidecars(access.place);
    if (sidecars_are_harmless(access.place, look, sidecars)) {
        return true;
    }
    if (sidecars.wal_bytes != 0) {
        throw_unusable_log(access, sidecars);
    }
    return false;
}

}  // namespace

std::unique_ptr<FileState> open_current_state(const FileAccess& access) {
    check_readable(access.place);
    FileMark const look = mark_file(access.place);
    look_at_sidecars(access.place);
    auto connection = std::make_unique<Connection>(access.place, Connection::Access::kLive, access.busy_timeout_ms,
                                                   *access.interrupts);
    if (auto const reason = explain_header(*connection)) {
        throw SourceError(*reason);
    }
    if (header_says_wal(connection->read_header()) && !may_use_log(access, look)) {
        connection.reset();
        return open_still(access, look);
    }
    connection->begin_read();
    mark_again(access.place, look);
    if (!header_says_wal(connection->read_header())) {
        StateIdentity identity = counted_identity(*connection, look);
        connection->end_read();
        return std::make_unique<CountedState>(std::move(connection), std::move(identity));
    }
    if (!wal_index_is_mapped(connection->file())) {
        throw_unusable_log(access, look_at_sidecars(access.place));
    }
    return open_held(std::move(connection), access, look);
}

std::unique_ptr<FileState> open_copy(const FileAccess& copy, StateIdentity identity) {
    auto connection = std::make_unique<Connection>(copy.place, Connection::Access::kImmutable, copy.busy_timeout_ms,
                                                   *copy.interrupts);
    connection->begin_read();
    return std::make_unique<HeldState>(std::move(connection), std::move(identity));
}

SourceError state_lost(const std::string& path, const std::string& detail) {
    return {
        SourceErrorKind::kStateLost, 0, "SQLite file \"" + path + "\" has changed since the copy began", true, detail,
        "The copy starts over."};
}

}  // namespace pgrepl::sqlite
