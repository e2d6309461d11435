// The two routes.

#include "targets/bulk_load.hpp"

#include "pg/spi.hpp"
#include "targets/bisection.hpp"
#include "targets/row_arrays.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::target {

BulkLoad::BulkLoad(const OpenTarget& target, TimestampTz synced_at) : target_(target), synced_at_(synced_at) {
    if (target.takes_heap_route) {
        heap_ = HeapAppend::open(target.relid);
    }
}

BulkLoad::BulkLoad(const TargetName& staging, TimestampTz synced_at)
    : staging_(staging.sql()), synced_at_(synced_at), heap_(HeapAppend::open(require_side_table(staging))) {}

void BulkLoad::append(const EncodedRows& rows, std::vector<pg::RefusedRow>& refused) {
    if (rows.size() == 0) {
        return;
    }
    if (heap_) {
        append_to_heap(rows);  // nothing there looks at a row
    } else {
        write_by_halves(
            0, rows.size(), [&](std::size_t first, std::size_t count) { append_by_statement(rows, first, count); },
            [&](std::size_t row, const pg::SqlError& error) { refused.push_back(rows.refused(row, error)); });
    }
}

void BulkLoad::append_to_heap(const EncodedRows& rows) {
    if (target_) {
        target_->add(rows, *heap_, synced_at_);
    } else {
        heap_->append(rows, synced_at_);
    }
}

void BulkLoad::append_by_statement(const EncodedRows& rows, std::size_t first, std::size_t count) {
    if (target_) {
        target_->add(rows, first, count, synced_at_);
    } else {
        insert_arrays(staging_, rows, first, count, synced_at_);
    }
}

void BulkLoad::append_set_aside(const std::string& id) {
    pg::execute("INSERT INTO " + staging_ + " (id, data) VALUES ($1, NULL)", {id});
}

void BulkLoad::finish() {
    if (heap_) {
        heap_->finish();
        heap_.reset();
    }
}

}  // namespace pgrepl::target
