"""What the account may not read any more is not stored, though the log shows it; what it may read again is read again."""
import dataclasses

import pytest

from private_cluster import wait_until
from observing import caught_up, equal, failure, registered, rows, table_row

ACCOUNT = "'poor'@'127.0.0.1'"
MADE_DEFAULT = {"MySQL": f"SET DEFAULT ROLE reader TO {ACCOUNT}", "MariaDB": f"SET DEFAULT ROLE reader FOR {ACCOUNT}"}
MADE_NONE = {"MySQL": f"SET DEFAULT ROLE NONE TO {ACCOUNT}", "MariaDB": f"SET DEFAULT ROLE NONE FOR {ACCOUNT}"}


@dataclasses.dataclass
class Way:
    """How the right to read shop.line is given, and taken; it is given back as it was given, unless `back` says how."""
    given: str
    taken: str
    back: str = ""
    only: str = ""
    is_logged: bool = True


ROLE = "CREATE ROLE IF NOT EXISTS reader; GRANT SELECT ON shop.line TO reader; GRANT reader TO {account}; {made_default}"
WAYS = {
    "to everything": Way("GRANT SELECT ON *.* TO {account}", "REVOKE SELECT ON *.* FROM {account}"),
    "to the database": Way("GRANT SELECT ON shop.* TO {account}", "REVOKE SELECT ON shop.* FROM {account}"),
    "to the table": Way("GRANT SELECT ON shop.line TO {account}", "REVOKE SELECT ON shop.line FROM {account}"),
    "to the columns": Way("GRANT SELECT (a, b, v) ON shop.line TO {account}",
                          "REVOKE SELECT (a, b, v) ON shop.line FROM {account}"),
    "to read, not to write": Way("GRANT SELECT, INSERT ON shop.line TO {account}", "REVOKE SELECT ON shop.line FROM {account}"),
    "of a role": Way(ROLE, "REVOKE reader FROM {account}"),
    "of a role that loses it": Way(ROLE, "REVOKE SELECT ON shop.line FROM reader", "GRANT SELECT ON shop.line TO reader"),
    "of a role in a role": Way("CREATE ROLE IF NOT EXISTS inner_reader; GRANT SELECT ON shop.* TO inner_reader; "
                               "CREATE ROLE IF NOT EXISTS reader; GRANT inner_reader TO reader; GRANT reader TO {account}; {made_default}",
                               "REVOKE SELECT ON shop.* FROM inner_reader",
                               "GRANT SELECT ON shop.* TO inner_reader"),
    "of a role that is dropped": Way(ROLE, "DROP ROLE reader"),
    "of a role that is no default": Way(ROLE, "{made_none}", "{made_default}"),
    "partly": Way("SET GLOBAL partial_revokes = ON; GRANT SELECT ON *.* TO {account}",
                  "REVOKE SELECT ON shop.* FROM {account}", only="MySQL"),
    "of all": Way("GRANT SELECT ON shop.* TO PUBLIC", "REVOKE SELECT ON shop.* FROM PUBLIC", only="MariaDB"),
    "in the tables of rights": Way("GRANT SELECT ON shop.line TO {account}",
                                   "DELETE FROM mysql.tables_priv WHERE User = 'poor' AND Table_name = 'line'; FLUSH PRIVILEGES"),
    "without the log": Way("GRANT SELECT ON shop.* TO {account}",
                           "SET sql_log_bin = 0; REVOKE SELECT ON shop.* FROM {account}", is_logged=False),
    "without the log, of a role": Way(ROLE,
                                      "SET sql_log_bin = 0; {made_none}", "SET sql_log_bin = 0; {made_default}", is_logged=False),
}


def statements(server, text):
    return text.format(account=ACCOUNT, made_default=MADE_DEFAULT[server.flavour], made_none=MADE_NONE[server.flavour])


@pytest.fixture
def poor(db, source_s):
    """An account with a right to one table."""
    db.run(f"CREATE USER {ACCOUNT} IDENTIFIED BY 'pw'; GRANT REPLICATION SLAVE ON *.* TO {ACCOUNT}; "
           f"GRANT SELECT ON shop.customer TO {ACCOUNT}")
    yield db.url("shop", user="poor", password="pw")
    db.run(f"DROP USER IF EXISTS {ACCOUNT}; DROP ROLE IF EXISTS reader; DROP ROLE IF EXISTS inner_reader")
    if db.flavour == "MariaDB":
        db._client("REVOKE ALL ON shop.* FROM PUBLIC", check=False)


def withheld(cluster, table="line", others="streaming"):
    wait_until(lambda: table_row(cluster, table)["state"] == "failed", 240,
               lambda: f"the table to fail: {table_row(cluster, table)} {cluster.status('s')}")
    row = table_row(cluster, table)
    assert f"may not read table shop.{table}" in row["reason"] and "GRANT SELECT" in row["hint"], row
    status = cluster.status("s")
    assert status["state"] == others and "may not read" in status["last_error"], status


