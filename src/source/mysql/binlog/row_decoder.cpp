#include "source/mysql/binlog/row_decoder.hpp"

#include <algorithm>

#include "source/mysql/binlog/compressed_part.hpp"
#include "source/mysql/binlog/maria_values.hpp"
#include "source/mysql/binlog/number_values.hpp"
#include "source/mysql/binlog/time_values.hpp"
#include "source/mysql/values/row_values.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kMetadataHint = "Set binlog_row_metadata = FULL on the source.";

[[noreturn]] void throw_untold(const EventColumn& column, const ByteReader& reader, std::string_view what) {
    throw_unsupported(reader.place(), "the " + std::string(what) + " of column \"" + column.name + "\" is not told",
                      kMetadataHint);
}

core::Value decode_integer(const EventColumn& column, ByteReader& reader, unsigned bytes) {
    if (column.signedness == Signedness::kUnknown) [[unlikely]] {
        throw_untold(column, reader, "sign");
    }
    return read_integer(reader, bytes, column.signedness == Signedness::kUnsigned);
}

/// Text as core::Value::text or bytes limits it.
void require_size(ByteReader& reader, std::uint64_t size) {
    if (size > reader.left()) [[unlikely]] {
        reader.fail("a value ends beyond the event");
    }
}

ByteSpan read_prefixed(ByteReader& reader, unsigned length_bytes) {
    std::uint64_t const size = reader.little(length_bytes);
    require_size(reader, size);
    return reader.bytes(size);
}

core::Value raw_bytes(ByteSpan bytes, core::Arena& arena) {
    return core::Value::bytes(arena.copy(bytes.data(), bytes.size()), static_cast<std::uint32_t>(bytes.size()));
}

/// Of CHAR and VARCHAR: the length takes two bytes if the column's may pass 255.
ByteSpan read_sized(ByteReader& reader, const EventColumn& column) {
    return read_prefixed(reader, column.length > 255 ? 2 : 1);
}

}  // namespace

void RowDecoder::open(const RowsEvent& event) {
    if (event.column_count != table_.columns.size()) {
        throw_corrupt(event.place, "its rows have " + std::to_string(event.column_count) + " columns, their table " +
                                       std::to_string(table_.columns.size()));
    }
    event_ = event;
    left_ = event.rows;
    present_ = require_columns(event_.present) ? nullptr : &event_.present;
    present_after_ = require_columns(event_.present_after) ? nullptr : &event_.present_after;
}

/// False if columns are missing, none of which is read: MariaDB 11 logs generated columns with few changes.
bool RowDecoder::require_columns(ByteSpan present) const {
    bool complete = true;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
        if (bit_is_set(present, i)) {
            continue;
        }
        complete = false;
        if (table_.columns[i].output != EventColumn::kNotRead) {
            throw_unsupported(event_.place, "its rows lack column \"" + table_.columns[i].name + "\"",
                              "Set binlog_row_image = FULL at the source, let sessions reconnect, and copy the "
                              "table again: replicator_resync(name, table).");
        }
    }
    return complete;
}

bool RowDecoder::next(core::RowBatch& batch) {
    invalid_value_.reset();
    if (left_.empty()) {
        return false;
    }
    if (batch.column_count() != table_.row_width) {
        throw core::SourceError(core::SourceErrorKind::kInternal, 0, "a row batch does not fit its table", false);
    }
    decode_image(present_, batch);
    if (event_.kind == core::ChangeKind::kUpdate) {
        decode_image(present_after_, batch);
    }
    return true;
}

std::size_t RowDecoder::count_columns(ByteSpan present) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
        count += bit_is_set(present, i) ? 1 : 0;
    }
    return count;
}

