#pragma once
// What identifies one state of a SQLite file, and when two identities are proof of the same state.
//
// Text form (core::StateName), one line of words, read by this file only:
//   wal      inode=… bytes=… mtime=… ctime=… settled=0|1 whole=0|1 salt=… frames=… checksum=… commits=… pages=…
//            page_size=…
//   rollback inode=… bytes=… mtime=… ctime=… settled=0|1 whole=1 changes=… header=…
//   still    inode=… bytes=… mtime=… ctime=… settled=1 whole=1
//   copy     name=snapshot-….sqlite copy_bytes=… of=wal|rollback|still, then the words of the state that was copied
//
// Proofs that A, taken first, and B, taken later or by another process, are the same state, also where the
// process that took A has died meanwhile:
//   1. The log. Both have the same generation (salt), number of frames > 0, checksum of the last frame, page
//      count and size. Frames are only appended within a generation, so the log's part of the state is the
//      same. The database file's part can have been changed only by a checkpoint of these very frames, as
//      long as no later frame was ever written in this generation. That a crash may have taken such later
//      frames away again shows in the commit counter, which a recovery sets to 0; then the file must be
//      untouched.
//   2. The file. Both states are wholly in the database file (nothing in the log that is not there), and the
//      file was not written in between: same inode, size, mtime and ctime, where A's mark was settled.
//   3. The change counter (rollback journal). SQLite raises it in every transaction that writes. The rest of
//      the header and the time of the last write must agree too, for files that others overwrite in place.
// The device is left out: its number may differ after a restart of the machine.

#include <cstdint>
#include <string>

#include "source/sqlite/connection.hpp"
#include "source/sqlite/file_look.hpp"
#include "source/sqlite/wal_index.hpp"

namespace pgrepl::sqlite {

struct StateIdentity {
    enum class Kind {
        kWal,       ///< held by a read transaction on a WAL database
        kRollback,  ///< not held: the change counter tells whether it is still there
        kStill,     ///< not held: a WAL database without a log, which we may not open as SQLite would
        kCopy,      ///< a private copy in the scratch directory
    };

    Kind kind = Kind::kWal;
    FileMark file;
    bool file_settled = false;
    bool whole_in_file = false;
    WalMark wal;
    std::uint32_t changes = 0;
    std::uint64_t header_hash = 0;
    std::string copy_name;
    std::int64_t copy_bytes = 0;
    Kind copy_of = Kind::kWal;  ///< of a copy: the kind of the state that was copied, which the other fields describe

    [[nodiscard]] std::string to_text() const;
    /// Throws kStateLost for text that is no identity: it cannot be joined.
    static StateIdentity parse(const std::string& text);
};

/// Whether `later` is provably the state `earlier` (see above), readable in the same way: a copy is the same as
/// itself only.
bool is_same_state(const StateIdentity& earlier, const StateIdentity& later);

/// Whether both provably hold the same rows: as is_same_state, in either order, and a copy stands for the state that
/// was copied.
bool holds_same_rows(StateIdentity a, StateIdentity b);

/// The fields of the header that SQLite changes with every transaction.
std::uint32_t change_counter(const FileHeader& header);
std::uint64_t hash_header(const FileHeader& header);
bool header_says_wal(const FileHeader& header);

}  // namespace pgrepl::sqlite
