// Dividing a table by its rowids. The ranges are equally wide, not equally full: how rowids are distributed
// cannot be seen without a scan. What turns out too large is divided again while it is being read
// (split_range).

#include "source/sqlite/chunk_plan.hpp"

#include <algorithm>
#include <limits>

#include "source/sqlite/key_bound.hpp"
#include "source/sqlite/row_count.hpp"

namespace pgrepl::sqlite {
namespace {

/// Fewer rowids than this are not worth a chunk of their own.
constexpr std::uint64_t kLeastWidth = 1000;

/// low + offset, where the sum is known to be in range although the offset may not be.
std::int64_t advance(std::int64_t low, std::uint64_t offset) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

}  // namespace

std::vector<core::ChunkRange> plan_ranges(const Connection& connection, const TableShape& shape, int wanted) {
    if (shape.paging != TableShape::Paging::kRowid || wanted <= 1) {
        return {core::ChunkRange{}};
    }
    auto const extent = rowid_extent(connection, shape, INT64_MIN, INT64_MAX);
    if (!extent) {
        return {core::ChunkRange{}};
    }
    auto const span = static_cast<std::uint64_t>(extent->second) - static_cast<std::uint64_t>(extent->first);
    std::uint64_t const count = std::clamp<std::uint64_t>(span / kLeastWidth, 1, static_cast<std::uint64_t>(wanted));
    std::uint64_t const width = span / count;
    std::vector<core::ChunkRange> ranges(count);
    for (std::uint64_t i = 1; i < count; ++i) {
        ranges[i - 1].upper = std::to_string(advance(extent->first, width * i));
        ranges[i].lower = ranges[i - 1].upper;
    }
    return ranges;
}

std::optional<std::string> split_range(const Connection& connection, const TableShape& shape,
                                       const core::ChunkRange& range) {
    if (shape.paging != TableShape::Paging::kRowid || range.lower == kEndBound) {
        return std::nullopt;
    }
    std::int64_t low = INT64_MIN;
    if (!range.lower.empty()) {
        low = parse_rowid_bound(range.lower);
        if (low == std::numeric_limits<std::int64_t>::max()) {
            return std::nullopt;
        }
        ++low;
    }
    std::int64_t const high = range.upper.empty() ? INT64_MAX : parse_rowid_bound(range.upper);
    auto const extent = rowid_extent(connection, shape, low, high);
    if (!extent || extent->first == extent->second) {
        return std::nullopt;
    }
    auto const span = static_cast<std::uint64_t>(extent->second) - static_cast<std::uint64_t>(extent->first);
    return std::to_string(advance(extent->first, span / 2));
}

}  // namespace pgrepl::sqlite
