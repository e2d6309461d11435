#pragma once
// One value on its way from an adapter to jsonb: a 16-byte view. Bytes live in the arena of the row batch, or
// in the driver's own buffer until the adapter's next read (RowBatch says which batches may hold such).
// How each kind is stored is written down in docs/user/types.md.

#include <cstdint>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

enum class ValueKind : std::uint8_t {
    kNull,
    kBool,      ///< scalar.boolean
    kInt64,     ///< scalar.int64
    kUint64,    ///< scalar.uint64
    kDouble,    ///< scalar.float64; printed with the shortest digits that round-trip 64 bits
    kFloat,     ///< scalar.float32; printed with the shortest digits that round-trip 32 bits
    kDecimal,   ///< data: ASCII text in JSON's number grammar; digits and scale are kept as written
    kText,      ///< data: bytes claimed to be UTF-8; the encoder checks, and stores invalid ones as $binary
    kBytes,     ///< data: raw bytes; stored as $binary with `subtype`
    kDocument,  ///< tokens: a nested value, `length` tokens (document.hpp)
    kObject,    ///< only inside a document: `length` members follow, each a kText key token and a value
    kArray,     ///< only inside a document: `length` elements follow
};

struct Value {
    ValueKind kind = ValueKind::kNull;
    std::uint8_t subtype = 0;  ///< kBytes: the subType of $binary
    /// kObject: the object is one of our own tagged encodings ($oid, $date, …): it is counted as tagged and
    /// never wrapped in $literal. kText inside such an object is ours too.
    bool tagged = false;
    std::uint8_t reserved = 0;
    std::uint32_t length = 0;  ///< bytes of data, or number of tokens, members or elements
    union Payload {
        bool boolean;
        std::int64_t int64;
        std::uint64_t uint64;
        double float64;
        float float32;
        const char* data;
        const Value* tokens;
    } payload = {.uint64 = 0};

    [[nodiscard]] static Value null() noexcept { return {}; }
    [[nodiscard]] static Value from_bool(bool v) noexcept { return make(ValueKind::kBool, 0, Payload{.boolean = v}); }
    [[nodiscard]] static Value from_int64(std::int64_t v) noexcept {
        return make(ValueKind::kInt64, 0, Payload{.int64 = v});
    }
    [[nodiscard]] static Value from_uint64(std::uint64_t v) noexcept {
        return make(ValueKind::kUint64, 0, Payload{.uint64 = v});
    }
    [[nodiscard]] static Value from_double(double v) noexcept {
        return make(ValueKind::kDouble, 0, Payload{.float64 = v});
    }
    [[nodiscard]] static Value from_float(float v) noexcept {
        return make(ValueKind::kFloat, 0, Payload{.float32 = v});
    }
    [[nodiscard]] static Value decimal(const char* text, std::uint32_t bytes) noexcept {
        return make(ValueKind::kDecimal, bytes, Payload{.data = text});
    }
    [[nodiscard]] static Value text(const char* utf8, std::uint32_t bytes) noexcept {
        return make(ValueKind::kText, bytes, Payload{.data = utf8});
    }
    [[nodiscard]] static Value bytes(const char* raw, std::uint32_t size, std::uint8_t sub = 0) noexcept {
        Value v = make(ValueKind::kBytes, size, Payload{.data = raw});
        v.subtype = sub;
        return v;
    }
    [[nodiscard]] static Value document(const Value* tokens, std::uint32_t count) noexcept {
        return make(ValueKind::kDocument, count, Payload{.tokens = tokens});
    }
    [[nodiscard]] static Value object(std::uint32_t members, bool is_tag = false) noexcept {
        Value v = make(ValueKind::kObject, members, Payload{.uint64 = 0});
        v.tagged = is_tag;
        return v;
    }
    [[nodiscard]] static Value array(std::uint32_t elements) noexcept {
        return make(ValueKind::kArray, elements, Payload{.uint64 = 0});
    }

    /// The bytes of kDecimal, kText and kBytes.
    [[nodiscard]] std::string_view view() const noexcept { return {payload.data, length}; }

  private:
    static Value make(ValueKind kind, std::uint32_t length, Payload payload) noexcept {
        Value v;
        v.kind = kind;
        v.length = length;
        v.payload = payload;
        return v;
    }
};

static_assert(sizeof(Value) == 16, "a row is an array of these: keep them small");

}  // namespace pgrepl::core
