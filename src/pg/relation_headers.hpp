#pragma once
// PostgreSQL's headers for looking at relations and names, and for emptying a table in place: few files need them.

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/heap.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opfamily.h"
#include "nodes/makefuncs.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/inval.h"
#include "utils/rls.h"
}
