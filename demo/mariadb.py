#!/usr/bin/python3
"""The demo with a MariaDB server as its source: a private server and a private cluster, a store that is copied and then
followed, change by change. Cleans up after itself."""
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/servers"))

from demo import generate_store  # noqa: E402
from mysql_servers import MariaDbServer  # noqa: E402
from private_cluster import PrivateCluster  # noqa: E402
from watching import run_job, say, show, watch  # noqa: E402

TABLES = {
    "customers": "id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, city VARCHAR(40), since DATE, newsletter TINYINT",
    "products": "sku VARCHAR(20) PRIMARY KEY, title VARCHAR(60), price DECIMAL(8,2), picture BLOB",
    "orders": "id INT PRIMARY KEY, customer INT, ordered_at DATETIME, note TEXT",
    "order_lines": "order_id INT, line INT, sku VARCHAR(20), quantity INT, price DECIMAL(8,2), PRIMARY KEY (order_id, line)",
}


def literal(value):
    if value is None:
        return "NULL"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(value) if isinstance(value, (int, float)) else f"'{value}'"


def fill(server, directory):
    """The store of the other demo, as tables of MariaDB."""
    path = os.path.join(directory, "store.sqlite")
    generate_store(path)
    store = sqlite3.connect(path)
    server.run("CREATE DATABASE store CHARACTER SET utf8mb4")
    for table, columns in TABLES.items():
        server.run(f"CREATE TABLE {table} ({columns})", "store")
        rows = store.execute(f"SELECT * FROM {table}").fetchall()
        for first in range(0, len(rows), 5000):
            server.run(f"INSERT INTO {table} VALUES " + ", ".join(
                "(" + ", ".join(map(literal, row)) + ")" for row in rows[first:first + 5000]), "store")
    store.close()


def follow(cluster, server):
    say("Registering the source: it is copied, and then followed")
    cluster.query("CREATE EXTENSION pg_replicator")
    print("  => CREATE EXTENSION pg_replicator")
    cluster.query("SELECT replicator_init(%s, name => 'store')", (server.url("store"),))
    print(f"  => SELECT replicator_init('mysql://replicator:…@127.0.0.1:{server.port}/store', name => 'store')")
    say("Watching the copy (replicator_status)")
    watch(cluster, "streaming")
    show(cluster, "SELECT id, data FROM store.order_lines WHERE data->>'order_id' = '4711' ORDER BY id")
    show(cluster, 'SELECT "table", state, rows_copied, key_columns, consistency FROM replicator_tables ORDER BY 1')


def change(cluster, server, title, statements):
    say(title)
    print(f"  MariaDB> {statements}")
    server.run(statements, "store")
    cluster.query("CALL replicator_wait('store', interval '1 minute')")
    print("  => CALL replicator_wait('store', interval '1 minute')")


def main():
    directory = tempfile.mkdtemp(prefix="pgrepldemo")
    cluster = server = None
    try:
        say("Starting a private MariaDB server, and filling a store")
        server = MariaDbServer()
        fill(server, directory)
        print(f"  {server.value('SELECT version()')}, port {server.port}, this machine only")
        say("Starting a private PostgreSQL cluster")
        cluster = PrivateCluster({"pg_replicator.failure_points": "off"})
        print(f"  {cluster.query('SELECT version()')[0][0]}\n  in {cluster.directory}, port {cluster.port}, this machine only")
        follow(cluster, server)

        change(cluster, server, "A transaction at the source arrives whole",
               "BEGIN; INSERT INTO orders VALUES (999999, 1, '2026-11-21 12:00:00', 'by the stream'); "
               "INSERT INTO order_lines VALUES (999999, 1, 'SKU-00001', 2, 9.90); UPDATE customers SET city = 'Wien' WHERE id = 1; COMMIT")
        show(cluster, "SELECT id, data FROM store.orders WHERE id = '999999'")
        show(cluster, "SELECT data->>'city' AS city FROM store.customers WHERE id = '1'")
        change(cluster, server, "A new column with a default: the table is read again beside the stream",
               "ALTER TABLE products ADD COLUMN vat DECIMAL(4,2) DEFAULT 19.00")
        show(cluster, "SELECT id, data FROM store.products ORDER BY id LIMIT 2")
        change(cluster, server, "A new table is followed by itself",
               "CREATE TABLE vouchers (code VARCHAR(10) PRIMARY KEY, amount INT); INSERT INTO vouchers VALUES ('X-MAS', 10)")
        show(cluster, "SELECT id, data FROM store.vouchers")

        say("Both sides compared, row by row, while the stream runs")
        run_job(cluster, "SELECT replicator_verify('store')")
        say("What was done, and how it stands")
        show(cluster, "SELECT action, arguments->>'statement' AS statement FROM replicator_events WHERE action LIKE 'table %'")
        show(cluster, 'SELECT "table", state, rows_inserted, rows_updated, rows_deleted FROM replicator_tables ORDER BY 1')
        show(cluster, "SELECT name, state, lag, changes_applied, position, last_error FROM replicator_status")
        bad = cluster.query("SELECT count(*) FROM replicator_jobs WHERE state <> 'done' OR changed + missing + extra > 0")[0][0]
        if bad:
            sys.exit("  they differ")
    finally:
        if cluster is not None:
            cluster.destroy()
        if server is not None:
            server.destroy()
        shutil.rmtree(directory, ignore_errors=True)
    say("Done. Both servers are gone again.")


if __name__ == "__main__":
    main()
