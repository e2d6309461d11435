// Deterministic failure points. The file is removed before the process dies, so each request fires once.

#include "pg/failure_point.hpp"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "pg/error.hpp"
#include "pg/settings.hpp"

namespace pgrepl::pg {

namespace {

std::string wanted_point(const std::string& path) {
    std::string wanted;
    std::ifstream file(path);
    std::getline(file, wanted);
    return wanted;
}

/// Without a latch: the process may be past using its own. The file names each process that waits.
void wait_while_wanted(const std::string& path, const std::string& wanted, const char* name) {
    constexpr int kPatienceMs = 240'000;
    std::string const reached = path + "." + name;
    std::ofstream(reached, std::ios::app) << std::to_string(getpid()) + "\n";
    for (int waited = 0; waited < kPatienceMs && wanted_point(path) == wanted; ++waited) {
        ::usleep(1'000);
    }
    unlink(reached.c_str());
}

/// Ends or waits here if this point is armed with that; returns whether it is armed with an error, which is the
/// caller's.
bool end_or_wait(const char* name) {
    if (!settings().failure_points) {
        return false;
    }
    std::string const path = std::string(DataDir) + "/pg_replicator.failure_point";
    std::string const wanted = wanted_point(path);
    bool const as_error = wanted == std::string(name) + ":error";
    if (wanted == std::string(name) + ":wait") {
        wait_while_wanted(path, wanted, name);
        return false;
    }
    if (wanted == std::string(name) + ":full" && unlink(path.c_str()) == 0) {
        ereport(PANIC, (errcode(ERRCODE_DISK_FULL), errmsg("failure point %s was reached", name)));
    }
    bool const always = wanted == std::string(name) + ":always";
    // Only the process that removes the file dies.
    if (!always && ((wanted != name && !as_error) || unlink(path.c_str()) != 0)) {
        return false;
    }
    if (!as_error) {
        std::string const line = std::string("pg_replicator: failure point ") + name + "\n";
        write_stderr("%s", line.c_str());
        kill(getpid(), SIGKILL);
    }
    return as_error;
}

}  // namespace

void failure_point(const char* name) {
    if (end_or_wait(name)) {
        throw SqlError(ERRCODE_INTERNAL_ERROR, std::string("failure point ") + name + " was reached");
    }
}

void failure_point(const char* name, const std::string& of) {
    if (settings().failure_points) {
        std::string const whole = std::string(name) + " " + of;
        failure_point(whole.c_str());
    }
}

void exit_failure_point(const char* name) noexcept {
    try {
        (void)end_or_wait(name);
    } catch (const std::exception&) {
        // A test's wish is not worth more.
    }
}

}  // namespace pgrepl::pg
