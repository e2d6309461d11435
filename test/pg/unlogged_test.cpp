// flush_if_aborted at the end of a page of the log:
//
//   test_abort_at_page_end(long)   aborts a subtransaction that has created an unlogged table so that the record of the
//                                  abort fills its page of the log to the last byte, and `long` says whether the next
//                                  page is the first of a segment; whether the record was on disk then

#include <stdexcept>

#include "api/entry.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/unlogged_table.hpp"

namespace pgrepl::test {

namespace {

/// Other processes write to the log, too.
constexpr int kMostAttempts = 200;

struct RolledBack {};

template <typename Body>
void in_aborted_subtransaction(Body&& body) {
    try {
        (void)pg::run_in_subtransaction([&] {
            body();
            throw RolledBack{};
        });
    } catch (const RolledBack&) {
    }
}

void create_table() {
    pg::flush_if_aborted();
    pg::execute("CREATE UNLOGGED TABLE public.unlogged_test (a int)");
}

XLogRecPtr next_record() { return GetXLogInsertRecPtr(); }

std::uint64_t room_in_page() { return XLOG_BLCKSZ - next_record() % XLOG_BLCKSZ; }

bool next_page_begins_segment() { return XLogSegmentOffset(next_record() + room_in_page(), wal_segment_size) == 0; }

void write_message(std::uint64_t bytes) {
    pg::execute("SELECT pg_catalog.pg_logical_emit_message(false, '', pg_catalog.repeat('x', $1::int))",
                {static_cast<std::int64_t>(bytes)});
}

/// To where a message of more than 255 bytes, whose header has its final size, and the abort fit into the page.
void go_to_free_page() {
    while (room_in_page() < 2'000) {
        write_message(500);
    }
}

void go_to_end_of_segment() {
    std::uint64_t const left =
        static_cast<std::uint64_t>(wal_segment_size) - XLogSegmentOffset(next_record(), wal_segment_size);
    if (left > 3 * XLOG_BLCKSZ) {
        write_message(left - 2 * XLOG_BLCKSZ - left / 500);  // each page has a header
    }
    while (!next_page_begins_segment()) {
        write_message(500);
    }
}

/// What `write` adds to the log.
template <typename Write>
std::uint64_t bytes_of(Write&& write) {
    go_to_free_page();
    XLogRecPtr const before = next_record();
    write();
    return next_record() - before;
}

/// Whether the record of the abort was the last of its page.
bool fill_page(bool segment) {
    std::uint64_t const message = bytes_of([] { write_message(1'000); }) - 1'000;
    std::uint64_t abort = 0;
    in_aborted_subtransaction([&] {
        create_table();
        go_to_free_page();
        abort = next_record();
    });
    abort = next_record() - abort;
    in_aborted_subtransaction([&] {
        create_table();
        if (segment) {
            go_to_end_of_segment();
        }
        go_to_free_page();
        write_message(room_in_page() - abort - message);
    });
    return next_record() % XLOG_BLCKSZ == (segment ? SizeOfXLogLongPHD : SizeOfXLogShortPHD);
}

Datum test_abort_at_page_end(FunctionCallInfo fcinfo) {
    bool const segment = PG_GETARG_BOOL(0);
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        if (fill_page(segment)) {
            XLogRecPtr const end = next_record() - next_record() % XLOG_BLCKSZ;
            PG_RETURN_BOOL(!XLogNeedsFlush(end));
        }
    }
    throw std::runtime_error("the end of a page was not met");
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_abort_at_page_end, pgrepl::test::test_abort_at_page_end)
