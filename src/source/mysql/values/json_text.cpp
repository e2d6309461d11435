// A parser over a copy of the text in the arena: strings are unescaped in place, and values point into the copy.
// Containers are kept on a stack of bits, not on the machine's, so depth costs nothing.

#include "source/mysql/values/json_text.hpp"

#include <bitset>
#include <cstdint>
#include <cstring>

#include "core/utf8.hpp"

namespace pgrepl::mysql {
namespace {

using core::Value;

/// Integers of at most so many digits cannot overflow.
constexpr std::size_t kSafeDigits = 18;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

class Parser {
  public:
    Parser(char* begin, char* end, core::DocumentWriter& writer) : at_(begin), end_(end), writer_(writer) {}

    /// Whether the whole text is one value, which is then in `value`, or in the writer if it is a container.
    bool parse(Value& value, bool& is_container) {
        skip_space();
        is_container = at_ != end_ && (*at_ == '{' || *at_ == '[');
        if (!(is_container ? parse_containers() : parse_scalar(value))) {
            return false;
        }
        skip_space();
        return at_ == end_;
    }

  private:
    void skip_space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) {
            ++at_;
        }
    }
    bool take(char letter) {
        skip_space();
        if (at_ == end_ || *at_ != letter) {
            return false;
        }
        ++at_;
        return true;
    }

    /// A container and everything in it.
    bool parse_containers() {
        if (!open()) {
            return false;
        }
        while (depth_ != 0) {
            bool const in_object = is_object_[depth_ - 1];
            if (take(in_object ? '}' : ']')) {
                writer_.end();
                --depth_;
                first_ = false;
                continue;
            }
            if (!first_ && !take(',')) {
                return false;
            }
            first_ = false;
            if (in_object && !parse_key()) {
                return false;
            }
            if (!parse_value()) {
                return false;
            }
        }
        return true;
    }

    bool open() {
        if (depth_ >= static_cast<std::size_t>(core::kMaxDocumentDepth)) {
            return false;
        }
        bool const object = *at_++ == '{';
        if (object) {
            writer_.begin_object();
        } else {
            writer_.begin_array();
        }
        is_object_[depth_++] = object;
        first_ = true;
        return true;
    }

    bool parse_key() {
        skip_space();
        Value key;
        if (at_ == end_ || *at_ != '"' || !parse_string(key) || key.view().find('\0') != std::string_view::npos) {
            return false;
        }
        writer_.key(key.payload.data, key.length);
        return take(':');
    }

    bool parse_value() {
        skip_space();
        if (at_ == end_) {
            return false;
        }
        if (*at_ == '{' || *at_ == '[') {
            return open();
        }
        Value value;
        if (!parse_scalar(value)) {
            return false;
        }
        writer_.scalar(value);
        return true;
    }

    bool parse_scalar(Value& value) {
        if (at_ == end_) {
            return false;
        }
        switch (*at_) {
            case '"':
                return parse_string(value);
            case 't':
                value = Value::from_bool(true);
                return take_word("true");
            case 'f':
                value = Value::from_bool(false);
                return take_word("false");
            case 'n':
                value = Value::null();
                return take_word("null");
            default:
                return parse_number(value);
        }
    }

