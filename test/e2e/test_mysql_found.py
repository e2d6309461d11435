"""What a copy finds of its table at the source: it counts, whether or not a statement in the log has told of it."""
import pytest

from private_cluster import wait_until
from observing import caught_up, rows, table_row, verify


def without_the_log(db, sql):
    db.run(f"SET sql_log_bin = 0; {sql}", "shop")


def assert_same(cluster, table):
    found = verify(cluster, "s", [table])[table]
    assert (found["state"], found["changed"], found["missing"], found["extra"], found["unconfirmed"]) == ("done", 0, 0, 0, 0), found


def copied_again(cluster, table):
    cluster.query("SELECT replicator_resync('s', %s)", (table,))
    caught_up(cluster)
    row = table_row(cluster, table)
    assert row["state"] in ("streaming", "idle"), row
    return row


def bases(cluster, table):
    """Ids of rows without a key, without their numbers: how many each has."""
    found = [id.split("#") for id in rows(cluster, table)]
    assert all(id[0].startswith("sha256:") and len(id) == 2 for id in found), found
    return sorted(sum(base == id[0] for id in found) for base in {id[0] for id in found})


def test_a_table_that_has_lost_its_key_keeps_all_of_its_rows(cluster, db, follow):
    follow()
    without_the_log(db, "ALTER TABLE line DROP PRIMARY KEY; INSERT INTO line VALUES (1, 'x', 1), (1, 'x', 1), (1, 'x', 2)")
    row = copied_again(cluster, "line")
    assert bases(cluster, "line") == [1, 1, 1, 3]
    assert row["key_columns"] == [] and "no key" in row["note"] and (row["state"], row["consistency"]) == ("idle", "state")
    db.run("DELETE FROM line WHERE v = 1 LIMIT 1; INSERT INTO line VALUES (2, '', 3)", "shop")
    caught_up(cluster)
    assert bases(cluster, "line") == [1, 1, 2, 2]


@pytest.mark.parametrize("by", ["a person", "its next refresh", "a comparison of all"])
def test_a_table_that_has_got_a_key_is_followed_by_it(cluster, db, keyless, follow, by):
    follow()
    assert "no key" in table_row(cluster, "log")["note"]
    without_the_log(db, "ALTER TABLE log ADD id INT AUTO_INCREMENT PRIMARY KEY")
    if by == "a comparison of all":
        cluster.query("SELECT replicator_pause('s')")
        wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
        cluster.query("UPDATE replicator.source_state SET compare_due = true")
        cluster.query("SELECT replicator_resume('s')")
    elif by == "a person":
        cluster.query("SELECT replicator_resync('s', 'log')")
    caught_up(cluster)
    row = table_row(cluster, "log")
    assert row["key_columns"] == ["id"] and not row["note"] and (row["state"], row["consistency"]) == ("streaming", "transaction")
    assert set(rows(cluster, "log")) == {str(id) for id in range(1, 8)}
    db.run("UPDATE log SET w = 'new' WHERE id = 3; DELETE FROM log WHERE id = 4", "shop")
    wait_until(lambda: cluster.query("SELECT data->>'w' FROM s.log WHERE id IN ('3', '4')") == [("new",)], 45, "the changes to arrive")
    assert_same(cluster, "log")


def test_key_kind_and_note_are_those_that_the_table_has(cluster, db, follow):
    follow()
    without_the_log(db, "ALTER TABLE line DROP PRIMARY KEY, ADD PRIMARY KEY (b, a), ENGINE=MyISAM")
    row = copied_again(cluster, "line")
    assert row["key_columns"] == ["b", "a"] and "MyISAM keeps no versions" in row["note"] and '["x",1]' in rows(cluster, "line")
    assert_same(cluster, "line")
    without_the_log(db, "ALTER TABLE line ENGINE=InnoDB PARTITION BY KEY (a) PARTITIONS 2")
    row = copied_again(cluster, "line")
    assert row["note"] is None
    assert cluster.query("SELECT kind FROM replicator.source_table WHERE name = 'line'") == [("partitioned table",)]
    assert_same(cluster, "line")


