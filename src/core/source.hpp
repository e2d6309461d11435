#pragma once
// The interface between pg_replicator and its adapters. An adapter is a shared object of its own with one
// extern "C" factory, `pg_replicator_adapter`, that states the version of this interface; it is loaded only in
// the backend or worker that needs it, and knows nothing of PostgreSQL.
//
// All calls may throw SourceError and nothing else (bad_alloc apart). No call waits longer than a second
// without asking Interrupts.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/copy_plan.hpp"
#include "core/name_rules.hpp"
#include "core/position.hpp"
#include "core/row_batch.hpp"
#include "core/source_error.hpp"
#include "core/stream.hpp"
#include "core/table_name.hpp"
#include "core/url.hpp"

namespace pgrepl::core {

/// Raised with every change of anything that adapters and the extension share.
constexpr std::uint32_t kAdapterAbiVersion = 18;

/// The caller's wish to stop, and the only way in which an adapter may wait.
class Interrupts {
  public:
    enum class WaitFor { kTime, kReadable, kWritable };

    virtual ~Interrupts() = default;

    /// Whether the adapter should give up as soon as it can, by throwing SourceError kInterrupted.
    [[nodiscard]] virtual bool pending() noexcept = 0;

    /// Waits until `fd` is ready (kTime: ignores fd), `timeout_ms` have passed, or an interrupt is pending.
    /// Returns whether fd is ready. Never throws and never longjmps, so that it may be called from within a
    /// driver's callback.
    virtual bool wait(int fd, WaitFor what, int timeout_ms) noexcept = 0;
};

/// What an adapter needs to open its source.
struct OpenRequest {
    SourceUrl url;  ///< without the secret
    /// Of a file, where it must lie in a certain directory: that directory, with which the path then begins. Neither
    /// has a symbolic link in it, and none that comes to be below the directory is followed. Empty: links are followed.
    std::string beneath;
    std::string password;  ///< empty if there is none
    std::map<std::string, std::string> options;
    int connect_timeout_ms =
        10'000;                     ///< also: how long a lock of others is waited for, unless set_lock_patience() says
    int keepalive_idle_s = 60;      ///< of silence on a connection, before TCP asks whether the peer is there
    int keepalive_interval_s = 10;  ///< between two such questions
    /// A directory of this source alone, writable, on the target server's disk, for private copies. It is
    /// emptied by the caller when the source is dropped.
    std::string scratch_directory;
    /// What reading may take of this server, whatever the source has us compute; of memory, beside what the largest row
    /// takes.
    std::int64_t memory_bytes = 64 << 20;
    std::optional<std::int64_t> temporary_file_bytes;  ///< nothing: no limit but the adapter's own
    /// Columns that make up the key of a table that has none of its own, by `database.table` or `table`.
    std::map<std::string, std::vector<std::string>> keys;
};

struct SourceInfo {
    std::string server_version;  ///< "SQLite 3.40.1", "MariaDB 10.11.6"
    std::string description;     ///< what a person should know: "WAL mode, UTF-16le, page size 4096"
};

/// How much of a source transaction a reader of the target may see; types of replicator_tables.consistency.
enum class Consistency : std::uint8_t { kTransaction, kDocument, kState };

/// What a source says of sizes, within what can be true: it is added up. 10^15 rows, or bytes, are more than any has.
inline std::int64_t believable(std::uint64_t estimate) noexcept {
    constexpr std::uint64_t kMost = 1'000'000'000'000'000;
    return static_cast<std::int64_t>(std::min(estimate, kMost));
}
inline std::int64_t believable(std::int64_t estimate) noexcept {
    return believable(static_cast<std::uint64_t>(std::max<std::int64_t>(estimate, 0)));
}

/// A table as discovered.
struct TableInfo {
    TableName name;
    std::string kind;                ///< "table", "view", "virtual table", …
    std::string unsupported_reason;  ///< empty: it can be copied
    /// Why a log, if the source has one, does not tell of its changes; empty: it does.
    std::string not_in_log;
    /// Tables whose rows it shows as its own; what is changed through it, the log tells under its own name.
    std::vector<TableName> parts;
    RowLayout layout;
    std::vector<std::string> column_types;  ///< declared types, in layout order, for replicator_discover
    std::vector<std::string> key_names;     ///< names of the key's columns; empty: rowid or no key
    std::string note;                       ///< what a user should know: "virtual generated column x left out"
    std::string definition;                 ///< changes whenever the table's structure does
    /// What a stream must know of the table beyond what the log says; opaque text that only the adapter reads. Kept in
    /// the catalog with the stream's position, so that old events are read with the old structure.
    std::string structure;
    /// What its foreign keys do to its rows without a trace in the source's log: "ON DELETE CASCADE"; empty: nothing.
    /// Filled by discover() and Source::find_table().
    std::string unlogged_actions;
    std::shared_ptr<const NameRules> name_rules;  ///< by which filters are compared with it; null: letter by letter
    /// Its engine has transactions: no row is lost by what mends the table after a crash.
    bool is_transactional = true;
    std::optional<std::int64_t> estimated_rows;
    std::optional<std::int64_t> estimated_bytes;
    Consistency consistency = Consistency::kTransaction;  ///< of a copy of it from one state
    Consistency followed = Consistency::kTransaction;     ///< while its changes come from the log, if there is one

