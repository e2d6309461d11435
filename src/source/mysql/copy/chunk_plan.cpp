// Where the key begins with an integer that varies, the ranges are equally wide: two looks at the ends of the index.
// Else they are equally full, by walks along the index that are bounded in length, so the last range holds what is
// left. What turns out too large is divided again while it is being read (split_range).

#include "source/mysql/copy/chunk_plan.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "source/mysql/copy/key_bound.hpp"
#include "source/mysql/copy/row_query.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kDoing = "divide a table of";

/// Fewer rows than this are not worth a chunk of their own.
constexpr std::uint64_t kLeastRows = 1000;
/// The longest walk along an index: some 50 ms.
constexpr std::uint64_t kLongestWalk = 200'000;

/// A signed or unsigned integer of a column: 65 bits would be needed to hold both.
using Wide = __int128;

Wide parse_wide(std::string_view text) {
    bool const negative = text.starts_with('-');
    std::uint64_t magnitude = 0;
    std::from_chars(text.data() + (negative ? 1 : 0), text.data() + text.size(), magnitude);
    return negative ? -static_cast<Wide>(magnitude) : static_cast<Wide>(magnitude);
}

std::string print_wide(Wide value) {
    bool const negative = value < 0;
    auto const magnitude = static_cast<std::uint64_t>(negative ? -value : value);
    return (negative ? "-" : "") + std::to_string(magnitude);
}

/// The least and the greatest value of an integer that begins the key; nothing where they are the same.
std::optional<std::pair<Wide, Wide>> integer_extent(Connection& connection, const TableShape& shape,
                                                    const KeyRange& range) {
    if (!shape.key[0].is_integer) {
        return std::nullopt;
    }
    auto const first = connection.query_value(select_edge(shape, range, Edge::kFirst), kDoing);
    auto const last = connection.query_value(select_edge(shape, range, Edge::kLast), kDoing);
    if (!first || !last) {
        return std::nullopt;
    }
    Wide const begin = parse_wide(*first);
    Wide const end = parse_wide(*last);
    if (begin == end) {
        return std::nullopt;
    }
    return std::pair(std::min(begin, end), std::max(begin, end));
}

/// A bound after which, in the key's order, the values above `value` are (below, if the key descends).
std::string bound_at(const TableShape& shape, Wide value) {
    return number_bound(print_wide(shape.key[0].descending ? value + 1 : value));
}

std::optional<std::vector<std::string>> key_at(Connection& connection, const TableShape& shape, const KeyRange& range,
                                               std::uint64_t offset) {
    TextRows const rows = connection.query(select_key_at(shape, range, offset), kDoing);
    if (rows.empty()) {
        return std::nullopt;
    }
    std::vector<std::string> bound;
    for (std::size_t i = 0; i < shape.key.size(); ++i) {
        const std::string text = rows[0][i].value_or("");
        switch (shape.key[i].form) {
            case BoundForm::kNumber:
                bound.push_back(number_bound(text));
                break;
            case BoundForm::kReal:
                bound.push_back(real_bound(std::strtod(text.c_str(), nullptr)));
                break;
            case BoundForm::kQuoted:
                bound.push_back(quoted_bound(text));
                break;
            default:
                bound.push_back(bytes_bound(text));
        }
    }
    return bound;
}

std::vector<std::string> even_bounds(const TableShape& shape, std::pair<Wide, Wide> extent, std::uint64_t count) {
    std::vector<std::string> bounds;
    Wide const span = extent.second - extent.first;
    for (std::uint64_t i = 1; i < count; ++i) {
        bounds.push_back(bound_at(shape, extent.first + span * static_cast<Wide>(i) / static_cast<Wide>(count)));
    }
    if (shape.key[0].descending) {
        std::reverse(bounds.begin(), bounds.end());
    }
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    return bounds;
}

std::vector<std::string> walked_bounds(Connection& connection, const TableShape& shape, std::uint64_t rows,
                                       std::uint64_t count) {
    std::vector<std::string> bounds;
    std::uint64_t const step = std::clamp(rows / count, kLeastRows, kLongestWalk);
    KeyRange rest;
    while (bounds.size() + 1 < count) {
        auto bound = key_at(connection, shape, rest, step - 1);
        if (!bound) {
            break;
        }
        bounds.push_back(join_bound(*bound));
        rest.lower = std::move(*bound);
    }
    return bounds;
}

}  // namespace

std::vector<core::ChunkRange> plan_ranges(Connection& connection, const TableShape& shape, int wanted) {
    auto const rows = static_cast<std::uint64_t>(std::max<std::int64_t>(shape.info.estimated_rows.value_or(0), 0));
    std::uint64_t const count =
        std::clamp<std::uint64_t>(rows / kLeastRows, 1, static_cast<std::uint64_t>(std::max(wanted, 1)));
    if (!shape.is_ordered || count == 1) {
        return {core::ChunkRange{}};
    }
    auto const extent = integer_extent(connection, shape, {});
    std::vector<std::string> const bounds =
        extent ? even_bounds(shape, *extent, count) : walked_bounds(connection, shape, rows, count);
    std::vector<core::ChunkRange> ranges(bounds.size() + 1);
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        ranges[i].upper = bounds[i];
        ranges[i + 1].lower = bounds[i];
    }
    return ranges;
}

std::optional<std::string> split_range(Connection& connection, const TableShape& shape, const core::ChunkRange& range) {
    if (!shape.is_ordered || range.lower == kEndBound) {
        return std::nullopt;
    }
    KeyRange const keys = {.lower = parse_bound(range.lower, shape.key), .upper = parse_bound(range.upper, shape.key)};
    if (!key_at(connection, shape, keys, kLeastRows)) {
        return std::nullopt;
    }
    if (auto const extent = integer_extent(connection, shape, keys)) {
        Wide const middle = extent->first + (extent->second - extent->first) / 2;
        return bound_at(shape, middle);
    }
    // Half of what is left, as far as it can be seen: the rest is divided again later.
    for (std::uint64_t walk = kLongestWalk; walk >= kLeastRows / 2; walk /= 2) {
        if (auto const bound = key_at(connection, shape, keys, walk)) {
            return join_bound(*bound);
        }
    }
    return std::nullopt;
}

}  // namespace pgrepl::mysql
