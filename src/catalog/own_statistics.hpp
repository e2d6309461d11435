#pragma once
// Statistics of our own tables.

namespace pgrepl::catalog {

/// Analyses those of our tables that the server knows nothing of: all of them after pg_upgrade, which before
/// PostgreSQL 18 leaves the statistics behind. (Why it matters is in sql/install/40_grants.sql; autovacuum would come
/// only to those that change.)
void analyse_own_tables();

}  // namespace pgrepl::catalog
