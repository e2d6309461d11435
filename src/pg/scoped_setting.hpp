#pragma once
// A setting that holds for a scope within a transaction.

#include <exception>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Sets `name` with a superuser's rights; the previous value is back at the end of the scope. When the scope is left by
/// an exception the transaction's end restores it.
class ScopedSetting {
  public:
    ScopedSetting(const char* name, const char* value)
        : level_(NewGUCNestLevel()), exceptions_(std::uncaught_exceptions()) {
        CallPg([&] { set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false); });
    }
    ~ScopedSetting() {
        if (std::uncaught_exceptions() == exceptions_) {
            AtEOXact_GUC(true, level_);
        }
    }
    ScopedSetting(const ScopedSetting&) = delete;
    ScopedSetting& operator=(const ScopedSetting&) = delete;

  private:
    int level_;
    int exceptions_;
};

}  // namespace pgrepl::pg