    [[nodiscard]] bool is_view() const noexcept { return kind == "view"; }
    /// Why it cannot be copied beside a log that is followed; empty: it can.
    [[nodiscard]] const std::string& why_not_beside_log() const noexcept {
        return unsupported_reason.empty() ? not_in_log : unsupported_reason;
    }
};

/// The one of that name; nothing if there is none.
inline std::optional<TableInfo> find_among(std::vector<TableInfo> tables, const TableName& name) {
    auto const found =
        std::find_if(tables.begin(), tables.end(), [&](const TableInfo& table) { return table.name == name; });
    return found == tables.end() ? std::nullopt : std::optional(std::move(*found));
}

/// A part of a table in key order: keys above `lower`, up to and including `upper`. Opaque text of the adapter; an
/// empty bound is open.
struct ChunkRange {
    std::string lower;
    std::string upper;
};

/// How much one read() may put into a batch. A single row may exceed the bytes.
struct BatchLimits {
    std::size_t rows = 1000;
    std::size_t bytes = 1 << 20;
};

/// Chunks of one table, read from one snapshot. Destroy it before its snapshot.
class ChunkReader {
  public:
    virtual ~ChunkReader() = default;

    /// Clears `batch` and fills it with the next rows. Of a table without a key it throws kStateLost where it cannot go
    /// on exactly after what it has handed out. False when the chunk has no more: the batch is empty.
    virtual bool read(RowBatch& batch, const BatchLimits& limits) = 0;

    enum class Outcome : std::uint8_t { kRows, kEnd, kAwaited };
    /// The same for one who has other things to do, where the snapshot is beside a stream: it waits for a moment at
    /// most. kAwaited: another call goes on, which is to be given the same batch.
    virtual Outcome try_read(RowBatch& batch, const BatchLimits& limits) {
        return read(batch, limits) ? Outcome::kRows : Outcome::kEnd;
    }
    /// No more is to be read, and the batch is no longer needed. There too: false if it is to be called again; until
    /// then there is no resume_bound().
    virtual bool try_end() { return true; }

    /// The bound below which all rows have been handed out: a chunk that starts there goes on exactly.
    [[nodiscard]] virtual std::string resume_bound() const = 0;
};

/// One consistent state of the source, kept readable, which others may join; or, beside a log, what is read at
/// different times.
class Snapshot {
  public:
    virtual ~Snapshot() = default;

    /// By which others join this state, and a copy is resumed after a crash. Beside a log it is empty.
    [[nodiscard]] virtual StateName state() const = 0;

    /// Of kOneStateThenFollowed: the place in the log that this state leads on from, also to those that have joined it.
    [[nodiscard]] virtual Position followed_from() const {
        throw SourceError(SourceErrorKind::kInternal, 0, "this state has no place in a log", false);
    }

    /// Tables as they are in this state.
    virtual std::vector<TableInfo> discover() = 0;

    /// One of them; nothing if there is none of that name. Better than discover() where a source has many tables.
    virtual std::optional<TableInfo> find_table(const TableName& name) { return find_among(discover(), name); }

    /// Disjoint ranges that cover the table, about `wanted` of them; one where the key cannot be divided.
    virtual std::vector<ChunkRange> plan_chunks(const TableInfo& table, int wanted) = 0;

