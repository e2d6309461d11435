#include "source/mysql/stream_position.hpp"

namespace pgrepl::mysql {

StreamPosition::StreamPosition(StateIdentity start) : identity_(std::move(start)) {
    if (identity_.is_mariadb) {
        maria_ = MariaGtidPosition::parse(identity_.gtid);
    } else {
        mysql_ = MysqlGtidSet::parse(identity_.gtid);
    }
}

void StreamPosition::set_server(const std::string& server) {
    if (server != identity_.server) {
        identity_.server = server;
        identity_.binlog.clear();
    }
}

void StreamPosition::commit(std::string place) {
    identity_.binlog = std::move(place);
    if (identity_.is_mariadb) {
        maria_.advance(maria_gtid_);
    } else {
        mysql_.add(origin_, number_);
    }
}

std::string StreamPosition::current() const {
    return identity_.is_mariadb ? maria_gtid_.text() : gtid_text(origin_, number_);
}

std::string StreamPosition::text() const {
    StateIdentity identity = identity_;
    identity.gtid = identity_.is_mariadb ? maria_.text() : mysql_.text();
    return identity.to_text();
}

}  // namespace pgrepl::mysql
