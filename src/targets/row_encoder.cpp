// All rows of a table have the same keys: headers, key entries and key bytes are laid out once, and copied; per row
// only the values' entries and bytes are written.

#include "targets/row_encoder.hpp"

#include <algorithm>
#include <bit>
#include <deque>

#include "targets/id_text.hpp"
#include "targets/row_error.hpp"
#include "targets/sha256.hpp"
#include "targets/storable_text.hpp"

namespace pgrepl::target {

namespace {

void put(std::string& bytes, std::size_t at, std::uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); }

/// A buffer that one huge key has grown is not kept.
constexpr std::size_t kKeptIdBytes = 64 * 1024;

/// Of the bytes of data, which are the same for the same row: the keys are sorted, and every value has one form.
std::string hash_of_data(std::string_view data) { return std::string(kHashPrefix) + sha256_hex(data); }

/// What tells a value apart from others beside its bytes.
struct ValueHead {
    std::uint64_t payload = 0;
    std::uint32_t length = 0;
    std::uint8_t kind = 0;
    std::uint8_t subtype = 0;
    std::uint8_t reserved[2] = {};
};

std::uint64_t bits_of(const core::Value& value) {
    switch (value.kind) {
        case core::ValueKind::kBool:
            return value.payload.boolean ? 1 : 0;
        case core::ValueKind::kInt64:
        case core::ValueKind::kUint64:
            return value.payload.uint64;
        case core::ValueKind::kDouble:
            return std::bit_cast<std::uint64_t>(value.payload.float64);
        case core::ValueKind::kFloat:
            return std::bit_cast<std::uint32_t>(value.payload.float32);
        default:
            return 0;
    }
}

bool has_bytes(core::ValueKind kind) {
    return kind == core::ValueKind::kText || kind == core::ValueKind::kBytes || kind == core::ValueKind::kDecimal;
}

/// Of a row that jsonb does not take, mostly because it is too large: nothing of it is copied.
class ValueHash {
  public:
    void add(std::span<const core::Value> values) {
        for (const core::Value& value : values) {
            heads_.push_back({bits_of(value), value.length, static_cast<std::uint8_t>(value.kind), value.subtype});
            parts_.emplace_back(reinterpret_cast<const char*>(&heads_.back()), sizeof(ValueHead));
            if (has_bytes(value.kind)) {
                parts_.push_back(value.view());
            } else if (value.kind == core::ValueKind::kDocument) {
                add({value.payload.tokens, value.length});  // flat
            }
        }
    }
    [[nodiscard]] std::string id() const { return std::string(kHashPrefix) + sha256_hex(parts_); }

  private:
    std::deque<ValueHead> heads_;
    std::vector<std::string_view> parts_;
};

std::string hash_of_values(std::span<const core::Value> row) {
    ValueHash hash;
    hash.add(row);
    return hash.id();
}
constexpr std::size_t kHashIdBytes = kHashPrefix.size() + 64;

}  // namespace

void EncodedRows::sort_by_id() {
    std::sort(rows_.begin(), rows_.end(),
              [&](const Offsets& a, const Offsets& b) { return text_at(a.id) < text_at(b.id); });
}

RowEncoder::RowEncoder(core::RowLayout layout) : layout_(std::move(layout)), writer_(unused_) { build_template(); }

void RowEncoder::build_template() {
    if (layout_.whole_document) {
        return;
    }
    for (std::uint32_t i = 0; i < layout_.columns.size(); ++i) {
        if (layout_.columns[i].in_data) {
            order_.push_back(i);
        }
    }
    const auto& columns = layout_.columns;
    for (std::uint32_t const column : order_) {
        if (!is_storable_text(columns[column].name)) {
            throw pg::SqlError(ERRCODE_UNTRANSLATABLE_CHARACTER,
                               "the name of column " + std::to_string(column + 1) + " is not valid UTF-8");
        }
    }
    std::sort(order_.begin(), order_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return key_less(columns[a].name, columns[b].name); });
    std::size_t const count = order_.size();

    template_.assign(VARHDRSZ, '\0');
    if (count == 1 && is_tag_name(columns[order_[0]].name)) {
        template_.append(4 + 2 * 4, '\0');
        put(template_, VARHDRSZ, JB_FOBJECT | 1);
        put(template_, VARHDRSZ + 4, make_jentry(JENTRY_ISSTRING, 0, 8, 8));
        wrapper_entry_ = VARHDRSZ + 8;
        template_ += "$literal";
    }
    object_offset_ = template_.size();
    template_.append(4 + 8 * count, '\0');
    put(template_, object_offset_, JB_FOBJECT | static_cast<std::uint32_t>(count));
    entries_offset_ = object_offset_ + 4 + 4 * count;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string& name = columns[order_[i]].name;
        keys_bytes_ += name.size();
        put(template_, object_offset_ + 4 + 4 * i, make_jentry(JENTRY_ISSTRING, i, name.size(), keys_bytes_));
        template_ += name;
    }
}

