// SQL from C++ through SPI. A statement runs, and its cells become C strings, inside one CallPg and one memory
// context; the C++ side then copies them and the context is deleted.

#include "pg/spi.hpp"

#include "core/utf8.hpp"
#include "pg/memory.hpp"
#include "pg/owner_code.hpp"
#include "pg/precondition.hpp"

namespace pgrepl::pg {

namespace {

/// The last place for what others have said to become text that the database may hold.
Datum text_datum(const std::string& text) {
    struct varlena* const datum = cstring_to_text_with_len(text.data(), static_cast<int>(text.size()));
    core::make_utf8(VARDATA(datum), text.size());
    return PointerGetDatum(datum);
}

/// What CallPg may hand out: nothing in it needs a destructor.
struct RawResult {
    int columns;
    std::uint64_t rows;
    std::uint64_t processed;
    char** cells;  ///< null for SQL NULL
};

/// Snapshot for the statement and for the detoasting of its results.
struct StatementSnapshot {
    bool pushed;
};

StatementSnapshot push_snapshot_if_none() {
    if (ActiveSnapshotSet()) {
        return {false};
    }
    PushActiveSnapshot(GetTransactionSnapshot());
    return {true};
}

void pop_snapshot(StatementSnapshot snapshot) {
    if (snapshot.pushed) {
        PopActiveSnapshot();
    }
}

void require_success(int code, const char* sql) {
    if (code < 0) {
        elog(ERROR, "statement failed with %s: %s", SPI_result_code_string(code), sql);
    }
}

RawResult copy_result(MemoryContext memory) {
    RawResult result{};
    result.processed = SPI_processed;
    if (SPI_tuptable == nullptr) {
        return result;
    }
    MemoryContext const previous = MemoryContextSwitchTo(memory);
    TupleDesc const descriptor = SPI_tuptable->tupdesc;
    result.columns = descriptor->natts;
    result.rows = SPI_tuptable->numvals;
    std::size_t const cells = result.rows * static_cast<std::size_t>(result.columns);
    result.cells = static_cast<char**>(MemoryContextAllocHuge(memory, sizeof(char*) * (cells + 1)));
    for (std::uint64_t row = 0; row < result.rows; ++row) {
        for (int column = 0; column < result.columns; ++column) {
            result.cells[row * static_cast<std::size_t>(result.columns) + static_cast<std::size_t>(column)] =
                SPI_getvalue(SPI_tuptable->vals[row], descriptor, column + 1);
        }
    }
    MemoryContextSwitchTo(previous);
    return result;
}

RawResult execute_raw(const char* sql, std::span<const Param> params, MemoryContext memory) {
    MemoryContext const previous = MemoryContextSwitchTo(memory);
    auto const count = static_cast<int>(params.size());
    auto* const types = static_cast<Oid*>(palloc(sizeof(Oid) * (params.size() + 1)));
    auto* const values = static_cast<Datum*>(palloc(sizeof(Datum) * (params.size() + 1)));
    auto* const nulls = static_cast<char*>(palloc(params.size() + 1));
    for (int i = 0; i < count; ++i) {
        const Param& param = params[static_cast<std::size_t>(i)];
        types[i] = param.type();
        nulls[i] = param.is_null() ? 'n' : ' ';
        values[i] = param.is_null() ? Datum{0} : param.to_datum();
    }
    StatementSnapshot const snapshot = push_snapshot_if_none();
    SPI_connect();
    require_success(SPI_execute_with_args(sql, count, types, values, nulls, false, 0), sql);
    RawResult const result = copy_result(memory);
    SPI_finish();
    pop_snapshot(snapshot);
    MemoryContextSwitchTo(previous);
    return result;
}

}  // namespace

Datum Param::to_datum() const {
    if (elements_) {
        auto* const datums = static_cast<Datum*>(palloc(sizeof(Datum) * (elements_->size() + 1)));
        for (std::size_t i = 0; i < elements_->size(); ++i) {
            datums[i] = text_datum((*elements_)[i]);
        }
        return PointerGetDatum(
            construct_array(datums, static_cast<int>(elements_->size()), TEXTOID, -1, false, TYPALIGN_INT));
    }
    return text_ ? text_datum(*text_) : datum_;
}

QueryResult execute(const std::string& sql, std::span<const Param> params) {
    expect_transaction();
    MemoryScope memory("pg_replicator statement");
    const char* const text = sql.c_str();
    OwnStatement const own(text);
    RawResult const raw = CallPg([&] { return execute_raw(text, params, memory.context()); });
    std::vector<QueryResult::Cell> cells;
    std::size_t const count = raw.rows * static_cast<std::size_t>(raw.columns);
    cells.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (raw.cells[i] == nullptr) {
            cells.emplace_back(std::nullopt);
        } else {
            cells.emplace_back(raw.cells[i]);
        }
    }
    return {static_cast<std::size_t>(raw.columns), std::move(cells), raw.processed};
}

QueryResult execute(const std::string& sql, std::initializer_list<Param> params) {
    return execute(sql, std::span<const Param>(params.begin(), params.size()));
}

std::uint64_t execute_with_datums(const char* sql, std::span<const Oid> types, std::span<const Datum> values) {
    expect_transaction();
    OwnStatement const own(sql);
    return CallPg([&] {
        StatementSnapshot const snapshot = push_snapshot_if_none();
        SPI_connect();
        require_success(SPI_execute_with_args(sql, static_cast<int>(types.size()), const_cast<Oid*>(types.data()),
                                              const_cast<Datum*>(values.data()), nullptr, false, 0),
                        sql);
        std::uint64_t const processed = SPI_processed;
        SPI_finish();
        pop_snapshot(snapshot);
        return processed;
    });
}

std::vector<std::string> array_elements(const std::string& array_text) {
    QueryResult const result = execute("SELECT unnest($1::text[])", {array_text});
    std::vector<std::string> elements;
    for (std::size_t row = 0; row < result.rows(); ++row) {
        elements.push_back(result.text(row, 0));
    }
    return elements;
}

std::string quoted(std::string_view identifier) {
    std::string const copy(identifier);
    const char* const text = CallPg([&] { return quote_identifier(copy.c_str()); });
    return text;
}

std::string quoted(std::string_view schema, std::string_view name) { return quoted(schema) + "." + quoted(name); }

}  // namespace pgrepl::pg
