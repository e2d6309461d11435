"""Tables of MySQL and MariaDB that have no key of their own; each test runs against both servers."""
import psycopg2
import pytest

from private_cluster import wait_until
from observing import caught_up, equal, finished, rows, table_row

RULE = '{"keys": {"visit": ["shop", "day"], "shop.word": ["w"]}}'


@pytest.fixture
def unkeyed(db):
    """Tables whose rows are unique, though the server does not know."""
    db.run("""USE shop; CREATE TABLE visit (shop INT NOT NULL, day DATE NOT NULL, n INT, KEY (shop, day));
        INSERT INTO visit VALUES (1, '2024-01-01', 10), (1, '2024-01-02', 20), (2, '2024-01-01', NULL);
        CREATE TABLE word (w VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, n INT);
        INSERT INTO word VALUES ('a', 1), ('A', 2), ('a ', 3), ('ä', 4)""")
    return db


def keys_of(cluster, name="s"):
    return dict(cluster.query("SELECT \"table\", key_columns FROM replicator_tables WHERE source = %s", (name,)))


def test_a_rule_names_the_key_of_a_table_without_one(cluster, unkeyed, mysql_source):
    mysql_source("shop", "s", rules=RULE)
    cluster.wait_for_copy("s")
    assert set(rows(cluster, "visit")) == {'[1,"2024-01-01"]', '[1,"2024-01-02"]', '[2,"2024-01-01"]'}
    assert set(rows(cluster, "word")) == {"a", "A", "a ", "ä"}
    assert "keys" in table_row(cluster, "visit")["note"]
    unkeyed.run("USE shop; UPDATE visit SET n = 21 WHERE n = 20; DELETE FROM word WHERE n = 3; INSERT INTO word VALUES ('{', 5)")
    caught_up(cluster)
    assert rows(cluster, "visit")['[1,"2024-01-02"]'] == '{"n": 21, "day": "2024-01-02", "shop": 1}'
    assert set(rows(cluster, "word")) == {"a", "A", '"{"', "ä"}
    assert (table_row(cluster, "visit")["rows_updated"], table_row(cluster, "word")["rows_deleted"]) == (1, 1)
    cluster.query("SELECT replicator_alter('s', rules => '{\"keys\": {\"visit\": [\"day\", \"shop\"], \"word\": [\"w\"]}}')")
    caught_up(cluster)
    assert keys_of(cluster)["visit"] == ["day", "shop"]
    assert set(rows(cluster, "visit")) == {'["2024-01-01",1]', '["2024-01-02",1]', '["2024-01-01",2]'}
    assert equal(cluster)


def test_many_rows_are_read_by_the_rules_key(cluster, unkeyed, mysql_source):
    """In pieces where an index has the columns; by bytes where the collation finds different values equal."""
    unkeyed.run("""USE shop; CREATE TABLE big (a INT NOT NULL, b INT NOT NULL, KEY (a, b));
        INSERT INTO big SELECT 1, 1 FROM visit LIMIT 1""")
    for step in range(16):
        unkeyed.run(f"INSERT INTO big SELECT a + {step % 3}, b + {2 ** step} FROM big", "shop")
    unkeyed.run("CREATE TABLE plain (w VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL); "
                "INSERT INTO plain SELECT CONCAT(IF(b % 2, 'x', 'X'), b DIV 2) FROM big; ANALYZE TABLE big, plain", "shop")
    mysql_source("shop", "s", rules='{"keys": {"big": ["a", "b"], "plain": ["w"]}}', include_tables=["big", "plain"])
    cluster.wait_for_copy("s")
    assert cluster.query("SELECT count(*), count(DISTINCT data) FROM s.big") == [(65536, 65536)]
    assert cluster.query("SELECT count(*), count(DISTINCT data) FROM s.plain") == [(65536, 65536)]
    assert equal(cluster)


