#!/usr/bin/python3
"""The demo: a private cluster, a generated store in SQLite, its copy watched and compared. Cleans up after itself."""
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/servers"))

import compare  # noqa: E402
from private_cluster import PrivateCluster, wait_until  # noqa: E402
from watching import run_job, say, show, watch  # noqa: E402

CUSTOMERS, PRODUCTS, ORDERS = 40_000, 2_000, 120_000


def generate_store(path):
    """A shop: customers, products, orders and their lines; the same at every run."""
    rng = random.Random(2026)
    cities = ["Lyon", "Graz", "Porto", "Gdańsk", "Århus", "Leeds", "Kraków", "Bilbao"]
    store = sqlite3.connect(path)
    store.executescript("""
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, since TEXT, newsletter INT);
        CREATE TABLE products (sku TEXT PRIMARY KEY, title TEXT, price REAL, picture BLOB);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT REFERENCES customers, ordered_at TEXT, note TEXT);
        CREATE TABLE order_lines (order_id INT, line INT, sku TEXT, quantity INT, price REAL,
                                  PRIMARY KEY (order_id, line)) WITHOUT ROWID;
        CREATE VIEW revenue AS SELECT sku, sum(quantity * price) AS total FROM order_lines GROUP BY sku;""")
    store.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", (
        (i, f"Customer {i}", rng.choice(cities), f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-01", rng.randrange(2))
        for i in range(1, CUSTOMERS + 1)))
    store.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", (
        (f"SKU-{i:05}", f"Product {i}", rng.randrange(100, 99999) / 100, rng.randbytes(24)) for i in range(PRODUCTS)))
    store.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", (
        (i, rng.randrange(1, CUSTOMERS + 1), f"2026-{rng.randrange(1, 12):02}-{rng.randrange(1, 29):02}T10:20:30",
         rng.choice([None, "gift", "leave at the door"])) for i in range(1, ORDERS + 1)))
    store.executemany("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)", (
        (order, line, f"SKU-{rng.randrange(PRODUCTS):05}", rng.randrange(1, 9), rng.randrange(100, 99999) / 100)
        for order in range(1, ORDERS + 1) for line in range(1, 2 + order % 3)))
    store.commit()
    store.close()
    os.chmod(path, 0o644)


def main():
    directory = tempfile.mkdtemp(prefix="pgrepldemo")
    os.chmod(directory, 0o755)
    path = os.path.join(directory, "store.sqlite")
    cluster = None
    try:
        say(f"Generating a store in {path}")
        generate_store(path)
        say("Starting a private PostgreSQL cluster")
        cluster = PrivateCluster({"pg_replicator.failure_points": "off"})
        print(f"  {cluster.query('SELECT version()')[0][0]}\n  in {cluster.directory}, port {cluster.port}, this machine only")

        say("Registering the source")
        cluster.query("CREATE EXTENSION pg_replicator")
        print("  => CREATE EXTENSION pg_replicator")
        show(cluster, f"SELECT replicator_init('sqlite://{path}', name => 'store')")
        say("Watching the copy (replicator_status)")
        watch(cluster, "idle")

        say("The store as JSONB")
        show(cluster, "SELECT id, data FROM store.customers WHERE data @> '{\"city\": \"Lyon\"}' ORDER BY id LIMIT 3")
        show(cluster, "SELECT id, data FROM store.order_lines WHERE data->>'order_id' = '4711' ORDER BY id")
        show(cluster, "SELECT data->>'city' AS city, count(*) FROM store.customers GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3")
        say("Its tables (replicator_tables)")
        show(cluster, "SELECT \"table\", kind, state, rows_copied, key_columns, consistency, coalesce(reason, '') AS reason "
                      "FROM replicator_tables ORDER BY 1")

        say("A change at the source, and a refresh")
        change = sqlite3.connect(path)
        change.execute("UPDATE customers SET city = 'Wien' WHERE id = 1")
        change.execute("DELETE FROM orders WHERE id = 2")
        change.commit()
        change.close()
        cluster.query("CALL replicator_wait('store', interval '1 minute')")
        print("  => CALL replicator_wait('store', interval '1 minute')")
        show(cluster, "SELECT \"table\", rows_inserted, rows_updated, rows_deleted FROM replicator_tables "
                      "WHERE state = 'idle' ORDER BY 1")

        say("One wrong value in the target: replicator_verify finds it, replicator_repair mends it")
        cluster.query("UPDATE store.orders SET data = jsonb_set(data, '{customer}', '-1') WHERE id = '4711'")
        print("  => UPDATE store.orders SET data = jsonb_set(data, '{customer}', '-1') WHERE id = '4711'")
        run_job(cluster, "SELECT replicator_verify('store')")
        show(cluster, 'SELECT job, "table", key, difference FROM replicator_differences')
        run_job(cluster, "SELECT replicator_repair('store', 'orders')")

        say("Indexes that rules ask for, built beside the running tables")
        show(cluster, """SELECT replicator_alter('store', rules => '{"gin": {"customers": "jsonb_path_ops"},
                         "indexes": {"order_lines": ["data->>''sku''"]}}')""")
        wait_until(lambda: cluster.query("SELECT bool_and(state = 'ready') FROM replicator_indexes")[0][0], 120, "the indexes")
        show(cluster, 'SELECT "table", index, method, definition, state, bytes FROM replicator_indexes ORDER BY 1')

        say("Comparing both sides, row by row, with a script that shares no code with pg_replicator")
        connection = cluster.connect()
        differences = compare.differences(path, connection, "store")
        counts = cluster.query("SELECT sum(rows_copied) FROM replicator_tables WHERE source = 'store'")[0][0]
        connection.close()
        if differences:
            sys.exit("  they differ:\n  " + "\n  ".join(differences))
        print(f"  {counts} rows: equal")
        say("Status")
        show(cluster, "SELECT name, kind, mode, state, rows_copied, changes_applied, lag, last_error FROM replicator_status")
    finally:
        if cluster is not None:
            cluster.destroy()
        shutil.rmtree(directory, ignore_errors=True)
    say("Done. The cluster and the store are gone again.")


if __name__ == "__main__":
    main()
