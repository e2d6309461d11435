#pragma once
// The one macro of this project: a SQL-callable function is one line that calls a C++ function inside the guard.

#include "pg/error.hpp"

#define PGREPL_SQL_FUNCTION(name, implementation)                                           \
    extern "C" {                                                                            \
    PG_FUNCTION_INFO_V1(name);                                                              \
    PGDLLEXPORT Datum name(PG_FUNCTION_ARGS) {                                              \
        return pgrepl::pg::GuardedEntry([&]() -> Datum { return implementation(fcinfo); }); \
    }                                                                                       \
    }