def test_changes_of_such_tables_are_followed(cluster, unkeyed, follow):
    follow(rules=RULE)
    unkeyed.run("""USE shop; UPDATE visit SET n = 21 WHERE n = 20; UPDATE visit SET shop = 3 WHERE shop = 2;
        DELETE FROM word WHERE n = 2; INSERT INTO word VALUES ('B', 7)""")
    caught_up(cluster)
    assert rows(cluster, "visit") == {'[1,"2024-01-01"]': '{"n": 10, "day": "2024-01-01", "shop": 1}',
                                      '[1,"2024-01-02"]': '{"n": 21, "day": "2024-01-02", "shop": 1}',
                                      '[3,"2024-01-01"]': '{"n": null, "day": "2024-01-01", "shop": 3}'}
    assert set(rows(cluster, "word")) == {"a", "a ", "B", "ä"}
    assert table_row(cluster, "visit")["consistency"] == "transaction"
    assert equal(cluster)


def test_another_rule_has_the_table_copied_again_beside_the_stream(cluster, unkeyed, follow):
    follow(rules=RULE)
    cluster.query("SELECT replicator_alter('s', rules => '{\"keys\": {\"visit\": [\"day\", \"shop\"]}}')")
    caught_up(cluster)
    wait_until(lambda: table_row(cluster, "visit")["state"] == "streaming", 240, "the table")
    unkeyed.run("USE shop; UPDATE visit SET n = 0 WHERE shop = 1; INSERT INTO visit VALUES (9, '2024-01-09', 9)")
    caught_up(cluster)
    assert set(rows(cluster, "visit")) == {'["2024-01-01",1]', '["2024-01-02",1]', '["2024-01-01",2]', '["2024-01-09",9]'}
    assert cluster.query("SELECT count(*) FROM s.visit WHERE data->>'n' = '0'") == [(2,)]
    # A key of its own goes first, and is met in the log.
    unkeyed.run("ALTER TABLE shop.visit ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST")
    caught_up(cluster)
    assert set(rows(cluster, "visit")) == {"1", "2", "3", "4"}
    assert "not needed" in table_row(cluster, "visit")["note"]


@pytest.mark.parametrize("rules, message", [
    ('{"keys": {"visit": ["shop", "moon"]}}', "column `moon`, named by the rule keys, does not exist"),
    ('{"keys": {"visit": ["n"]}}', "may be NULL"),
    ('{"keys": {"moon": ["a"]}}', "does not have: \"moon\""),
    ('{"keys": {"visit": "day"}}', "array of its columns"),
    ('{"keys": {"visit": []}}', "array of its columns"),
    ('{"keys": {"visit": ["day", "day"]}}', "twice"),
    ('{"keys": ["visit"]}', "object of tables")])
def test_a_rule_that_cannot_be_followed_is_refused(cluster, unkeyed, mysql_source, rules, message):
    with pytest.raises(psycopg2.Error) as error:
        mysql_source("shop", "s", rules=rules)
    said = error.value.diag
    assert message in f"{said.message_primary} {said.message_detail}"
    assert said.message_hint


def test_a_rule_that_is_not_true_makes_the_table_fail(cluster, unkeyed, mysql_source):
    unkeyed.run("INSERT INTO shop.visit VALUES (1, '2024-01-01', 11)")
    mysql_source("shop", "s", rules='{"keys": {"visit": ["shop", "day"], "word": ["w"]}}')
    cluster.wait_for_copy("s")
    table = table_row(cluster, "visit")
    assert table["state"] == "failed" and "unique" in table["hint"]
    unkeyed.run("DELETE FROM shop.visit WHERE n = 11")
    caught_up(cluster)
    assert len(rows(cluster, "visit")) == 3


def ordinals(cluster, name="s"):
    """How often each row is there; its ids are numbered from 1 on."""
    found = cluster.query(f"SELECT data->>'v', data->>'w', array_agg(id ORDER BY split_part(id, '#', 2)::int) FROM {name}.log GROUP BY "
                          "1, 2")
    for row in found:
        base = row[2][0].split("#")[0]
        assert row[2] == [f"{base}#{i + 1}" for i in range(len(row[2]))] and len(base) == len("sha256:") + 64
    return {row[:2]: len(row[2]) for row in found}


