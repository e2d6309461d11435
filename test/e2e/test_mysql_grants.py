"""Rights of the account at the source that are granted and revoked while it is followed."""
import pytest

from private_cluster import wait_until
from observing import caught_up, equal, failed_alone, failure, registered, rows, table_row


def change_grants(server, user, *statements):
    """For both of the account's hosts; and lets the connections that are open be re-created."""
    for host in ("127.0.0.1", "localhost"):
        for statement in statements:
            server.run(statement.format(f"'{user}'@'{host}'"))
    for (connection,) in server.query(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"):
        server._client(f"KILL {connection}", check=False)


@pytest.fixture
def poor(server):
    """An account with rights for two tables only."""
    server.create_user("poor", "pw", "REPLICATION SLAVE ON *.*")
    for host in ("127.0.0.1", "localhost"):
        server.run(f"GRANT SELECT ON shop.customer TO 'poor'@'{host}'; GRANT SELECT ON shop.line TO 'poor'@'{host}'")
    yield server.url("shop", user="poor", password="pw")
    server.run("DROP USER 'poor'@'127.0.0.1', 'poor'@'localhost'")


def test_a_right_to_the_log_that_is_revoked_is_named(cluster, db, poor, source_s):
    registered(cluster, poor)
    change_grants(db, "poor", "REVOKE REPLICATION SLAVE ON *.* FROM {}")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    failure(cluster, "REPLICATION SLAVE", "GRANT")
    change_grants(db, "poor", "GRANT REPLICATION SLAVE ON *.* TO {}")
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_right_to_a_table_that_is_revoked_concerns_that_table(cluster, db, poor, source_s):
    registered(cluster, poor)
    change_grants(db, "poor", "REVOKE SELECT ON shop.line FROM {}")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    failed_alone(cluster, "line", "may not read table shop.line", "GRANT SELECT")  # though the log would show it
    cluster.query("SELECT replicator_resync('s', 'line')")
    db.run("DELETE FROM customer WHERE id = 2", "shop")
    wait_until(lambda: set(rows(cluster, "customer")) == {"3"}, 45, "the other table to go on")
    wait_until(lambda: table_row(cluster, "line")["state"] in ("failed", "excluded"), 240,
               lambda: f"the table to fail alone: {table_row(cluster, 'line')} {cluster.status('s')}")
    assert len(rows(cluster, "line")) == 3
    change_grants(db, "poor", "GRANT SELECT ON shop.line TO {}")
    wait_until(lambda: table_row(cluster, "line")["state"] == "streaming", 240,
               lambda: f"the table to come back: {table_row(cluster, 'line')}")
    assert equal(cluster)


def test_a_call_hides_no_column_that_may_not_be_read_any_more_from_the_stream(cluster, db, poor, source_s):
    db.run("CREATE TABLE staff (id INT PRIMARY KEY, a INT, salary INT); INSERT INTO staff VALUES (1, 1, 1000)", "shop")
    for host in ("127.0.0.1", "localhost"):
        db.run(f"GRANT SELECT (id, a, salary) ON shop.staff TO 'poor'@'{host}'")
    registered(cluster, poor)
    with cluster.waiting_at("between_batches"):
        for host in ("127.0.0.1", "localhost"):
            db.run(f"REVOKE SELECT (salary) ON shop.staff FROM 'poor'@'{host}'")
        cluster.query("SELECT replicator_alter('s', exclude_tables => '{nothing}')")  # it looks at all tables
    caught_up(cluster)
    db.run("INSERT INTO staff VALUES (2, 2, 2000)", "shop")
    caught_up(cluster)
    assert rows(cluster, "staff") == {"1": '{"a": 1, "id": 1}', "2": '{"a": 2, "id": 2}'}


def test_columns_follow_what_the_account_may_read(cluster, db, poor, source_s):
    db.run("CREATE TABLE staff (id INT PRIMARY KEY, a VARCHAR(9), salary VARCHAR(9), doc JSON, t TEXT, "
           + ("UNIQUE (t)" if db.flavour == "MariaDB" else "KEY (a)")
           + "); INSERT INTO staff VALUES (1, 'a', 'hidden', '{\"x\": 1}', 'text'), (2, 'b', 'hidden', '[]', NULL)", "shop")

    def grant(statement):
        for host in ("127.0.0.1", "localhost"):
            db.run(statement.format(f"'poor'@'{host}'"))
    for host in ("127.0.0.1", "localhost"):
        db.run(f"GRANT SELECT (id, a, doc, t) ON shop.staff TO 'poor'@'{host}'")
    registered(cluster, poor)
    db.run("UPDATE staff SET a = 'new' WHERE id = 1; UPDATE customer SET rate = 7 WHERE id = 1", "shop")
    caught_up(cluster)
    row = {"1": '{"a": "new", "t": "text", "id": 1, "doc": {"x": 1}}', "2": '{"a": "b", "t": null, "id": 2, "doc": []}'}
    assert rows(cluster, "staff") == row
    assert '"notes": {"a": [1, 2.5]}' in rows(cluster, "customer")["1"], "JSON, also where the server shows no checks to the account"
    grant("GRANT SELECT (salary) ON shop.staff TO {}")
    caught_up(cluster)
    db.run("INSERT INTO staff VALUES (3, 'c', 'seen', NULL, NULL)", "shop")
    caught_up(cluster)
    assert ["hidden" in value or "seen" in value for value in rows(cluster, "staff").values()] == [True] * 3
    grant("REVOKE SELECT (salary) ON shop.staff FROM {}")
    caught_up(cluster)
    assert not any("salary" in value for value in rows(cluster, "staff").values())
    db.run("DELETE FROM staff WHERE id = 3; UPDATE staff SET salary = 'more'", "shop")
    caught_up(cluster)
    assert rows(cluster, "staff") == row and equal(cluster)
    grant("REVOKE SELECT ON shop.line FROM {}")
    failed_alone(cluster, "line", "may not read table shop.line", "GRANT SELECT")
