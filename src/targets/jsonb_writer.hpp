#pragma once
// jsonb's binary form, written directly (src/include/utils/jsonb.h: JsonbContainer, JEntry). What comes out equals
// jsonb_in of the equivalent text byte for byte; test/pg proves it for generated values of every shape.

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/document.hpp"
#include "targets/byte_buffer.hpp"
#include "targets/row_error.hpp"

namespace pgrepl::target {

/// Whether a document with this one key would be taken for one of our own encodings.
bool is_tag_name(std::string_view key) noexcept;

/// Order of keys in jsonb: by length, then by bytes.
bool key_less(std::string_view a, std::string_view b) noexcept;

/// What `$numberDouble` says of a double that is no JSON number.
std::string_view double_tag_text(double value) noexcept;

[[noreturn]] void refuse_size();

/// Throws RowError if a container, or a string, of so many bytes is beyond jsonb's limit.
inline void check_size(std::size_t bytes) {
    if (bytes > JENTRY_OFFLENMASK) [[unlikely]] {
        refuse_size();
    }
}

/// The JEntry of child `index` of a container: its length, or the end offset at every JB_OFFSET_STRIDE-th. Throws
/// RowError beyond jsonb's limit. `total` is the sum of the children's lengths including this one.
inline std::uint32_t make_jentry(std::uint32_t type, std::size_t index, std::size_t length, std::size_t total) {
    check_size(total);
    return index % JB_OFFSET_STRIDE == 0 ? (type | static_cast<std::uint32_t>(total) | JENTRY_HAS_OFF)
                                         : (type | static_cast<std::uint32_t>(length));
}

/// Writes values and containers into a buffer whose start is a jsonb's start modulo 4.
class JsonbWriter {
  public:
    explicit JsonbWriter(ByteBuffer& out) : out_(&out) {}

    /// Appends one value, padding included, and returns its JEntry type bits (without length or offset).
    std::uint32_t append(const core::Value& value);

    /// Appends a document's root container, an object; for a row that is one document.
    void append_root(const core::Value& document);

    /// Values written in a tagged encoding, and members left out because their key came again, since the last call.
    std::uint64_t take_tagged_count() noexcept {
        std::uint64_t const count = tagged_;
        tagged_ = 0;
        return count;
    }

    void set_buffer(ByteBuffer& out) noexcept { out_ = &out; }

  private:
    struct Member {
        std::string_view key;
        std::uint32_t token;  ///< index of the value
        std::uint32_t order;
    };

    std::uint32_t append_text(const core::Value& value);
    std::uint32_t append_double(const core::Value& value);
    void append_binary(std::string_view bytes, std::uint8_t subtype);
    void append_double_tag(std::string_view text);
    std::uint32_t append_document(const core::Value& document);
    std::uint32_t append_token(std::uint32_t index);
    void append_object(std::uint32_t index);
    void append_array(std::uint32_t index);
    std::size_t gather_members(std::uint32_t index);
    void find_ends(const core::Value& document);
    void open_container(std::uint32_t index);

    ByteBuffer* out_;
    std::uint64_t tagged_ = 0;
    const core::Value* tokens_ = nullptr;
    std::vector<std::uint32_t> ends_;  ///< for each token of the document: the index after its last descendant
    std::vector<std::uint32_t> open_;
    std::vector<std::uint32_t> left_;
    std::vector<Member> members_;  ///< stack of the objects being written
};

}  // namespace pgrepl::target
