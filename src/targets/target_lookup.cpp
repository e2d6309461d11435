// Lookups by id. The index route is what an index scan of the executor does, without the executor: one scan per
// call, a new key for each row.

#include "targets/target_lookup.hpp"

#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "targets/row_arrays.hpp"

namespace pgrepl::target {

namespace {

/// Whether two jsonb values are the same bytes.
bool same_bytes(Datum stored, Datum wanted, MemoryContext scratch) {
    MemoryContext const previous = MemoryContextSwitchTo(scratch);
    auto* const original = reinterpret_cast<struct varlena*>(DatumGetPointer(stored));
    struct varlena* const plain = pg_detoast_datum_packed(original);
    auto* const other = reinterpret_cast<struct varlena*>(DatumGetPointer(wanted));
    std::size_t const size = VARSIZE_ANY_EXHDR(plain);
    bool const same = size == VARSIZE_ANY_EXHDR(other) && memcmp(VARDATA_ANY(plain), VARDATA_ANY(other), size) == 0;
    if (plain != original) {
        pfree(plain);
    }
    MemoryContextSwitchTo(previous);
    return same;
}

}  // namespace

struct TargetLookup::IndexRoute {
    Relation table;
    Relation index;
    TupleTableSlot* slot;
    MemoryContext scratch;
    AttrNumber data_column;
    FmgrInfo text_equal;
};

TargetLookup::TargetLookup(const OpenTarget& target) {
    if (target.id_index == InvalidOid) {
        // *<> compares the bytes: jsonb's own equality finds 1.5 equal to 1.50.
        statement_ =
            R"(SELECT CASE WHEN t.id IS NULL THEN 'm'
               WHEN ROW(t.data)::record OPERATOR(pg_catalog.*<>) ROW(u.d)::record THEN 'd' ELSE 's' END
               FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS u(i, d, n)
               LEFT JOIN )" +
            target.rows_sql() + " t ON t.id = u.i ORDER BY u.n";
        return;
    }
    index_ = pg::CallPg([&]() -> IndexRoute* {
        Relation const table = table_open(target.relid, AccessShareLock);
        // There is no executor that would check this.
        AclResult const allowed = pg_class_aclcheck(target.relid, GetUserId(), ACL_SELECT);
        if (allowed != ACLCHECK_OK) {
            aclcheck_error(allowed, OBJECT_TABLE, RelationGetRelationName(table));
        }
        Assert(TupleDescAttr(RelationGetDescr(table), target.data_column - 1)->atttypid == JSONBOID);
        auto* const route = static_cast<IndexRoute*>(palloc0(sizeof(IndexRoute)));
        route->table = table;
        route->index = index_open(target.id_index, AccessShareLock);
        route->slot = table_slot_create(table, nullptr);
        route->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_replicator lookup", ALLOCSET_DEFAULT_SIZES);
        route->data_column = target.data_column;
        fmgr_info(F_TEXTEQ, &route->text_equal);
        return route;
    });
}

void TargetLookup::compare(const EncodedRows& rows, std::vector<Found>& found) {
    found.assign(rows.size(), Found::kMissing);
    if (rows.size() == 0) {
        return;
    }
    if (index_ != nullptr) {
        compare_by_index(rows, found);
    } else {
        compare_by_statement(rows, found);
    }
}

void TargetLookup::compare_by_index(const EncodedRows& rows, std::vector<Found>& found) {
    pg::CallPg([&] {
        Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
        IndexScanDesc const scan = pg::begin_key_scan(index_beginscan, index_->table, index_->index, snapshot);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            ScanKeyData key;
            ScanKeyEntryInitializeWithInfo(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
                                           index_->index->rd_indcollation[0], &index_->text_equal, rows.id(i));
            index_rescan(scan, &key, 1, nullptr, 0);
            if (!index_getnext_slot(scan, ForwardScanDirection, index_->slot)) {
                continue;
            }
            bool is_null = false;
            Datum const stored = slot_getattr(index_->slot, index_->data_column, &is_null);
            found[i] = !is_null && same_bytes(stored, rows.data(i), index_->scratch) ? Found::kSame : Found::kDifferent;
        }
        ExecClearTuple(index_->slot);
        index_endscan(scan);
        UnregisterSnapshot(snapshot);
        MemoryContextReset(index_->scratch);
    });
}

void TargetLookup::compare_by_statement(const EncodedRows& rows, std::vector<Found>& found) {
    pg::MemoryScope memory("pg_replicator lookup");
    pg::MemorySwitch const in_memory(memory.context());
    RowArrays const arrays = as_arrays(rows, 0, rows.size());
    pg::QueryResult const result = pg::execute(
        statement_, {pg::Param::datum(TEXTARRAYOID, arrays.ids), pg::Param::datum(JSONBARRAYOID, arrays.data)});
    for (std::size_t i = 0; i < result.rows() && i < found.size(); ++i) {
        char const outcome = result.text(i, 0).at(0);
        found[i] = outcome == 's' ? Found::kSame : outcome == 'd' ? Found::kDifferent : Found::kMissing;
    }
}

void TargetLookup::finish() {
    if (index_ == nullptr) {
        return;
    }
    pg::CallPg([&] {
        ExecDropSingleTupleTableSlot(index_->slot);
        index_close(index_->index, NoLock);
        table_close(index_->table, NoLock);
        MemoryContextDelete(index_->scratch);
        pfree(index_);
    });
    index_ = nullptr;
}

}  // namespace pgrepl::target
