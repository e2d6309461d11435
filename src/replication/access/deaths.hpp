#pragma once
// Work that kills its process (a crash in the server, in a library, or in a function of a target) restarts the whole
// cluster. It is tried three times: pg/work_in_hand.hpp notes what each process is at, and the next process of the kind
// counts what the dead have left, before it does anything else and in a commit that waits for the disk. At the third
// death in a row without progress the table (the job, the index) fails and says so; the others go on.
//
// Where a batch of a stream is taken apart, the rows of many tables come mixed, and noting the table at each row would
// cost too much. A death there is counted for the source; the next attempt is careful, and notes it. A death in a
// target's own statement names its table the first time.
//
// Not counted: processes that end by a signal that asks them to (pg_terminate_backend, a shutdown, replicator_pause),
// that the server ends because another one has died, that die with the whole server, and that are killed while they
// wait.

#include <cstdint>

namespace pgrepl::replication {

/// At the beginning of the source's worker. False if the source itself has failed by it.
bool count_deaths_of_source(std::int32_t source_id);
void count_deaths_of_jobs(std::int32_t source_id);
void count_deaths_of_indexes(std::int32_t source_id);

}  // namespace pgrepl::replication
