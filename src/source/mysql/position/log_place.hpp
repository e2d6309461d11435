#pragma once
// Where in a server's log the last transaction stands that a stream has read, and when: what tells this log from
// another whose transactions have the same names. A log that was reset, and a server that was restored from an image,
// begin to use names again; but nothing of their new log was written to that place at that time.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

struct LogPlace {
    std::string file;
    std::uint32_t offset = 0;     ///< of the transaction's GTID event; of the file's first event if `gtid` is empty
    std::uint32_t file_time = 0;  ///< when the file was begun, as its FORMAT_DESCRIPTION says: seconds since 1970
    std::string gtid;             ///< empty: nothing was read yet from this file on
    std::uint64_t time = 0;  ///< of the transaction: MySQL: microseconds, where it was first committed; else seconds

    [[nodiscard]] bool is_known() const noexcept { return !file.empty(); }

    /// Without white space; empty if it is not known.
    [[nodiscard]] std::string text() const;
    /// Throws kInternal for text that is no place; empty text is one that is not known.
    static LogPlace parse(std::string_view text);
};

/// The first offset of a log file.
inline constexpr std::uint32_t kFirstOffset = 4;

/// "binlog.000007" in its parts. Number 0: it has none.
struct LogFileName {
    std::string_view base;
    std::uint64_t number = 0;
};
LogFileName split_file_name(std::string_view file);

/// The one before it; empty for the first.
std::string file_before(const std::string& file);
/// The one after it, of one that has a number.
std::string file_after(const std::string& file);
/// Of files with the same base.
bool is_file_before(const std::string& file, const std::string& other);

}  // namespace pgrepl::mysql
