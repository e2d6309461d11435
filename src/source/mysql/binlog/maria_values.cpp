#include "source/mysql/binlog/maria_values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace pgrepl::mysql {
namespace {

core::Value network_address(int family, const void* address, core::Arena& arena) {
    char* const text = arena.allocate(INET6_ADDRSTRLEN);
    inet_ntop(family, address, text, INET6_ADDRSTRLEN);
    return core::Value::text(text, static_cast<std::uint32_t>(std::strlen(text)));
}

}  // namespace

core::Value uuid_value(std::span<const std::uint8_t, 16> stored, core::Arena& arena) {
    constexpr std::size_t kTextBytes = 36;
    static constexpr char kDigits[] = "0123456789abcdef";
    // MariaDB source, UUID::rec_need_swap: the variant's bit where a reversed UUID has it, and a version above 0.
    // It is computed with signed bytes, so 0x80 counts as above 0 and the others from there on do not.
    bool const reversed = (stored[6] & 0x80) != 0 && stored[8] > 0 && stored[8] <= 0x80;
    std::array<std::uint8_t, 16> uuid{};
    if (reversed) {
        std::copy_n(stored.begin() + 12, 4, uuid.begin());
        std::copy_n(stored.begin() + 10, 2, uuid.begin() + 4);
        std::copy_n(stored.begin() + 8, 2, uuid.begin() + 6);
        std::copy_n(stored.begin() + 6, 2, uuid.begin() + 8);
        std::copy_n(stored.begin(), 6, uuid.begin() + 10);
    } else {
        std::copy_n(stored.begin(), 16, uuid.begin());
    }
    char* const text = arena.allocate(kTextBytes);
    char* out = text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = kDigits[uuid.at(i) >> 4];
        *out++ = kDigits[uuid.at(i) & 15];
    }
    return core::Value::text(text, kTextBytes);
}

core::Value inet4_value(std::span<const std::uint8_t, 4> stored, core::Arena& arena) {
    return network_address(AF_INET, stored.data(), arena);
}

core::Value inet6_value(std::span<const std::uint8_t, 16> stored, core::Arena& arena) {
    return network_address(AF_INET6, stored.data(), arena);
}

}  // namespace pgrepl::mysql
