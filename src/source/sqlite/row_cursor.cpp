// A running read of rows. transfer() is the adapter's inner loop: one call of SQLite for a value's type, one
// or two for the value, one copy of its bytes.

#include "source/sqlite/row_cursor.hpp"

#include <algorithm>
#include <utility>

namespace pgrepl::sqlite {
namespace {

/// From this size on a copy costs more than ending the batch early.
constexpr std::size_t kBorrowBytes = 64 * 1024;

/// As many bytes has the largest row that jsonb takes. One that holds more is refused, whatever they are: it is handed
/// out as so many and a few, or what a view computes would be held once more by whoever copies and encodes it. Its key
/// stays whole and is not counted: it says which row is refused, and so which row of the target stays as it is.
constexpr std::size_t kMostStoredBytes = 268'435'455;
constexpr std::size_t kMostHandedOut = kMostStoredBytes + 4;  // where a letter is not cut in two, some are left out

struct RawBytes {
    const char* data;
    std::size_t size;
};

/// The bytes of a text or blob.
RawBytes bytes_of(sqlite3_value* value, bool as_text) {
    const void* const data = as_text ? sqlite3_value_text(value) : sqlite3_value_blob(value);
    return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

/// No more than `room`.
RawBytes cut(RawBytes bytes, std::size_t room, bool is_text) {
    if (bytes.size <= room) {
        return bytes;
    }
    auto const continues = [&](std::size_t at) { return (static_cast<unsigned char>(bytes.data[at]) & 0xC0) == 0x80; };
    std::size_t size = room;
    while (is_text && size > 0 && room - size < 3 && continues(size)) {
        --size;
    }
    return {bytes.data, size};
}

/// The bytes at a place where they stay as long as the batch needs them.
RawBytes keep(RawBytes bytes, core::RowBatch& batch, bool may_borrow, bool& borrowed) {
    if (may_borrow && bytes.size >= kBorrowBytes) {
        batch.count_borrowed(bytes.size);
        borrowed = true;
        return bytes;
    }
    return {batch.arena().copy(bytes.data, bytes.size), bytes.size};
}

}  // namespace

RowCursor::RowCursor(const Connection& connection, const std::vector<std::string>& statements,
                     std::size_t columns_per_statement, std::vector<bool> is_key, std::string doing)
    : connection_(connection),
      doing_(std::move(doing)),
      columns_per_statement_(columns_per_statement),
      is_key_(std::move(is_key)) {
    for (const std::string& sql : statements) {
        statements_.push_back(connection.prepare(sql, doing_));
    }
}

void RowCursor::reset() noexcept {
    for (const Statement& statement : statements_) {
        sqlite3_reset(statement.get());
    }
}

void RowCursor::bind_rowids(std::int64_t low, std::int64_t high) {
    reset();
    for (const Statement& statement : statements_) {
        sqlite3_bind_int64(statement.get(), 1, low);
        sqlite3_bind_int64(statement.get(), 2, high);
    }
}

void RowCursor::bind_key(std::span<const KeyValue> values, unsigned char encoding) {
    reset();
    for (const Statement& statement : statements_) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            int const result = bind_key_value(statement.get(), static_cast<int>(i) + 1, values[i], encoding);
            if (result != SQLITE_OK) {
                connection_.fail(result, doing_);
            }
        }
    }
}

bool RowCursor::step() {
    bool row = false;
    for (std::size_t i = 0; i < statements_.size(); ++i) {
        int const result = sqlite3_step(statements_[i].get());
        connection_.throw_if_index_lost();
        if (result != SQLITE_ROW && result != SQLITE_DONE) {
            connection_.fail(result, doing_);
        }
        bool const has_row = result == SQLITE_ROW;
        if (i > 0 && has_row != row) {
            connection_.fail(SQLITE_CORRUPT, doing_);  // two reads of one state of one table
        }
        row = has_row;
    }
    if (!row) {
        reset();
    }
    return row;
}

std::int64_t RowCursor::integer(std::size_t column) const {
    return sqlite3_column_int64(statements_[column / columns_per_statement_].get(),
                                static_cast<int>(column % columns_per_statement_));
}

KeyValue RowCursor::key_value(std::size_t column) const {
    return read_key_value(statements_[column / columns_per_statement_].get(),
                          static_cast<int>(column % columns_per_statement_));
}

bool RowCursor::transfer(std::span<core::Value> row, core::RowBatch& batch, Transfer how) const {
    bool borrowed = false;
    std::size_t room = kMostHandedOut;
    for (std::size_t first = 0; first < row.size(); first += columns_per_statement_) {
        sqlite3_stmt* const statement = statements_[first / columns_per_statement_].get();
        int const count = static_cast<int>(std::min(row.size() - first, columns_per_statement_));
        for (int column = 0; column < count; ++column) {
            core::Value& value = row[first + static_cast<std::size_t>(column)];
            // Asked for once: each call for a column looks it up again. That such a value is "unprotected" means a
            // mutex that this connection, of one thread, does not have.
            sqlite3_value* const source = sqlite3_column_value(statement, column);
            int const type = sqlite3_value_type(source);
            if (type == SQLITE_INTEGER) {
                value = core::Value::from_int64(sqlite3_value_int64(source));
                continue;
            }
            if (type == SQLITE_FLOAT) {
                value = core::Value::from_double(sqlite3_value_double(source));
                continue;
            }
            if (type == SQLITE_NULL) {
                continue;  // as append_row() made it
            }
            bool const is_text = type == SQLITE_TEXT;
            // As a blob, UTF-8 text is handed out as it is stored; as text it would be copied for a final zero byte.
            RawBytes const whole = bytes_of(source, is_text && !how.utf8_database);
            if (whole.data == nullptr && (whole.size != 0 || sqlite3_errcode(connection_.handle()) == SQLITE_NOMEM)) {
                connection_.fail(SQLITE_NOMEM, doing_);
            }
            bool const stays_whole = is_key_[first + static_cast<std::size_t>(column)];
            RawBytes const bytes = stays_whole ? whole : cut(whole, room, is_text);
            room -= stays_whole ? 0 : bytes.size;
            RawBytes const kept = keep(bytes, batch, how.may_borrow, borrowed);
            auto const size = static_cast<std::uint32_t>(kept.size);
            value = is_text ? core::Value::text(kept.data, size) : core::Value::bytes(kept.data, size);
        }
    }
    return borrowed;
}

}  // namespace pgrepl::sqlite
