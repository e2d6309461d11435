// Containers, scalars and tagged encodings in jsonb's binary form. The layout of a container is: its header (count
// and flags), one JEntry a child (an object: all keys, then all values), then the children's bytes. Numerics
// and containers are padded to 4 bytes, and the padding counts as theirs.

#include "targets/jsonb_writer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "targets/base64.hpp"
#include "targets/numeric.hpp"
#include "targets/storable_text.hpp"

namespace pgrepl::target {

namespace {

using core::Value;
using core::ValueKind;

constexpr std::string_view kTags[] = {
    "$oid",    "$date",   "$binary",    "$numberDecimal", "$numberDouble", "$timestamp",         "$code",    "$symbol",
    "$minKey", "$maxKey", "$undefined", "$literal",       "$dbPointer",    "$regularExpression", "$geometry"};

// jsonb_in takes no more: it holds all members or elements of a container in one allocation, which doubles. What it
// does not take, a dump could not be restored from.
constexpr std::size_t kMostMembers = std::bit_floor(MaxAllocSize / sizeof(JsonbPair));
constexpr std::size_t kMostElements = std::bit_floor(MaxAllocSize / sizeof(JsonbValue));

/// A $binary up to the base64 text: an object in an object, with two JEntries to fill in.
struct BinaryStart {
    std::uint32_t outer_header = JB_FOBJECT | 1;
    std::uint32_t outer_key = JENTRY_ISSTRING | JENTRY_HAS_OFF | 7;
    std::uint32_t outer_value = JENTRY_ISCONTAINER;
    char outer_name[8] = {'$', 'b', 'i', 'n', 'a', 'r', 'y', '\0'};  // and the padding before the inner object
    std::uint32_t inner_header = JB_FOBJECT | 2;
    std::uint32_t inner_keys[2] = {JENTRY_ISSTRING | JENTRY_HAS_OFF | 6, JENTRY_ISSTRING | 7};
    std::uint32_t inner_values[2] = {JENTRY_ISSTRING, JENTRY_ISSTRING | 2};
    char inner_names[13] = {'b', 'a', 's', 'e', '6', '4', 's', 'u', 'b', 'T', 'y', 'p', 'e'};
};
constexpr std::size_t kInnerOffset = offsetof(BinaryStart, inner_header);
constexpr std::size_t kBinaryStartBytes = offsetof(BinaryStart, inner_names) + sizeof(BinaryStart::inner_names);
static_assert(kInnerOffset == 20 && kBinaryStartBytes == 53);

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

bool is_tag_name(std::string_view key) noexcept {
    return !key.empty() && key[0] == '$' && std::find(std::begin(kTags), std::end(kTags), key) != std::end(kTags);
}

bool key_less(std::string_view a, std::string_view b) noexcept {
    return a.size() != b.size() ? a.size() < b.size() : std::memcmp(a.data(), b.data(), a.size()) < 0;
}

std::string_view double_tag_text(double value) noexcept {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "Infinity" : "-Infinity";
    }
    return "-0.0";
}

void refuse_size() {
    throw RowError(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the row is too large for jsonb",
                   "A jsonb object or array holds at most 268435455 bytes.",
                   "Leave the column out, or store large values elsewhere at the source.");
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
        case ValueKind::kFloat:
            return append_double(value);
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
    check_size(bytes.size());
    if (!is_storable_text(bytes)) {
        append_binary(bytes, 0);
        return JENTRY_ISCONTAINER;
    }
    out_->append(bytes);
    return JENTRY_ISSTRING;
}

std::uint32_t JsonbWriter::append_double(const Value& value) {
    bool const single = value.kind == ValueKind::kFloat;
    double const number = single ? static_cast<double>(value.payload.float32) : value.payload.float64;
    if (!std::isfinite(number) || (number == 0 && std::signbit(number))) {
        append_double_tag(double_tag_text(number));
        return JENTRY_ISCONTAINER;
    }
    if (single) {
        append_numeric(*out_, value.payload.float32);
    } else {
        append_numeric(*out_, number);
    }
    return JENTRY_ISNUMERIC;
}

void JsonbWriter::append_double_tag(std::string_view text) {
    ++tagged_;
    out_->pad_to(4);
    Container object(*out_, JB_FOBJECT | 1, 2);
    object.text("$numberDouble");
    object.text(text);
}

void JsonbWriter::append_binary(std::string_view bytes, std::uint8_t subtype) {
    std::size_t const text_bytes = base64_size(bytes.size());
    std::size_t const inner_bytes = kBinaryStartBytes - kInnerOffset + text_bytes + 2;
    check_size(inner_bytes);  // before the buffer grows
    ++tagged_;
    BinaryStart start;
    start.outer_value |= static_cast<std::uint32_t>(inner_bytes + 1);  // its padding is its own
    start.inner_values[0] |= static_cast<std::uint32_t>(text_bytes);
    out_->pad_to(4);
    char* const at = out_->append_uninitialised(kBinaryStartBytes + text_bytes + 2);
    std::memcpy(at, &start, kBinaryStartBytes);
    encode_base64(bytes, at + kBinaryStartBytes);
    constexpr char hex[] = "0123456789abcdef";
    at[kBinaryStartBytes + text_bytes] = hex[subtype >> 4];
    at[kBinaryStartBytes + text_bytes + 1] = hex[subtype & 15];
}

/// Notes that a container's children follow; refuses what jsonb cannot hold.
void JsonbWriter::open_container(std::uint32_t index) {
    const Value& token = tokens_[index];
    bool const object = token.kind == ValueKind::kObject;
    if (token.length > (object ? kMostMembers : kMostElements)) {
        refuse_size();
    }
    if (open_.size() >= static_cast<std::size_t>(core::kMaxDocumentDepth)) {
        throw RowError(ERRCODE_STATEMENT_TOO_COMPLEX,
                       "a document is nested deeper than " + std::to_string(core::kMaxDocumentDepth) + " levels");
    }
    open_.push_back(index);
    left_.push_back(object ? token.length * 2 : token.length);
}

void JsonbWriter::find_ends(const Value& document) {
    tokens_ = document.payload.tokens;
    ends_.assign(document.length, 0);
    open_.clear();
    left_.clear();
    members_.clear();  // an error may have left some
    for (std::uint32_t i = 0; i < document.length; ++i) {
        const Value& token = tokens_[i];
        ends_[i] = i + 1;
        if (token.kind == ValueKind::kObject || token.kind == ValueKind::kArray) {
            open_container(i);
            if (token.length > 0) {
                continue;
            }
            open_.pop_back();
            left_.pop_back();
        }
        while (!open_.empty() && --left_.back() == 0) {
            ends_[open_.back()] = i + 1;
            open_.pop_back();
            left_.pop_back();
        }
    }
    if (document.length == 0 || !open_.empty() || ends_[0] != document.length) {
        throw RowError(ERRCODE_INTERNAL_ERROR, "an adapter handed over a document that is not one value");
    }
}

std::uint32_t JsonbWriter::append_document(const Value& document) {
    find_ends(document);
    return append_token(0);
}

void JsonbWriter::append_root(const Value& document) {
    if (document.kind != ValueKind::kDocument) {
        throw RowError(ERRCODE_INTERNAL_ERROR, "an adapter handed over a row that is not a document");
    }
    find_ends(document);
    if (tokens_[0].kind != ValueKind::kObject) {
        throw RowError(ERRCODE_INTERNAL_ERROR, "an adapter handed over a row that is not an object");
    }
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
    std::uint32_t const count = tokens_[index].length;
    std::uint32_t at = index + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Value& key = tokens_[at];
        if (key.kind != ValueKind::kText || !is_storable_text(key.view())) {
            throw RowError(ERRCODE_UNTRANSLATABLE_CHARACTER, "a key of a document is not valid UTF-8 or holds U+0000");
        }
        check_size(key.length);
        members_.push_back({key.view(), at + 1, i});
        at = ends_[at + 1];
    }
    auto const first = members_.begin() + static_cast<std::ptrdiff_t>(base);
    std::sort(first, members_.end(), [](const Member& a, const Member& b) {
        return a.key == b.key ? a.order > b.order : key_less(a.key, b.key);
    });
    auto const end =
        std::unique(first, members_.end(), [](const Member& a, const Member& b) { return a.key == b.key; });
    tagged_ += static_cast<std::uint64_t>(members_.end() - end);
    members_.erase(end, members_.end());
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
