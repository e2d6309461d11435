#pragma once
// The charsets with characters of two bytes and more: big5, sjis, cp932, euckr, gb2312, gbk, gb18030, ujis, eucjpms.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

/// The characters of one of them, as the servers read it: iconv's, and the known differences code by code.
class MultiByteTable {
  public:
    /// By MySQL's name. Null for another charset, and where iconv does not have it.
    static std::unique_ptr<MultiByteTable> find(std::string_view name);

    static constexpr std::uint32_t kNone = 0xFFFFFFFF;

    ~MultiByteTable();
    MultiByteTable(const MultiByteTable&) = delete;
    MultiByteTable& operator=(const MultiByteTable&) = delete;

    /// The character at `at`, which is not ASCII, and moves past it; kNone if there is none.
    std::uint32_t next(std::string_view raw, std::size_t& at) const;

  private:
    enum class Family : std::uint8_t { kBig5, kShiftJis, kEucKr, kGb2312, kGbk, kGb18030, kEucJp };
    struct Known;
    class IconvCharacter;

    explicit MultiByteTable(const Known& charset);

    static bool is_lead(Family family, unsigned char byte);
    static bool is_trail(Family family, unsigned char byte);
    void fill_pairs(std::vector<std::uint32_t>& table, std::string_view prefix);
    void fill_half_width();
    void adapt_ujis();

    Family family_;
    std::unique_ptr<IconvCharacter> iconv_;
    std::vector<std::uint32_t> two_;
    std::vector<std::uint32_t> three_;  ///< EUC-JP: behind 0x8F
};

}  // namespace pgrepl::mysql