def counts(cluster, table="log"):
    row = table_row(cluster, table)
    return row["rows_inserted"], row["rows_updated"], row["rows_deleted"]


@pytest.mark.parametrize("arguments", [{}, {"mode": "periodic", "refresh_interval": "1 hour"}])
def test_a_table_without_a_key_is_refreshed_as_a_whole(cluster, keyless, mysql_source, arguments):
    mysql_source("shop", "s", **arguments)
    cluster.wait_for_copy("s")
    first = {("1", "a"): 3, (None, None): 2, ("2", ""): 1, ("2", None): 1}
    assert ordinals(cluster) == first
    table = table_row(cluster, "log")
    assert (table["state"], table["consistency"], table["key_columns"]) == ("idle", "state", [])
    assert "no key" in table["note"]
    before = cluster.query("SELECT id, xmin FROM s.log ORDER BY id")
    start = counts(cluster)
    caught_up(cluster)
    assert cluster.query("SELECT id, xmin FROM s.log ORDER BY id") == before and counts(cluster) == start
    for left in (2, 1, 0):
        keyless.run("DELETE FROM shop.log WHERE v = 1 LIMIT 1")
        caught_up(cluster)
        expected = {**first, ("1", "a"): left}
        assert ordinals(cluster) == {row: count for row, count in expected.items() if count}
    assert counts(cluster) == (start[0], 0, 3)
    keyless.run("USE shop; INSERT INTO log VALUES (1, 'a'), (1, 'a'), (NULL, NULL); UPDATE log SET w = '' WHERE v = 2 AND w IS NULL; "
                "INSERT INTO nothing VALUES (5)")
    caught_up(cluster)
    assert ordinals(cluster) == {("1", "a"): 2, (None, None): 3, ("2", ""): 2}
    assert counts(cluster) == (start[0] + 4, 0, 4)
    assert cluster.query("SELECT data->>'v' FROM s.nothing") == [("5",)]
    keyless.run("DELETE FROM shop.log")
    caught_up(cluster)
    assert ordinals(cluster) == {}


def test_a_column_more_is_another_row_and_a_key_gives_other_ids(cluster, keyless, mysql_source):
    mysql_source("shop", "s")
    cluster.wait_for_copy("s")
    keyless.run("ALTER TABLE shop.log ADD x INT DEFAULT 7")
    caught_up(cluster)
    assert cluster.query("SELECT count(*), count(data->>'x') FROM s.log") == [(7, 7)]
    keyless.run("ALTER TABLE shop.log ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST")
    caught_up(cluster)
    assert set(rows(cluster, "log")) == {str(i) for i in range(1, 8)}
    keyless.run("ALTER TABLE shop.log DROP COLUMN id, DROP COLUMN x")
    caught_up(cluster)
    assert sum(ordinals(cluster).values()) == 7


def test_many_rows_without_a_key_survive_a_crash_of_the_copy(cluster, keyless, mysql_source):
    for _ in range(15):
        keyless.run("INSERT INTO log SELECT * FROM log", "shop")
    count = int(keyless.value("SELECT count(*) FROM log", "shop"))
    cluster.fail_at("chunk_committed")
    mysql_source("shop", "s")
    cluster.wait_for_failure()
    cluster.wait_for_copy("s")
    assert cluster.query("SELECT count(*), count(DISTINCT data) FROM s.log") == [(count, 4)]
    keyless.run("DELETE FROM log WHERE v = 1 LIMIT 1000", "shop")
    cluster.query("CALL replicator_wait('s', '240 s')")
    assert cluster.query("SELECT count(*) FROM s.log") == [(count - 1000,)]