    /// Divides what is left of a range in two, for a second reader; nothing where it cannot be divided.
    virtual std::optional<std::string> split_point(const TableInfo& table, const ChunkRange& range) = 0;

    /// Throws kTableChanged if the table no longer has `table.definition`.
    virtual std::unique_ptr<ChunkReader> open_chunk(const TableInfo& table, const ChunkRange& range) = 0;
};

/// What a source was asked whether it has, for instance a setting that a mode needs.
struct Check {
    enum class Severity : std::uint8_t {
        kError,    ///< without it the source cannot be replicated as asked
        kWarning,  ///< without it something will be missing or slow
        kNote,     ///< worth knowing
    };

    std::string name;  ///< "binlog_format"
    bool ok = true;
    Severity severity = Severity::kError;
    std::string detail;  ///< what was found
    std::string hint;    ///< what to do if it is not ok: the statement that does it
};

/// How to open a snapshot.
struct SnapshotRequest {
    /// Join (or, after a crash, resume) exactly this state; empty: take a new one. Throws kStateLost if it is gone;
    /// kReplaced, which may pass, if another server answers than the one that it names. Not beside a log.
    StateName join;
    /// Take the state in a way that no writer at the source can end (a private copy where the source keeps no
    /// versions), whatever it costs. Asked for after a kStateLost.
    bool durable = false;
    /// What is read for. kOneStateThenFollowed: a state that the log can be followed from. Beside a log, which will
    /// mend what was read at different times: no read need agree with another, and none may keep a lock or a
    /// transaction open for longer than a chunk.
    CopyPlan plan = CopyPlan::kOneState;
    /// Beside a log: a low_mark() that was taken before, also when it was anchored(). Any number of readers may begin
    /// there. Throws kReplaced, which may pass, if another server answers than the one that it names. Empty: any
    /// server.
    Position mark = {};
    /// Also beside a stream, which goes on while rows are awaited: its readers are asked by try_read(), and a statement
    /// reads so much at a time. Destroyed is first the reader, then the batch, then the snapshot; if the reader has not
    /// ended, the snapshot is of no use any more.
    std::optional<BatchLimits> beside_stream = {};
    /// Throws kReplaced if the state is provably older than this one, which was read before: that of a server that lags
    /// behind. Not of reads beside a log.
    StateName not_older_than = {};
};

/// The log of a source that is open, as its server keeps it. What is read of it comes as a stream; this is what is
/// asked beside streams.
///
/// A read and the log are put in order by marks: whoever takes a low mark, reads, and takes a high mark, has read a
/// state that lies between the two, wherever the reader of the log is. Where an address leads to several servers, all
/// of it comes from the one that the last low mark was given by, or that a position names which was asked about:
/// kReplaced while another answers. Only open_stream() may go on at another.
class Log {
  public:
    virtual ~Log() = default;

    /// Every change in the log up to this position is seen by a read that begins later.
    virtual Position low_mark() = 0;

    /// Every change that a read which has ended has seen is in the log up to this position.
    virtual Position high_mark() = 0;

    /// A later high mark, for one that has read the log up to `read` and waits for an earlier one in vain: without what
    /// sessions have announced and not put into the log, which may take them hours.
    virtual Position settled_mark(const Position& read) = 0;

    /// Whether whoever has read the log up to `held` provably has everything up to `mark`.
    [[nodiscard]] virtual bool has_reached(const Position& held, const Position& mark) const = 0;

    /// Whether a read that begins now sees every change up to `position`, which a stream or a copy has given.
    virtual bool is_visible(const Position& position) = 0;

    /// The same place in the log as `position`, which low_mark() has just given, with what tells this log from another
    /// of later that uses the same names. For a position at which a stream is to begin.
    virtual Position anchored(const Position& position) = 0;

    /// Whether the log is still the one that a stream has read up to `position`, and gives all that it holds. `at_end`:
    /// the stream has just come to its end. False: open the stream again, which says what is wrong, if anything is.
    virtual bool is_intact(const Position& position, bool at_end) = 0;

    /// Whether the log, if check_prerequisites(true) finds it usable, holds every change but the `unlogged_actions` of
    /// tables, as far as the account can tell: a server may change rows and log nothing.
    virtual bool holds_all_changes() = 0;

