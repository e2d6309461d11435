#pragma once
// Objects that belong to the extension: dropped with it, and left out of dumps.

#include "pg/postgres.hpp"

namespace pgrepl::pg {

/// As ALTER EXTENSION … ADD and DROP TABLE do it, but without their lock on the extension: anybody can keep one, by
/// ALTER FUNCTION … DEPENDS ON EXTENSION in a transaction that stays open, which asks for no right on it.
void join_extension(Oid object_class, Oid object);
void leave_extension(Oid object_class, Oid object);

}  // namespace pgrepl::pg
