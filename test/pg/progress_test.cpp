// Orders to workers to end (pg/progress.cpp), in a table of slots of the module's own.
//
//   test_end_is_ordered(steps) → boolean   whether the launcher is to end this process after the steps, which are
//   words:
//                                          begin_job and begin_index (both number 3), idle, pause, resume, cancel_job,
//                                          beside (it has another phase from now on), look, wanted

#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "api/entry.hpp"
#include "pg/progress.hpp"
#include "test/pg/arguments.hpp"

namespace pgrepl::test {

namespace {

constexpr std::int32_t kSource = 7;

void attach() {
    static LWLock lock;
    static std::vector<char> memory;
    if (memory.empty()) {
        memory.resize(pg::phase_memory_bytes());
        LWLockInitialize(&lock, LWLockNewTrancheId());
        pg::attach_phase_memory(memory.data(), true, &lock);
    }
}

bool end_is_ordered(const std::string& steps) {
    attach();
    std::optional<pg::SidePhase> beside;
    pg::begin_phase(pg::WorkerPhase::kLookingForWork, kSource, 0, 0, "looking for work");
    std::optional<pg::LookAtOrders> look(std::in_place);
    pg::begin_work({});
    look->is_wanted();  // of the steps before
    std::map<std::string, std::function<void()>> const meaning = {
        {"begin_job",
         [] {
             pg::begin_work({pg::WorkerKind::kJob, 3});
         }},
        {"begin_index",
         [] {
             pg::begin_work({pg::WorkerKind::kIndex, 3});
         }},
        {"idle", [] { pg::begin_work({}); }},
        {"pause", [] { pg::expect_end_of_source(kSource, pg::next_order()); }},
        {"resume", [] { pg::expect_no_end_of_source(kSource, pg::next_order()); }},
        {"cancel_job",
         [] {
             pg::interrupt_work(kSource, pg::PieceOfWork{pg::WorkerKind::kJob, 3});
         }},
        {"beside", [&] { beside.emplace(pg::WorkerPhase::kStreaming, kSource, 0, 0); }},
        {"look", [&] { look.emplace(); }},
        {"wanted", [&] { look->is_wanted(); }},
    };
    std::istringstream words(steps);
    for (std::string word; words >> word;) {
        meaning.at(word)();
    }
    bool const is_ordered = pg::end_overdue_workers() >= 0;
    QueryCancelPending = false;  // what interrupts a piece of work has come to this process
    return is_ordered;
}

Datum test_end_is_ordered(FunctionCallInfo fcinfo) { PG_RETURN_BOOL(end_is_ordered(text_argument(fcinfo, 0))); }

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_end_is_ordered, pgrepl::test::test_end_is_ordered)
