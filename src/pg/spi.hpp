#pragma once
// SQL from C++: parameters in, typed results out. Statement texts are constants of ours; values are always
// parameters, identifiers always go through quoted().

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// One parameter of a statement. Texts are copied. A type other than these is written as a text and cast in
/// the statement (`$1::jsonb`).
class Param {
  public:
    Param(std::string_view value) : type_(TEXTOID), text_(value) {}
    Param(const std::string& value) : type_(TEXTOID), text_(value) {}
    Param(const char* value) : type_(TEXTOID), text_(value) {}
    Param(std::int64_t number) : type_(INT8OID), datum_(Int64GetDatum(number)) {}
    Param(std::int32_t number) : type_(INT4OID), datum_(Int32GetDatum(number)) {}
    Param(bool flag) : type_(BOOLOID), datum_(BoolGetDatum(flag)) {}
    Param(const std::vector<std::string>& elements) : type_(TEXTARRAYOID), elements_(elements) {}
    Param(const std::optional<std::string>& value) : type_(TEXTOID), text_(value), null_(!value.has_value()) {}
    Param(const std::optional<std::int64_t>& number)
        : type_(INT8OID), datum_(Int64GetDatum(number.value_or(0))), null_(!number.has_value()) {}
    Param(const std::optional<bool>& flag)
        : type_(BOOLOID), datum_(BoolGetDatum(flag.value_or(false))), null_(!flag.has_value()) {}
    Param(const std::optional<std::vector<std::string>>& elements)
        : type_(TEXTARRAYOID), elements_(elements), null_(!elements.has_value()) {}

    /// A datum of any type; must stay valid until the statement has run.
    static Param datum(Oid type, Datum value) {
        Param result(false);
        result.type_ = type;
        result.datum_ = value;
        return result;
    }
    static Param oid(Oid value) { return datum(OIDOID, ObjectIdGetDatum(value)); }
    static Param timestamp(TimestampTz value) { return datum(TIMESTAMPTZOID, TimestampTzGetDatum(value)); }

    [[nodiscard]] Oid type() const noexcept { return type_; }
    [[nodiscard]] bool is_null() const noexcept { return null_; }

    /// The parameter as a datum, allocated in the current memory context. Call it inside CallPg only.
    [[nodiscard]] Datum to_datum() const;

  private:
    Oid type_;
    Datum datum_ = 0;
    std::optional<std::string> text_;
    std::optional<std::vector<std::string>> elements_;
    bool null_ = false;
};

/// The rows of a statement, copied out of PostgreSQL's memory.
class QueryResult {
  public:
    using Cell = std::optional<std::string>;

    QueryResult(std::size_t columns, std::vector<Cell> cells, std::uint64_t processed)
        : columns_(columns), cells_(std::move(cells)), processed_(processed) {}

    /// Rows returned.
    [[nodiscard]] std::size_t rows() const noexcept { return columns_ == 0 ? 0 : cells_.size() / columns_; }
    [[nodiscard]] bool empty() const noexcept { return rows() == 0; }
    /// Rows that the statement returned or changed.
    [[nodiscard]] std::uint64_t processed() const noexcept { return processed_; }

    [[nodiscard]] const Cell& cell(std::size_t row, std::size_t column) const {
        return cells_.at(row * columns_ + column);
    }
    [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const { return !cell(row, column); }
    /// Text of a value; the empty text for null.
    [[nodiscard]] std::string text(std::size_t row, std::size_t column) const { return cell(row, column).value_or(""); }
    /// Throws std::invalid_argument for null or what is no number: a defect of the caller's statement.
    [[nodiscard]] std::int64_t int64(std::size_t row, std::size_t column) const {
        return std::stoll(text(row, column));
    }
    [[nodiscard]] std::optional<std::int64_t> optional_int64(std::size_t row, std::size_t column) const {
        return is_null(row, column) ? std::nullopt : std::optional(int64(row, column));
    }
    [[nodiscard]] Oid oid(std::size_t row, std::size_t column) const {
        return static_cast<Oid>(std::stoul(text(row, column)));
    }
    [[nodiscard]] bool boolean(std::size_t row, std::size_t column) const { return text(row, column) == "t"; }

  private:
    std::size_t columns_;
    std::vector<Cell> cells_;
    std::uint64_t processed_;
};

/// Runs one statement in the current transaction with a fresh snapshot, and returns its rows.
QueryResult execute(const std::string& sql, std::initializer_list<Param> params = {});
QueryResult execute(const std::string& sql, std::span<const Param> params);

/// Runs a statement whose result is not wanted, with raw datums; returns the number of rows it changed. For hot
/// paths: nothing is copied.
std::uint64_t execute_with_datums(const char* sql, std::span<const Oid> types, std::span<const Datum> values);

/// The elements of a text[] value in its text form.
std::vector<std::string> array_elements(const std::string& array_text);

/// An identifier, quoted if it needs to be.
std::string quoted(std::string_view identifier);

/// `"schema"."name"`, quoted.
std::string quoted(std::string_view schema, std::string_view name);

}  // namespace pgrepl::pg
