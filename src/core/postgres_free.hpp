#pragma once
// Included by every header of src/core and src/source. It fails the build when a PostgreSQL header got in
// first: adapters must stay loadable, testable and fuzzable without a server (docs/dev/architecture.md).

#if defined(PG_VERSION_NUM) || defined(POSTGRES_H)
#define PGREPL_POSTGRES_SEEN 1
#endif

#if defined(PGREPL_ADAPTER) && defined(PGREPL_POSTGRES_SEEN)
#error "src/core and src/source must not include PostgreSQL headers"
#endif
