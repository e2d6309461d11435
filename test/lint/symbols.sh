#!/usr/bin/env bash
# The adapters use no symbol of the server, and pg_replicator.so none of a database client.
set -euo pipefail
cd "$(dirname "$0")/../.."
bindir=$(${1:-pg_config} --bindir)
status=0

server=$(nm -D --defined-only "$bindir/postgres" | awk '{print $3}' | sed 's/@.*//' | sort -u)
for adapter in build/pg_replicator_*.so; do
    case $adapter in *_test.so) continue ;; esac
    # What libc and the C++ library define as well is not the server's.
    clash=$(nm -D --undefined-only "$adapter" | awk '{print $2}' | grep -v '@' | sort -u | comm -12 - <(echo "$server"))
    if [ -n "$clash" ]; then
        echo "$adapter needs symbols of the server: $clash"
        status=1
    fi
    exported=$(nm -D --defined-only "$adapter" | awk '$2 == "T" {print $3}' | grep -v '^_' || true)
    if [ "$exported" != pg_replicator_adapter ]; then
        echo "$adapter exports more than its factory: $exported"
        status=1
    fi
done
clients=$(nm -D --undefined-only build/pg_replicator.so | awk '{print $2}' | grep -E '^(sqlite3|mysql|mariadb|mongoc|bson|PQ)' || true)
if [ -n "$clients" ]; then
    echo "pg_replicator.so needs a database client: $clients"
    status=1
fi
[ $status = 0 ] && echo "symbols: ok"
exit $status
