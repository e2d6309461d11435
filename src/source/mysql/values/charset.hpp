#pragma once
// From the bytes of a text column, as they are stored, to UTF-8, by the column's charset and as the servers themselves
// read it. Snapshot and change stream share this, so that both see the same text in the same bytes.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/arena.hpp"
#include "core/value.hpp"

namespace pgrepl::mysql {

struct SingleByteCharset;

/// The code points of a charset with characters of two bytes or more: built once, of iconv and the known differences.
class MultiByteTable;

class Charset {
  public:
    ~Charset();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] bool is_utf8() const noexcept { return form_ == Form::kUtf8; }
    /// Not text at all: the charset of BINARY, VARBINARY and BLOB in the binlog.
    [[nodiscard]] bool is_binary() const noexcept { return form_ == Form::kBinary; }

    /// The text in UTF-8, in the arena; kBytes of `raw` if it is not valid in this charset, or if it holds U+0000, for
    /// which jsonb has no place, and has other bytes in UTF-8. What is UTF-8 already is not checked: the encoder does.
    [[nodiscard]] core::Value to_value(std::string_view raw, core::Arena& arena) const;

    /// What stands between the commas of a text that need not be valid as a whole.
    [[nodiscard]] std::vector<std::string_view> split_at_commas(std::string_view raw) const;

    /// Appends the text in UTF-8. False, and nothing appended, if to_value() would give kBytes.
    bool append_utf8(std::string_view raw, std::string& out) const;

  private:
    friend class Charsets;

    enum class Form : std::uint8_t {
        kBinary,
        kUtf8,
        kAscii,
        kSingleByte,
        kSwe7,
        kUcs2,
        kUtf16,
        kUtf16le,
        kUtf32,
        kMultiByte
    };

    Charset(std::string name, Form form);

    /// Where at most max_bytes(raw) may be written. Returns the end, or nothing if `raw` is not text.
    char* convert(std::string_view raw, char* out) const;
    [[nodiscard]] std::size_t max_bytes(std::size_t raw_bytes) const noexcept;

    std::string name_;
    Form form_;
    const SingleByteCharset* single_ = nullptr;
    std::unique_ptr<MultiByteTable> multi_;
};

/// A label of an ENUM or SET.
struct Label {
    Label(std::string label) : text(std::move(label)) {}  // NOLINT(google-explicit-constructor)
    Label(const char* label) : text(label) {}             // NOLINT(google-explicit-constructor)
    /// In a charset; in UTF-8 if it is null or binary.
    Label(std::string_view raw, const Charset* charset);

    [[nodiscard]] core::Value to_value(core::Arena& arena) const;

    std::string text;       ///< UTF-8, which the encoder checks
    bool is_bytes = false;  ///< not valid in its charset: what it is there
};

/// The charsets that have been asked for; they stay as long as this object. One per source.
class Charsets {
  public:
    Charsets();

    /// By MySQL's name. Null if we do not know it, and for "binary", which is no charset of text.
    [[nodiscard]] const Charset* find(const std::string& name);

    /// By a collation's number; is_binary() for 63. Null if we do not know it.
    [[nodiscard]] const Charset* find_by_collation(std::uint32_t collation);

  private:
    std::map<std::string, std::unique_ptr<Charset>> known_;
    Charset binary_;
};

}  // namespace pgrepl::mysql
