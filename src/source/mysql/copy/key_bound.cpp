// Bounds of chunks as text and as SQL. Values are literals, not parameters: a parameter would be converted from the
// connection's charset, which is not exact for all columns, and an optimiser sees the range of a literal only.

#include "source/mysql/copy/key_bound.hpp"

#include <algorithm>
#include <cstdio>

#include "core/hex.hpp"
#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

[[noreturn]] void throw_bad_bound(std::string_view bound) {
    throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                            "\"" + std::string(bound.substr(0, 100)) + "\" is no bound of a chunk", false);
}

bool consists_of(std::string_view text, std::string_view letters) {
    return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}

void check_part(std::string_view part, const KeyPart& key, std::string_view bound) {
    std::string_view const value = part.size() < 2 ? std::string_view() : part.substr(2);
    char form = 'x';
    bool valid = value.empty() || (value.size() % 2 == 0 && consists_of(value, core::kUpperHexDigits));
    if (key.form == BoundForm::kNumber) {
        form = 'n';
        valid = consists_of(value, "-0123456789.");
    } else if (key.form == BoundForm::kReal) {
        form = 'r';
        valid = consists_of(value, "-+.e0123456789");
    } else if (key.form == BoundForm::kQuoted) {
        form = 's';
    }
    if (part.size() < 2 || part[0] != form || part[1] != ':' || !valid) {
        throw_bad_bound(bound);
    }
}

}  // namespace

std::string number_bound(std::string_view digits) { return "n:" + std::string(digits); }

std::string real_bound(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "r:%.17e", value);
    return text;
}

std::string bytes_bound(std::string_view bytes) { return "x:" + core::to_hex(bytes, core::kUpperHexDigits); }
std::string quoted_bound(std::string_view text) { return "s:" + core::to_hex(text, core::kUpperHexDigits); }

std::vector<std::string> parse_bound(const std::string& bound, const std::vector<KeyPart>& key) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin < bound.size();) {
        std::size_t const comma = std::min(bound.find(',', begin), bound.size());
        if (parts.size() == key.size()) {
            throw_bad_bound(bound);
        }
        parts.push_back(bound.substr(begin, comma - begin));
        check_part(parts.back(), key[parts.size() - 1], bound);
        begin = comma + 1;
    }
    return parts;
}

std::string join_bound(const std::vector<std::string>& parts) {
    std::string bound;
    for (const std::string& part : parts) {
        bound += (bound.empty() ? "" : ",") + part;
    }
    return bound;
}

std::string literal_of(const std::string& part, const KeyPart& key) {
    std::string value = part.substr(2);
    switch (key.form) {
        case BoundForm::kNumber:
        case BoundForm::kReal:
            return value;
        case BoundForm::kText:
            return "_" + key.charset + " x'" + value + "'";
        case BoundForm::kBytes:
            return "_binary x'" + value + "'";
        case BoundForm::kQuoted:
            break;
    }
    std::optional<std::string> const text = core::from_hex(value);
    if (!text || text->find_first_not_of("0123456789abcdefABCDEF:.- ") != std::string::npos) {
        throw_bad_bound(part);
    }
    return "'" + *text + "'";
}

}  // namespace pgrepl::mysql
