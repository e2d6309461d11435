"""Views of MySQL and MariaDB servers: copied where they are asked for by name; each test runs against both."""
import psycopg2
import pytest

from mysql_servers import PASSWORD
from private_cluster import wait_until
from observing import caught_up, finished, log_not_followed, rows, table_row


@pytest.fixture
def views(db):
    db.run("""USE shop; CREATE VIEW orders AS SELECT c.name, l.a, l.b, l.v * 2 AS twice FROM line l JOIN customer c ON c.id = l.a;
        CREATE VIEW counts AS SELECT a, COUNT(*) AS n, SUM(v) AS total FROM line GROUP BY a;
        CREATE VIEW other AS SELECT 1 AS one""")
    return db


def states(cluster, name="s"):
    return dict(cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = %s", (name,)))


def data(cluster, table, name="s"):
    return sorted(row[0] for row in cluster.query(f'SELECT data::text FROM {name}."{table}"'))


def test_a_view_is_copied_if_it_is_named(cluster, views, mysql_source):
    with log_not_followed(cluster):  # which would mend the tables, but not what views show of them
        mysql_source("shop", "s", include_tables=["*", "orders", "shop.counts"], rules='{"keys": {"counts": ["a"]}}')
        cluster.wait_for_copy("s")
    assert states(cluster) == {"customer": "idle", "line": "idle", "orders": "idle", "counts": "idle", "other": "excluded"}
    assert "names it" in table_row(cluster, "other")["reason"]
    assert all(id.startswith("sha256:") for id in rows(cluster, "orders"))
    assert data(cluster, "orders") == ['{"a": 1, "b": "X", "name": "Åsa", "twice": 4}', '{"a": 1, "b": "x", "name": "Åsa", "twice": 2}',
                                      '{"a": 2, "b": "", "name": "漢字", "twice": 6}']
    assert rows(cluster, "counts") == {"1": '{"a": 1, "n": 2, "total": 3}', "2": '{"a": 2, "n": 1, "total": 3}'}
    assert table_row(cluster, "counts")["key_columns"] == ["a"] and table_row(cluster, "counts")["kind"] == "view"
    found = finished(cluster, cluster.query("SELECT replicator_verify('s', ARRAY['counts', 'line'])")[0][0])
    assert [(row["state"], row["changed"], row["missing"], row["extra"]) for row in found.values()] == [("done", 0, 0, 0)] * 2
    untouched = cluster.query("SELECT xmin FROM s.counts WHERE id = '1'")
    views.run("DELETE FROM line WHERE a = 2; UPDATE customer SET name = 'Eva' WHERE id = 1", "shop")
    caught_up(cluster)
    assert [row for row in data(cluster, "orders") if "Eva" in row] == data(cluster, "orders") and len(data(cluster, "orders")) == 2
    assert set(rows(cluster, "counts")) == {"1"}
    assert cluster.query("SELECT xmin FROM s.counts WHERE id = '1'") == untouched
    assert {table_row(cluster, table)["consistency"] for table in ("orders", "counts", "line")} == {"state"}


def test_patterns_do_not_ask_for_views(cluster, views, mysql_source):
    mysql_source("shop", "s", include_tables=["*", "order*", "count?"])
    cluster.wait_for_copy("s")
    assert {table: state for table, state in states(cluster).items() if state != "idle"} == {
        "orders": "excluded", "counts": "excluded", "other": "excluded"}
    discovered = dict(cluster.query("SELECT \"table\", note FROM replicator_discover(%s)", (views.url("shop"),)))
    assert "include_tables names it" in discovered["orders"]


def test_a_view_is_added_and_removed(cluster, views, mysql_source):
    mysql_source("shop", "s", mode="periodic", refresh_interval="1 hour")
    cluster.wait_for_copy("s")
    views.run("CREATE VIEW late AS SELECT a FROM line", "shop")
    for view in ("counts", "late"):
        cluster.query("SELECT replicator_add_table('s', %s)", (view,))
    cluster.wait_for_copy("s")
    assert len(rows(cluster, "counts")) == 2 and len(rows(cluster, "late")) == 3
    assert states(cluster)["customer"] == "idle" and states(cluster)["orders"] == "excluded"
    cluster.query("SELECT replicator_remove_table('s', 'counts')")
    views.run("DELETE FROM line", "shop")
    caught_up(cluster)
    assert len(rows(cluster, "counts")) == 2 and rows(cluster, "late") == {}


def test_a_log_has_no_views(cluster, views, mysql_source, follow):
    with pytest.raises(psycopg2.Error) as error:
        mysql_source("shop", "s", mode="continuous", include_tables=["*", "orders"])
    assert error.value.pgcode == "0A000" and "shop.orders" in str(error.value) and "periodic" in error.value.diag.message_hint
    follow()
    assert states(cluster)["orders"] == "unsupported"
    with pytest.raises(psycopg2.Error, match="no changes of its own in the log"):
        cluster.query("SELECT replicator_add_table('s', 'orders')")
    mysql_source("shop", "t", include_tables=["orders"])
    cluster.wait_for_copy("t")
    assert len(rows(cluster, "orders", "t")) == 3
    with pytest.raises(psycopg2.Error, match="shop.orders"):
        cluster.query("SELECT replicator_alter('t', mode => 'continuous')")


def test_a_view_that_cannot_be_read_fails_alone(cluster, views, mysql_source):
    views.run("""USE shop; CREATE TABLE gone (v INT); CREATE VIEW broken AS SELECT v FROM gone;
        CREATE VIEW wrong AS SELECT id, (SELECT b FROM line) AS b FROM customer""")
    views.create_user("visitor", PASSWORD, "USAGE ON *.*")
    views.run("CREATE DEFINER = 'visitor'@'localhost' VIEW hidden AS SELECT name FROM customer; "
              "CREATE DEFINER = 'nobody_at_all'@'localhost' VIEW ownerless AS SELECT name FROM customer", "shop")
    views.run("DROP TABLE gone", "shop")
    asked = ["broken", "wrong", "hidden", "ownerless"]
    mysql_source("shop", "s", include_tables=["*", "orders", *asked])
    cluster.wait_for_copy("s")
    assert {table: state for table, state in states(cluster).items() if state == "failed"} == dict.fromkeys(asked, "failed")
    for view in asked:
        row = table_row(cluster, view)
        assert f"`{view}`" in row["last_error"] and "definer" in row["hint"], row
    status = cluster.status("s")
    assert status["state"] == "idle" and len(data(cluster, "orders")) == 3
    with pytest.raises(psycopg2.Error, match="failed"):
        caught_up(cluster)
    # What was mended is copied with the next refresh; what breaks later keeps the rows that it had.
    views.run("CREATE TABLE gone (v INT); INSERT INTO gone VALUES (1), (1); GRANT SELECT ON shop.customer TO visitor@localhost; "
              "ALTER VIEW wrong AS SELECT id FROM customer; ALTER DEFINER = CURRENT_USER VIEW ownerless AS SELECT name FROM customer; "
              "ALTER TABLE customer CHANGE name title VARCHAR(40)", "shop")
    with pytest.raises(psycopg2.Error, match="failed"):
        caught_up(cluster)
    assert [len(rows(cluster, view)) for view in ("broken", "wrong")] == [2, 3]
    failed = {table for table, state in states(cluster).items() if state == "failed"}
    assert failed == {"orders", "hidden", "ownerless"} and len(data(cluster, "orders")) == 3
    views.run("DROP USER visitor@localhost, visitor@'127.0.0.1'")


@pytest.mark.parametrize("rules, message", [('{"keys": {"orders": ["moon"]}}', "does not exist"),
                                            ('{"keys": {"counts": ["total"]}}', "may be NULL")])
def test_a_rule_that_does_not_fit_a_view_is_refused(cluster, views, mysql_source, rules, message):
    with pytest.raises(psycopg2.Error, match=message) as error:
        mysql_source("shop", "s", include_tables=["orders", "counts"], rules=rules)
    assert error.value.diag.message_hint


def test_a_key_of_a_view_that_is_not_unique_makes_it_fail(cluster, views, mysql_source):
    mysql_source("shop", "s", include_tables=["*", "orders"], rules='{"keys": {"orders": ["a"]}}')
    cluster.wait_for_copy("s")
    assert states(cluster)["orders"] == "failed" and "unique" in table_row(cluster, "orders")["hint"]
    assert len(rows(cluster, "line")) == 3


def test_many_rows_of_a_view_survive_a_crash_of_the_copy(cluster, views, mysql_source):
    views.run("USE shop; CREATE TABLE many (id INT PRIMARY KEY AUTO_INCREMENT, v INT); INSERT INTO many (v) VALUES (1), (1)")
    for _ in range(14):
        views.run("INSERT INTO many (v) SELECT v FROM many", "shop")
    views.run("CREATE VIEW same AS SELECT v FROM many; CREATE VIEW keyed AS SELECT id, v FROM many", "shop")
    cluster.fail_at("chunk_committed")
    mysql_source("shop", "s", include_tables=["*", "same", "keyed"], rules='{"keys": {"keyed": ["id"]}}')
    cluster.wait_for_failure()
    cluster.wait_for_copy("s")
    assert [len(rows(cluster, view)) for view in ("same", "keyed")] == [32768, 32768]
    wait_until(lambda: not cluster.workers("copy worker"), 45, "the copy workers to end")
