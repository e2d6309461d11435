// The identity of one state of a SQLite file: comparing, writing and reading it.

#include "source/sqlite/state_identity.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

namespace pgrepl::sqlite {
namespace {

using Kind = StateIdentity::Kind;

constexpr std::array<std::pair<Kind, const char*>, 4> kKindNames = {{
    {Kind::kWal, "wal"},
    {Kind::kRollback, "rollback"},
    {Kind::kStill, "still"},
    {Kind::kCopy, "copy"},
}};

std::string name_of(Kind kind) {
    for (auto const& [known, name] : kKindNames) {
        if (known == kind) {
            return name;
        }
    }
    return "";
}

Kind kind_named(const std::string& text) {
    for (auto const& [kind, name] : kKindNames) {
        if (text == name) {
            return kind;
        }
    }
    throw core::SourceError(core::SourceErrorKind::kStateLost, 0,
                            "the saved state of the SQLite file cannot be understood", true,
                            "It begins with \"" + text + "\".", "The copy starts over.");
}

std::string hex(std::uint64_t value) {
    std::array<char, 17> text = {};
    std::snprintf(text.data(), text.size(), "%016" PRIx64, value);
    return text.data();
}

std::uint64_t pair_of(const std::array<std::uint32_t, 2>& words) {
    return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
}

std::array<std::uint32_t, 2> words_of(std::uint64_t pair) {
    return {static_cast<std::uint32_t>(pair >> 32), static_cast<std::uint32_t>(pair)};
}

/// The words `name=value` of an identity.
class Fields {
  public:
    explicit Fields(const std::string& text) {
        std::istringstream words(text);
        words >> kind_;
        for (std::string word; words >> word;) {
            auto const equals = word.find('=');
            if (equals != std::string::npos) {
                values_[word.substr(0, equals)] = word.substr(equals + 1);
            }
        }
    }
    [[nodiscard]] const std::string& kind() const { return kind_; }
    [[nodiscard]] const std::string& text(const char* name) const {
        auto const found = values_.find(name);
        if (found == values_.end()) {
            throw core::SourceError(core::SourceErrorKind::kStateLost, 0,
                                    "the saved state of the SQLite file cannot be understood", true,
                                    std::string("It has no \"") + name + "\".", "The copy starts over.");
        }
        return found->second;
    }
    [[nodiscard]] std::int64_t number(const char* name) const { return std::strtoll(text(name).c_str(), nullptr, 10); }
    [[nodiscard]] std::uint64_t hexadecimal(const char* name) const {
        return std::strtoull(text(name).c_str(), nullptr, 16);
    }

