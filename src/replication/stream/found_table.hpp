#pragma once
// What a copy beside the stream finds of its table at the source, before it begins. A statement in the log need not
// have told of it: sessions may change tables without the log, and so do upgrades of servers. What the catalog says of
// the table is what the first copy would say.

#include <optional>

#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "core/source.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Why a table is read again of which another structure was found than the catalog had.
inline constexpr const char* kReadAgainAsAltered = "altered at the source: it is being read again beside the stream";

/// What a user should know about a table that was and is replicated is not what it was, as no statement has told.
void tell_changed_note(const catalog::SourceConfig& config, const catalog::SourceTable& before,
                       const PlannedTable& now);

/// `found`: the table as it is at the source, which was `opened` so, and shows what the stream has applied; nothing: it
/// is gone. Registers it, and gives what the catalog then has of it; nothing if it is not to be copied. It may have got
/// a key, or have lost it: then it is copied in another way than the one in which it was looked up
/// (StreamTable::keyless). In a transaction of its own, so that what waits for the target afterwards keeps no call from
/// the table's entry. Throws ConfigurationChanged;
/// table_denied() if it is not found, and could not be read before.
std::optional<catalog::StreamTable> register_found_table(const CopyContext& context,
                                                         const catalog::SourceConfig& opened,
                                                         const core::TableName& name,
                                                         const std::optional<core::TableInfo>& found);

}  // namespace pgrepl::replication
