#include "replication/stream/found_table.hpp"

#include <set>
#include <utility>
#include <vector>

#include "catalog/events.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/tables.hpp"
#include "pg/precondition.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/access/source_access.hpp"
#include "replication/setup/gone_table.hpp"
#include "replication/setup/registration.hpp"

namespace pgrepl::replication {

namespace {

std::optional<catalog::StreamTable> register_found(const catalog::SourceConfig& config, const core::TableName& name,
                                                   const std::optional<core::TableInfo>& found) {
    std::optional<catalog::SourceTable> const known = catalog::find_table(config.id, name);
    if (!known || !catalog::is_replicated(known->state)) {
        return std::nullopt;  // a person has taken it out meanwhile
    }
    if (!found && known->was_denied) {
        throw table_denied(name);
    }
    if (!found) {
        (void)let_go(config, *known, kNoLongerThere);  // or noted: it is looked at again
        return std::nullopt;
    }
    PlannedTable const planned = select_tables(config, {*found}).at(0);
    if (planned.state != catalog::TableState::kPending) {
        catalog::leave_out(known->id, planned.state, planned.reason);
    } else if (!found->why_not_beside_log().empty()) {
        catalog::leave_out(known->id, catalog::TableState::kUnsupported, found->why_not_beside_log());
        return std::nullopt;
    } else if (known->definition != found->definition) {
        // What has been copied of it is of another structure.
        catalog::ask_for_copy(known->id, kReadAgainAsAltered);
    }
    register_table(config, *found);
    tell_changed_note(config, *known, planned);
    std::vector<catalog::StreamTable> now = catalog::stream_tables(config.id, std::set{known->id});
    return now.empty() ? std::nullopt : std::optional(std::move(now[0]));
}

}  // namespace

void tell_changed_note(const catalog::SourceConfig& config, const catalog::SourceTable& before,
                       const PlannedTable& now) {
    bool const was_replicated = catalog::is_replicated(before.state) && before.target_created;
    if (!was_replicated || now.state != catalog::TableState::kPending || before.note == now.note) {
        return;
    }
    pg::QueryResult const arguments = pg::execute(
        "SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('table', $1::text, 'note', nullif($2, '')))",
        {before.name.qualified(), now.note});
    catalog::record_work(config.name, config.owner, "table note changed", arguments.text(0, 0));
}

std::optional<catalog::StreamTable> register_found_table(const CopyContext& context,
                                                         const catalog::SourceConfig& opened,
                                                         const core::TableName& name,
                                                         const std::optional<core::TableInfo>& found) {
    pg::expect_no_transaction();
    pg::Transaction transaction;
    catalog::take_turn(context.source_id, context.generation);
    catalog::SourceConfig const config = require_same_source(opened, catalog::find_source(context.source_id));
    std::optional<catalog::StreamTable> now = register_found(config, name, found);
    transaction.commit();
    return now;
}

}  // namespace pgrepl::replication
