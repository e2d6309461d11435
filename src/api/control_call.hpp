#pragma once
// What all control functions share: who may call, with whose rights our catalog is read and written, what is recorded
// of the call, and who is woken when it commits.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/source_config.hpp"
#include "pg/error.hpp"

namespace pgrepl::api {

/// An argument, and how it is recorded.
struct RecordedArgument {
    std::string name;
    std::string given;    ///< never recorded
    std::string shown;    ///< of a call that has succeeded, and so has taken it for what it is: without passwords
    std::string refused;  ///< of one that has failed: without whatever may be a secret
};

struct RecordedArguments {
    std::vector<RecordedArgument> given;  ///< none is null
    /// Texts, of arguments or of their elements, that an error may quote, and what is recorded in their place.
    std::vector<std::pair<std::string, std::string>> hidden;
    std::string misplaced;  ///< name of the first that holds a password, as none but a source_url does
};

/// Adds an argument if it was given. If it holds a password (arguments in the wrong order), the call is refused.
void record(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value);
void record(RecordedArguments& arguments, const char* name, const std::optional<std::vector<std::string>>& value);
/// The same of one that is jsonb.
void record_json(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value);

/// Adds a row's key: what looks like a password is not shown, but no reason to refuse the call.
void record_key(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value);

void record_url(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value);

/// Throws SqlError if an argument holds a password that should not.
void refuse_misplaced_password(const RecordedArguments& arguments);

struct ControlCall {
    std::string action;  ///< name of the function
    std::string source;  ///< empty: concerns none, or not known yet
    RecordedArguments arguments;
};

/// The caller, and what the call turns out to concern.
struct CallContext {
    Oid caller = InvalidOid;
    std::string source;  ///< recorded; set by calls that find out the name themselves
    int worker_pid = 0;  ///< woken at commit
};

/// Runs `body` with the rights of our catalog and our own settings (pg::PinnedSettings); records the call, whether it
/// succeeds or fails; wakes the launcher and the worker at commit.
void run_control_call(const ControlCall& call, const std::function<void(CallContext&)>& body);

/// The same for a call that commits before it has come to its end: `body` takes rights and settings by run_as_catalog,
/// and wakes whom it needs. What is recorded is how it ends.
void run_long_call(const ControlCall& call, const std::function<void(CallContext&)>& body);

/// Reads only: the same rights and settings, nothing recorded, nobody woken, no preload needed.
void run_as_catalog(const std::function<void(Oid caller)>& body);

/// The source, if it exists and the caller may control it; else SqlError.
catalog::SourceConfig require_source(const std::string& name, Oid caller);

/// The same for a call that changes the source: read when all calls that have changed it before have committed, and
/// no other changes it until this transaction ends. Calls that did not wait for each other would write back what
/// they read, and so undo what another has reported as done.
catalog::SourceConfig take_source(const std::string& name, Oid caller);

/// The same for a call that only refers to the source: it waits for one who drops it, and for nobody else.
catalog::SourceConfig keep_source(const std::string& name, Oid caller);

/// The same, with the turn to write to its targets.
catalog::SourceConfig take_turn_at(const std::string& name, Oid caller);

/// Throws SqlError if the caller may not control the source. Rights may be taken away while a call waits: to be called
/// after what waits, before anything is told or committed.
void require_rights(const catalog::SourceConfig& config, Oid caller);

/// Throws SqlError if nothing is read from the source: it is paused, or restored from a dump.
void require_running(const catalog::SourceConfig& config);

/// When the call commits: interrupts the workers that are busy with jobs and indexes of the source; what is still
/// wanted they begin again.
void interrupt_side_workers(const catalog::SourceConfig& config);

/// catalog::lock_state, without waiting for a transaction of the source that is being applied, which may have millions
/// of rows: its worker is ended, and a later one applies it again.
void take_state(std::int32_t source_id);

/// Hides the text of the running statement from pg_stat_activity, and from the server's log if it fails: it may hold a
/// password.
void hide_statement(const char* action);

}  // namespace pgrepl::api