def test_a_table_without_a_key_cannot_be_compared_and_says_so(cluster, keyless, mysql_source):
    mysql_source("shop", "s")
    cluster.wait_for_copy("s")
    job = cluster.query("SELECT replicator_verify('s')")[0][0]
    tables = finished(cluster, job)
    assert tables["log"]["state"] == "failed"
    said = cluster.query("SELECT last_error, hint FROM replicator_jobs WHERE job = %s AND \"table\" = 'log'", (job,))
    assert "has no key" in said[0][0] and "replicator_sync" in said[0][1]
    assert tables["customer"]["state"] == "done"


# ---- mode continuous: beside the stream ----

def test_beside_a_stream_it_is_refreshed_when_asked_for(cluster, keyless, follow):
    follow()
    first = {("1", "a"): 3, (None, None): 2, ("2", ""): 1, ("2", None): 1}
    assert ordinals(cluster) == first
    table = table_row(cluster, "log")
    assert (table["state"], table["consistency"]) == ("idle", "state")
    assert table_row(cluster, "customer")["consistency"] == "transaction"
    start = counts(cluster)
    for left in (2, 1, 0):
        keyless.run("USE shop; DELETE FROM log WHERE v = 1 LIMIT 1; UPDATE customer SET rate = rate + 1 WHERE id = 1")
        caught_up(cluster)
        expected = {**first, ("1", "a"): left}
        assert ordinals(cluster) == {row: count for row, count in expected.items() if count}
    assert counts(cluster) == (start[0], 0, 3)
    assert rows(cluster, "customer")["1"].find('"rate": 4.50') > 0
    keyless.run("INSERT INTO shop.log VALUES (8, 'x'), (8, 'x')")
    cluster.query("SELECT replicator_resync('s', 'log')")
    wait_until(lambda: ordinals(cluster).get(("8", "x")) == 2, 240, "the rows")
    keyless.run("INSERT INTO shop.log VALUES (9, 'y')")
    cluster.query("SELECT replicator_sync('s')")
    wait_until(lambda: ordinals(cluster).get(("9", "y")) == 1, 240, "the row")
    # A table without a key keeps its staging tables for its next refresh; no other table has any.
    assert cluster.query("SELECT count(*) FROM pg_class c WHERE relkind = 'r' AND relname ~ '^(staging|seen)_' AND NOT EXISTS ("
                         "SELECT FROM replicator.source_table t WHERE t.keyless AND c.relname ~ ('^(staging|seen)_' || t.id || "
                         "'$'))") == [(0,)]
    assert not cluster.status("s")["last_error"]


def test_beside_a_stream_it_is_refreshed_by_time(cluster, keyless, follow):
    follow(options='{"keyless_refresh_interval": "1s"}')
    keyless.run("INSERT INTO shop.log VALUES (9, 'y')")
    wait_until(lambda: ordinals(cluster).get(("9", "y")) == 1, 240, "the row")
    opened = "SELECT generation FROM replicator.source_state"
    before = cluster.query(opened)
    cluster.query("SELECT replicator_alter('s', options => '{\"keyless_refresh_interval\": 0}')")
    wait_until(lambda: cluster.query(opened) != before, 45, "the worker to notice")
    cluster.wait_for_state("s", "streaming")
    finished_at = table_row(cluster, "log")["copy_finished_at"]
    keyless.run("INSERT INTO shop.log VALUES (9, 'y'); INSERT INTO shop.customer VALUES (50, '', 1, NULL)")
    wait_until(lambda: "50" in rows(cluster, "customer"), 240, "the stream")
    assert table_row(cluster, "log")["copy_finished_at"] == finished_at
    caught_up(cluster)
    assert ordinals(cluster)[("9", "y")] == 2


