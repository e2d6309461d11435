// What is counted, and what happens at the third.

#include "replication/access/deaths.hpp"

#include <functional>
#include <string>

#include "catalog/deaths.hpp"
#include "catalog/jobs.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/transaction.hpp"
#include "pg/work_in_hand.hpp"

namespace pgrepl::replication {

namespace {

pg::SqlError died(const std::string& at, const std::string& again) {
    return {
        ERRCODE_CRASH_SHUTDOWN,
        "the process died " + std::to_string(catalog::kMostDeaths) + " times in a row while it was " + at,
        "It is not tried again by itself.",
        "The server log says how each ended: by a FATAL, or a few lines before \"terminating any other active server "
        "processes\". " +
            again};
}

void log_death(std::int32_t deaths, const std::string& at) {
    const char* const text = at.c_str();
    pg::CallPg([&] {
        ereport(LOG, (errmsg("pg_replicator: a process died while it was %s", text),
                      errdetail("%d of %d: then it is not tried again.", deaths, catalog::kMostDeaths)));
    });
}

void count_table(std::int32_t source_id, const pg::WorkNote& note) {
    bool const chunk = note.work == pg::Work::kChunk;
    std::int32_t const deaths = chunk ? catalog::count_chunk_death(source_id, note.table_id, note.number)
                                      : catalog::count_table_death(source_id, note.table_id);
    if (deaths == 0) {
        return;
    }
    std::string const at = (chunk ? "copying table " : "writing table ") + catalog::table_label(note.table_id);
    log_death(deaths, at);
    if (deaths >= catalog::kMostDeaths) {
        catalog::fail_table(note.table_id, died(at, "Then call replicator_resync for the table."));
        catalog::forget_source_deaths(source_id);
    }
}

void count_source(std::int32_t source_id) {
    std::int32_t const deaths = catalog::count_source_death(source_id);
    std::string const at = "reading the source, or preparing what it had read";
    if (deaths == 0) {
        return;
    }
    log_death(deaths, at);
    std::optional<catalog::SourceState> const state = catalog::load_source_state(source_id);
    if (deaths >= catalog::kMostDeaths && state) {
        (void)catalog::record_failure(source_id, state->generation, died(at, "Then call replicator_resume."),
                                      std::nullopt, false);
        catalog::forget_source_deaths(source_id);
    }
}

void count_job(const pg::WorkNote& note) {
    std::string const again = "Then ask for another comparison.";
    if (note.work == pg::Work::kJobTable) {
        std::string const at = "comparing table " + catalog::table_label(note.table_id);
        std::int32_t const deaths = catalog::count_job_table_death(note.number, note.table_id);
        log_death(deaths, at);
        if (deaths >= catalog::kMostDeaths) {
            catalog::fail_job_table(note.number, note.table_id, died(at, again));
        }
    } else if (note.work == pg::Work::kJob && catalog::count_job_death(note.number) >= catalog::kMostDeaths) {
        catalog::record_job_error(note.number, died("opening the source", again), std::nullopt);
    }
}

void count_index(const pg::WorkNote& note) {
    if (note.work == pg::Work::kIndex && catalog::count_index_death(note.number) >= catalog::kMostDeaths) {
        catalog::record_index_error(static_cast<std::int32_t>(note.number),
                                    died("building the index", "Then call replicator_resume."), std::nullopt);
    }
}

void count_all(std::int32_t source_id, pg::NoteKeeper keeper, const std::function<void(const pg::WorkNote&)>& count) {
    for (const pg::NoteOfTheDead& dead : pg::notes_of_the_dead(source_id, keeper)) {
        if (dead.note.work != pg::Work::kNone) {
            pg::Transaction transaction;
            catalog::make_commit_durable();
            count(dead.note);
            transaction.commit();
        }
        pg::forget(dead);
    }
    pg::begin_notes(source_id, keeper);
}

}  // namespace

bool count_deaths_of_source(std::int32_t source_id) {
    count_all(source_id, pg::NoteKeeper::kSource, [&](const pg::WorkNote& note) {
        if (note.work == pg::Work::kSource) {
            count_source(source_id);
        } else if (note.work == pg::Work::kTable || note.work == pg::Work::kChunk) {
            count_table(source_id, note);
        }
    });
    pg::Transaction transaction;
    std::optional<catalog::SourceState> const state = catalog::load_source_state(source_id);
    bool const goes_on = state && state->state != catalog::RunState::kFailed;
    pg::note_each_table(goes_on && catalog::source_deaths(source_id) > 0);
    transaction.commit();
    return goes_on;
}

void count_deaths_of_jobs(std::int32_t source_id) { count_all(source_id, pg::NoteKeeper::kJob, count_job); }

void count_deaths_of_indexes(std::int32_t source_id) { count_all(source_id, pg::NoteKeeper::kIndex, count_index); }

}  // namespace pgrepl::replication
