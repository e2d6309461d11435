#pragma once
// What the account may read at the source, as it was when the tables were last looked at, and as it is.

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "core/source.hpp"

namespace pgrepl::replication {

/// The account may not read it.
core::SourceError table_denied(const core::TableName& name);

class RightsAtSource {
  public:
    /// `source` outlives it.
    explicit RightsAtSource(core::Source& source) : source_(source) {}

    /// As a stream before us has left them (text()); empty: it is not known.
    void were(std::string text) { known_ = std::move(text); }

    /// They may have changed without a word in the log: by sessions that do not log (MySQL: sql_log_bin = 0), and by
    /// settings about roles.
    [[nodiscard]] bool are_to_be_asked_for();

    /// The log has a statement about rights. A server may log it before it is in force, so that they are asked for more
    /// often for a while.
    void met_statement();

    /// Asks the source whether they are others than known.
    [[nodiscard]] bool are_others();

    /// The table as it is at the source; nothing if it is gone. Throws table_denied() if it may be there, but out of
    /// sight.
    [[nodiscard]] std::optional<core::TableInfo> find_table(const core::TableName& name);

    /// What are_others() has found: all tables have been looked at by it.
    void are_seen() { known_ = now_; }
    [[nodiscard]] const std::string& text() const noexcept { return known_; }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kAskEvery{10};
    static constexpr std::chrono::seconds kAskSoon{1};

    core::Source& source_;
    std::string known_;
    std::string now_;
    Clock::time_point asked_at_;
    Clock::time_point soon_until_;
};

}  // namespace pgrepl::replication
