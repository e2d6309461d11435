// Reading rows: the adapter's inner loop. Result buffers are never bound: the driver then only notes where in the
// packet each value begins, and we take it from there, once.

#include "source/mysql/copy/row_statement.hpp"

#include <cstring>

#include "core/source_error.hpp"
#include "source/mysql/copy/key_bound.hpp"
#include "source/mysql/values/row_values.hpp"

namespace pgrepl::mysql {
namespace {

using core::Value;

/// From this size on a copy costs more than ending the batch early.
constexpr std::size_t kBorrowBytes = 64 * 1024;

template <typename Number>
Number load(const unsigned char* at) {
    Number number;
    std::memcpy(&number, at, sizeof number);
    return number;
}

/// CAST(… AS UNSIGNED) is as wide as the server thinks it needs to be: MariaDB makes a short one of an ENUM.
std::uint64_t load_unsigned(const unsigned char* at, enum_field_types type) {
    switch (type) {
        case MYSQL_TYPE_TINY:
            return *at;
        case MYSQL_TYPE_SHORT:
            return load<std::uint16_t>(at);
        case MYSQL_TYPE_INT24:
        case MYSQL_TYPE_LONG:
            return load<std::uint32_t>(at);
        default:
            return load<std::uint64_t>(at);
    }
}

bool is_integer_type(enum_field_types type) {
    return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_INT24 || type == MYSQL_TYPE_LONG ||
           type == MYSQL_TYPE_LONGLONG;
}

std::uint32_t size32(std::size_t size) { return static_cast<std::uint32_t>(size); }

/// The bytes that the protocol sends for a value of this kind must be those that decode_value() reads.
bool agrees(ColumnKind kind, enum_field_types type) {
    switch (kind) {
        case ColumnKind::kInt8:
            return type == MYSQL_TYPE_TINY;
        case ColumnKind::kInt16:
            return type == MYSQL_TYPE_SHORT;
        case ColumnKind::kInt32:
            return type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_INT24;
        case ColumnKind::kInt64:
            return type == MYSQL_TYPE_LONGLONG;
        case ColumnKind::kSetNumber:
            return is_integer_type(type);
        case ColumnKind::kYear:
            return type == MYSQL_TYPE_YEAR;
        case ColumnKind::kFloat:
            return type == MYSQL_TYPE_FLOAT;
        case ColumnKind::kDouble:
            return type == MYSQL_TYPE_DOUBLE;
        case ColumnKind::kDate:
            return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_NEWDATE;
        case ColumnKind::kDateTime:
            return type == MYSQL_TYPE_DATETIME;
        case ColumnKind::kTimestamp:
            return type == MYSQL_TYPE_TIMESTAMP;
        case ColumnKind::kTime:
            return type == MYSQL_TYPE_TIME;
        case ColumnKind::kDecimal:
            return type == MYSQL_TYPE_NEWDECIMAL || type == MYSQL_TYPE_DECIMAL;
        case ColumnKind::kBit:
            return type == MYSQL_TYPE_BIT;
        default:
            return type == MYSQL_TYPE_STRING || type == MYSQL_TYPE_VAR_STRING || type == MYSQL_TYPE_VARCHAR ||
                   type == MYSQL_TYPE_ENUM || type == MYSQL_TYPE_SET || type == MYSQL_TYPE_JSON ||
                   type == MYSQL_TYPE_GEOMETRY || (type >= MYSQL_TYPE_TINY_BLOB && type <= MYSQL_TYPE_BLOB);
    }
}

}  // namespace

RowStatement::RowStatement(Connection& connection, const TableShape& shape, const std::string& sql,
                           const std::string& doing)
    : connection_(connection), shape_(shape), doing_(doing) {
    connection_.throw_if_interrupted();
    Connection::Turn const turn(connection_, Connection::kMostHeadBytes);
    statement_.reset(mysql_stmt_init(connection_.handle()));
    if (!statement_) {
        throw core::SourceError(core::SourceErrorKind::kResource, 0, "out of memory", true);
    }
    if (mysql_stmt_prepare(statement_.get(), sql.data(), sql.size()) != 0 ||
        mysql_stmt_execute(statement_.get()) != 0) {
        fail();
    }
    check_types();
}

RowStatement::~RowStatement() {
    Connection::Turn const turn(connection_);
    statement_.reset();
}

void RowStatement::check_types() const {
    bool same = statement_->field_count >= shape_.columns.size();
    for (std::size_t i = 0; same && i < shape_.columns.size(); ++i) {
        same = agrees(shape_.columns[i].kind, statement_->fields[i].type);
    }
    std::size_t beside = shape_.columns.size();
    for (const KeyPart& part : shape_.key) {
        if (same && (part.needs_number || part.by_hash)) {
            enum_field_types const type = statement_->fields[beside++].type;
            same = part.by_hash ? agrees(ColumnKind::kBytes, type) : is_integer_type(type);
        }
    }
    if (!same) {
        throw core::SourceError(core::SourceErrorKind::kTableChanged, 0,
                                "a column of table " + quote_identifier(shape_.info.name.database) + "." +
                                    quote_identifier(shape_.info.name.table) + " has another type than before",
                                true, "", "The table is copied again.");
    }
}

void RowStatement::fail() {
    if (mysql_stmt_errno(statement_.get()) == 0) {
        connection_.fail(doing_);  // what comes between rows the driver notes at the connection
    }
    const char* const message = mysql_stmt_error(statement_.get());
    connection_.fail(mysql_stmt_errno(statement_.get()), message == nullptr ? "" : message, doing_);
}

bool RowStatement::next() {
    int const result = mysql_stmt_fetch(statement_.get());
    if (result == MYSQL_NO_DATA) {
        return false;
    }
    if (result != 0 && result != MYSQL_DATA_TRUNCATED) {
        fail();
    }
    return true;
}

bool RowStatement::decode(std::span<Value> row, core::RowBatch& batch) {
    bool borrowed = false;
    for (std::size_t i = 0; i < row.size(); ++i) {
        const unsigned char* const at = value_at(i);
        if (at != nullptr) {
            borrowed = decode_value(i, at, batch, row[i]) || borrowed;
        }
    }
    return borrowed;
}

bool RowStatement::decode_value(std::size_t index, const unsigned char* at, core::RowBatch& batch, Value& value) {
    const ColumnShape& column = shape_.columns[index];
    core::Arena& arena = batch.arena();
    bool const unsigned_value = column.is_unsigned;
    char* text = nullptr;
    switch (column.kind) {
        case ColumnKind::kInt8:
            value = Value::from_int64(unsigned_value ? static_cast<int>(*at) : load<std::int8_t>(at));
            return false;
        case ColumnKind::kInt16:
            value = Value::from_int64(unsigned_value ? load<std::uint16_t>(at) : load<std::int16_t>(at));
            return false;
        case ColumnKind::kInt32:
            value = Value::from_int64(unsigned_value ? static_cast<std::int64_t>(load<std::uint32_t>(at))
                                                     : load<std::int32_t>(at));
            return false;
        case ColumnKind::kInt64:
            value = unsigned_value && load<std::int64_t>(at) < 0 ? Value::from_uint64(load<std::uint64_t>(at))
                                                                 : Value::from_int64(load<std::int64_t>(at));
            return false;
        case ColumnKind::kYear:
            value = Value::from_int64(load<std::uint16_t>(at));
            return false;
        case ColumnKind::kFloat:
            value = Value::from_float(load<float>(at));
            return false;
        case ColumnKind::kDouble:
            value = Value::from_double(load<double>(at));
            return false;
        case ColumnKind::kDate:
            text = arena.allocate(kMostTimeText);
            value = Value::text(text, size32(static_cast<std::size_t>(print_date(at, text) - text)));
            return false;
        case ColumnKind::kDateTime:
        case ColumnKind::kTimestamp: {
            text = arena.allocate(kMostTimeText);
            TimeStyle const style = {.separator = 'T', .utc = column.kind == ColumnKind::kTimestamp};
            const char* const end = print_date_time(at, column.fraction, style, text);
            value = Value::text(text, size32(static_cast<std::size_t>(end - text)));
            return false;
        }
        case ColumnKind::kTime:
            text = arena.allocate(kMostTimeText);
            value = Value::text(text, size32(static_cast<std::size_t>(print_time(at, column.fraction, text) - text)));
            return false;
        case ColumnKind::kSetNumber:
            value = label_array(load_unsigned(at, statement_->fields[index].type), column.labels, arena);
            return false;
        default:
            break;
    }
    std::string_view const raw = encoded_string(at);
    bool const may_borrow = raw.size() >= kBorrowBytes;
    switch (column.kind) {
        case ColumnKind::kDecimal: {
            std::string_view const digits = without_leading_zeros(raw, arena);
            value = Value::decimal(digits.data(), size32(digits.size()));
            return false;
        }
        case ColumnKind::kBit: {
            std::uint64_t const number = bit_number(raw);
            value =
                number > INT64_MAX ? Value::from_uint64(number) : Value::from_int64(static_cast<std::int64_t>(number));
            return false;
        }
        case ColumnKind::kText:
            if (may_borrow && column.charset->is_utf8()) {
                value = Value::text(raw.data(), size32(raw.size()));
                break;
            }
            value = column.charset->to_value(raw, arena);
            return false;
        case ColumnKind::kJson:
            value = json_value(raw, *column.charset, arena, json_);
            return false;
        case ColumnKind::kSet:
            value = column.charset->to_value(raw, arena);
            value = value.kind == core::ValueKind::kText ? label_array(value.view(), arena)
                                                         : label_array(raw, *column.charset, arena);
            return false;
        case ColumnKind::kGeometry:
            value = geometry(raw, arena);
            return false;
        default:
            if (may_borrow) {
                value = Value::bytes(raw.data(), size32(raw.size()));
                break;
            }
            value = Value::bytes(arena.copy(raw.data(), raw.size()), size32(raw.size()));
            return false;
    }
    batch.count_borrowed(raw.size());
    return true;
}

std::vector<std::string> RowStatement::key_of_row(const std::vector<KeyPart>& key) const {
    std::vector<std::string> bound;
    std::size_t beside = shape_.columns.size();
    char text[kMostTimeText];
    for (const KeyPart& part : key) {
        const ColumnShape& column = shape_.columns[part.column];
        if (part.needs_number) {
            std::uint64_t const number = load_unsigned(value_at(beside), statement_->fields[beside].type);
            bound.push_back(number_bound(std::to_string(number)));
            ++beside;
            continue;
        }
        if (part.by_hash) {
            bound.push_back(bytes_bound(encoded_string(value_at(beside))));
            ++beside;
            continue;
        }
        const unsigned char* const at = value_at(part.column);
        switch (column.kind) {
            case ColumnKind::kInt8:
                bound.push_back(
                    number_bound(std::to_string(column.is_unsigned ? static_cast<int>(*at) : load<std::int8_t>(at))));
                break;
            case ColumnKind::kInt16:
                bound.push_back(number_bound(
                    std::to_string(column.is_unsigned ? load<std::uint16_t>(at) : load<std::int16_t>(at))));
                break;
            case ColumnKind::kInt32:
                bound.push_back(number_bound(column.is_unsigned ? std::to_string(load<std::uint32_t>(at))
                                                                : std::to_string(load<std::int32_t>(at))));
                break;
            case ColumnKind::kInt64:
                bound.push_back(number_bound(column.is_unsigned ? std::to_string(load<std::uint64_t>(at))
                                                                : std::to_string(load<std::int64_t>(at))));
                break;
            case ColumnKind::kYear:
                bound.push_back(number_bound(std::to_string(load<std::uint16_t>(at))));
                break;
            case ColumnKind::kFloat:
                bound.push_back(real_bound(load<float>(at)));
                break;
            case ColumnKind::kDouble:
                bound.push_back(real_bound(load<double>(at)));
                break;
            case ColumnKind::kDecimal:
                bound.push_back(number_bound(encoded_string(at)));
                break;
            case ColumnKind::kBit:
                bound.push_back(number_bound(std::to_string(bit_number(encoded_string(at)))));
                break;
            case ColumnKind::kDate:
                bound.push_back(quoted_bound({text, static_cast<std::size_t>(print_date(at, text) - text)}));
                break;
            case ColumnKind::kDateTime:
            case ColumnKind::kTimestamp: {
                const char* const end = print_date_time(at, column.fraction, {.separator = ' ', .utc = false}, text);
                bound.push_back(quoted_bound({text, static_cast<std::size_t>(end - text)}));
                break;
            }
            case ColumnKind::kTime: {
                const char* const end = print_time(at, column.fraction, text);
                bound.push_back(quoted_bound({text, static_cast<std::size_t>(end - text)}));
                break;
            }
            default:
                bound.push_back(part.form == BoundForm::kQuoted ? quoted_bound(encoded_string(at))
                                                                : bytes_bound(encoded_string(at)));
        }
    }
    return bound;
}

}  // namespace pgrepl::mysql
