// The error bridges of src/pg/error.hpp, from within a backend.
//
//   test_raise()              an ERROR with every field, through CallPg and GuardedEntry
//   test_throw(what)          a C++ exception of this kind out of an SQL function
//   test_sleep(seconds)       a wait inside CallPg, to be cancelled
//   test_caught(count)        so many ERRORs caught in subtransactions by C++; the bytes that are left allocated
//   test_live_objects()       C++ objects whose destructor has not run
//   test_heap_bytes()         bytes that malloc has handed out in this backend

#include <malloc.h>

#include <new>
#include <stdexcept>

#include "api/entry.hpp"
#include "pg/transaction.hpp"
#include "test/pg/arguments.hpp"

namespace pgrepl::test {

namespace {

/// Counts itself, and holds memory that a skipped destructor would leak.
class Live {
  public:
    Live() : text_(1'000, 'x') { ++count; }
    ~Live() { --count; }
    Live(const Live&) = delete;
    Live& operator=(const Live&) = delete;
    static inline int count = 0;

  private:
    std::string text_;
};

/// Not a std::exception; owns memory, too.
struct Unrelated {
    std::string text = std::string(1'000, 'u');
};

void raise_with_every_field() {
    Live const before;
    pg::CallPg([] {
        ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION), errmsg("the message, 100%% of it"),
                errdetail("the detail"), errhint("the hint"), err_generic_string(PG_DIAG_SCHEMA_NAME, "a schema"),
                err_generic_string(PG_DIAG_TABLE_NAME, "a table"), err_generic_string(PG_DIAG_COLUMN_NAME, "a column"),
                err_generic_string(PG_DIAG_DATATYPE_NAME, "a type"),
                err_generic_string(PG_DIAG_CONSTRAINT_NAME, "a constraint"));
    });
}

Datum test_raise(FunctionCallInfo /*fcinfo*/) {
    Live const outer;
    raise_with_every_field();
    return Datum{0};
}

[[noreturn]] void throw_kind(const std::string& what) {
    Live const in_callee;
    if (what == "standard") {
        throw std::runtime_error("a runtime error");
    }
    if (what == "integer") {
        throw 42;
    }
    if (what == "text") {
        throw "a C string";
    }
    if (what == "unrelated") {
        throw Unrelated();
    }
    if (what == "null") {
        throw nullptr;
    }
    if (what == "out of memory") {
        throw std::bad_alloc();
    }
    if (what == "huge allocation") {
        std::string text;
        text.resize(std::size_t{1} << 46);
    }
    if (what == "busy source") {
        throw core::SourceError(core::SourceErrorKind::kBusy, 5, "the file is locked", true, "by a writer", "Wait.");
    }
    if (what == "sql") {
        throw pg::SqlError(ERRCODE_INVALID_NAME, "a name is invalid", "it has 100% of the faults", "Take another.");
    }
    throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "unknown kind of exception: " + what);
}

Datum test_throw(FunctionCallInfo fcinfo) {
    Live const in_entry;
    std::string const what = text_argument(fcinfo, 0);
    throw_kind(what);
}

/// Whether what the server raises in a function of its code of this name counts as raised by code of a user's.
Datum test_is_user_code(FunctionCallInfo fcinfo) {
    std::string const function = text_argument(fcinfo, 0);
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
        pg::CallPg([&] {
            if (errstart(ERROR, nullptr)) {
                errcode(ERRCODE_DISK_FULL);
                errmsg("raised");
                errfinish("file.c", 1, function.c_str());
            }
        });
    });
    return BoolGetDatum(error && error->fields().raised_by == pg::RaisedBy::kUserCode);
}

Datum test_sleep(FunctionCallInfo fcinfo) {
    Live const before;
    Datum const seconds = PG_GETARG_DATUM(0);
    pg::CallPg([&] { DirectFunctionCall1(pg_sleep, seconds); });
    return Datum{0};
}

Datum test_caught(FunctionCallInfo fcinfo) {
    std::size_t before = 0;
    for (int i = 0; i < PG_GETARG_INT32(0) + 100; ++i) {
        if (i == 100) {  // what the first errors allocate is kept for the next
            before = MemoryContextMemAllocated(TopMemoryContext, true);
        }
        auto const error = pg::run_in_subtransaction([&] {
            Live const in_body;
            if (i % 2 == 0) {
                raise_with_every_field();
            }
            throw pg::SqlError(ERRCODE_DATA_EXCEPTION, "ours");
        });
        if (!error) {
            throw std::runtime_error("no error was returned");
        }
    }
    return Int64GetDatum(static_cast<std::int64_t>(MemoryContextMemAllocated(TopMemoryContext, true) - before));
}

Datum test_live_objects(FunctionCallInfo /*fcinfo*/) { return Int32GetDatum(Live::count); }

Datum test_heap_bytes(FunctionCallInfo /*fcinfo*/) {
    struct mallinfo2 const heap = mallinfo2();
    return Int64GetDatum(static_cast<std::int64_t>(heap.uordblks + heap.hblkhd));
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_raise, pgrepl::test::test_raise)
PGREPL_SQL_FUNCTION(test_throw, pgrepl::test::test_throw)
PGREPL_SQL_FUNCTION(test_is_user_code, pgrepl::test::test_is_user_code)
PGREPL_SQL_FUNCTION(test_sleep, pgrepl::test::test_sleep)
PGREPL_SQL_FUNCTION(test_caught, pgrepl::test::test_caught)
PGREPL_SQL_FUNCTION(test_live_objects, pgrepl::test::test_live_objects)
PGREPL_SQL_FUNCTION(test_heap_bytes, pgrepl::test::test_heap_bytes)
