#pragma once
// PostgreSQL memory contexts with a scope.

#include "pg/error.hpp"

namespace pgrepl::pg {

/// A memory context that lives as long as this object. Child of the current context, so an abort that frees
/// the parent must not happen while it lives: create it inside the transaction's scope, or below TopMemoryContext.
class MemoryScope {
  public:
    explicit MemoryScope(const char* name, MemoryContext parent = CurrentMemoryContext)
        : context_(CallPg([&] { return AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES); })) {}
    ~MemoryScope() { MemoryContextDelete(context_); }
    MemoryScope(const MemoryScope&) = delete;
    MemoryScope& operator=(const MemoryScope&) = delete;

    [[nodiscard]] MemoryContext context() const noexcept { return context_; }
    void reset() noexcept { MemoryContextReset(context_); }

  private:
    MemoryContext context_;
};

/// Makes a context current; the previous one again at the end of the scope.
class MemorySwitch {
  public:
    explicit MemorySwitch(MemoryContext context) noexcept : previous_(MemoryContextSwitchTo(context)) {}
    ~MemorySwitch() { MemoryContextSwitchTo(previous_); }
    MemorySwitch(const MemorySwitch&) = delete;
    MemorySwitch& operator=(const MemorySwitch&) = delete;

  private:
    MemoryContext previous_;
};

}  // namespace pgrepl::pg
