#pragma once
// A table that the stream writes to, and what the transaction under way has done with it.

#include <memory>
#include <optional>
#include <utility>

#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "core/row_batch.hpp"
#include "pg/error.hpp"
#include "replication/access/own_target.hpp"
#include "replication/stream/read_again.hpp"
#include "targets/row_encoder.hpp"
#include "targets/table_changes.hpp"

namespace pgrepl::replication {

struct TableInStream {
    explicit TableInStream(catalog::StreamTable table)
        : in_catalog(std::move(table)), counts{.table_id = in_catalog.table_id} {}

    /// The encoder of rows of this layout; a new one where the structure has changed.
    target::RowEncoder& encoder_for(const std::shared_ptr<const core::RowLayout>& rows_layout) {
        if (layout != rows_layout) {
            encoder = std::make_unique<target::RowEncoder>(*rows_layout);
            layout = rows_layout;
        }
        return *encoder;
    }

    [[nodiscard]] OwnTarget target(Oid owner) const { return own_target(in_catalog, in_catalog.table_id, owner); }

    catalog::StreamTable in_catalog;
    std::shared_ptr<const core::RowLayout> layout;
    std::unique_ptr<target::RowEncoder> encoder;
    target::TableChanges changes;  ///< not written yet
    catalog::ChangeCounts counts;  ///< of the transaction under way
    /// In the transaction under way, in whose end it is set apart: until then no row of the catalog is locked for it.
    std::optional<pg::SqlError> error;
    /// Something of it in the log could not be read, in the transaction under way; and what is done about it in the
    /// end.
    std::optional<pg::SqlError> unread;
    ReadAgain::Remedy remedy = ReadAgain::Remedy::kNone;
};

}  // namespace pgrepl::replication
