#pragma once
// MySQL's binary JSON -> the value that parse_json() makes of the text that the server prints (MySQL source,
// sql-common/json_binary.h and json_dom.cc).

#include "core/document.hpp"
#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

/// Reads values of JSON columns; keeps its buffers. Not thread-safe.
class JsonBinaryReader {
  public:
    /// `stored` is a column's value; empty means null. Numbers that JSON writes with a fraction or an exponent become
    /// kDecimal with the server's very text. A value with U+0000 in a key is its text, as parse_json() has no place for
    /// it. kInvalidValue beyond core::kMaxDocumentDepth, kCorrupt if offsets do
    /// not fit.
    core::Value read(ByteSpan stored, const EventPlace& place, core::Arena& arena);

  private:
    struct Container {
        ByteSpan bytes;
        std::uint32_t count;
        bool large;  ///< offsets and counts of 4 bytes, not 2
        bool object;
    };

    void value(std::uint8_t type, ByteSpan bytes);
    void container(ByteSpan bytes, bool large, bool object);
    void member_key(const Container& container, std::uint32_t index);
    void element(const Container& container, std::uint32_t index);
    void text(ByteSpan bytes);
    void opaque(ByteSpan bytes);
    void other_opaque(std::uint8_t type, ByteSpan data);
    void time_text(std::uint8_t type, std::int64_t packed);
    void literal(std::uint8_t which);
    void number(double value);

    ByteSpan data_of(ByteReader& reader);
    void spend(std::size_t bytes);
    [[noreturn]] void fail(std::string_view what) const { throw_corrupt(*place_, what); }

    core::DocumentWriter writer_;
    bool unfinished_ = false;    ///< an error left tokens in the writer
    bool has_zero_key_ = false;  ///< a key of the value holds U+0000
    core::Arena* arena_ = nullptr;
    const EventPlace* place_ = nullptr;
    /// What the document may still hold: values that share bytes could make it grow without bound.
    std::size_t budget_bytes_ = 0;
};

/// A JSON double as MySQL prints it (my_gcvt): shortest digits that round-trip, "1e20" beyond 15 digits, a ".0" for
/// integral values. Returns the end; at most 32 bytes.
char* write_json_double(double value, char* out);

}  // namespace pgrepl::mysql
