#include "source/mysql/binlog/compressed_part.hpp"

#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kFirstOutputBytes = 64 * 1024;
/// Deflate shrinks nothing by more than this factor.
constexpr std::size_t kMostExpansion = 1032;

enum class Wrapping : std::uint8_t { kZlib, kNone };

/// Ends the stream on every way out.
class Inflater {
  public:
    Inflater(ByteSpan input, Wrapping wrapping) {
        stream_.next_in = const_cast<Bytef*>(input.data());
        stream_.avail_in = static_cast<uInt>(input.size());
        ready_ = inflateInit2(&stream_, wrapping == Wrapping::kZlib ? MAX_WBITS : -MAX_WBITS) == Z_OK;
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater() {
        if (ready_) {
            inflateEnd(&stream_);
        }
    }
    /// Fills out[from, out.size()); returns zlib's code, and the end of what was written.
    std::pair<int, std::size_t> fill(std::string& out, std::size_t from) {
        stream_.next_out = reinterpret_cast<Bytef*>(out.data() + from);
        stream_.avail_out = static_cast<uInt>(out.size() - from);
        int const code = ready_ ? inflate(&stream_, Z_NO_FLUSH) : Z_MEM_ERROR;
        return {code, out.size() - stream_.avail_out};
    }

  private:
    z_stream stream_{};
    bool ready_ = false;
};

void inflate_all(ByteReader& reader, std::uint64_t size, Wrapping wrapping, std::string& out) {
    ByteSpan const input = reader.rest();
    if (size / kMostExpansion > input.size()) {
        reader.fail("its compressed part is too short");
    }
    if (size > kMostEventBytes) {
        reader.fail("its compressed part is of " + std::to_string(size) +
                    " bytes, which is more than any event may have");
    }
    Inflater inflater(input, wrapping);
    std::size_t filled = 0;
    out.resize(std::min<std::size_t>(size, std::max(kFirstOutputBytes, input.size() * 4)));
    for (;;) {
        auto const [code, end] = inflater.fill(out, filled);
        filled = end;
        if (code == Z_STREAM_END && filled == size) {
            return;
        }
        bool const wants_room = (code == Z_OK || code == Z_BUF_ERROR) && filled == out.size() && filled < size;
        if (!wants_room) {
            reader.fail("its compressed part is damaged");
        }
        out.resize(std::min<std::size_t>(size, out.size() * 2));
    }
}

}  // namespace

void decompress_part(ByteReader& reader, std::string& out) {
    std::uint8_t const head = reader.u8();
    int const algorithm = head >> 4 & 7;
    std::size_t const length_bytes = head & 7;
    if ((head & 0x80) == 0 || algorithm != 0 || length_bytes < 1 || length_bytes > 4) {
        reader.fail("the head of its compressed part is not valid");
    }
    std::uint64_t const size = reader.big(length_bytes);
    inflate_all(reader, size, Wrapping::kZlib, out);
}

void decompress_column(ByteSpan stored, const EventPlace& place, std::string& out) {
    constexpr int kStored = 0;
    constexpr int kZlib = 8;
    out.clear();
    if (stored.empty()) {
        return;
    }
    ByteReader reader(stored, place);
    std::uint8_t const head = reader.u8();
    if (head >> 4 == kStored) {
        out = reader.text(reader.left());
        return;
    }
    std::size_t const length_bytes = head & 7;
    if (head >> 4 != kZlib || length_bytes < 1 || length_bytes > 4) {
        reader.fail("the head of a compressed value is not valid");
    }
    std::uint64_t const size = reader.big(length_bytes);
    inflate_all(reader, size, (head & 8) != 0 ? Wrapping::kNone : Wrapping::kZlib, out);
}

}  // namespace pgrepl::mysql
