// The limits in force, and SQLite's own of them.

#include "source/sqlite/own_limits.hpp"

#include <utility>

namespace pgrepl::sqlite {
namespace {

/// SQLite holds a row of the file once, once more where it is computed, and a third time where its text is converted.
/// This is the largest that jsonb can store.
constexpr std::int64_t kLargestRow = 256LL << 20;
constexpr std::int64_t kHeldTimes = 3;

const OwnLimits*& in_force() {
    static const OwnLimits* limits = nullptr;
    return limits;
}

struct Usage {
    sqlite3_int64 now = 0;
    sqlite3_int64 most = 0;
};

Usage usage(int what, bool begin_anew) noexcept {
    Usage found;
    sqlite3_status64(what, &found.now, &found.most, begin_anew ? 1 : 0);
    return found;
}

}  // namespace

ScopedLimits::ScopedLimits(OwnLimits limits)
    : limits_(std::move(limits)),
      previous_(std::exchange(in_force(), &limits_)),
      previous_hard_(sqlite3_hard_heap_limit64(-1)),
      previous_soft_(sqlite3_soft_heap_limit64(-1)) {
    // What others in this process have of SQLite's memory counts for it, too.
    std::int64_t const others = usage(SQLITE_STATUS_MEMORY_USED, true).now;
    usage(SQLITE_STATUS_MALLOC_SIZE, true);
    sqlite3_hard_heap_limit64(others + limits_.memory_bytes + kHeldTimes * kLargestRow);
}

ScopedLimits::~ScopedLimits() {
    in_force() = previous_;
    sqlite3_hard_heap_limit64(previous_hard_);
    sqlite3_soft_heap_limit64(previous_soft_);
}

const OwnLimits* limits_in_force() noexcept { return in_force(); }

bool memory_limit_was_met() noexcept {
    sqlite3_int64 const limit = sqlite3_hard_heap_limit64(-1);
    return limit > 0 &&
           usage(SQLITE_STATUS_MEMORY_USED, false).most + usage(SQLITE_STATUS_MALLOC_SIZE, false).most >= limit;
}

}  // namespace pgrepl::sqlite
