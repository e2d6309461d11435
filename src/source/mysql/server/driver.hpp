#pragma once
// The driver: MariaDB Connector/C, whose handles are owned from the moment they exist. mysql.h clashes with
// PostgreSQL's headers, so it is seen by this folder only.

#include <mysql.h>

#include <memory>

#include "core/postgres_free.hpp"

#ifndef MARIADB_PACKAGE_VERSION
#error \
    "Build with MariaDB Connector/C (Debian: libmariadb-dev, libmariadb-dev-compat). Oracle's libmysqlclient has \
neither MARIADB_OPT_IO_WAIT, by which waits stay interruptible, nor the rows of a statement in place."
#endif

namespace pgrepl::mysql {

static_assert(MARIADB_PACKAGE_VERSION_ID >= 30300, "MARIADB_OPT_RESTRICTED_AUTH needs Connector/C 3.3");

struct HandleDeleter {
    void operator()(MYSQL* handle) const noexcept { mysql_close(handle); }
};
using Handle = std::unique_ptr<MYSQL, HandleDeleter>;

struct ResultDeleter {
    void operator()(MYSQL_RES* result) const noexcept { mysql_free_result(result); }
};
using Result = std::unique_ptr<MYSQL_RES, ResultDeleter>;

}  // namespace pgrepl::mysql
