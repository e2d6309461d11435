// SHA-256.

#include "targets/sha256.hpp"

#include "core/hex.hpp"
#include "pg/error.hpp"

extern "C" {
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/resowner.h"
}

namespace pgrepl::target {

namespace {

/// A hash is registered with the resource owner, of which there is none between two transactions: there, rows that were
/// read from a source are encoded, too.
class ResourceOwnerScope {
  public:
    ResourceOwnerScope() {
        if (CurrentResourceOwner == nullptr) {
            owner_ = pg::CallPg([] { return ResourceOwnerCreate(nullptr, "pg_replicator hash"); });
            CurrentResourceOwner = owner_;
        }
    }
    ~ResourceOwnerScope() {
        if (owner_ != nullptr) {
            CurrentResourceOwner = nullptr;
            ResourceOwnerDelete(owner_);  // the hash has been freed
        }
    }
    ResourceOwnerScope(const ResourceOwnerScope&) = delete;
    ResourceOwnerScope& operator=(const ResourceOwnerScope&) = delete;

  private:
    ResourceOwner owner_ = nullptr;
};

}  // namespace

std::string sha256_hex(std::string_view bytes) { return sha256_hex(std::span(&bytes, 1)); }

std::string sha256_hex(std::span<const std::string_view> parts) {
    unsigned char digest[PG_SHA256_DIGEST_LENGTH];
    ResourceOwnerScope const owner;
    pg::CallPg([&] {
        pg_cryptohash_ctx* const context = pg_cryptohash_create(PG_SHA256);
        bool hashed = context != nullptr && pg_cryptohash_init(context) >= 0;
        for (std::string_view const part : parts) {
            hashed =
                hashed && pg_cryptohash_update(context, reinterpret_cast<const uint8*>(part.data()), part.size()) >= 0;
        }
        hashed = hashed && pg_cryptohash_final(context, digest, sizeof(digest)) >= 0;
        pg_cryptohash_free(context);
        if (!hashed) {
            elog(ERROR, "could not compute SHA-256");
        }
    });
    return core::to_hex({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

}  // namespace pgrepl::target