/// A bitmap of the nulls among the columns that are there, then the other values.
void RowDecoder::decode_image(const ByteSpan* present, core::RowBatch& batch) {
    ByteReader reader(left_, event_.place);
    std::size_t const columns = present == nullptr ? table_.columns.size() : count_columns(*present);
    ByteSpan const nulls = reader.bytes((columns + 7) / 8);
    std::span<core::Value> const row = batch.append_row();
    std::size_t bit = 0;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
        if ((present != nullptr && !bit_is_set(*present, i)) || bit_is_set(nulls, bit++)) {
            continue;
        }
        const EventColumn& column = table_.columns[i];
        core::Value value;
        try {
            value = decode_value(column, reader, batch.arena());
        } catch (const core::SourceError& error) {
            // Thrown once the value's bytes are read.
            if (error.kind() != core::SourceErrorKind::kInvalidValue) {
                throw;
            }
            invalid_value_ = error;
        }
        if (column.output != EventColumn::kNotRead) {
            row[column.output] = value;
        }
    }
    std::size_t const left = reader.left();
    if (left == left_.size()) {
        reader.fail("a row takes no bytes");
    }
    left_ = left_.last(left);
}

core::Value RowDecoder::decode_value(const EventColumn& column, ByteReader& reader, core::Arena& arena) {
    switch (column.type) {
        case ColumnType::kTiny:
            return decode_integer(column, reader, 1);
        case ColumnType::kShort:
            return decode_integer(column, reader, 2);
        case ColumnType::kInt24:
            return decode_integer(column, reader, 3);
        case ColumnType::kLong:
            return decode_integer(column, reader, 4);
        case ColumnType::kLongLong:
            return decode_integer(column, reader, 8);
        case ColumnType::kFloat:
            return read_float(reader);
        case ColumnType::kDouble:
            return read_double(reader);
        case ColumnType::kNewDecimal:
            return read_decimal(reader, column.length, column.decimals, arena);
        case ColumnType::kYear:
            return read_year(reader);
        case ColumnType::kBit:
            return read_bit(reader, column.length);
        case ColumnType::kDate:
        case ColumnType::kNewDate:
            return read_date(reader, arena);
        case ColumnType::kTime2:
            return read_time2(reader, column.decimals, arena);
        case ColumnType::kDatetime2:
            return read_datetime2(reader, column.decimals, arena);
        case ColumnType::kTimestamp2:
            return read_timestamp2(reader, column.decimals, arena);
        case ColumnType::kTime:
            return read_old_time(reader, column.decimals, arena);
        case ColumnType::kDatetime:
            return read_old_datetime(reader, column.decimals, arena);
        case ColumnType::kTimestamp:
            return read_old_timestamp(reader, column.decimals, arena);
        case ColumnType::kString:
            return decode_padded(column, read_sized(reader, column), arena);
        case ColumnType::kVarchar:
        case ColumnType::kVarString:
            return decode_string(column, read_sized(reader, column), arena);
        case ColumnType::kTinyBlob:
        case ColumnType::kMediumBlob:
        case ColumnType::kLongBlob:
        case ColumnType::kBlob:
            return decode_string(column, read_prefixed(reader, column.length_bytes), arena);
        case ColumnType::kVarcharCompressed:
            return decode_compressed(column, read_sized(reader, column), arena);
        case ColumnType::kBlobCompressed:
            return decode_compressed(column, read_prefixed(reader, column.length_bytes), arena);
        case ColumnType::kJson:
            return json_.read(read_prefixed(reader, column.length_bytes), event_.place, arena);
        case ColumnType::kGeometry:
            return geometry(as_text(read_prefixed(reader, column.length_bytes)), arena);
        case ColumnType::kVector:
            return raw_bytes(read_prefixed(reader, column.length_bytes), arena);
        case ColumnType::kEnum:
            return decode_enum(column, reader, arena);
        case ColumnType::kSet:
            return decode_set(column, reader, arena);
        case ColumnType::kNull:
            return core::Value::null();
        case ColumnType::kOldDecimal:
            break;
    }
    throw_unsupported(reader.place(), "column \"" + column.name + "\" has a type that is not known");
}