@pytest.mark.parametrize("now, reason", [("CREATE VIEW line AS SELECT * FROM customer", "view"),
                                         ("CREATE TABLE line (a INT PRIMARY KEY) ENGINE=MERGE", "MERGE")])
def test_what_can_be_followed_no_more_says_so(cluster, db, follow, now, reason):
    follow()
    without_the_log(db, f"DROP TABLE line; {now}")
    cluster.query("SELECT replicator_resync('s', 'line')")
    caught_up(cluster)
    row = table_row(cluster, "line")
    assert row["state"] == "unsupported" and reason in row["reason"] and "mode once or periodic" in row["reason"], row
    assert len(rows(cluster, "line")) == 3
    assert cluster.query("SELECT kind FROM replicator.source_table WHERE name = 'line'") == [("view" if reason == "view" else "table",)]
    without_the_log(db, f"DROP {'VIEW' if reason == 'view' else 'TABLE'} line; CREATE TABLE line (a INT PRIMARY KEY)")
    cluster.query("SELECT replicator_add_table('s', 'line')")
    caught_up(cluster)
    assert rows(cluster, "line") == {} and table_row(cluster, "line")["state"] == "streaming"


def alter_filters(cluster):
    """A call that looks at all tables, though it changes nothing."""
    cluster.query("SELECT replicator_alter('s', exclude_tables => '{nothing}')")


def test_a_call_hides_no_change_of_an_engine_from_the_stream(cluster, db, follow):
    """The table is read again for it: what was lost of it before, as in a crash, is made up for."""
    db.run("ALTER TABLE line ENGINE = MyISAM", "shop")
    follow()
    with cluster.waiting_at("between_batches"):
        without_the_log(db, "DELETE FROM line WHERE v = 1")
        db.run("ALTER TABLE line ENGINE = InnoDB", "shop")
        alter_filters(cluster)
    caught_up(cluster)
    assert rows(cluster, "line").keys() == {'[1,"X"]', '[2,""]'}
    assert_same(cluster, "line")


def test_a_call_hides_no_table_that_is_to_be_looked_at_from_the_stream(cluster, db, follow):
    """Noted as for a statement that the source does not show yet when it is met."""
    follow()
    with cluster.waiting_at("between_batches"):
        without_the_log(db, "ALTER TABLE line ADD COLUMN w INT DEFAULT 5")
        cluster.query("UPDATE replicator.source_table SET changed = true WHERE name = 'line'")
        alter_filters(cluster)
    wait_until(lambda: all('"w": 5' in row for row in rows(cluster, "line").values()), 240, lambda: f"the column: {rows(cluster, 'line')}")
    caught_up(cluster)
    assert_same(cluster, "line")


def test_a_call_has_no_copy_go_on_with_another_structure(cluster, db, follow):
    """What was read before is without the column. Another worker takes the copy up."""
    db.run(f"CREATE TABLE lengthy (id INT PRIMARY KEY); INSERT INTO lengthy VALUES {', '.join(f'({i})' for i in range(5000))}", "shop")
    follow(options='{"apply_batch_rows": 10}')
    with cluster.waiting_at("window_read", lambda: cluster.query("SELECT replicator_resync('s', 'lengthy')")):
        cluster.fail_at("before_stream_commit:wait")
        cluster.wait_for_waiting("before_stream_commit")
        cluster.fail_at("window_read:wait")  # the second window: the first is committed
        cluster.wait_for_waiting("window_read")
        cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    assert cluster.query("SELECT copy_bound <> '' FROM replicator.source_table WHERE name = 'lengthy'") == [(True,)]
    without_the_log(db, "ALTER TABLE lengthy ADD COLUMN w INT DEFAULT 5")
    alter_filters(cluster)
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert_same(cluster, "lengthy")
