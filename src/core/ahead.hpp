#pragma once
// Places in a long text that are looked for again and again, from places that mostly grow, in a time that does not grow
// with the square of its size.

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// The first place that fits, at or after one that is asked for. The text has many URLs, which are looked through for
/// the same, and the next place is mostly that of the one before: so what was looked at once is not looked at again.
class Ahead {
  public:
    template <typename Fits>
    std::size_t from(std::size_t place, std::size_t limit, std::size_t& looked_at, Fits&& fits) noexcept {
        if (place < begin_ || place > at_) {
            begin_ = at_ = place;
            fits_ = false;
        }
        while (!fits_ && at_ < limit) {
            ++looked_at;
            fits_ = fits(at_);
            at_ += fits_ ? 0 : 1;
        }
        return std::min(at_, limit);
    }

  private:
    std::size_t begin_ = 0;
    std::size_t at_ = 0;  ///< nothing fits between the two
    bool fits_ = false;   ///< the place at_ does
};

/// The same for the end of what a quote opens; of that one quote, and with or without escapes by backslash. To be asked
/// for places after a slash: none is within a pair (a doubled quote, an escape), and so what is found from an earlier
/// one holds.
class QuoteAhead {
  public:
    std::size_t from(std::string_view text, std::size_t place, char quote, bool backslash_escapes,
                     std::size_t& looked_at) noexcept {
        if (place < begin_ || place > at_) {
            begin_ = at_ = place;
            closed_ = false;
        }
        while (!closed_ && at_ < text.size()) {
            ++looked_at;
            bool const doubled = text[at_] == quote && at_ + 1 < text.size() && text[at_ + 1] == quote;
            bool const pair = doubled || (backslash_escapes && text[at_] == '\\');
            closed_ = !pair && text[at_] == quote;
            at_ += closed_ ? 0 : pair ? 2 : 1;
        }
        return std::min(at_, text.size());
    }

  private:
    std::size_t begin_ = 0;
    std::size_t at_ = 0;
    bool closed_ = false;
};

}  // namespace pgrepl::core