core::Value RowDecoder::decode_string(const EventColumn& column, ByteSpan bytes, core::Arena& arena) {
    switch (column.logical) {
        case LogicalType::kAsStored:
        case LogicalType::kJson:
            break;
        case LogicalType::kUuid:
        case LogicalType::kInet4:
        case LogicalType::kInet6:
            return decode_padded(column, bytes, arena);
    }
    if (column.charset == nullptr) [[unlikely]] {
        throw_unsupported(event_.place, "the charset of column \"" + column.name + "\" is not told", kMetadataHint);
    }
    return column.logical == LogicalType::kJson ? json_value(as_text(bytes), *column.charset, arena, json_text_)
                                                : column.charset->to_value(as_text(bytes), arena);
}

/// CHAR and BINARY: what was cut off at the end is added again where it belongs to the value.
core::Value RowDecoder::decode_padded(const EventColumn& column, ByteSpan bytes, core::Arena& arena) {
    bool const fixed = column.logical == LogicalType::kUuid || column.logical == LogicalType::kInet4 ||
                       column.logical == LogicalType::kInet6;
    if (!fixed && (column.charset == nullptr || !column.charset->is_binary())) {
        return decode_string(column, bytes, arena);
    }
    std::size_t const size = !fixed ? column.length : column.logical == LogicalType::kInet4 ? 4 : 16;
    if (bytes.size() > size) {
        throw_corrupt(event_.place, "a value of column \"" + column.name + "\" is longer than the column");
    }
    char* const padded = arena.allocate(size);
    std::fill(std::copy(bytes.begin(), bytes.end(), padded), padded + size, '\0');
    auto const* const raw = reinterpret_cast<const std::uint8_t*>(padded);
    switch (column.logical) {
        case LogicalType::kUuid:
            return uuid_value(std::span<const std::uint8_t, 16>(raw, 16), arena);
        case LogicalType::kInet4:
            return inet4_value(std::span<const std::uint8_t, 4>(raw, 4), arena);
        case LogicalType::kInet6:
            return inet6_value(std::span<const std::uint8_t, 16>(raw, 16), arena);
        default:
            return core::Value::bytes(padded, static_cast<std::uint32_t>(size));
    }
}

/// A number that counts labels from 1; 0 is the empty string that an invalid value became.
core::Value RowDecoder::decode_enum(const EventColumn& column, ByteReader& reader, core::Arena& arena) {
    if (column.length != 1 && column.length != 2) {
        reader.fail("an ENUM takes " + std::to_string(column.length) + " bytes");
    }
    std::uint64_t const index = reader.little(column.length);
    if (index == 0) {
        return core::Value::text("", 0);
    }
    if (column.labels.empty()) {
        throw_untold(column, reader, "list of labels");
    }
    if (index > column.labels.size()) {
        reader.fail("an ENUM has the index " + std::to_string(index));
    }
    return column.labels[index - 1].to_value(arena);
}

core::Value RowDecoder::decode_set(const EventColumn& column, ByteReader& reader, core::Arena& arena) {
    if (column.length < 1 || column.length > 8) {
        reader.fail("a SET takes " + std::to_string(column.length) + " bytes");
    }
    std::uint64_t const bits = reader.little(column.length);
    if (column.labels.empty()) {
        throw_untold(column, reader, "list of labels");
    }
    if (column.labels.size() > 64 || (column.labels.size() < 64 && bits >> column.labels.size() != 0)) {
        reader.fail("a SET has more members than its column");
    }
    return label_array(bits, column.labels, arena);
}

core::Value RowDecoder::decode_compressed(const EventColumn& column, ByteSpan bytes, core::Arena& arena) {
    decompress_column(bytes, event_.place, decompressed_);
    return decode_string(
        column, ByteSpan(reinterpret_cast<const std::uint8_t*>(decompressed_.data()), decompressed_.size()), arena);
}

}  // namespace pgrepl::mysql