def test_statements_on_tables_without_a_key(cluster, keyless, follow):
    follow()

    def after(sql):
        keyless.run(sql, "shop")
        caught_up(cluster)
    after("CREATE TABLE late (v INT); INSERT INTO late VALUES (1), (1)")
    assert cluster.query("SELECT count(*), count(DISTINCT data) FROM s.late") == [(2, 1)]
    after("TRUNCATE TABLE log; INSERT INTO log VALUES (4, 'd')")
    assert ordinals(cluster) == {("4", "d"): 1}
    after("ALTER TABLE log ADD x INT DEFAULT 7")
    assert cluster.query("SELECT data->>'x' FROM s.log") == [("7",)]
    after("ALTER TABLE log ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST; INSERT INTO log (v) VALUES (5)")
    assert set(rows(cluster, "log")) == {"1", "2"}
    assert table_row(cluster, "log")["state"] == "streaming"
    after("INSERT INTO log (v) VALUES (6)")
    assert set(rows(cluster, "log")) == {"1", "2", "3"}
    after("ALTER TABLE log DROP COLUMN x, DROP COLUMN id; INSERT INTO log (v) VALUES (6)")
    assert ordinals(cluster) == {("4", "d"): 1, ("5", None): 1, ("6", None): 2}
    assert (table_row(cluster, "log")["state"], table_row(cluster, "log")["consistency"]) == ("idle", "state")
    after("RENAME TABLE late TO later; DROP TABLE nothing")
    assert cluster.query("SELECT count(*) FROM s.later") == [(2,)]
    assert table_row(cluster, "late")["state"] == table_row(cluster, "nothing")["state"] == "excluded"


def test_a_rule_comes_and_goes(cluster, keyless, follow):
    keyless.run("USE shop; CREATE TABLE pair (a INT NOT NULL, b INT); INSERT INTO pair VALUES (1, 1), (2, 2)")
    follow(exclude_tables=["log", "nothing"])
    assert all(id.endswith("#1") for id in rows(cluster, "pair"))
    with cluster.waiting_at("keyless_rows_staged", lambda: cluster.query("SELECT replicator_sync('s')")):  # in the middle of its refresh
        cluster.query("SELECT replicator_alter('s', rules => '{\"keys\": {\"pair\": [\"a\"]}}')")
    caught_up(cluster)
    keyless.run("UPDATE shop.pair SET b = 3 WHERE a = 2")
    caught_up(cluster)
    assert rows(cluster, "pair") == {"1": '{"a": 1, "b": 1}', "2": '{"a": 2, "b": 3}'}
    assert table_row(cluster, "pair")["state"] == "streaming"
    cluster.query("SELECT replicator_alter('s', rules => '{}')")
    caught_up(cluster)
    assert len(rows(cluster, "pair")) == 2 and all(id.endswith("#1") for id in rows(cluster, "pair"))
    assert table_row(cluster, "pair")["state"] == "idle"


def test_a_refresh_beside_the_stream_begins_again_after_a_crash(cluster, keyless, follow):
    for _ in range(13):
        keyless.run("INSERT INTO log SELECT * FROM log", "shop")
    follow()
    count = int(keyless.value("SELECT count(*) FROM log", "shop"))
    keyless.run("DELETE FROM log WHERE v = 1 LIMIT 1000", "shop")
    cluster.fail_at("keyless_rows_staged")
    cluster.query("SELECT replicator_sync('s')")
    cluster.wait_for_failure()
    wait_until(lambda: cluster.query_when_up("SELECT count(*) FROM s.log") == [(count - 1000,)], 240, "the refresh")
    caught_up(cluster)
    assert sum(ordinals(cluster).values()) == count - 1000


def test_long_ids_are_copied_beside_the_stream(cluster, db, follow):
    follow()
    db.run("""USE shop; CREATE TABLE wide (k VARCHAR(600) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY);
        INSERT INTO wide VALUES (REPEAT('漢', 500)), ('b')""")
    cluster.query("SELECT replicator_resync('s', 'customer')")
    caught_up(cluster)
    cluster.query("SELECT replicator_resync('s', 'wide')")
    caught_up(cluster)
    assert sorted(id[:7] for id in rows(cluster, "wide")) == ["b", "sha256:"]
