#pragma once
// The one exception that adapters throw. What it becomes in SQL (SQLSTATE, state of the source, whether to
// try again) is decided in one place, src/pg/error.cpp, from `kind` alone.

#include <exception>
#include <string>
#include <utility>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// What went wrong at a source, in terms that every kind of source shares.
enum class SourceErrorKind {
    kInvalidUrl,        ///< the URL cannot be understood; a person must change it
    kNotFound,          ///< file, host or database does not exist
    kPermissionDenied,  ///< we may not open or read it
    kAuthentication,    ///< user or password refused
    kNotADatabase,      ///< the file or server is not what the URL says
    kEncrypted,         ///< readable only with a key that we do not have
    kCorrupt,           ///< truncated or damaged
    kBusy,              ///< locked by others for longer than the time allowed
    kUnreachable,       ///< network or disk trouble; likely to pass
    kReplaced,          ///< another file or server now has this name
    kStateLost,         ///< the state that a copy was reading is gone; the copy starts over
    kPositionLost,      ///< the source's log no longer reaches back to the position
    kDiverged,          ///< the source's log never held the position: another history
    kTableChanged,      ///< the table's structure differs from the one discovered
    kUnsupported,       ///< a feature of the source that we do not handle; says which
    kInvalidValue,      ///< one value cannot be represented; the row is set aside
    kResource,          ///< out of memory or disk space on this side
    kInterrupted,       ///< the caller asked to stop; not an error of the source
    kInternal,          ///< a defect of ours
    kThrownOut,         ///< another reader with our id took our place
    kTableDenied,       ///< the account may not read the table, or some of its columns; the other tables can be read
    kTableLocked,       ///< others hold a lock on the table for longer than is waited; the other tables can be read
    kBeyondLimit,       ///< reading the table takes more of this server than is allowed; the other tables can be read
};

/// An error of a source. `text` says what failed and with which value, `hint` what to do. Neither holds a
/// secret: the thrower redacts. `code` is the driver's own code (SQLite result code, server error number), 0
/// if there is none. `retryable` says whether waiting may help.
class SourceError : public std::exception {
  public:
    SourceError(SourceErrorKind kind, int code, std::string text, bool retryable, std::string detail = {},
                std::string hint = {})
        : kind_(kind),
          code_(code),
          retryable_(retryable),
          text_(std::move(text)),
          detail_(std::move(detail)),
          hint_(std::move(hint)) {}

    /// The driver's words in it came while rows were read, or computed: they may quote what stands in them.
    void may_quote_row() noexcept { quotes_row_ = true; }
    [[nodiscard]] bool quotes_row() const noexcept { return quotes_row_; }

    /// The same as an error of another kind, which gets another hint.
    [[nodiscard]] SourceError as(SourceErrorKind kind, std::string hint) const {
        SourceError error(kind, code_, text_, false, detail_, std::move(hint));
        error.quotes_row_ = quotes_row_;
        return error;
    }

    [[nodiscard]] SourceErrorKind kind() const noexcept { return kind_; }
    [[nodiscard]] int code() const noexcept { return code_; }
    [[nodiscard]] bool retryable() const noexcept { return retryable_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  private:
    SourceErrorKind kind_;
    int code_;
    bool retryable_;
    bool quotes_row_ = false;
    std::string text_;
    std::string detail_;
    std::string hint_;
};

}  // namespace pgrepl::core
