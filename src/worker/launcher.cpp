// The launcher: one static worker that keeps every database with the extension served.
//
// It connects to no database (shared catalogs only). It sends a probe into a database when
//   - the server has started, or a database it does not know has appeared (looked for every minute),
//   - something asked for it: CREATE EXTENSION, a control call at its commit, a source worker that ended,
//   - a time has come that the last probe of the database named: a retry, a periodic refresh, a minute after all,
//   - the last probe did not come to its end: after a pause that doubles, up to a minute.
// The probe (probe.cpp) reads the catalog and starts source workers.
//
// No wish depends on one wake-up or on one probe: when a database is to be looked at again is set before its probe is
// started, and the probe's answer can only change it. What the launcher knows is in its own memory; when it is lost,
// all databases are looked at.
//
// With too few slots for workers, those that wait for one are served in the order in which they began to, in all
// databases: whatever asks for a probe may be a worker that has ended, so that database comes first in which one has
// waited longest, and its probe (probe.cpp) takes them in the same order.
//
// A worker that is no longer wanted ends by itself. One that has not done so a second later, because it is in code of
// an owner, is ended by the launcher.
//
// Probes run one after another, so they take one worker slot. Only beside one that takes long (it waits for a lock,
// say) the next is started. A database whose last probe failed may take half of the slots only, so that the others are
// served however many hang.

#include "worker/entry_points.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pg/progress.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/worker.hpp"
#include "replication/access/source_access.hpp"
#include "worker/database_list.hpp"

namespace pgrepl::worker {

namespace {

constexpr long kRescanMs = 60'000;
constexpr long kProbePatienceMs = 60'000;
/// A probe that runs for longer no longer keeps the next from starting.
constexpr long kLongProbeMs = 300;
constexpr std::ptrdiff_t kMostSuspectProbes = pg::kMostProbes / 2;
constexpr long kNoSlotRetryMs = 2'000;
constexpr long kFirstPauseMs = 1'000;
constexpr long kLongestPauseMs = 60'000;
/// No probe asks for a later one.
constexpr long kLongestLookMs = 600'000;
/// Between two rounds, so that a worker which fails as it starts cannot keep us busy.
constexpr long kLeastPauseMs = 50;

/// When a database is to be looked at.
struct Watch {
    Oid database = InvalidOid;
    std::string name;
    TimestampTz next_look = 0;    ///< by time; 0: at once
    TimestampTz requested = 0;    ///< since when something asks for it; 0: nothing does
    TimestampTz not_before = 0;   ///< after a probe that failed, or for which there was no slot
    TimestampTz slot_wanted = 0;  ///< since when a worker waits for a slot there; 0: none does
    int failures = 0;             ///< probes that have failed in a row
    bool exists = false;          ///< in pg_database, at the last look
    bool served = false;          ///< it exists, is allowed, and its workers are not stopped
    bool probed = false;          ///< a probe is under way

    [[nodiscard]] TimestampTz due() const noexcept {
        TimestampTz const wanted = requested != 0 ? std::min(requested, next_look) : next_look;
        return std::max(wanted, not_before);
    }
    [[nodiscard]] bool waits() const noexcept { return served && !probed; }

    /// Where the clock was set back.
    void forget_far_future(TimestampTz now) noexcept {
        next_look = std::min(next_look, TimestampTzPlusMilliseconds(now, kLongestLookMs));
        requested = std::min(requested, now);
        not_before = std::min(not_before, TimestampTzPlusMilliseconds(now, kLongestPauseMs));
    }
};

struct Probe {
    Oid database;
    std::string name;
    bool suspect;  ///< the one before it failed
    pg::WorkerHandle worker;
    TimestampTz started;
    bool terminated = false;
};

TimestampTz after_ms(TimestampTz from, long ms) { return TimestampTzPlusMilliseconds(from, ms); }

long pause_after(int failures) {
    constexpr int kMostDoublings = 6;
    return std::min(kLongestPauseMs, kFirstPauseMs << std::min(failures - 1, kMostDoublings));
}

/// DROP DATABASE runs no code of ours.
void remove_scratch_of_gone_databases() {
    std::vector<replication::ScratchDirectory> const found = replication::scratch_directories();
    // After that: who has a directory was in the catalog when it was made.
    std::vector<Database> const databases = list_databases();
    for (const replication::ScratchDirectory& directory : found) {
        if (std::none_of(databases.begin(), databases.end(),
                         [&](const Database& database) { return database.oid == directory.database; })) {
            replication::remove_scratch_directory(directory);
        }
    }
}

class Launcher {
  public:
    void run() {
        using Clock = std::chrono::steady_clock;  // the other one may be set back
        while (true) {
            auto const next_round = Clock::now() + std::chrono::milliseconds(kLeastPauseMs);
            long const served_ms = serve();
            long const end_ms = pg::end_overdue_workers();
            long const wait_ms = end_ms < 0 ? served_ms : std::min(served_ms, end_ms + 1);
            pg::wait_for_latch(wait_ms, pg::WaitFor::kWork);
            while (Clock::now() < next_round) {
                pg::wait_for_latch(kLeastPauseMs, pg::WaitFor::kWork);
            }
        }
    }

