#pragma once
// Tables that others have locked at the source. The stream waits for none of them, but for a moment: what is to be read
// of such a table beside the stream is tried again later, soon at first. Nothing of it outlives the worker: another
// tries them at once.

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

namespace pgrepl::replication {

class SourceLocks {
  public:
    /// How long a read beside the stream waits for a table that others have locked.
    static constexpr int kPatienceMs = 50;

    /// It is tried again later. True if it was not locked before.
    bool found_locked(std::int32_t table_id);
    void went_on(std::int32_t table_id) { tables_.erase(table_id); }

    /// And it has not gone on since.
    [[nodiscard]] bool has_found_locked(std::int32_t table_id) const { return tables_.contains(table_id); }

    [[nodiscard]] bool may_be_tried(std::int32_t table_id) const;
    /// Those that may not be tried just now.
    [[nodiscard]] std::vector<std::int32_t> waiting() const;

  private:
    using Clock = std::chrono::steady_clock;
    struct Table {
        std::chrono::milliseconds delay{};
        Clock::time_point next_try;
    };
    std::map<std::int32_t, Table> tables_;
};

}  // namespace pgrepl::replication
