#include "source/mysql/tables/table_structure.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kLeftOut = "virtual";
constexpr std::pair<LogicalType, std::string_view> kTypeNames[] = {{LogicalType::kAsStored, "plain"},
                                                                   {LogicalType::kJson, "json"},
                                                                   {LogicalType::kUuid, "uuid"},
                                                                   {LogicalType::kInet4, "inet4"},
                                                                   {LogicalType::kInet6, "inet6"}};

std::string_view name_of(const StructureColumn& column) {
    if (column.left_out) {
        return kLeftOut;
    }
    auto const* const found = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                           [&](const auto& entry) { return entry.first == column.logical; });
    return found->second;
}

std::string escape(std::string_view name) {
    std::string escaped;
    for (char const letter : name) {
        escaped += letter == '\\' ? "\\\\" : letter == '\n' ? "\\n" : std::string(1, letter);
    }
    return escaped;
}

std::string unescape(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        bool const escaped = text[i] == '\\' && i + 1 < text.size();
        i += escaped ? 1 : 0;
        name += escaped && text[i] == 'n' ? '\n' : text[i];
    }
    return name;
}

/// The text up to the separator, which is taken too.
std::string_view take(std::string_view& text, char separator) {
    std::size_t const end = std::min(text.find(separator), text.size());
    std::string_view const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

std::optional<StructureColumn> parse_column(std::string_view line) {
    StructureColumn column;
    std::string_view const type = take(line, ' ');
    std::string_view const fraction = take(line, ' ');
    std::string_view const style = take(line, ' ');
    column.left_out = type == kLeftOut;
    auto const* const found = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                           [&](const auto& entry) { return entry.second == type; });
    bool const known = column.left_out || found != std::end(kTypeNames);
    if (!known || fraction.size() != 1 || fraction[0] < '0' || fraction[0] > '6' ||
        (style != "hex" && style != "text") || line.empty()) {
        return std::nullopt;
    }
    column.logical = column.left_out ? LogicalType::kAsStored : found->first;
    column.fraction = static_cast<std::uint8_t>(fraction[0] - '0');
    column.id_style = style == "hex" ? core::IdStyle::kHexBytes : core::IdStyle::kStringsOnly;
    column.name = unescape(line);
    return column;
}

bool is_old_time(ColumnType type) {
    return type == ColumnType::kTime || type == ColumnType::kDatetime || type == ColumnType::kTimestamp;
}

bool is_text(const EventColumn& column) { return column.charset != nullptr && !column.charset->is_binary(); }

/// The column may have had another type when the event was logged.
bool can_hold(const EventColumn& column, LogicalType logical) {
    switch (logical) {
        case LogicalType::kAsStored:
        case LogicalType::kJson:  // text that is no JSON is a string
            return true;
        case LogicalType::kUuid:
        case LogicalType::kInet6:
            return column.type == ColumnType::kString && column.length == 16 && !is_text(column);
        case LogicalType::kInet4:
            return column.type == ColumnType::kString && column.length == 4 && !is_text(column);
    }
    return false;
}

std::optional<std::uint32_t> column_of(const core::RowLayout& layout, std::string_view name) {
    for (std::uint32_t i = 0; i < layout.columns.size(); ++i) {
        if (layout.columns[i].name == name) {
            return i;
        }
    }
    return std::nullopt;
}

void choose_key(core::RowLayout& layout, const TableStructure& structure, const EventPlace& place) {
    for (const std::string& name : structure.key) {
        std::optional<std::uint32_t> const column = column_of(layout, name);
        if (!column) {
            throw_table_changed(place, "its rows lack column \"" + name + "\" of the key");
        }
        layout.key_columns.push_back(*column);
    }
}

/// One that the rows should have; empty: none.
std::string lacking_column(const core::RowLayout& layout, const TableStructure& structure) {
    if (!structure.end_column.empty() && !column_of(layout, structure.end_column)) {
        return structure.end_column;
    }
    for (const StructureColumn& column : structure.columns) {
        if (!column.left_out && !column_of(layout, column.name)) {
            return column.name;
        }
    }
    return "";
}

}  // namespace

const StructureColumn* TableStructure::find(std::string_view name) const {
    auto const found = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
    return found == columns.end() ? nullptr : &*found;
}

std::string TableStructure::to_text() const {
    std::string text;
    for (const StructureColumn& column : columns) {
        text += "column " + std::string(name_of(column)) + " " + std::to_string(column.fraction) +
                (column.id_style == core::IdStyle::kHexBytes ? " hex " : " text ") + escape(column.name) + "\n";
    }
    for (const std::string& name : key) {
        text += "key " + escape(name) + "\n";
    }
    for (const std::string& name : primary) {
        text += "primary " + escape(name) + "\n";
    }
    if (!end_column.empty()) {
        text += "end " + escape(end_column) + "\n";
    }
    return text;
}

TableStructure TableStructure::parse(const std::string& text) {
    TableStructure structure;
    std::string_view left = text;
    while (!left.empty()) {
        std::string_view line = take(left, '\n');
        std::string_view const what = take(line, ' ');
        std::optional<StructureColumn> column = what == "column" ? parse_column(line) : std::nullopt;
        if (column) {
            structure.columns.push_back(std::move(*column));
        } else if (what == "key" && !line.empty()) {
            structure.key.push_back(unescape(line));
        } else if (what == "primary" && !line.empty()) {
            structure.primary.push_back(unescape(line));
        } else if (what == "end" && !line.empty()) {
            structure.end_column = unescape(line);
        } else {
            throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                                    "\"" + text.substr(0, 100) + "\" is no structure of a MySQL table", false);
        }
    }
    return structure;
}

StreamedLayout complete_table(EventTable& table, const TableStructure& structure, const EventPlace& place) {
    StreamedLayout streamed;
    core::RowLayout& layout = streamed.layout;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        EventColumn& column = table.columns[i];
        const StructureColumn* const known = structure.find(column.name);
        bool const is_end = !structure.end_column.empty() && column.name == structure.end_column;
        bool const left_out = known == nullptr || known->left_out;
        if (known == nullptr && !is_end) {
            streamed.unknown_columns.push_back(column.name);
        }
        if (left_out && !is_end) {
            table.leave_out(i);
            continue;
        }
        if (known != nullptr) {
            column.logical = can_hold(column, known->logical) ? known->logical : LogicalType::kAsStored;
            column.decimals = is_old_time(column.type) ? known->fraction : column.decimals;
        }
        if (is_end) {
            streamed.end_column = static_cast<std::uint32_t>(layout.columns.size());
        }
        layout.columns.push_back({.name = column.name,
                                  .in_data = !left_out,
                                  .id_style = known != nullptr ? known->id_style : core::IdStyle::kStringsOnly});
    }
    choose_key(layout, structure, place);
    streamed.lacking_column = lacking_column(layout, structure);
    return streamed;
}

}  // namespace pgrepl::mysql
