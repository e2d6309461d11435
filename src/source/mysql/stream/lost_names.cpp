#include "source/mysql/stream/lost_names.hpp"

namespace pgrepl::mysql {
namespace {

/// Heartbeats that the server sent before it was asked may come after its answer.
constexpr std::chrono::seconds kMostTimeOnItsWay{2};

}  // namespace

void LostNames::ask() {
    if (is_any_ && !logged_) {
        logged_ = ask_();
        asked_at_ = std::chrono::steady_clock::now();
    }
}

bool LostNames::come_before(const MysqlGtidEvent& next) {
    return logged_ && !MysqlGtidSet::parse(logged_->gtid.value_or("")).contains(next.origin, next.number) && add();
}

bool LostNames::come_before(const MariaGtid& next) {
    return logged_ && !MariaGtidPosition::parse(logged_->gtid.value_or("")).contains(next) && add();
}

bool LostNames::come_before_end() {
    return logged_ && std::chrono::steady_clock::now() - asked_at_ > kMostTimeOnItsWay && add();
}

bool LostNames::add() {
    bool const has_moved = position_.add(*logged_);
    is_any_ = false;
    logged_.reset();
    return has_moved;
}

}  // namespace pgrepl::mysql