    bool take_word(std::string_view word) {
        if (static_cast<std::size_t>(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    std::size_t take_digits() {
        char* const begin = at_;
        while (at_ != end_ && is_digit(*at_)) {
            ++at_;
        }
        return static_cast<std::size_t>(at_ - begin);
    }

    bool parse_number(Value& value) {
        char* const begin = at_;
        bool const negative = *at_ == '-';
        at_ += negative ? 1 : 0;
        char* const first = at_;
        std::size_t const digits = take_digits();
        if (digits == 0 || (digits > 1 && *first == '0')) {
            return false;
        }
        bool integral = true;
        if (at_ != end_ && *at_ == '.') {
            ++at_;
            integral = false;
            if (take_digits() == 0) {
                return false;
            }
        }
        if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
            ++at_;
            integral = false;
            at_ += at_ != end_ && (*at_ == '+' || *at_ == '-') ? 1 : 0;
            if (take_digits() == 0) {
                return false;
            }
        }
        if (integral && digits <= kSafeDigits) {
            std::int64_t number = 0;
            for (const char* digit = first; digit != at_; ++digit) {
                number = number * 10 + (*digit - '0');
            }
            value = Value::from_int64(negative ? -number : number);
        } else {
            value = Value::decimal(begin, static_cast<std::uint32_t>(at_ - begin));
        }
        return true;
    }

    /// At a quotation mark. Unescapes in place: what is read is never behind what is written.
    bool parse_string(Value& value) {
        char* const begin = ++at_;
        while (at_ != end_ && *at_ != '"' && *at_ != '\\') {
            if (static_cast<unsigned char>(*at_) < 0x20) {
                return false;
            }
            ++at_;
        }
        char* out = at_;
        while (at_ != end_ && *at_ != '"') {
            if (static_cast<unsigned char>(*at_) < 0x20) {
                return false;
            }
            if (*at_ != '\\') {
                *out++ = *at_++;
            } else if (!unescape(out)) {
                return false;
            }
        }
        if (at_ == end_) {
            return false;
        }
        ++at_;
        value = Value::text(begin, static_cast<std::uint32_t>(out - begin));
        return true;
    }

    bool unescape(char*& out) {
        if (end_ - at_ < 2) {
            return false;
        }
        char const letter = at_[1];
        at_ += 2;
        switch (letter) {
            case '"':
            case '\\':
            case '/':
                *out++ = letter;
                return true;
            case 'b':
                *out++ = '\b';
                return true;
            case 'f':
                *out++ = '\f';
                return true;
            case 'n':
                *out++ = '\n';
                return true;
            case 'r':
                *out++ = '\r';
                return true;
            case 't':
                *out++ = '\t';
                return true;
            case 'u':
                return unescape_unicode(out);
            default:
                return false;
        }
    }

    bool take_hex4(std::uint32_t& unit) {
        if (end_ - at_ < 4) {
            return false;
        }
        unit = 0;
        for (int i = 0; i < 4; ++i) {
            char const letter = *at_++;
            char const lower = static_cast<char>(letter | 0x20);
            if (is_digit(letter)) {
                unit = unit << 4 | static_cast<std::uint32_t>(letter - '0');
            } else if (lower >= 'a' && lower <= 'f') {
                unit = unit << 4 | static_cast<std::uint32_t>(lower - 'a' + 10);
            } else {
                return false;
            }
        }
        return true;
    }

    bool unescape_unicode(char*& out) {
        std::uint32_t character = 0;
        if (!take_hex4(character)) {
            return false;
        }
        if (character >= 0xD800 && character < 0xE000) {
            std::uint32_t low = 0;
            if (character >= 0xDC00 || end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u') {
                return false;
            }
            at_ += 2;
            if (!take_hex4(low) || low < 0xDC00 || low >= 0xE000) {
                return false;
            }
            character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
        }
        out = core::put_utf8(character, out);
        return true;
    }

    char* at_;
    char* end_;
    core::DocumentWriter& writer_;
    std::bitset<core::kMaxDocumentDepth> is_object_;  ///< of each open container
    std::size_t depth_ = 0;
    bool first_ = false;  ///< nothing yet in the innermost container
};

}  // namespace

bool parse_json(std::string_view utf8, core::Arena& arena, core::DocumentWriter& writer, core::Value& value) {
    if (!core::is_utf8(utf8)) {
        return false;
    }
    char* const text = arena.copy(utf8.data(), utf8.size());
    bool is_container = false;
    bool const parsed = Parser(text, text + utf8.size(), writer).parse(value, is_container);
    if (!parsed) {
        (void)writer.finish(arena);  // empties it
        return false;
    }
    if (is_container) {
        value = writer.finish(arena);
    }
    return true;
}

core::Value json_value(std::string_view raw, const Charset& charset, core::Arena& arena, JsonScratch& scratch) {
    std::string_view text = raw;
    // A BLOB that MariaDB checks to be JSON is checked as UTF-8.
    if (!charset.is_utf8() && !charset.is_binary()) {
        scratch.utf8.clear();
        if (!charset.append_utf8(raw, scratch.utf8)) {
            return charset.to_value(raw, arena);
        }
        text = scratch.utf8;
    }
    core::Value value;
    if (!parse_json(text, arena, scratch.writer, value)) {
        return core::Value::text(arena.copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
    }
    return value;
}

}  // namespace pgrepl::mysql