    /// A stream of its own connection. At most one for each reader_id at a time.
    virtual std::unique_ptr<ChangeStream> open_stream(const StreamRequest& request) = 0;
};

/// A source that is open. One per worker; not thread-safe.
class Source {
  public:
    virtual ~Source() = default;

    virtual SourceInfo describe() = 0;

    /// Looks at everything that replication needs of the source, beyond that it can be opened. `continuous`: its
    /// changes are to be followed, too.
    virtual std::vector<Check> check_prerequisites(bool continuous) = 0;

    /// The most connections that the account may have at a time; nothing: as many as the source takes.
    virtual std::optional<int> connection_limit() { return std::nullopt; }

    /// Every table, also those that cannot be copied (with the reason).
    virtual std::vector<TableInfo> discover() = 0;

    /// How names are compared; the same object for as long as the source is open.
    [[nodiscard]] virtual const NameRules& name_rules() const {
        static const NameRules letter_by_letter;
        return letter_by_letter;
    }

    virtual std::unique_ptr<Snapshot> open_snapshot(const SnapshotRequest& request) = 0;

    /// How long a read waits for a table that others have locked, from now on (nullopt: as long as for a connection).
    /// Then it throws kTableLocked. Of snapshots it concerns those that are opened later.
    virtual void set_lock_patience(std::optional<int> /*patience_ms*/) {}

    /// Its log of changes, which lives as long as the source; null if this kind of source has none.
    virtual Log* log() { return nullptr; }

    /// The table as it is now; nothing if there is none of that name, or if it is not one of those that discover()
    /// gives. Better than discover() where a source has many tables.
    virtual std::optional<TableInfo> find_table(const TableName& name) { return find_among(discover(), name); }

    /// Text that is another whenever the account may read other tables or columns than before, and perhaps more often.
    /// It costs the same whatever the number of tables. Questions that are asked afterwards are answered by these
    /// rights, not by those that a session has kept since it began. Empty: nobody is kept from anything but all.
    virtual std::string rights() { return {}; }

    /// Whether a table keeps through a crash what it has committed, if the source is set up so that any does
    /// (SchemaChange::keeps_commits). Told by TableInfo::definition, because the source may not tell it now.
    [[nodiscard]] virtual bool survives_crash(const std::string& /*definition*/) const { return true; }

    /// As discover(). What the URL names, but the source has no more, or does not show to the account, is passed over.
    virtual std::vector<TableInfo> discover_what_is_left() { return discover(); }

    /// Whether whoever holds the state `held` provably holds all of `state`. A source without a log can say so only if
    /// both are the same.
    [[nodiscard]] virtual bool has_all_of(const StateName& held, const StateName& state) const = 0;

    /// Removes what earlier snapshots left in the scratch directory, except what belongs to `keep`.
    virtual void discard_snapshots(const StateName& keep) = 0;
};

/// What all sources of a kind can do, and what holds for them if nothing else is asked for; static storage.
struct Capabilities {
    CopyPlan plan;  ///< of a source that is followed; kOneState: none can be, there is no log
    /// Of a kind that cannot be followed, a sentence that says why; else empty.
    const char* why_not_followed;
    /// Where every table has a key, so that the rule `keys` has no place, a sentence that says so; else empty.
    const char* why_no_key_rules;
    const char* target_schema;  ///< "{database}", "{schema}", or "{source}": the name of the source
    int default_port;           ///< 0: it is a file

    /// Whether the mode `continuous` is there; it is the default then, and else `once` is. The others always are.
    [[nodiscard]] constexpr bool is_followed() const noexcept { return core::is_followed(plan); }
};

/// What the factory of an adapter returns; static storage.
struct Adapter {
    std::uint32_t abi_version;  ///< kAdapterAbiVersion of its build; checked before anything else is touched
    const char* kind;           ///< "sqlite"
    const char* library_version;
    Capabilities capabilities;
    /// Opens a source. `interrupts` outlives it.
    std::unique_ptr<Source> (*open)(const OpenRequest& request, Interrupts& interrupts);
};

/// The type and name of an adapter's one exported function.
using AdapterFactory = const Adapter* (*)();
constexpr const char* kAdapterFactorySymbol = "pg_replicator_adapter";

}  // namespace pgrepl::core
