#pragma once
// What has become of a request to bring the target of a source up to date.

#include <cstdint>
#include <optional>
#include <string>

namespace pgrepl::catalog {

struct RequestState {
    bool served = false;
    bool failed = false;     ///< the source has: nothing serves the request until a person has done something
    bool paused = false;     ///< the same
    std::string last_error;  ///< of the source; else, why a table waits aside
    std::string last_hint;
};

/// Of the request of that number (request_sync()); nothing if the source was dropped.
std::optional<RequestState> request_state(std::int32_t source_id, std::int64_t number);

/// A table that has failed, and is not paused; its target does not hold what the source does.
struct FailedTable {
    std::string name;
    std::string reason;
    std::string hint;
};

/// The first by name.
std::optional<FailedTable> first_failed_table(std::int32_t source_id);

}  // namespace pgrepl::catalog
