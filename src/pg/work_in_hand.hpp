#pragma once
// What a worker is at, noted where it survives the worker's death, so that work which kills its process is not tried
// for ever.
//
//   begin_notes()            a file of this process's own, which it locks as long as it lives
//   WorkInHand(…)            for a scope: the file says what is being done
//   the process ends         by itself: the file is removed. It dies: the file stays
//   another process dies     the server has us leave at once (SIGQUIT); the handler removes the file: it was not us
//   PANIC for lack of disk   the file is removed: what fills the disk, or breaks it, is not the work
//   the whole server dies    the file stays, but says of which start of the server it is: it was not us
//   notes_of_the_dead()      the files that nobody locks any more
//
// A note is one small write() and is not flushed: the death of a process, even of all of them, does not lose what is in
// the kernel. The death of the machine may lose it, and that was not the work's doing. So a note costs a microsecond,
// where a commit that waits for the disk would cost milliseconds at each batch of a stream.
//
// Without a note, for lack of disk space for example, work goes on all the same.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

enum class Work : std::int32_t {
    kNone,
    kSource,    ///< something that concerns no table that we could name
    kTable,     ///< the table's target, or its rows at the source
    kChunk,     ///< a chunk of the table's copy; `number` says which
    kJob,       ///< a comparison before its first table; `number` is the job
    kJobTable,  ///< a comparison of the table; `number` is the job
    kIndex,     ///< the build of an index; `number` is its entry
};

struct WorkNote {
    Work work = Work::kNone;
    std::int32_t table_id = 0;
    std::int64_t number = 0;
};

/// Which processes of a source count each other's deaths.
enum class NoteKeeper { kSource, kJob, kIndex };

/// Makes this process's file. It holds until the process ends.
void begin_notes(std::int32_t source_id, NoteKeeper keeper);

/// For a scope; within another one, instead of it.
class WorkInHand {
  public:
    explicit WorkInHand(const WorkNote& note) noexcept;
    ~WorkInHand();
    WorkInHand(const WorkInHand&) = delete;
    WorkInHand& operator=(const WorkInHand&) = delete;

    /// It has turned out to be this.
    static void is_now(const WorkNote& note) noexcept;

  private:
    WorkNote outer_;
};

/// Whether it is worth its time to note the table of each row: somebody has died where that was not noted.
void note_each_table(bool wanted) noexcept;
[[nodiscard]] bool notes_each_table() noexcept;

/// For the scope of a wait: whoever is killed while it waits has not died of its work.
class NothingInHand {
  public:
    NothingInHand() noexcept : scope_(WorkNote{}) {}

  private:
    WorkInHand scope_;
};

struct NoteOfTheDead {
    std::string file;
    WorkNote note;
};

/// Of processes of this database's source that have died. Each is to be counted, then forgotten.
std::vector<NoteOfTheDead> notes_of_the_dead(std::int32_t source_id, NoteKeeper keeper);
void forget(const NoteOfTheDead& note) noexcept;

}  // namespace pgrepl::pg