  private:
    /// One round; returns how long to wait for the next.
    long serve() {
        look_after_probes();
        if (!pg::settings().enabled) {
            pg::set_short_of_slots(false);  // none is asked for
            return any_probe() ? kLongProbeMs : kRescanMs;
        }
        notice_databases();
        while (Watch* const next = most_due()) {
            if (!start_probe(*next)) {
                break;
            }
        }
        if (std::none_of(watches_.begin(), watches_.end(), [](const auto& watch) { return watch.second.waits(); })) {
            pg::set_short_of_slots(false);
        }
        return ms_until_next();
    }

    void look_after_probes() {
        TimestampTz const now = GetCurrentTimestamp();
        for (int slot = 0; slot < pg::kMostProbes; ++slot) {
            std::optional<Probe>& probe = probe_at(slot);
            if (!probe) {
                continue;
            }
            probe->started = std::min(probe->started, now);
            if (!probe->worker.alive()) {
                settle(slot);
            } else if (!probe->terminated && after_ms(probe->started, kProbePatienceMs) <= now) {
                warn_about_hanging(probe->name);
                probe->terminated = true;
                probe->worker.terminate();
            }
        }
    }

    /// A probe has ended.
    void settle(int slot) {
        Oid const database = probe_at(slot)->database;
        probe_at(slot).reset();
        auto const found = watches_.find(database);
        if (found == watches_.end()) {
            return;  // dropped meanwhile
        }
        Watch& watch = found->second;
        TimestampTz const now = GetCurrentTimestamp();
        std::optional<pg::ProbeResult> const result = pg::probe_result(slot, database);
        watch.probed = false;
        if (result) {
            watch.next_look = result->next_due;
        }
        watch.slot_wanted = result ? result->slot_wanted : 0;  // one that died cannot say
        if (result && result->complete) {
            watch.failures = 0;
        } else if (!pg::is_stopped(database)) {
            ++watch.failures;
            watch.next_look = std::min(watch.next_look, after_ms(now, pause_after(watch.failures)));
            if (!result) {
                watch.not_before = after_ms(now, pause_after(watch.failures));
            }
        }
    }

    /// Brings what we watch up to date with the databases there are and with what they ask for.
    void notice_databases() {
        // In this order: what is stopped, or asks, has existed by the time we look which databases there are.
        std::vector<Oid> const stopped = pg::stopped_databases();
        pg::ProbeRequests const requests = pg::take_probe_requests();
        std::vector<Database> const databases = list_databases();
        // A worker may have ended: its slot is for whoever has waited longest, wherever that is.
        bool const any_asks = requests.all || !requests.databases.empty();
        TimestampTz const now = GetCurrentTimestamp();
        for (auto& [oid, watch] : watches_) {
            watch.exists = false;
            watch.forget_far_future(now);
        }
        for (const Database& database : databases) {
            Watch& watch = watches_[database.oid];
            watch.exists = true;
            watch.database = database.oid;
            watch.name = database.name;
            watch.served = database.served && is_allowed(database.name) &&
                           std::find(stopped.begin(), stopped.end(), database.oid) == stopped.end();
            bool const asks = requests.all || std::find(requests.databases.begin(), requests.databases.end(),
                                                        database.oid) != requests.databases.end();
            if (asks && watch.requested == 0) {
                watch.requested = now;
            }
            if (any_asks && watch.slot_wanted != 0) {
                watch.requested = watch.slot_wanted;
            }
        }
        bool const any_gone = std::erase_if(watches_, [](const auto& watch) { return !watch.second.exists; }) > 0;
        if (any_gone || !scratch_looked_at_) {
            remove_scratch_of_gone_databases();
            scratch_looked_at_ = true;
        }
        note_whether_slots_are_wanted();
        for (Oid const oid : stopped) {
            if (!watches_.contains(oid)) {
                pg::set_stopped(oid, false);
            }
        }
    }