  private:
    std::string kind_;
    std::map<std::string, std::string> values_;
};

bool same_log(const StateIdentity& earlier, const StateIdentity& later) {
    WalMark const& a = earlier.wal;
    WalMark const& b = later.wal;
    if (earlier.kind != Kind::kWal || later.kind != Kind::kWal || a.frames == 0 ||
        earlier.file.inode != later.file.inode) {
        return false;
    }
    bool const same_frames = a.salt == b.salt && a.frames == b.frames && a.checksum == b.checksum &&
                             a.pages == b.pages && a.page_size == b.page_size;
    bool const untouched = earlier.file_settled && earlier.file.same_content(later.file);
    bool const no_recovery = a.commits == b.commits && a.commits != 0;
    return same_frames && (no_recovery || untouched);
}

bool same_file(const StateIdentity& earlier, const StateIdentity& later) {
    return earlier.whole_in_file && later.whole_in_file && earlier.file_settled &&
           earlier.file.same_content(later.file);
}

bool same_counter(const StateIdentity& earlier, const StateIdentity& later) {
    return earlier.kind == Kind::kRollback && later.kind == Kind::kRollback && earlier.changes == later.changes &&
           earlier.header_hash == later.header_hash && earlier.file.inode == later.file.inode &&
           earlier.file.bytes == later.file.bytes && earlier.file.mtime_ns == later.file.mtime_ns;
}

}  // namespace

bool is_same_state(const StateIdentity& earlier, const StateIdentity& later) {
    if (earlier.kind == Kind::kCopy || later.kind == Kind::kCopy) {
        return earlier.kind == later.kind && earlier.copy_name == later.copy_name &&
               earlier.copy_bytes == later.copy_bytes;
    }
    return same_log(earlier, later) || same_file(earlier, later) || same_counter(earlier, later);
}

bool holds_same_rows(StateIdentity a, StateIdentity b) {
    for (StateIdentity* const identity : {&a, &b}) {
        if (identity->kind == Kind::kCopy) {
            identity->kind = identity->copy_of;
        }
    }
    return is_same_state(a, b) || is_same_state(b, a);
}

std::string StateIdentity::to_text() const {
    std::string text = name_of(kind);
    if (kind == Kind::kCopy) {
        text += " name=" + copy_name + " copy_bytes=" + std::to_string(copy_bytes) + " of=" + name_of(copy_of);
    }
    Kind const described = kind == Kind::kCopy ? copy_of : kind;
    text += " inode=" + std::to_string(file.inode) + " bytes=" + std::to_string(file.bytes) +
            " mtime=" + std::to_string(file.mtime_ns) + " ctime=" + std::to_string(file.ctime_ns) +
            " settled=" + (file_settled ? "1" : "0") + " whole=" + (whole_in_file ? "1" : "0");
    if (described == Kind::kWal) {
        text += " salt=" + hex(pair_of(wal.salt)) + " frames=" + std::to_string(wal.frames) +
                " checksum=" + hex(pair_of(wal.checksum)) + " commits=" + std::to_string(wal.commits) +
                " pages=" + std::to_string(wal.pages) + " page_size=" + std::to_string(wal.page_size);
    } else if (described == Kind::kRollback) {
        text += " changes=" + std::to_string(changes) + " header=" + hex(header_hash);
    }
    return text;
}

StateIdentity StateIdentity::parse(const std::string& text) {
    Fields const fields(text);
    StateIdentity identity;
    identity.kind = kind_named(fields.kind());
    Kind described = identity.kind;
    if (identity.kind == Kind::kCopy) {
        identity.copy_name = fields.text("name");
        identity.copy_bytes = fields.number("copy_bytes");
        described = identity.copy_of = kind_named(fields.text("of"));
    }
    identity.file.inode = static_cast<std::uint64_t>(std::strtoull(fields.text("inode").c_str(), nullptr, 10));
    identity.file.bytes = fields.number("bytes");
    identity.file.mtime_ns = fields.number("mtime");
    identity.file.ctime_ns = fields.number("ctime");
    identity.file_settled = fields.number("settled") != 0;
    identity.whole_in_file = fields.number("whole") != 0;
    if (described == Kind::kWal) {
        identity.wal.salt = words_of(fields.hexadecimal("salt"));
        identity.wal.frames = static_cast<std::uint32_t>(fields.number("frames"));
        identity.wal.checksum = words_of(fields.hexadecimal("checksum"));
        identity.wal.commits = static_cast<std::uint32_t>(fields.number("commits"));
        identity.wal.pages = static_cast<std::uint32_t>(fields.number("pages"));
        identity.wal.page_size = static_cast<std::uint32_t>(fields.number("page_size"));
    } else if (described == Kind::kRollback) {
        identity.changes = static_cast<std::uint32_t>(fields.number("changes"));
        identity.header_hash = fields.hexadecimal("header");
    }
    return identity;
}

std::uint32_t change_counter(const FileHeader& header) {
    return static_cast<std::uint32_t>(header[24]) << 24 | static_cast<std::uint32_t>(header[25]) << 16 |
           static_cast<std::uint32_t>(header[26]) << 8 | header[27];
}

std::uint64_t hash_header(const FileHeader& header) {
    std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
    for (unsigned char const byte : header) {
        hash = (hash ^ byte) * 0x100000001b3U;
    }
    return hash;
}

bool header_says_wal(const FileHeader& header) { return header[18] == 2 || header[19] == 2; }

}  // namespace pgrepl::sqlite
