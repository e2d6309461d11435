#pragma once
// An open relation with a scope.

#include <exception>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// A relation opened with a lock that is kept until the transaction ends. When the scope is left by an
/// exception the transaction is going to be rolled back, which closes the relation: closing it here as well
/// would do so twice.
class OpenRelation {
  public:
    OpenRelation(Oid relid, LOCKMODE lock)
        : relation_(CallPg([&] { return table_open(relid, lock); })), exceptions_(std::uncaught_exceptions()) {}
    ~OpenRelation() {
        if (std::uncaught_exceptions() == exceptions_) {
            table_close(relation_, NoLock);
        }
    }
    OpenRelation(const OpenRelation&) = delete;
    OpenRelation& operator=(const OpenRelation&) = delete;

    [[nodiscard]] Relation get() const noexcept { return relation_; }

  private:
    Relation relation_;
    int exceptions_;
};

}  // namespace pgrepl::pg
