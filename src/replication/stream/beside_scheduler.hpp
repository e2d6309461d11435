#pragma once
// What is done beside the stream, between its batches, and in which order:
//
//   1. tables that statements in the log have changed are looked at: the next changes are read with what is found
//   2. one table after the other is copied in windows (beside_copy.hpp); what was begun comes first
//   3. tables without a key are refreshed as a whole (keyless_refresh.hpp), one at a time
//
// All of it reads the source when the source shows what the stream has applied, and delays the stream by a moment at
// most: neither a commit that the source does not show yet nor a table that others have locked there is waited for, but
// tried again. A window that is in is written by the stream's next transaction at its high mark.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "catalog/source_config.hpp"
#include "core/source.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/access/source_locks.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/stream/beside_copy.hpp"
#include "replication/stream/followed_tables.hpp"
#include "replication/stream/keyless_refresh.hpp"
#include "replication/stream/read_again.hpp"
#include "replication/stream/transaction_writer.hpp"

namespace pgrepl::replication {

class BesideScheduler {
  public:
    /// All of them outlive it.
    struct Parts {
        const catalog::SourceConfig& config;
        core::Source& source;
        core::Log& log;
        core::Interrupts& interrupts;
        RightsAtSource& rights;
        FollowedTables& tables;
        LockedTargets& locked;
        ReadAgain& read_again;
        BesideCopy& beside;
        const Applied& applied;
    };
    BesideScheduler(const CopyContext& context, const Parts& parts)
        : context_(context), parts_(parts), keyless_(context, parts.config, parts.source, parts.rights) {}

    // No transaction is open in these three. True: there may be more to do at once.

    /// At those that statements in the log have changed, as they are now.
    [[nodiscard]] bool look_at_changed_tables();
    /// Has a window read. It is written by a transaction that begins where it is due.
    [[nodiscard]] bool work_on_copy();
    /// Reads and stages some rows of a table without a key, and merges it when all are in. False if rows are awaited.
    [[nodiscard]] bool work_on_keyless_refresh();

    /// Whether a read that begins now sees all that was applied. Waits for a moment, but not again where the source did
    /// not show it the last time.
    [[nodiscard]] bool is_shown();
    /// The source is about to show a statement: that is worth waiting for.
    void met_statement() noexcept;

    /// Whether the entries in the catalog are others than those that are followed.
    [[nodiscard]] bool tables_are_others() { return parts_.tables.are_others(source_locks_.waiting()); }
    /// Takes up what the catalog says of all tables, or of those in `ids`; copies of tables that are no longer to be
    /// copied end.
    void reload_tables(const std::optional<FollowedTables::Ids>& ids = {});

    /// Something is being copied, or can be; tables that wait aside are left out.
    [[nodiscard]] bool is_copying() const;
    /// Nothing is left to be copied of what was asked for.
    [[nodiscard]] bool copies_are_in() const;
    /// Tables that wait aside among them, and those that are to be looked at.
    [[nodiscard]] bool awaits_copies() const;
    /// Something that nobody tells us of.
    [[nodiscard]] bool awaits_something() const;

  private:
    void at_source(std::int32_t table_id, const std::function<void()>& read);
    [[nodiscard]] bool look_at_all_tables();
    [[nodiscard]] bool look_at_changed_table(const catalog::SourceTable& table);
    [[nodiscard]] bool any_to_be_looked_at() const;
    [[nodiscard]] const catalog::StreamTable* next_to_copy() const;
    void note_locked_tables(const FollowedTables::Reloaded& tables);

    CopyContext context_;
    Parts parts_;
    KeylessRefresh keyless_;
    SourceLocks source_locks_;
    SourceLocks unsettled_;      ///< tables whose targets others have locked, or whose targets' names they may take
    int shown_patience_ms_ = 0;  ///< how long the source may take to show what was applied
};

}  // namespace pgrepl::replication
