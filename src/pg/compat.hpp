#pragma once
// The one place for differences between PostgreSQL versions.

#include "pg/postgres.hpp"

// PortalRun lost its `run_once` argument in 18.
#if PG_VERSION_NUM >= 180000
#define PGREPL_PORTAL_RUN_ONCE
#else
#define PGREPL_PORTAL_RUN_ONCE true,
#endif
