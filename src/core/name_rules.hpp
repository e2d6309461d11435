#pragma once
// How a source compares the names of its databases and tables: letter by letter, or without regard to case. Which
// letters are the same but for their case is the source's to say.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/table_name.hpp"

namespace pgrepl::core {

class NameRules {
  public:
    /// Letter by letter.
    NameRules() = default;
    /// Letters, and what they are in lower case.
    explicit NameRules(std::unordered_map<std::uint32_t, std::uint32_t> lower) : lower_(std::move(lower)) {}

    [[nodiscard]] bool ignores_case() const noexcept { return !lower_.empty(); }

    /// Names that the source takes for the same have the same comparable form. UTF-8.
    [[nodiscard]] std::string comparable(std::string_view name) const;
    [[nodiscard]] TableName comparable(const TableName& name) const;
    [[nodiscard]] bool are_same(std::string_view a, std::string_view b) const { return comparable(a) == comparable(b); }

  private:
    std::unordered_map<std::uint32_t, std::uint32_t> lower_;  ///< of letters that have another in lower case
};

/// The letters of a text in UTF-8; 0xFFFFFFFF for a byte that is part of none, or of one beyond U+FFFF.
std::vector<std::uint32_t> letters_of(std::string_view text);

}  // namespace pgrepl::core