@pytest.mark.parametrize("name", WAYS)
def test_a_right_that_is_taken_stops_its_table_and_one_that_is_given_back_brings_it_back(cluster, db, poor, name):
    way = WAYS[name]
    if way.only not in ("", db.flavour):
        pytest.skip(f"{db.flavour} has no such rights")
    db.run(statements(db, way.given))
    registered(cluster, poor)
    assert len(rows(cluster, "line")) == 3
    taken = statements(db, way.taken)
    secret = "INSERT INTO shop.line VALUES (7, 'secret', 7)"
    if way.is_logged:
        db.run(f"{taken}; {secret}")
    else:
        db.run(taken)
        withheld(cluster)
        db.run(secret)
    db.run("INSERT INTO customer VALUES (9, 'for all', 0, NULL)", "shop")
    wait_until(lambda: "9" in rows(cluster, "customer"), 240, lambda: f"the other table to go on: {cluster.status('s')}")
    withheld(cluster)
    assert not any("secret" in key for key in rows(cluster, "line"))
    db.run(statements(db, way.back or way.given))
    wait_until(lambda: table_row(cluster, "line")["state"] == "streaming", 240,
               lambda: f"the table to come back: {table_row(cluster, 'line')}")
    db.run("INSERT INTO shop.line VALUES (8, 'open', 8)")
    caught_up(cluster)
    assert {'[7,"secret"]', '[8,"open"]'} <= set(rows(cluster, "line")) and equal(cluster)


def test_rights_that_are_taken_while_nobody_follows_are_seen_by_the_next_stream(cluster, db, poor):
    db.run(f"GRANT SELECT ON shop.* TO {ACCOUNT}")
    registered(cluster, poor)
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run(f"INSERT INTO shop.line VALUES (7, 'secret', 7); SET sql_log_bin = 0; REVOKE SELECT ON shop.* FROM {ACCOUNT}")
    cluster.query("SELECT replicator_resume('s')")
    withheld(cluster)
    assert len(rows(cluster, "line")) == 3
    db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}")
    wait_until(lambda: table_row(cluster, "line")["state"] == "streaming", 240, "the table to come back")
    assert equal(cluster) and len(rows(cluster, "line")) == 4


def test_a_database_that_may_not_be_seen_any_more_leaves_the_others(cluster, db, poor, source_s):
    db.run(f"DROP DATABASE IF EXISTS other; CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY); "
           f"GRANT SELECT ON other.* TO {ACCOUNT}; INSERT INTO other.t VALUES (1)")
    try:
        registered(cluster, poor.replace("/shop?", "/shop,other?"))
        db.run(f"REVOKE SELECT ON other.* FROM {ACCOUNT}; INSERT INTO other.t VALUES (2); "
               "INSERT INTO shop.customer VALUES (9, 'for all', 0, NULL)")
        wait_until(lambda: "9" in rows(cluster, "customer"), 240, lambda: f"the other table to go on: {cluster.status('s')}")
        assert table_row(cluster, "t")["state"] == "failed" and set(rows(cluster, "t")) == {"1"}
        db.run(f"GRANT SELECT ON other.* TO {ACCOUNT}")
        wait_until(lambda: table_row(cluster, "t")["state"] == "streaming", 240,
                   lambda: f"the table to come back: {table_row(cluster, 't')}")
        assert set(rows(cluster, "t")) == {"1", "2"}
    finally:
        db.run("DROP DATABASE other")


def test_a_copy_beside_the_stream_that_may_not_read_its_table_concerns_that_table(cluster, db, poor):
    db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}")
    registered(cluster, poor)
    with cluster.waiting_at("between_batches"):
        cluster.query("SELECT replicator_resync('s', 'line')")
        db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}; INSERT INTO shop.customer VALUES (9, 'for all', 0, NULL)")
    wait_until(lambda: "9" in rows(cluster, "customer"), 240, lambda: f"the other table to go on: {cluster.status('s')}")
    withheld(cluster)


def test_rights_of_others_have_nothing_looked_at(cluster, db, poor):
    db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}")
    registered(cluster, poor)
    began = cluster.query("SELECT clock_timestamp()")[0]
    db.run("DROP USER IF EXISTS somebody@localhost; CREATE USER somebody@localhost; GRANT SELECT ON shop.* TO somebody@localhost; "
           "GRANT SELECT (a) ON shop.line TO somebody@localhost; "
           "REVOKE ALL PRIVILEGES, GRANT OPTION FROM somebody@localhost; DROP USER somebody@localhost; FLUSH PRIVILEGES")
    caught_up(cluster)
    assert cluster.query("SELECT action FROM replicator_events WHERE source = 's' AND action LIKE 'table%%' AND at > %s", began) == []
    assert table_row(cluster, "line")["rows_updated"] == 0 and table_row(cluster, "line")["state"] == "streaming"


def test_an_account_that_is_dropped_stops_its_source(cluster, db, poor):
    registered(cluster, poor)
    db.run(f"DROP USER {ACCOUNT}; INSERT INTO shop.customer VALUES (9, 'secret', 0, NULL)")
    failure(cluster, "Access denied", "Check user and password")
    assert "9" not in rows(cluster, "customer")
