#pragma once
// The events of distributed transactions that have been prepared and neither committed nor rolled back: what such a
// transaction changes is given when its XA COMMIT comes. Held in bounded memory, and by this stream alone; of those
// that are not held, the tables are known (prepared_transactions.hpp), and are read again.

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

class HeldTransactions {
  public:
    /// Of one event that stands in a file of this name.
    class HeldEvent {
      public:
        explicit HeldEvent(const Event& event)
            : header_(event.header),
              file_(event.place.file),
              position_(event.place.position),
              body_(event.body.begin(), event.body.end()) {}

        /// As it was; the held one must outlive it.
        [[nodiscard]] Event event() const noexcept {
            return {.header = header_, .place = {file_, position_, header_.type}, .body = body_};
        }
        [[nodiscard]] std::size_t bytes() const noexcept { return sizeof *this + file_.size() + body_.size(); }

      private:
        EventHeader header_;
        std::string file_;
        std::uint64_t position_;
        std::vector<std::uint8_t> body_;
    };
    using Events = std::vector<HeldEvent>;

    explicit HeldTransactions(std::size_t most_bytes) : most_bytes_(most_bytes) {}

    /// A transaction begins that may be prepared: its events are to be added.
    void begin();
    /// Nothing if none has begun, or if it has become too large to be held.
    void add(const Event& event);
    /// It is prepared. The oldest others are let go where there is no room for all.
    void keep(const std::string& xid);
    /// It has ended otherwise.
    void discard();

    /// It is committed or rolled back: its events; nothing if it is not held.
    [[nodiscard]] std::optional<Events> take(const std::string& xid);

  private:
    struct Transaction {
        std::string xid;
        Events events;
        std::size_t bytes = 0;
    };

    std::size_t most_bytes_;
    std::size_t bytes_ = 0;            ///< of those that are kept
    std::deque<Transaction> kept_;     ///< the oldest first
    std::optional<Transaction> open_;  ///< to which events are added
};

}  // namespace pgrepl::mysql
