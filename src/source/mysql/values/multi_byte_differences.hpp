#pragma once
// Codes of big5 and gb18030 that the servers read otherwise than iconv.

#include <array>
#include <cstdint>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

struct CodeDifference {
    std::uint16_t code;
    std::uint32_t character;
};

extern const std::array<CodeDifference, 461> kBig5Differences;
extern const std::array<CodeDifference, 24> kGb18030Differences;

}  // namespace pgrepl::mysql