    /// The database that has been due for longest, of those for which there is room.
    Watch* most_due() {
        TimestampTz const now = GetCurrentTimestamp();
        if (!has_room(now)) {
            return nullptr;
        }
        bool const room_for_suspects = suspects_under_way() < kMostSuspectProbes;
        Watch* most = nullptr;
        for (auto& [oid, watch] : watches_) {
            if (watch.waits() && watch.due() <= now && (watch.failures == 0 || room_for_suspects) &&
                (most == nullptr || watch.due() < most->due())) {
                most = &watch;
            }
        }
        return most;
    }

    /// Whether a slot is free and all probes that are under way take long.
    [[nodiscard]] bool has_room(TimestampTz now) const {
        bool any_free = false;
        for (const std::optional<Probe>& probe : probes_) {
            any_free = any_free || !probe;
            if (probe && now < after_ms(probe->started, kLongProbeMs)) {
                return false;
            }
        }
        return any_free;
    }

    [[nodiscard]] std::ptrdiff_t suspects_under_way() const {
        return std::count_if(probes_.begin(), probes_.end(),
                             [](const std::optional<Probe>& probe) { return probe && probe->suspect; });
    }

    /// False if there was no worker slot for it.
    bool start_probe(Watch& watch) {
        int slot = 0;
        while (probe_at(slot)) {
            ++slot;
        }
        TimestampTz const now = GetCurrentTimestamp();
        pg::probe_starts(slot, watch.database);
        pg::WorkerArguments arguments;
        arguments.database = watch.database;
        arguments.probe_slot = slot;
        std::optional<pg::WorkerHandle> worker =
            pg::start_worker("pg_replicator_probe_main", pg::WorkerKind::kProbe, "pg_replicator probe of " + watch.name,
                             arguments, true);
        if (!worker) {
            watch.not_before = after_ms(now, kNoSlotRetryMs);
            pg::set_short_of_slots(true);
            warn_about_slots();
            return false;
        }
        pg::set_short_of_slots(false);
        warned_about_slots_ = false;
        watch.requested = 0;
        watch.next_look = after_ms(now, kRescanMs);
        watch.probed = true;
        probe_at(slot).emplace(Probe{watch.database, watch.name, watch.failures > 0, std::move(*worker), now});
        return true;
    }

    void note_whether_slots_are_wanted() const {
        pg::set_slots_wanted(std::any_of(watches_.begin(), watches_.end(), [](const auto& watch) {
            return watch.second.served && watch.second.slot_wanted != 0;
        }));
    }

    void warn_about_slots() {
        if (!warned_about_slots_) {
            warned_about_slots_ = true;
            pg::CallPg([] {
                ereport(WARNING, (errmsg("pg_replicator finds no free background worker slot"),
                                  errhint("Raise max_worker_processes.")));
            });
        }
    }

    static void warn_about_hanging(const std::string& database) {
        const char* const name = database.c_str();
        pg::CallPg([&] {
            ereport(
                WARNING,
                (errmsg("pg_replicator ends its look at database \"%s\" after %ld s", name, kProbePatienceMs / 1000),
                 errdetail("Until it succeeds, no worker is started there."),
                 errhint("See what the process \"pg_replicator probe\" waits for in pg_stat_activity. It is tried "
                         "again.")));
        });
    }

    [[nodiscard]] bool any_probe() const {
        return std::any_of(probes_.begin(), probes_.end(), [](const std::optional<Probe>& p) { return p.has_value(); });
    }

    [[nodiscard]] long ms_until_next() const {
        if (any_probe()) {
            return kLongProbeMs;  // its end wakes us
        }
        TimestampTz const now = GetCurrentTimestamp();
        long wait_ms = kRescanMs;
        for (const auto& [oid, watch] : watches_) {
            if (watch.waits()) {
                wait_ms = std::min(wait_ms, TimestampDifferenceMilliseconds(now, watch.due()) + 1);
            }
        }
        return std::max(wait_ms, 0L);
    }

    std::optional<Probe>& probe_at(int slot) { return probes_[static_cast<std::size_t>(slot)]; }

    std::map<Oid, Watch> watches_;
    std::array<std::optional<Probe>, pg::kMostProbes> probes_;
    bool scratch_looked_at_ = false;
    bool warned_about_slots_ = false;
};

void forget_launcher(int /*code*/, Datum /*unused*/) { pg::set_launcher(0); }

}  // namespace

void launcher_main() {
    pg::set_up_worker_signals();
    pg::connect_worker(InvalidOid);
    before_shmem_exit(forget_launcher, 0);
    pg::set_launcher(MyProcPid);
    pg::set_application_name("pg_replicator launcher");
    if (IsBinaryUpgrade) {
        return;
    }
    Launcher().run();
}

}  // namespace pgrepl::worker