void RowEncoder::encode(std::span<const core::Value> row, EncodedRows& out) {
    ByteBuffer& bytes = out.bytes_;
    std::size_t const before = bytes.size();
    try {
        bytes.pad_to(8);
        std::size_t const id = bytes.size();
        bytes.append_uninitialised(VARHDRSZ);
        append_id(row, bytes);
        SET_VARSIZE(bytes.data() + id, bytes.size() - id);
        bytes.pad_to(8);
        std::size_t const data = bytes.size();
        writer_.set_buffer(bytes);
        if (layout_.whole_document) {
            bytes.append_uninitialised(VARHDRSZ);
            for (std::size_t i = 0; i < row.size(); ++i) {
                if (layout_.columns[i].in_data) {
                    writer_.append_root(row[i]);
                }
            }
        } else {
            append_columns(row, bytes);
        }
        check_size(bytes.size() - data - VARHDRSZ);
        SET_VARSIZE(bytes.data() + data, bytes.size() - data);
        if (!layout_.has_key()) {
            std::string const hash = hash_of_data({bytes.data() + data + VARHDRSZ, bytes.size() - data - VARHDRSZ});
            std::memcpy(bytes.data() + id + VARHDRSZ, hash.data(), kHashIdBytes);
        }
        out.rows_.push_back({id, data});
        out.tagged_values_ += writer_.take_tagged_count() + (wrapper_entry_ != 0 ? 1 : 0);
    } catch (...) {
        bytes.truncate(before);
        writer_.take_tagged_count();
        throw;
    }
}

std::optional<pg::RefusedRow> RowEncoder::try_encode(std::span<const core::Value> row, EncodedRows& out) {
    try {
        encode(row, out);
    } catch (const RowError& error) {
        return pg::RefusedRow{.id = layout_.has_key() ? id_of(row) : hash_of_values(row), .error = error};
    }
    return std::nullopt;
}

void RowEncoder::append_columns(std::span<const core::Value> row, ByteBuffer& out) {
    std::size_t const start = out.size();
    out.append(template_);
    std::size_t const count = order_.size();
    std::size_t total = keys_bytes_;
    std::size_t const entries = start + entries_offset_;
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t const value_start = out.size();
        std::uint32_t const type = writer_.append(row[order_[i]]);
        std::size_t const length = out.size() - value_start;
        total += length;
        out.put_uint32(entries + 4 * i, make_jentry(type, count + i, length, total));
    }
    if (wrapper_entry_ != 0) {
        std::size_t const length = out.size() - start - object_offset_;
        out.put_uint32(start + wrapper_entry_, make_jentry(JENTRY_ISCONTAINER, 1, length, 8 + length));
    }
}

void RowEncoder::append_id(std::span<const core::Value> row, ByteBuffer& out) {
    if (!layout_.has_key()) {
        out.append_uninitialised(kHashIdBytes);  // known when the data is
        return;
    }
    if (layout_.key_columns.size() == 1) {
        const core::Value& key = row[layout_.key_columns[0]];
        if (key.kind == core::ValueKind::kInt64) {
            char text[24];
            int const length = pg_lltoa(key.payload.int64, text);
            out.append(text, static_cast<std::size_t>(length));
            return;
        }
    }
    id_text_.clear();
    build_id(layout_, row, id_text_);
    out.append(id_text_);
    if (id_text_.capacity() > kKeptIdBytes) {
        std::string().swap(id_text_);
    }
}

std::string RowEncoder::id_of(std::span<const core::Value> row) {
    if (!layout_.has_key()) {
        return hash_id(row);
    }
    std::string id;
    build_id(layout_, row, id);
    return id;
}

std::string RowEncoder::hash_id(std::span<const core::Value> row) {
    try {
        EncodedRows alone;
        encode(row, alone);
        return std::string(alone.id_text(0));
    } catch (const RowError&) {
        return hash_of_values(row);
    }
}

}  // namespace pgrepl::target
