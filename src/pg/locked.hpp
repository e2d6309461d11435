#pragma once
// A lock on shared memory, held for a few loads and stores. No call that can raise an error or throw is made under it:
// an ERROR would zero the interrupt holdoff count under us.

#include "pg/postgres.hpp"

namespace pgrepl::pg {

class Locked {
  public:
    Locked(LWLock* lock, LWLockMode mode) noexcept : lock_(lock) { LWLockAcquire(lock_, mode); }
    ~Locked() { LWLockRelease(lock_); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    LWLock* lock_;
};

}  // namespace pgrepl::pg
