"""Views of SQLite files: copied where they are asked for by name, in the same state of the file as the tables."""
import pytest

from private_cluster import wait_until
from bank import ACCOUNTS, BusyWriter, TOTAL

SHOP = """CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customer VALUES (1, 'Åsa'), (2, 'Eva'), (3, 'Eva');
    CREATE VIEW names AS SELECT name, count(*) AS n, x'00ff' AS raw FROM customer GROUP BY name;
    CREATE VIEW same AS SELECT name FROM customer; CREATE VIEW other AS SELECT 1;
    CREATE VIEW broken AS SELECT * FROM gone; CREATE VIEW wrong AS SELECT abs(-9223372036854775807 - id) AS a FROM customer"""


def tables(cluster):
    return {row[0]: row[1] for row in cluster.query("SELECT \"table\", to_jsonb(t) FROM replicator_tables t WHERE source = 's'")}


def data(cluster, table):
    return sorted(row[0] for row in cluster.query(f"SELECT data::text FROM s.{table}"))


@pytest.mark.parametrize("wal", [False, True], ids=["rollback journal", "WAL"])
def test_a_view_is_copied_if_it_is_named(cluster, database, source, wal):
    path = database("shop.db", SHOP, wal=wal)
    source(path, include_tables=["*", "names", "main.same", "othe?"])
    cluster.wait_for_copy("s")
    assert {name: table["state"] for name, table in tables(cluster).items()} == {
        "customer": "idle", "names": "idle", "same": "idle", "other": "excluded", "broken": "excluded", "wrong": "excluded"}
    binary = '{"$binary": {"base64": "AP8=", "subType": "00"}}'
    assert data(cluster, "names") == [f'{{"n": 1, "raw": {binary}, "name": "Åsa"}}', f'{{"n": 2, "raw": {binary}, "name": "Eva"}}']
    assert data(cluster, "same") == ['{"name": "Eva"}'] * 2 + ['{"name": "Åsa"}']
    assert {id[:7] for id, in cluster.query("SELECT id FROM s.names")} == {"sha256:"}
    kept = cluster.query("SELECT xmin FROM s.names WHERE data->>'name' = 'Åsa'")
    database("shop.db", "DELETE FROM customer WHERE id = 3", wal=wal)
    cluster.query("CALL replicator_wait('s', '240 s')")
    assert data(cluster, "same") == ['{"name": "Eva"}', '{"name": "Åsa"}'] and '"n": 1' in data(cluster, "names")[1]
    assert cluster.query("SELECT xmin FROM s.names WHERE data->>'name' = 'Åsa'") == kept


def test_a_view_is_added_and_one_that_cannot_be_read_fails_alone(cluster, database, source):
    path = database("shop.db", SHOP)
    source(path)
    cluster.wait_for_copy("s")
    for view in ("names", "broken", "wrong"):
        cluster.query("SELECT replicator_add_table('s', %s)", (view,))
    cluster.wait_for_copy("s")
    found = tables(cluster)
    assert {name: table["state"] for name, table in found.items()} == {
        "customer": "idle", "names": "idle", "same": "excluded", "other": "excluded", "broken": "failed", "wrong": "failed"}
    assert 'view "broken"' in found["broken"]["last_error"] and "gone" in found["broken"]["last_error"] and found["broken"]["hint"]
    assert 'view "wrong"' in found["wrong"]["last_error"] and "overflow" in found["wrong"]["last_error"]
    database("shop.db", "CREATE TABLE gone (v INT); INSERT INTO gone VALUES (7); DELETE FROM customer WHERE id > 1; "
             "DROP VIEW wrong; CREATE VIEW wrong AS SELECT 5 AS five")
    cluster.query("CALL replicator_wait('s', '240 s')")
    assert data(cluster, "broken") == ['{"v": 7}'] and data(cluster, "wrong") == ['{"five": 5}']


@pytest.mark.parametrize("wal", [False, True], ids=["rollback journal", "WAL"])
def test_views_and_tables_show_one_state(cluster, database, source, wal):
    """Under a writer, and with more rows than one batch has."""
    path = database("bank.db", ACCOUNTS + "CREATE VIEW both_of AS SELECT id, balance FROM account UNION ALL SELECT -id, balance FROM "
                                          "deposit", wal=wal)
    with BusyWriter(path, 3) as writer:
        source(path, mode="periodic", refresh_interval="1 second", include_tables=["*", "both_of"])
        wait_until(lambda: cluster.status("s")["lag"], 240, "the first copy")
        seen = set()

        def changed():
            view, account, deposit = cluster.query("""SELECT (SELECT sum((data->>'balance')::int) FROM s.both_of),
                (SELECT sum((data->>'balance')::int) FROM s.account), (SELECT sum((data->>'balance')::int) FROM s.deposit)""")[0]
            assert view == account + deposit == TOTAL
            seen.add(account)
            return len(seen) >= 2
        wait_until(changed, 240, "a refresh")
        assert writer.commits > 10


def test_a_view_that_needs_too_much_fails_alone(cluster, database, source):
    """What it tells apart goes to temporary files, as much as the server allows; another keeps more in memory than it may."""
    path = database("endless.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); "
                    "CREATE VIEW growing AS WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0; "
                    "CREATE VIEW huge AS SELECT zeroblob(900000000) AS z; "
                    "CREATE TABLE computed (id INTEGER PRIMARY KEY, a AS (zeroblob(400000000 * id)), b AS (zeroblob(400000000 * id)), "
                    "c AS (zeroblob(400000000 * id))); INSERT INTO computed VALUES (1)", wal=True)
    cluster.query("ALTER SYSTEM SET temp_file_limit = '20MB'")
    cluster.reload()
    try:
        source(path, include_tables=["*", "growing", "huge"], options='{"copy_workers_per_source": 0}')
        cluster.wait_for_copy("s")
        found = tables(cluster)
        assert {name: table["state"] for name, table in found.items()} == {"t": "idle", "growing": "failed", "huge": "failed",
                                                                           "computed": "failed"}
        assert "temporary files" in found["growing"]["last_error"] and found["growing"]["hint"]
        assert all("too much memory" in found[name]["last_error"] for name in ("huge", "computed"))
    finally:
        cluster.query("ALTER SYSTEM RESET temp_file_limit")
        cluster.reload()
