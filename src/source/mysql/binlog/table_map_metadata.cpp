// The optional part of TABLE_MAP: fields of a type, a length and a value each (MySQL source,
// Table_map_event::Optional_metadata_fields). Fields count columns of their own kind only: the third signedness bit
// belongs to the third numeric column.

#include "source/mysql/binlog/table_map.hpp"

namespace pgrepl::mysql {
namespace {

enum Field : std::uint8_t {
    kSignedness = 1,
    kDefaultCharset = 2,
    kColumnCharset = 3,
    kColumnName = 4,
    kSetLabels = 5,
    kEnumLabels = 6,
    kGeometryType = 7,
    kSimplePrimaryKey = 8,
    kPrimaryKeyWithPrefix = 9,
    kEnumAndSetDefaultCharset = 10,
    kEnumAndSetColumnCharset = 11,
    kColumnVisibility = 12,
    kVectorDimensionality = 13,
};

/// YEAR too: it is declared like a number, though it has no sign.
bool is_numeric(ColumnType type) {
    switch (type) {
        case ColumnType::kYear:
        case ColumnType::kTiny:
        case ColumnType::kShort:
        case ColumnType::kInt24:
        case ColumnType::kLong:
        case ColumnType::kLongLong:
        case ColumnType::kNewDecimal:
        case ColumnType::kFloat:
        case ColumnType::kDouble:
            return true;
        default:
            return false;
    }
}

bool is_character(ColumnType type) {
    switch (type) {
        case ColumnType::kString:
        case ColumnType::kVarString:
        case ColumnType::kVarchar:
        case ColumnType::kVarcharCompressed:
        case ColumnType::kBlob:
        case ColumnType::kTinyBlob:
        case ColumnType::kMediumBlob:
        case ColumnType::kLongBlob:
        case ColumnType::kBlobCompressed:
            return true;
        default:
            return false;
    }
}

/// MariaDB gives GEOMETRY a charset, too.
bool is_character_of_mariadb(ColumnType type) { return is_character(type) || type == ColumnType::kGeometry; }

bool is_enum_or_set(ColumnType type) { return type == ColumnType::kEnum || type == ColumnType::kSet; }

using Columns = std::vector<MappedColumn>;
using TypeTest = bool (*)(ColumnType);

/// One bit a column, the first one in the highest bit.
void read_signedness(ByteReader& value, Columns& columns) {
    std::uint32_t bits = 0;
    int left = 0;
    for (MappedColumn& column : columns) {
        if (!is_numeric(column.type)) {
            continue;
        }
        if (left == 0) {
            bits = value.u8();
            left = 8;
        }
        column.is_unsigned = (bits >> --left & 1) != 0;
    }
}

void read_visibility(ByteReader& value, Columns& columns) {
    ByteSpan const bits = value.bytes((columns.size() + 7) / 8);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        columns[i].visible = (bits[i / 8] >> (7 - i % 8) & 1) != 0;
    }
}

/// A collation, then the columns that have another: the number of the column among those of its kind, its own.
void read_default_charset(ByteReader& value, Columns& columns, TypeTest counts) {
    auto const fallback = static_cast<std::uint32_t>(value.lenenc());
    std::vector<MappedColumn*> counted;
    for (MappedColumn& column : columns) {
        if (counts(column.type)) {
            column.collation = fallback;
            counted.push_back(&column);
        }
    }
    while (!value.at_end()) {
        std::uint64_t const index = value.lenenc();
        auto const collation = static_cast<std::uint32_t>(value.lenenc());
        if (index >= counted.size()) {
            value.fail("a charset belongs to no column");
        }
        counted[index]->collation = collation;
    }
}

void read_column_charsets(ByteReader& value, Columns& columns, TypeTest counts) {
    for (MappedColumn& column : columns) {
        if (counts(column.type)) {
            column.collation = static_cast<std::uint32_t>(value.lenenc());
        }
    }
}

void read_labels(ByteReader& value, Columns& columns, ColumnType type) {
    for (MappedColumn& column : columns) {
        if (column.type != type) {
            continue;
        }
        std::uint64_t const count = value.lenenc();
        if (count > value.left()) {
            value.fail("it ends too early");
        }
        column.labels.clear();
        column.labels.reserve(count);
        for (std::uint64_t i = 0; i < count; ++i) {
            column.labels.push_back(value.lenenc_text());
        }
    }
}

void read_names(ByteReader& value, TableMap& map) {
    for (MappedColumn& column : map.columns) {
        column.name = value.lenenc_text();
    }
    map.has_names = true;
}

void read_primary_key(ByteReader& value, TableMap& map, bool with_prefixes) {
    map.primary_key.clear();
    while (!value.at_end()) {
        std::uint64_t const column = value.lenenc();
        if (column >= map.columns.size()) {
            value.fail("its key has a column that does not exist");
        }
        std::uint64_t const prefix = with_prefixes ? value.lenenc() : 0;
        map.primary_key.push_back({static_cast<std::uint32_t>(column), static_cast<std::uint32_t>(prefix)});
    }
}

template <typename Set>
void read_numbers(ByteReader& value, Columns& columns, ColumnType type, Set&& set) {
    for (MappedColumn& column : columns) {
        if (column.type == type) {
            set(column, static_cast<std::uint32_t>(value.lenenc()));
        }
    }
}

void read_field(std::uint8_t type, ByteReader& value, TableMap& map) {
    TypeTest const has_charset = map.from_mariadb ? is_character_of_mariadb : is_character;
    switch (type) {
        case kSignedness:
            return read_signedness(value, map.columns);
        case kDefaultCharset:
            return read_default_charset(value, map.columns, has_charset);
        case kColumnCharset:
            return read_column_charsets(value, map.columns, has_charset);
        case kColumnName:
            return read_names(value, map);
        case kSetLabels:
            return read_labels(value, map.columns, ColumnType::kSet);
        case kEnumLabels:
            return read_labels(value, map.columns, ColumnType::kEnum);
        case kGeometryType:
            return read_numbers(value, map.columns, ColumnType::kGeometry,
                                [](MappedColumn& c, std::uint32_t n) { c.geometry_type = n; });
        case kSimplePrimaryKey:
            return read_primary_key(value, map, false);
        case kPrimaryKeyWithPrefix:
            return read_primary_key(value, map, true);
        case kEnumAndSetDefaultCharset:
            return read_default_charset(value, map.columns, is_enum_or_set);
        case kEnumAndSetColumnCharset:
            return read_column_charsets(value, map.columns, is_enum_or_set);
        case kColumnVisibility:
            return read_visibility(value, map.columns);
        case kVectorDimensionality:
            return read_numbers(value, map.columns, ColumnType::kVector,
                                [](MappedColumn& c, std::uint32_t n) { c.vector_dimensions = n; });
        default:
            return;  // of a newer server; each field stands for itself
    }
}

}  // namespace

void parse_table_map_metadata(ByteReader& reader, TableMap& map) {
    while (!reader.at_end()) {
        std::uint8_t const type = reader.u8();
        ByteReader value(reader.bytes(reader.lenenc()), reader.place());
        read_field(type, value, map);
    }
}

}  // namespace pgrepl::mysql
