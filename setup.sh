#!/usr/bin/env bash
# Installs what building and testing pg_replicator needs on Debian, and nothing that is there already.
#
#   ./setup.sh          for `make`, `make demo`, `make test`, `make lint`
#   ./setup.sh bench    for `make bench` too: the peers that we are measured against
#
# Runs as root, or as a user with sudo. It takes the PostgreSQL version of pg_config, or else of the distribution. It
# starts no server: tests and demo use clusters of their own, in temporary directories and on free ports.
set -euo pipefail

say() { echo "setup: $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

update_package_lists() {
    if [ -z "${lists_updated:-}" ]; then
        say "updating the package lists"
        as_root apt-get update -qq
        lists_updated=yes
    fi
}

postgres_major() {
    if command -v pg_config >/dev/null; then
        pg_config --version | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p'
        return
    fi
    apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -1
}

if ! command -v apt-get >/dev/null; then
    say "this is no Debian: please install a C++20 compiler, make, PostgreSQL 15 or later with its server headers," \
        "pgTAP, SQLite, GoogleTest, and Python 3 with psycopg2 and pytest by other means"
    exit 0
fi

major=$(postgres_major)
if [ -z "$major" ]; then
    update_package_lists
    major=$(postgres_major)
fi
if [ -z "$major" ]; then
    say "found neither pg_config nor a package postgresql" >&2
    exit 1
fi

packages=(
    g++ make                                                         # build
    "postgresql-$major" "postgresql-server-dev-$major" libsqlite3-dev
    libmariadb-dev libmariadb-dev-compat libzstd-dev zlib1g-dev      # build: the MySQL and MariaDB adapter
    libssl-dev libdeflate-dev
    mariadb-server-core mariadb-client-core                          # tests: a MariaDB server; it is not started
    libgtest-dev "postgresql-$major-pgtap" sqlite3                   # tests
    python3 python3-psycopg2 python3-pymysql python3-cryptography python3-pytest python3-pyflakes
    util-linux procps binutils
    git clang-format clang-tidy                                      # make lint
)
if [ "${1:-}" = bench ]; then
    packages+=(pgloader "postgresql-$major-mysql-fdw")
fi

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done

if [ "${#missing[@]}" = 0 ]; then
    say "everything is there (PostgreSQL $major)"
    exit 0
fi

say "installing ${missing[*]}"
update_package_lists
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
say "done"
