#pragma once
// A nested value (BSON, JSON) as one flat token buffer, written once by an adapter and read once by the
// encoder. Tokens are Values in document order: kObject and kArray state how many members or elements follow;
// an object's members are a kText key and then the value. There are no end tokens. Keys may repeat: the last
// one wins, as in jsonb.

#include <cstdint>
#include <vector>

#include "core/arena.hpp"
#include "core/source_error.hpp"
#include "core/value.hpp"

namespace pgrepl::core {

/// Deepest nesting of containers that we accept, within a value. The row's own object is not counted. Beyond
/// it the row is set aside: jsonb functions of PostgreSQL recurse once a level.
constexpr int kMaxDocumentDepth = 1000;

/// Builds a document whose member counts are known only at the end (BSON and JSON text both read that way).
/// The token vector is reused between documents; finish() copies it into the arena once.
class DocumentWriter {
  public:
    void begin_object(bool is_tag = false) { open(Value::object(0, is_tag)); }
    void begin_array() { open(Value::array(0)); }

    void key(const char* utf8, std::uint32_t bytes) { tokens_.push_back(Value::text(utf8, bytes)); }

    /// A scalar, as an array's element or after key().
    void scalar(const Value& value) {
        count_in_parent();
        tokens_.push_back(value);
    }

    void end() { open_.pop_back(); }

    /// The whole value. The writer is empty again afterwards.
    [[nodiscard]] Value finish(Arena& arena) {
        auto const count = static_cast<std::uint32_t>(tokens_.size());
        char* const copy = arena.copy(tokens_.data(), count * sizeof(Value));
        tokens_.clear();
        open_.clear();
        return Value::document(reinterpret_cast<const Value*>(copy), count);
    }

  private:
    void open(const Value& container) {
        if (open_.size() >= static_cast<std::size_t>(kMaxDocumentDepth)) {
            tokens_.clear();
            open_.clear();
            throw SourceError(SourceErrorKind::kInvalidValue, 0,
                              "a document is nested deeper than " + std::to_string(kMaxDocumentDepth) + " levels",
                              false);
        }
        count_in_parent();
        open_.push_back(static_cast<std::uint32_t>(tokens_.size()));
        tokens_.push_back(container);
    }
    void count_in_parent() {
        if (!open_.empty()) {
            ++tokens_[open_.back()].length;
        }
    }

    std::vector<Value> tokens_;
    std::vector<std::uint32_t> open_;  ///< indexes of the containers not yet ended
};

}  // namespace pgrepl::core
