// Containers, scalars and tagged encodings in jsonb's binary form. The layout of a container is: its header (count
// and flags), one JEntry a child (an object: all keys, then all values), then the children's bytes. Numerics
// and containers are padded to 4 bytes, and the padding counts as theirs.

#include "target/jsonb_writer.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "target/number_text.hpp"

namespace pgrepl::target {

namespace {

using core::Value;
using core::ValueKind;

constexpr std::string_view kTags[] = {"$oid",         "$date",   "$binary", "$numberDecimal", "$numberDouble",
                                      "$timestamp",   "$code",   "$symbol", "$minKey",        "$maxKey",
                                      "$undefined",   "$literal", "$dbPointer", "$regularExpression",
                                      "$geometry"};

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(ByteBuffer& out, std::string_view bytes) {
    std::size_t const groups = (bytes.size() + 2) / 3;
    char* at = out.append_uninitialised(groups * 4);
    const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3, at += 4) {
        std::uint32_t const word = (in[i] << 16) | (in[i + 1] << 8) | in[i + 2];
        at[0] = kBase64[word >> 18];
        at[1] = kBase64[(word >> 12) & 63];
        at[2] = kBase64[(word >> 6) & 63];
        at[3] = kBase64[word & 63];
    }
    std::size_t const rest = bytes.size() - i;
    if (rest != 0) {
        std::uint32_t const word = (in[i] << 16) | (rest == 2 ? in[i + 1] << 8 : 0);
        at[0] = kBase64[word >> 18];
        at[1] = kBase64[(word >> 12) & 63];
        at[2] = rest == 2 ? kBase64[(word >> 6) & 63] : '=';
        at[3] = '=';
    }
}

/// A container whose children are appended one by one.
class Container {
  public:
    Container(ByteBuffer& out, std::uint32_t header, std::size_t entries) : out_(out) {
        std::size_t const at = out.size();
        out.append_uninitialised(4 + 4 * entries);
        out.put_uint32(at, header);
        entries_ = at + 4;
    }
    /// Notes a child that began at `start` and has just been written.
    void child(std::uint32_t type, std::size_t start) {
        std::size_t const length = out_.size() - start;
        total_ += length;
        out_.put_uint32(entries_ + 4 * index_, make_jentry(type, index_, length, total_));
        ++index_;
    }
    void text(std::string_view bytes) {
        std::size_t const start = out_.size();
        out_.append(bytes);
        child(JENTRY_ISSTRING, start);
    }

  private:
    ByteBuffer& out_;
    std::size_t entries_ = 0;
    std::size_t index_ = 0;
    std::size_t total_ = 0;
};

}  // namespace

