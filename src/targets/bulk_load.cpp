// Bulk load: the heap route follows COPY's (src/backend/commands/copyfrom.c, CopyMultiInsertBufferFlush): slots are
// filled, then written with one WAL record a page.

#include "targets/bulk_load.hpp"

#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "targets/bisection.hpp"
#include "targets/row_arrays.hpp"
#include "targets/target_shape.hpp"

namespace pgrepl::target {

namespace {

constexpr int kSlots = 1000;
constexpr int kColumns = 3;

}  // namespace

struct BulkLoad::HeapRoute {
    Relation relation;
    BulkInsertState insert_state;
    TupleTableSlot* slots[kSlots];
    MemoryContext scratch;
};

BulkLoad::BulkLoad(const OpenTarget& target, TimestampTz synced_at) : table_(target.sql()), synced_at_(synced_at) {
    if (target.takes_heap_route) {
        open_heap_route(target.relid);
    }
}

BulkLoad::BulkLoad(const TargetName& staging, TimestampTz synced_at) : table_(staging.sql()), synced_at_(synced_at) {
    open_heap_route(require_side_table(staging));
}

void BulkLoad::open_heap_route(Oid relid) {
    heap_ = pg::CallPg([&]() -> HeapRoute* {
        Relation const relation = table_open(relid, RowExclusiveLock);
        // The heap route has no executor that would check this.
        AclResult const allowed = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT);
        if (allowed != ACLCHECK_OK) {
            aclcheck_error(allowed, OBJECT_TABLE, RelationGetRelationName(relation));
        }
        if (!is_bare_heap(relation)) {
            table_close(relation, NoLock);
            return nullptr;
        }
        auto* const route = static_cast<HeapRoute*>(palloc0(sizeof(HeapRoute)));
        route->relation = relation;
        route->insert_state = GetBulkInsertState();
        route->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_replicator bulk load", 256 * 1024, 256 * 1024,
                                               8 * 1024 * 1024);
        return route;
    });
}

// The route lives in the transaction's memory and its relation belongs to the transaction: both end with it.
BulkLoad::~BulkLoad() = default;

void BulkLoad::append(const EncodedRows& rows, std::vector<pg::RefusedRow>& refused) {
    if (rows.size() == 0) {
        return;
    }
    if (heap_ != nullptr) {
        append_to_heap(rows);  // nothing there looks at a row
    } else {
        write_by_halves(
            0, rows.size(), [&](std::size_t first, std::size_t count) { append_by_statement(rows, first, count); },
            [&](std::size_t row, const pg::SqlError& error) { refused.push_back(rows.refused(row, error)); });
    }
}

void BulkLoad::append_to_heap(const EncodedRows& rows) {
    Datum const synced_at = TimestampTzGetDatum(synced_at_);
    pg::CallPg([&] {
        CommandId const command = GetCurrentCommandId(true);
        PushActiveSnapshot(GetTransactionSnapshot());  // whoever may write to a table's TOAST has one
        for (std::size_t first = 0; first < rows.size(); first += kSlots) {
            auto const count = static_cast<int>(std::min<std::size_t>(kSlots, rows.size() - first));
            for (int i = 0; i < count; ++i) {
                if (heap_->slots[i] == nullptr) {
                    heap_->slots[i] = table_slot_create(heap_->relation, nullptr);
                }
                TupleTableSlot* const slot = heap_->slots[i];
                ExecClearTuple(slot);
                slot->tts_values[0] = rows.id(first + static_cast<std::size_t>(i));
                slot->tts_values[1] = rows.data(first + static_cast<std::size_t>(i));
                slot->tts_values[2] = synced_at;
                slot->tts_isnull[0] = slot->tts_isnull[1] = slot->tts_isnull[2] = false;
                ExecStoreVirtualTuple(slot);
            }
            MemoryContext const previous = MemoryContextSwitchTo(heap_->scratch);
            table_multi_insert(heap_->relation, heap_->slots, count, command, 0, heap_->insert_state);
            MemoryContextSwitchTo(previous);
            for (int i = 0; i < count; ++i) {
                ExecClearTuple(heap_->slots[i]);
            }
            MemoryContextReset(heap_->scratch);
        }
        PopActiveSnapshot();
    });
}

void BulkLoad::append_by_statement(const EncodedRows& rows, std::size_t first, std::size_t row_count) {
    pg::MemoryScope memory("pg_replicator insert");
    pg::MemorySwitch const in_memory(memory.context());
    RowArrays const arrays = as_arrays(rows, first, row_count);
    Oid const types[kColumns] = {TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZOID};
    Datum const values[kColumns] = {arrays.ids, arrays.data, TimestampTzGetDatum(synced_at_)};
    std::string const insert = "INSERT INTO " + table_ +
                               " (id, data, _synced_at) SELECT i, d, $3 FROM ROWS FROM (pg_catalog.unnest($1), "
                               "pg_catalog.unnest($2)) AS u(i, d)";
    pg::execute_with_datums(insert.c_str(), types, values);
}

void BulkLoad::append_set_aside(const std::string& id) {
    pg::execute("INSERT INTO " + table_ + " (id, data) VALUES ($1, NULL)", {id});
}

void BulkLoad::finish() {
    if (heap_ == nullptr) {
        return;
    }
    pg::CallPg([&] {
        for (TupleTableSlot* const slot : heap_->slots) {
            if (slot != nullptr) {
                ExecDropSingleTupleTableSlot(slot);
            }
        }
        FreeBulkInsertState(heap_->insert_state);
        table_finish_bulk_insert(heap_->relation, 0);
        table_close(heap_->relation, NoLock);
        MemoryContextDelete(heap_->scratch);
        pfree(heap_);
    });
    heap_ = nullptr;
}

}  // namespace pgrepl::target
