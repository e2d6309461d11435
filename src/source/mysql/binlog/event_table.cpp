#include "source/mysql/binlog/event_table.hpp"

namespace pgrepl::mysql {
namespace {

const Charset* charset_of(const MappedColumn& column, const EventPlace& place, Charsets& charsets) {
    if (!column.collation) {
        return nullptr;
    }
    const Charset* const charset = charsets.find_by_collation(*column.collation);
    if (charset == nullptr) {
        throw_unsupported(place, "the collation number " + std::to_string(*column.collation) + " is not known");
    }
    return charset;
}

}  // namespace

void EventTable::leave_out(std::size_t column) {
    std::uint32_t const gone = columns.at(column).output;
    if (gone == EventColumn::kNotRead) {
        return;
    }
    columns[column].output = EventColumn::kNotRead;
    --row_width;
    for (EventColumn& other : columns) {
        if (other.output != EventColumn::kNotRead && other.output > gone) {
            --other.output;
        }
    }
}

EventTable event_table_of(const TableMap& map, const EventPlace& place, Charsets& charsets) {
    EventTable result{.database = std::string(map.database), .table = std::string(map.table), .columns = {}};
    for (const MappedColumn& mapped : map.columns) {
        EventColumn column;
        column.name = mapped.name;
        column.type = mapped.type;
        column.charset = charset_of(mapped, place, charsets);
        column.length = mapped.length;
        column.decimals = mapped.decimals;
        column.length_bytes = mapped.length_bytes;
        if (mapped.is_unsigned) {
            column.signedness = *mapped.is_unsigned ? Signedness::kUnsigned : Signedness::kSigned;
        }
        for (std::string_view const label : mapped.labels) {
            column.labels.emplace_back(label, column.charset);
        }
        column.output = result.row_width++;
        result.columns.push_back(std::move(column));
    }
    return result;
}

}  // namespace pgrepl::mysql
