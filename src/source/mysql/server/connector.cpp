// Looking for a server among those that answer.

#include "source/mysql/server/connector.hpp"

#include <utility>
#include <vector>

#include "source/mysql/server/marks.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

/// How often an address is asked that leads to another server: of those that take turns, each is met.
constexpr int kAttempts = 6;

bool is_of_host(const SourceError& error) {
    return error.kind() == SourceErrorKind::kUnreachable || error.kind() == SourceErrorKind::kNotFound ||
           error.kind() == SourceErrorKind::kBusy;
}

}  // namespace

std::unique_ptr<Connection> Connector::open(const HostAndPort& host, core::Interrupts& interrupts) const {
    return std::make_unique<Connection>(host, options_, password_, connect_timeout_ms_, interrupts);
}

std::unique_ptr<Connection> Connector::connect(core::Interrupts& interrupts) const {
    for (std::size_t i = 0;; ++i) {
        try {
            return open(options_.hosts.at(i), interrupts);
        } catch (const SourceError& error) {
            if (!is_of_host(error) || i + 1 == options_.hosts.size()) {
                throw;
            }
        }
    }
}

Connector::Search Connector::look_for(const std::string& server, core::Interrupts& interrupts) const {
    Search search;
    std::vector<HostAndPort> hosts = options_.hosts;
    for (int attempt = 0; attempt < kAttempts && !hosts.empty(); ++attempt) {
        std::vector<HostAndPort> answered;
        for (const HostAndPort& host : hosts) {
            try {
                std::unique_ptr<Connection> connection = open(host, interrupts);
                if (server_identity(*connection) == server) {
                    search.found = std::move(connection);
                    return search;
                }
                answered.push_back(host);
                if (!search.other) {
                    // Kept: whoever shares connections out evenly gives the next to another.
                    search.other = std::move(connection);
                }
            } catch (const SourceError& error) {
                if (!is_of_host(error)) {
                    throw;
                }
                if (!search.failure || search.failure->kind() != SourceErrorKind::kBusy) {
                    search.failure = error;
                }
            }
        }
        hosts = std::move(answered);
    }
    if (search.failure && (!search.other || search.failure->kind() == SourceErrorKind::kBusy)) {
        throw SourceError(*search.failure);
    }
    return search;
}

std::unique_ptr<Connection> Connector::connect_to(const std::string& server, core::Interrupts& interrupts) const {
    Search search = look_for(server, interrupts);
    if (search.found) {
        return std::move(search.found);
    }
    throw SourceError(
        SourceErrorKind::kReplaced, 0,
        "another MySQL server answers at " + search.other->server() + " than the one that is being read", true,
        "Read is " + server + ", and " + server_identity(*search.other) + " answers." +
            (search.failure ? " Before: " + search.failure->text() + "." : ""),
        "It is tried again. An address that leads to several servers must lead to the same one for as long as that is "
        "there.");
}

std::unique_ptr<Connection> Connector::prefer(const std::string& server, core::Interrupts& interrupts) const {
    Search search = look_for(server, interrupts);
    return std::move(search.found ? search.found : search.other);
}

}  // namespace pgrepl::mysql
