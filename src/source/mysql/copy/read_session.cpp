// One connection for all readers of a snapshot.

#include "source/mysql/copy/read_session.hpp"

#include <utility>

namespace pgrepl::mysql {

ReadSession::ReadSession(std::unique_ptr<Connection> connection, Reads reads)
    : connection_(std::move(connection)), reads_(reads) {}

Connection& ReadSession::take(RowStream* stream) {
    if (active_ != nullptr && active_ != stream) {
        active_->pause();
    }
    active_ = stream;
    return *connection_;
}

void ReadSession::give_back(RowStream* stream) noexcept {
    if (active_ == stream) {
        active_ = nullptr;
    }
}

void ReadSession::begin() {
    constexpr std::string_view kDoing = "begin to read at";
    Connection& connection = take(nullptr);
    if (reads_ == Reads::kEachStatement) {
        return;
    }
    connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", kDoing);
    connection.execute("SAVEPOINT pg_replicator", kDoing);
    began_ = true;
}

void ReadSession::release_definitions() noexcept {
    if (!began_ || active_ != nullptr) {
        return;
    }
    try {
        connection_->execute("ROLLBACK TO SAVEPOINT pg_replicator", "release a table at");
    } catch (const std::exception&) {
        began_ = false;
    }
}

}  // namespace pgrepl::mysql