bool is_storable_text(std::string_view bytes) noexcept {
    // Verification stops at a NUL as well as at an invalid byte.
    return pg_encoding_verifymbstr(PG_UTF8, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
}

bool is_tag_name(std::string_view key) noexcept {
    return !key.empty() && key[0] == '$' && std::find(std::begin(kTags), std::end(kTags), key) != std::end(kTags);
}

bool key_less(std::string_view a, std::string_view b) noexcept {
    return a.size() != b.size() ? a.size() < b.size() : std::memcmp(a.data(), b.data(), a.size()) < 0;
}

std::uint32_t make_jentry(std::uint32_t type, std::size_t index, std::size_t length, std::size_t total) {
    if (total > JENTRY_OFFLENMASK) {
        throw RowError(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the row is too large for jsonb",
                       "A jsonb object or array holds at most 268435455 bytes.",
                       "Leave the column out, or store large values elsewhere at the source.");
    }
    return index % JB_OFFSET_STRIDE == 0 ? (type | static_cast<std::uint32_t>(total) | JENTRY_HAS_OFF)
                                         : (type | static_cast<std::uint32_t>(length));
}

std::uint32_t JsonbWriter::append(const Value& value) {
    switch (value.kind) {
        case ValueKind::kNull:
            return JENTRY_ISNULL;
        case ValueKind::kBool:
            return value.payload.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
        case ValueKind::kInt64:
            append_numeric(*out_, value.payload.int64);
            return JENTRY_ISNUMERIC;
        case ValueKind::kUint64:
            append_numeric_unsigned(*out_, value.payload.uint64);
            return JENTRY_ISNUMERIC;
        case ValueKind::kDouble:
            return append_double(value.payload.float64, false, 0);
        case ValueKind::kFloat:
            return append_double(static_cast<double>(value.payload.float32), true, value.payload.float32);
        case ValueKind::kDecimal:
            append_numeric(*out_, value.view());
            return JENTRY_ISNUMERIC;
        case ValueKind::kText:
            return append_text(value);
        case ValueKind::kBytes:
            append_binary(value.view(), value.subtype);
            return JENTRY_ISCONTAINER;
        case ValueKind::kDocument:
            return append_document(value);
        case ValueKind::kObject:
        case ValueKind::kArray:
            break;
    }
    throw RowError(ERRCODE_INTERNAL_ERROR, "an adapter handed over a container outside a document");
}

std::uint32_t JsonbWriter::append_text(const Value& value) {
    std::string_view const bytes = value.view();
    if (bytes.size() > JENTRY_OFFLENMASK) {
        make_jentry(0, 0, bytes.size(), bytes.size());
    }
    if (!is_storable_text(bytes)) {
        append_binary(bytes, 0);
        return JENTRY_ISCONTAINER;
    }
    out_->append(bytes);
    return JENTRY_ISSTRING;
}

std::uint32_t JsonbWriter::append_double(double value, bool single, float narrow) {
    if (std::isnan(value)) {
        append_double_tag("NaN");
    } else if (std::isinf(value)) {
        append_double_tag(value > 0 ? "Infinity" : "-Infinity");
    } else if (value == 0 && std::signbit(value)) {
        append_double_tag("-0.0");
    } else {
        char text[kMostDoubleText];
        std::size_t const length = single ? print_float(narrow, text) : print_double(value, text);
        append_numeric(*out_, std::string_view(text, length));
        return JENTRY_ISNUMERIC;
    }
    return JENTRY_ISCONTAINER;
}

void JsonbWriter::append_double_tag(std::string_view text) {
    ++tagged_;
    out_->pad_to(4);
    Container object(*out_, JB_FOBJECT | 1, 2);
    object.text("$numberDouble");
    object.text(text);
}

void JsonbWriter::append_binary(std::string_view bytes, std::uint8_t subtype) {
    // Refuse before the buffer grows: base64 takes 4 bytes for 3.
    make_jentry(0, 0, bytes.size() / 3 * 4, bytes.size() / 3 * 4);
    ++tagged_;
    constexpr char kHex[] = "0123456789abcdef";
    char const subtype_text[2] = {kHex[subtype >> 4], kHex[subtype & 15]};
    out_->reserve(128 + bytes.size() / 3 * 4);
    out_->pad_to(4);
    Container outer(*out_, JB_FOBJECT | 1, 2);
    outer.text("$binary");
    std::size_t const start = out_->size();
    out_->pad_to(4);
    Container inner(*out_, JB_FOBJECT | 2, 4);
    inner.text("base64");
    inner.text("subType");
    std::size_t const text_start = out_->size();
    append_base64(*out_, bytes);
    inner.child(JENTRY_ISSTRING, text_start);
    inner.text({subtype_text, 2});
    outer.child(JENTRY_ISCONTAINER, start);
}

void JsonbWriter::find_ends(const Value& document) {
    tokens_ = document.payload.tokens;
    ends_.assign(document.length, 0);
    open_.clear();
    left_.clear();
    for (std::uint32_t i = 0; i < document.length; ++i) {
        const Value& token = tokens_[i];
        ends_[i] = i + 1;
        bool const container = token.kind == ValueKind::kObject || token.kind == ValueKind::kArray;
        if (container && token.length > 0) {
            if (open_.size() >= static_cast<std::size_t>(core::kMaxDocumentDepth)) {
                throw RowError(ERRCODE_STATEMENT_TOO_COMPLEX,
                               "a document is nested deeper than " + std::to_string(core::kMaxDocumentDepth) +
                                   " levels");
            }
            open_.push_back(i);
            left_.push_back(token.kind == ValueKind::kObject ? token.length * 2 : token.length);
            continue;
        }
        while (!open_.empty() && --left_.back() == 0) {
            ends_[open_.back()] = i + 1;
            open_.pop_back();
            left_.pop_back();
        }
    }
}

std::uint32_t JsonbWriter::append_document(const Value& document) {
    find_ends(document);
    return append_token(0);
}

void JsonbWriter::append_root(const Value& document) {
    find_ends(document);
    append_object(0);
}

std::uint32_t JsonbWriter::append_token(std::uint32_t index) {
    const Value& token = tokens_[index];
    if (token.kind == ValueKind::kObject) {
        out_->pad_to(4);
        append_object(index);
        return JENTRY_ISCONTAINER;
    }
    if (token.kind == ValueKind::kArray) {
        out_->pad_to(4);
        append_array(index);
        return JENTRY_ISCONTAINER;
    }
    return append(token);
}

/// Pushes the members of an object, sorted and without duplicates, onto the stack; returns where they begin.
std::size_t JsonbWriter::gather_members(std::uint32_t index) {
    std::size_t const base = members_.size();
    std::uint32_t at = index + 1;
    for (std::uint32_t i = 0; i < tokens_[index].length; ++i) {
        members_.push_back({tokens_[at].view(), at + 1, i});
        if (!is_storable_text(members_.back().key)) {
            throw RowError(ERRCODE_UNTRANSLATABLE_CHARACTER,
                           "a key of a document is not valid UTF-8 or holds U+0000");
        }
        at = ends_[at + 1];
    }
    auto const first = members_.begin() + static_cast<std::ptrdiff_t>(base);
    std::sort(first, members_.end(), [](const Member& a, const Member& b) {
        return a.key == b.key ? a.order > b.order : key_less(a.key, b.key);
    });
    members_.erase(std::unique(first, members_.end(), [](const Member& a, const Member& b) { return a.key == b.key; }),
                   members_.end());
    return base;
}

void JsonbWriter::append_object(std::uint32_t index) {
    std::size_t const base = gather_members(index);
    std::size_t const count = members_.size() - base;
    bool const tagged = tokens_[index].tagged;
    tagged_ += tagged ? 1 : 0;
    if (!tagged && count == 1 && is_tag_name(members_[base].key)) {
        // A user's document that looks like one of our encodings is wrapped.
        ++tagged_;
        Container wrapper(*out_, JB_FOBJECT | 1, 2);
        wrapper.text("$literal");
        std::size_t const start = out_->size();
        out_->pad_to(4);
        Container object(*out_, JB_FOBJECT | 1, 2);
        object.text(members_[base].key);
        std::size_t const value_start = out_->size();
        std::uint32_t const type = append_token(members_[base].token);
        object.child(type, value_start);
        wrapper.child(JENTRY_ISCONTAINER, start);
    } else {
        Container object(*out_, JB_FOBJECT | static_cast<std::uint32_t>(count), 2 * count);
        for (std::size_t i = 0; i < count; ++i) {
            object.text(members_[base + i].key);
        }
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t const start = out_->size();
            std::uint32_t const type = append_token(members_[base + i].token);
            object.child(type, start);
        }
    }
    members_.resize(base);
}

void JsonbWriter::append_array(std::uint32_t index) {
    std::uint32_t const count = tokens_[index].length;
    Container array(*out_, JB_FARRAY | count, count);
    std::uint32_t at = index + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
        std::size_t const start = out_->size();
        std::uint32_t const type = append_token(at);
        array.child(type, start);
        at = ends_[at];
    }
}

}  // namespace pgrepl::target
