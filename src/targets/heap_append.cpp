// Appending to a heap.

#include "targets/heap_append.hpp"

#include "targets/target_shape.hpp"

namespace pgrepl::target {

namespace {

constexpr int kSlots = 1000;

}  // namespace

struct HeapAppend::Route {
    Relation relation;
    BulkInsertState insert_state;
    TupleTableSlot* slots[kSlots];
    MemoryContext scratch;
};

std::unique_ptr<HeapAppend> HeapAppend::open(Oid relid) {
    Route* const opened = pg::CallPg([&]() -> Route* {
        Relation const relation = table_open(relid, RowExclusiveLock);
        // There is no executor that would check this.
        AclResult const allowed = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT);
        if (allowed != ACLCHECK_OK) {
            aclcheck_error(allowed, OBJECT_TABLE, RelationGetRelationName(relation));
        }
        if (!is_bare_heap(relation)) {
            table_close(relation, NoLock);
            return nullptr;
        }
        auto* const route = static_cast<Route*>(palloc0(sizeof(Route)));
        route->relation = relation;
        route->insert_state = GetBulkInsertState();
        route->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_replicator bulk load", 256 * 1024, 256 * 1024,
                                               8 * 1024 * 1024);
        return route;
    });
    return opened == nullptr ? nullptr : std::unique_ptr<HeapAppend>(new HeapAppend(opened));
}

void HeapAppend::append(const EncodedRows& rows, TimestampTz synced_at) {
    pg::CallPg([&] {
        CommandId const command = GetCurrentCommandId(true);
        PushActiveSnapshot(GetTransactionSnapshot());  // whoever may write to a table's TOAST has one
        for (std::size_t first = 0; first < rows.size(); first += kSlots) {
            auto const count = static_cast<int>(std::min<std::size_t>(kSlots, rows.size() - first));
            for (int i = 0; i < count; ++i) {
                if (route_->slots[i] == nullptr) {
                    route_->slots[i] = table_slot_create(route_->relation, nullptr);
                }
                TupleTableSlot* const slot = route_->slots[i];
                ExecClearTuple(slot);
                slot->tts_values[0] = rows.id(first + static_cast<std::size_t>(i));
                slot->tts_values[1] = rows.data(first + static_cast<std::size_t>(i));
                slot->tts_values[2] = TimestampTzGetDatum(synced_at);
                slot->tts_isnull[0] = slot->tts_isnull[1] = slot->tts_isnull[2] = false;
                ExecStoreVirtualTuple(slot);
            }
            MemoryContext const previous = MemoryContextSwitchTo(route_->scratch);
            table_multi_insert(route_->relation, route_->slots, count, command, 0, route_->insert_state);
            MemoryContextSwitchTo(previous);
            for (int i = 0; i < count; ++i) {
                ExecClearTuple(route_->slots[i]);
            }
            MemoryContextReset(route_->scratch);
        }
        PopActiveSnapshot();
    });
}

void HeapAppend::finish() {
    pg::CallPg([&] {
        for (TupleTableSlot* const slot : route_->slots) {
            if (slot != nullptr) {
                ExecDropSingleTupleTableSlot(slot);
            }
        }
        FreeBulkInsertState(route_->insert_state);
        table_finish_bulk_insert(route_->relation, 0);
        table_close(route_->relation, NoLock);
        MemoryContextDelete(route_->scratch);
        pfree(route_);
    });
    route_ = nullptr;
}

}  // namespace pgrepl::target
