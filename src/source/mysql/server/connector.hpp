#pragma once
// Connections to the server of a source, where its URL leads to several: by the hosts that it names, or by a proxy, a
// pool of readers or a name behind one of them. They need not show the same: a replica may be hours behind.
//
// One might think that it is enough to look at the server whose log is opened (log_history.hpp). But that log is read
// from the low mark of one server on, and rows of another, which had not got that far, miss the changes before the
// mark. So what belongs together names the server that it began at: the rows of a copy and the log that mends them, the
// marks before and after a read, all readers of one state. Every connection for it is made to that server, or not at
// all. Only a stream that is opened may go on at another (a failover).

#include <memory>
#include <optional>
#include <string>

#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

class Connector {
  public:
    Connector(ConnectOptions options, std::string password, int connect_timeout_ms)
        : options_(std::move(options)), password_(std::move(password)), connect_timeout_ms_(connect_timeout_ms) {}

    /// To the first host that answers. Throws what the last one has answered.
    [[nodiscard]] std::unique_ptr<Connection> connect(core::Interrupts& interrupts) const;

    /// To `server` (server_identity() of marks.hpp). Throws kReplaced, which may pass, if others answer in its place;
    /// kBusy if it may be one that has no connection left.
    [[nodiscard]] std::unique_ptr<Connection> connect_to(const std::string& server, core::Interrupts& interrupts) const;

    /// The same, or to the first that answers in its place.
    [[nodiscard]] std::unique_ptr<Connection> prefer(const std::string& server, core::Interrupts& interrupts) const;

  private:
    /// What has come of looking for a server.
    struct Search {
        std::unique_ptr<Connection> found;
        std::unique_ptr<Connection> other;         ///< the first that answered in its place
        std::optional<core::SourceError> failure;  ///< of a host that may be that server
    };

    [[nodiscard]] std::unique_ptr<Connection> open(const HostAndPort& host, core::Interrupts& interrupts) const;
    [[nodiscard]] Search look_for(const std::string& server, core::Interrupts& interrupts) const;

    ConnectOptions options_;
    std::string password_;
    int connect_timeout_ms_;
};

}  // namespace pgrepl::mysql
