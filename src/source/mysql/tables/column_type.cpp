// Types by the names that information_schema gives them.

#include "source/mysql/tables/column_type.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace pgrepl::mysql {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<ColumnKind> number_kind(std::string_view type) {
    static constexpr std::pair<std::string_view, ColumnKind> kKinds[] = {
        {"tinyint", ColumnKind::kInt8},        {"smallint", ColumnKind::kInt16}, {"mediumint", ColumnKind::kInt32},
        {"int", ColumnKind::kInt32},           {"bigint", ColumnKind::kInt64},   {"decimal", ColumnKind::kDecimal},
        {"float", ColumnKind::kFloat},         {"double", ColumnKind::kDouble},  {"bit", ColumnKind::kBit},
        {"year", ColumnKind::kYear},           {"date", ColumnKind::kDate},      {"datetime", ColumnKind::kDateTime},
        {"timestamp", ColumnKind::kTimestamp}, {"time", ColumnKind::kTime}};
    for (const auto& [name, kind] : kKinds) {
        if (name == type) {
            return kind;
        }
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::string> parse_labels(const std::string& column_type) {
    std::vector<std::string> labels;
    std::size_t at = column_type.find('\'');
    while (at != std::string::npos && at < column_type.size()) {
        std::string label;
        for (++at; at < column_type.size(); ++at) {
            if (column_type[at] == '\'') {
                if (at + 1 >= column_type.size() || column_type[at + 1] != '\'') {
                    break;
                }
                ++at;
            }
            label += column_type[at];
        }
        labels.push_back(std::move(label));
        at = column_type.find('\'', at + 1);
    }
    return labels;
}

std::optional<ColumnKind> kind_of(const ColumnRow& column, bool is_json) {
    const std::string& type = column.data_type;
    if (std::optional<ColumnKind> const kind = number_kind(type)) {
        return kind;
    }
    if (type == "json" || is_json) {
        return ColumnKind::kJson;
    }
    if (type == "set") {
        return ColumnKind::kSet;
    }
    if (is_one_of(type, {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "uuid", "inet4",
                         "inet6"})) {
        return ColumnKind::kText;
    }
    if (is_one_of(type, {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})) {
        return ColumnKind::kBytes;
    }
    if (is_one_of(type, {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
                         "geometrycollection", "geomcollection"})) {
        return ColumnKind::kGeometry;
    }
    return std::nullopt;
}

LogicalType logical_type(const ColumnRow& column, bool is_json) {
    return column.data_type == "uuid"    ? LogicalType::kUuid
           : column.data_type == "inet4" ? LogicalType::kInet4
           : column.data_type == "inet6" ? LogicalType::kInet6
           : is_json                     ? LogicalType::kJson
                                         : LogicalType::kAsStored;
}

BoundForm bound_form(const ColumnRow& column, ColumnKind kind) {
    switch (kind) {
        case ColumnKind::kFloat:
        case ColumnKind::kDouble:
            return BoundForm::kReal;
        case ColumnKind::kDate:
        case ColumnKind::kDateTime:
        case ColumnKind::kTimestamp:
        case ColumnKind::kTime:
            return BoundForm::kQuoted;
        case ColumnKind::kText:
            return column.data_type == "enum" ? BoundForm::kNumber
                   : column.charset.empty()   ? BoundForm::kQuoted
                                              : BoundForm::kText;
        case ColumnKind::kBytes:
            return BoundForm::kBytes;
        default:
            return BoundForm::kNumber;
    }
}

}  // namespace pgrepl::mysql
