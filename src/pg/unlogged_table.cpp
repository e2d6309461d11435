// Both callbacks run after the abort record has been written and before files are unlinked (AbortTransaction and
// AbortSubTransaction in src/backend/access/transam/xact.c).

#include "pg/unlogged_table.hpp"

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

bool created_in_transaction = false;

void on_transaction_end(XactEvent event, void* /*unused*/) {
    if (created_in_transaction && event == XACT_EVENT_ABORT) {
        XLogFlush(GetXLogInsertRecPtr());
    }
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) {
        created_in_transaction = false;
    }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId /*unused*/, SubTransactionId /*unused*/,
                           void* /*unused*/) {
    if (created_in_transaction && event == SUBXACT_EVENT_ABORT_SUB) {
        XLogFlush(GetXLogInsertRecPtr());
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
