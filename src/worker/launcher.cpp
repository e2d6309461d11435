// The launcher: one static worker that keeps every database with the extension served.
//
// It connects to no database (shared catalogs only). It sends a probe into a database when
//   - the server has started, or a database it does not know has appeared (looked for every minute),
//   - something asked for it: CREATE EXTENSION, a control call at its commit, a source worker that ended,
//   - a time has come that the last probe of the database named (a retry, a periodic refresh).
// The probe (probe.cpp) reads the catalog and starts source workers. Probes run one after another, so at most
// one worker slot is taken by them. What the launcher knows is in shared memory and may be lost.

#include "worker/entry_points.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/worker.hpp"

namespace pgrepl::worker {

namespace {

constexpr long kRescanMs = 60'000;
constexpr long kProbePatienceMs = 60'000;
constexpr long kNoSlotRetryMs = 2'000;
/// Between two rounds, so that a worker which fails as it starts cannot keep us busy.
constexpr long kLeastPauseMs = 50;

struct Database {
    Oid oid = InvalidOid;
    std::string name;
};

/// Databases that can be connected to and are no templates.
std::vector<Database> list_databases() {
    constexpr int kMost = 10'000;
    struct Row {
        Oid oid;
        NameData name;
    };
    std::vector<Row> rows(kMost);
    pg::Transaction transaction;
    int const count = pg::CallPg([&] {
        int found = 0;
        Relation const relation = table_open(DatabaseRelationId, AccessShareLock);
        TableScanDesc const scan = table_beginscan_catalog(relation, 0, nullptr);
        for (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection); tuple != nullptr && found < kMost;
             tuple = heap_getnext(scan, ForwardScanDirection)) {
            auto* const form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
            if (form->datallowconn && !form->datistemplate) {
                rows[static_cast<std::size_t>(found++)] = {form->oid, form->datname};
            }
        }
        table_endscan(scan);
        table_close(relation, AccessShareLock);
        return found;
    });
    transaction.commit();
    std::vector<Database> databases;
    for (int i = 0; i < count; ++i) {
        databases.push_back({rows[static_cast<std::size_t>(i)].oid, NameStr(rows[static_cast<std::size_t>(i)].name)});
    }
    return databases;
}

/// Whether pg_replicator.databases allows the database.
bool is_allowed(const std::string& name) {
    std::string const list = pg::settings().databases == nullptr ? "" : pg::settings().databases;
    bool any = false;
    std::size_t start = 0;
    while (start <= list.size()) {
        std::size_t const end = std::min(list.find(',', start), list.size());
        std::string item = list.substr(start, end - start);
        item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
        item.erase(item.find_last_not_of(' ') + 1);
        any = any || !item.empty();
        if (item == name) {
            return true;
        }
        start = end + 1;
    }
    return !any;
}

bool is_due(const pg::DatabaseWork& work, TimestampTz now) {
    return !work.stopped && (work.probe_requested || (work.next_due != 0 && work.next_due <= now));
}

/// Runs one probe to its end. False if there was no worker slot for it.
bool run_probe(const Database& database) {
    pg::probe_starts(database.oid);
    pg::WorkerArguments arguments;
    arguments.database = database.oid;
    std::optional<pg::WorkerHandle> const probe = pg::start_worker(
        "pg_replicator_probe_main", "pg_replicator probe", "pg_replicator probe of " + database.name, arguments, true);
    if (!probe) {
        pg::request_probe(database.oid);
        return false;
    }
    TimestampTz const deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kProbePatienceMs);
    while (probe->alive() && GetCurrentTimestamp() < deadline) {
        pg::wait_for_latch(1'000, pg::WaitFor::kProbe);
    }
    if (probe->alive()) {
        probe->terminate();
    }
    return true;
}

class Launcher {
  public:
    void run() {
        while (true) {
            TimestampTz const round_began = GetCurrentTimestamp();
            long const wait_ms = pg::settings().enabled ? serve() : kRescanMs;
            pg::wait_for_latch(wait_ms, pg::WaitFor::kWork);
            while (TimestampDifferenceMilliseconds(round_began, GetCurrentTimestamp()) < kLeastPauseMs) {
                pg::wait_for_latch(kLeastPauseMs, pg::WaitFor::kWork);
            }
        }
    }

  private:
    /// One round; returns how long to wait for the next.
    long serve() {
        std::vector<Database> const databases = list_databases();
        notice_new_and_gone(databases);
        bool slot_missing = false;
        for (const Database& database : databases) {
            for (const pg::DatabaseWork& work : pg::database_work()) {
                if (work.database == database.oid && is_due(work, GetCurrentTimestamp()) && is_allowed(database.name)) {
                    slot_missing = !run_probe(database) || slot_missing;
                }
            }
        }
        if (slot_missing) {
            warn_about_slots();
            return kNoSlotRetryMs;
        }
        warned_about_slots_ = false;
        return ms_until_next(databases);
    }

    void notice_new_and_gone(const std::vector<Database>& databases) {
        std::vector<pg::DatabaseWork> const known = pg::database_work();
        for (const Database& database : databases) {
            if (std::find(seen_.begin(), seen_.end(), database.oid) == seen_.end()) {
                seen_.push_back(database.oid);
                pg::request_probe(database.oid);
            }
        }
        for (const pg::DatabaseWork& work : known) {
            bool const exists = std::any_of(databases.begin(), databases.end(),
                                            [&](const Database& d) { return d.oid == work.database; });
            if (!exists) {
                pg::forget_database(work.database);
                std::erase(seen_, work.database);
            }
        }
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

    static long ms_until_next(const std::vector<Database>& databases) {
        TimestampTz const now = GetCurrentTimestamp();
        long wait_ms = kRescanMs;
        for (const pg::DatabaseWork& work : pg::database_work()) {
            bool const served = std::any_of(databases.begin(), databases.end(), [&](const Database& d) {
                return d.oid == work.database && is_allowed(d.name);
            });
            if (!served || work.stopped) {
                continue;
            }
            if (work.probe_requested) {
                return 0;
            }
            if (work.next_due != 0) {
                wait_ms = std::min(wait_ms, TimestampDifferenceMilliseconds(now, work.next_due) + 1);
            }
        }
        return std::max(wait_ms, 0L);
    }

    std::vector<Oid> seen_;
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
