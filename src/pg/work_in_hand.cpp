// Notes in files. Base backups leave out names that begin with pgsql_tmp: a clone has none of our deaths.

#include "pg/work_in_hand.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "pg/compat.hpp"

namespace pgrepl::pg {

namespace {

WorkNote current;
int file_descriptor = -1;
bool each_table = false;
char file_path[MAXPGPATH];
bool ended_by_error = false;

std::string directory() { return std::string(DataDir) + "/pgsql_tmp_pg_replicator_work"; }

/// What the names of such files begin with.
std::string prefix(std::int32_t source_id, NoteKeeper keeper) {
    static constexpr const char* kKeepers[] = {"source", "job", "index"};
    return std::to_string(MyDatabaseId) + "_" + std::to_string(source_id) + "_" +
           kKeepers[static_cast<std::size_t>(keeper)] + "_";
}

void remove_file(int /*code*/, Datum /*unused*/) {
    if (file_descriptor >= 0 && !ended_by_error) {
        (void)unlink(file_path);
    }
}

/// As SignalHandlerForCrashExit, which the server gives to all its workers.
void leave_at_once(PGREPL_SIGNAL_PARAMETERS) {
    (void)unlink(file_path);
    _exit(2);
}

emit_log_hook_type next_log_hook = nullptr;

/// Whether it says that the process ends because somebody asks it to. Code of users raises the same SQLSTATE elsewhere.
bool is_asked_for(const ErrorData& data) noexcept {
    return data.sqlerrcode == ERRCODE_ADMIN_SHUTDOWN && data.funcname != nullptr &&
           std::strcmp(data.funcname, "ProcessInterrupts") == 0;
}

/// A full or broken disk for the server's log has whoever writes to it next end the server: mostly us, who write most.
void on_log(ErrorData* data) {
    int const category = ERRCODE_TO_CATEGORY(data->sqlerrcode);
    ended_by_error = ended_by_error || (data->elevel == FATAL && !is_asked_for(*data));
    if (data->elevel >= PANIC &&
        (category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR))) {
        remove_file(0, 0);
    }
    if (next_log_hook != nullptr) {
        next_log_hook(data);
    }
}

/// What a file holds.
struct Record {
    WorkNote note;
    TimestampTz server_started;
};

/// Whether it was the process that died, and not the whole server, which nothing of ours can bring about: unless the
/// server is told to go when a process dies.
bool was_own_death(const Record& record) {
    const char* const restarts = GetConfigOption("restart_after_crash", true, false);
    return record.server_started == PgStartTime || (restarts != nullptr && std::strcmp(restarts, "off") == 0);
}

bool is_same(const WorkNote& one, const WorkNote& other) noexcept {
    return one.work == other.work && one.table_id == other.table_id && one.number == other.number;
}

void write_down(const WorkNote& note) noexcept {
    current = note;
    Record const record{note, PgStartTime};
    if (file_descriptor >= 0 && pwrite(file_descriptor, &record, sizeof(record), 0) != sizeof(record)) {
        // Then the file says what it said before, or nothing: better to have none.
        (void)ftruncate(file_descriptor, 0);
    }
}

/// The note, if the process that wrote it is dead.
std::optional<WorkNote> read_if_dead(const std::string& file) {
    int const fd = open(file.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    Record record{};
    bool const dead = flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool const whole = read(fd, &record, sizeof(record)) == sizeof(record);
    close(fd);
    if (!dead) {
        return std::nullopt;
    }
    return whole && was_own_death(record) ? record.note : WorkNote{};
}

/// The work goes on without them.
void log_unreadable(const std::string& reason) {
    std::string const path = directory();
    CallPg([&] {
        ereport(LOG, (errmsg("pg_replicator could not read directory \"%s\": %s", path.c_str(), reason.c_str()),
                      errdetail("Whether work has killed its process is not known.")));
    });
}

}  // namespace

void begin_notes(std::int32_t source_id, NoteKeeper keeper) {
    std::string const path = directory() + "/" + prefix(source_id, keeper) + std::to_string(MyProcPid);
    if (file_descriptor >= 0 || path.size() >= sizeof(file_path)) {
        return;
    }
    (void)mkdir(directory().c_str(), S_IRWXU);
    strlcpy(file_path, path.c_str(), sizeof(file_path));
    int const fd = open(file_path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        (void)unlink(file_path);
        return;
    }
    file_descriptor = fd;
    write_down({});
    on_proc_exit(remove_file, 0);
    pqsignal(SIGQUIT, leave_at_once);
    next_log_hook = emit_log_hook;
    emit_log_hook = on_log;
}

void note_each_table(bool wanted) noexcept { each_table = wanted; }

bool notes_each_table() noexcept { return each_table; }

WorkInHand::WorkInHand(const WorkNote& note) noexcept : outer_(current) { is_now(note); }

WorkInHand::~WorkInHand() { is_now(outer_); }

void WorkInHand::is_now(const WorkNote& note) noexcept {
    if (!is_same(note, current)) {
        write_down(note);
    }
}

std::vector<NoteOfTheDead> notes_of_the_dead(std::int32_t source_id, NoteKeeper keeper) {
    std::string const wanted = prefix(source_id, keeper);
    std::vector<NoteOfTheDead> notes;
    std::error_code error;
    std::filesystem::directory_iterator entry(directory(), error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        if (!entry->path().filename().string().starts_with(wanted)) {
            continue;
        }
        if (std::optional<WorkNote> const note = read_if_dead(entry->path().string())) {
            notes.push_back({entry->path().string(), *note});
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {  // nobody has made it yet
        log_unreadable(error.message());
    }
    return notes;
}

void forget(const NoteOfTheDead& note) noexcept { (void)unlink(note.file.c_str()); }

}  // namespace pgrepl::pg
