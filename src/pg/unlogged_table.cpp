// Both callbacks run after the abort record has been written and before files are unlinked (AbortTransaction and
// AbortSubTransaction in src/backend/access/transam/xact.c).

#include "pg/unlogged_table.hpp"

#include "pg/callback.hpp"
#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

bool created_in_transaction = false;

/// Where the log ends. GetXLogInsertRecPtr() names the place of the next record: when a page is full, that is after the
/// header of the next page, which nobody has written yet, and XLogFlush() raises an error if it is asked for it.
XLogRecPtr end_of_log() {
    XLogRecPtr const next = GetXLogInsertRecPtr();
    XLogRecPtr const page = next - next % XLOG_BLCKSZ;
    std::size_t const header = XLogSegmentOffset(page, wal_segment_size) == 0 ? SizeOfXLogLongPHD : SizeOfXLogShortPHD;
    return next == page + header ? page : next;
}

void flush_log() {
    if (created_in_transaction) {
        run_in_callback("flushing an abort record", [] { XLogFlush(end_of_log()); });
    }
}

void on_transaction_end(XactEvent event, void* /*unused*/) {
    if (event == XACT_EVENT_ABORT) {
        flush_log();
    }
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) {
        created_in_transaction = false;
    }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId /*unused*/, SubTransactionId /*unused*/,
                           void* /*unused*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        flush_log();
    }
}

}  // namespace

void flush_if_aborted() {
    static bool registered = false;
    if (!registered) {
        CallPg([] {
            RegisterXactCallback(on_transaction_end, nullptr);
            RegisterSubXactCallback(on_subtransaction_end, nullptr);
        });
        registered = true;
    }
    created_in_transaction = true;
}

}  // namespace pgrepl::pg
