"""Rows that the target refuses: set aside one by one, counted, tried again; the others go on."""
import sqlite3

import psycopg2
import pytest
from observing import finished



def change(path, *statements):
    connection = sqlite3.connect(path, timeout=240)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def aside(cluster, name):
    return cluster.query("SELECT key, operation, sqlstate FROM replicator_quarantine WHERE source = %s ORDER BY key", (name,))


def refresh(cluster, name):
    cluster.query("SELECT replicator_sync(%s)", (name,))
    cluster.wait_for_copy(name)


@pytest.fixture
def numbers(cluster, database, source):
    """A source with 3,000 rows (id, v), copied."""
    def make(name, **arguments):
        path = database(name + ".db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT);"
                        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, i FROM n;")
        source(path, name, **arguments)
        cluster.wait_for_copy(name)
        return path
    return make


def test_rows_that_a_check_refuses_are_set_aside_and_replayed(cluster, numbers, assert_equal):
    path = numbers("checked")
    cluster.query("ALTER TABLE checked.t ADD CONSTRAINT positive CHECK ((data->>'v')::int >= 0)")
    change(path, "UPDATE t SET v = -v WHERE id IN (17, 1234, 2999)", "UPDATE t SET v = v + 5000 WHERE id % 2 = 0 AND id <> 1234",
           "INSERT INTO t VALUES (9001, -1), (9002, 1)", "DELETE FROM t WHERE id = 1")
    refresh(cluster, "checked")
    assert aside(cluster, "checked") == [(k, "write", "23514") for k in ("1234", "17", "2999", "9001")]
    status = cluster.status("checked")
    assert status["state"] == "idle" and status["quarantined"] == 4 and status["tables"] == {"idle": 1}
    assert cluster.query("SELECT data->>'v' FROM checked.t WHERE id = '17'") == [("17",)], "the old row stays"
    assert cluster.query("SELECT count(*) FROM checked.t WHERE (data->>'v')::int > 5000") == [(1499,)]
    assert cluster.query("SELECT id FROM checked.t WHERE id IN ('1', '9001', '9002')") == [("9002",)]
    reason, detail = cluster.query("SELECT reason, detail FROM replicator_quarantine WHERE key = '17'")[0]
    assert 'violates check constraint "positive"' in reason and "Failing row" in detail

    assert cluster.query("SELECT row_key, stored FROM replicator_replay('checked', 't', '17')") == [("17", False)]
    assert cluster.query("SELECT tries FROM replicator_quarantine WHERE key = '17'") == [(2,)]
    cluster.query("ALTER TABLE checked.t DROP CONSTRAINT positive")
    assert cluster.query("SELECT row_key, stored, reason FROM replicator_replay('checked', 't', '17')") == [("17", True, None)]
    assert {row[0] for row in cluster.query("SELECT row_key FROM replicator_replay('checked') WHERE stored")} == {"1234", "2999", "9001"}
    assert aside(cluster, "checked") == []
    assert_equal(path, "checked")


def test_a_later_change_of_the_row_supersedes_its_entry(cluster, numbers, assert_equal):
    path = numbers("superseded")
    cluster.query("ALTER TABLE superseded.t ADD CONSTRAINT positive CHECK ((data->>'v')::int >= 0)")
    change(path, "UPDATE t SET v = -1 WHERE id IN (5, 6)")
    refresh(cluster, "superseded")
    change(path, "UPDATE t SET v = 1 WHERE id = 5", "DELETE FROM t WHERE id = 6")
    refresh(cluster, "superseded")
    assert aside(cluster, "superseded") == []
    assert_equal(path, "superseded")


def test_a_trigger_that_refuses_changes_and_deletions(cluster, numbers, assert_equal):
    path = numbers("triggered")
    cluster.query("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'not this one: %', coalesce(OLD.id, NEW.id) USING DETAIL = 'guarded'; END $$""")
    cluster.query("CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON triggered.t FOR EACH ROW WHEN (OLD.id IN ('10', '20')) EXECUTE FUNCTION "
                  "refuse()")
    change(path, "UPDATE t SET v = 0 WHERE id IN (10, 11)")
    refresh(cluster, "triggered")
    assert aside(cluster, "triggered") == [], "an ordinary trigger does not fire"
    cluster.query("ALTER TABLE triggered.t ENABLE ALWAYS TRIGGER guard")
    change(path, "UPDATE t SET v = 1 WHERE id IN (10, 11)", "DELETE FROM t WHERE id IN (20, 21)")
    refresh(cluster, "triggered")
    assert aside(cluster, "triggered") == [("10", "write", "P0001"), ("20", "delete", "P0001")]
    assert cluster.query("SELECT count(*) FROM triggered.t WHERE id = '21'") == [(0,)]
    row = finished(cluster, cluster.query("SELECT replicator_verify('triggered')")[0][0])["t"]
    assert (row["state"], row["quarantined"], row["changed"], row["extra"]) == ("done", 2, 0, 0)
    cluster.query("DROP TRIGGER guard ON triggered.t")
    assert cluster.query("SELECT row_key, stored FROM replicator_replay('triggered', 't') ORDER BY 1") == [("10", True), ("20", True)]
    assert_equal(path, "triggered")
    cluster.query("DROP FUNCTION refuse()")


def test_values_that_move_under_a_unique_index_are_all_stored(cluster, numbers, assert_equal):
    """Row by row, or in one UPDATE, each would meet the old value of its neighbour."""
    path = numbers("swapped")
    cluster.query("CREATE UNIQUE INDEX ON swapped.t ((data->>'v'))")
    change(path, "UPDATE t SET v = v + 1")  # a chain
    refresh(cluster, "swapped")
    assert aside(cluster, "swapped") == []
    assert_equal(path, "swapped")
    change(path, "UPDATE t SET v = CASE id WHEN 1 THEN 3 ELSE 2 END WHERE id IN (1, 2)")  # a ring
    refresh(cluster, "swapped")
    assert aside(cluster, "swapped") == []
    assert_equal(path, "swapped")
    change(path, "UPDATE t SET v = 7 WHERE id IN (1, 2, 3)")  # what cannot be stored, whatever the order
    refresh(cluster, "swapped")
    assert len(aside(cluster, "swapped")) == 3 and aside(cluster, "swapped")[0][2] == "23505"
    cluster.query("DROP INDEX swapped.t_expr_idx")
    refresh(cluster, "swapped")
    assert aside(cluster, "swapped") == []
    assert_equal(path, "swapped")


def test_more_refused_rows_than_allowed_fail_the_table_and_change_nothing(cluster, numbers, assert_equal):
    path = numbers("toomany", options='{"max_quarantined": 10}')
    cluster.query("ALTER TABLE toomany.t ADD CONSTRAINT positive CHECK ((data->>'v')::int >= 0)")
    before = cluster.query("SELECT md5(string_agg(id || data::text, '' ORDER BY id)) FROM toomany.t")
    change(path, "UPDATE t SET v = -1 WHERE id > 100")
    refresh(cluster, "toomany")
    assert cluster.query("SELECT md5(string_agg(id || data::text, '' ORDER BY id)) FROM toomany.t") == before
    state, error, hint = cluster.query("SELECT state, last_error, hint FROM replicator_tables WHERE source = 'toomany'")[0]
    assert state == "failed" and "more than 10 rows" in error and "max_quarantined" in hint
    assert aside(cluster, "toomany") == []
    cluster.query("ALTER TABLE toomany.t DROP CONSTRAINT positive")
    cluster.query("CALL replicator_wait('toomany', '240 s')")
    assert_equal(path, "toomany")


def test_missing_rights_of_the_owner_fail_the_table_and_say_so(cluster, numbers, assert_equal):
    path = numbers("norights")
    cluster.query("CREATE ROLE clerk; GRANT pg_read_server_files TO clerk; GRANT USAGE, CREATE ON SCHEMA norights TO clerk; "
                  "SELECT replicator_alter('norights', owner => 'clerk'); REVOKE UPDATE ON norights.t FROM clerk")
    change(path, "UPDATE t SET v = 0 WHERE id < 10")
    refresh(cluster, "norights")
    state, error = cluster.query("SELECT state, last_error FROM replicator_tables WHERE source = 'norights'")[0]
    assert state == "failed" and "permission denied" in error
    assert aside(cluster, "norights") == [], "no row is to blame"
    cluster.query("GRANT UPDATE ON norights.t TO clerk")
    cluster.query("CALL replicator_wait('norights', '240 s')")
    assert_equal(path, "norights")
    cluster.query("SELECT replicator_alter('norights', owner => 'postgres'); DROP OWNED BY clerk; DROP ROLE clerk")


def test_a_first_copy_into_a_table_with_constraints_sets_rows_aside(cluster, database, source, many_rows, assert_equal):
    """A constraint that is added while the first copy is under way takes it off the fast route."""
    path = database("early.db", many_rows(600_000))
    with cluster.waiting_at("chunk_committed", lambda: source(path, "early", options='{"copy_workers_per_source": 0}')):
        cluster.query("ALTER TABLE early.t ADD CONSTRAINT odd CHECK (id <> '599999') NOT VALID")
    cluster.wait_for_copy("early")
    assert aside(cluster, "early") == [("599999", "write", "23514")]
    cluster.query("ALTER TABLE early.t DROP CONSTRAINT odd")
    assert cluster.query("SELECT stored FROM replicator_replay('early')") == [(True,)]
    assert_equal(path, "early")


def test_a_changed_target_is_never_emptied(cluster, numbers):
    path = numbers("reshaped")
    cluster.query("ALTER TABLE reshaped.t DROP CONSTRAINT t_pkey")
    change(path, "UPDATE t SET v = 0")
    refresh(cluster, "reshaped")
    assert cluster.query("SELECT count(*), max((data->>'v')::int) FROM reshaped.t") == [(3000, 3000)]
    state, error, hint = cluster.query("SELECT state, last_error, hint FROM replicator_tables WHERE source = 'reshaped'")[0]
    assert state == "failed" and "no unique index on id" in error and "replicator_resync" in hint
    cluster.query("ALTER TABLE reshaped.t ADD PRIMARY KEY (id)")
    cluster.query("CALL replicator_wait('reshaped', '240 s')")
    assert cluster.query("SELECT count(*), max((data->>'v')::int) FROM reshaped.t") == [(3000, 0)]


def test_replay_of_what_is_not_there(cluster, numbers):
    numbers("nothing")
    for arguments, code, text in [("'nothing', 't', '99'", "P0002", "is not set aside"), ("'nothing'", "P0002", "no row of source"),
                                  ("'nothing', 'u'", "42P01", "has no table"), ("'nothing', NULL, '1'", "22004", "needs its table"),
                                  ("'nobody'", "42704", "does not exist")]:
        with pytest.raises(psycopg2.Error) as refused:
            cluster.query(f"SELECT * FROM replicator_replay({arguments})")
        assert refused.value.pgcode == code and text in str(refused.value) and "HINT" in str(refused.value)


def test_a_repair_goes_on_after_an_error_that_looks_like_a_cancel(cluster, numbers):
    """Nobody has canceled anything: a trigger gives its error that code, which ends neither the repair nor begins it again."""
    numbers("canceled")
    cluster.query("""DELETE FROM canceled.t WHERE id IN ('5', '6', '7');
        CREATE FUNCTION canceled.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.id = '6' THEN RAISE 'not here' USING ERRCODE = 'query_canceled'; END IF; RETURN NEW; END$$;
        CREATE TRIGGER refuse BEFORE INSERT ON canceled.t FOR EACH ROW EXECUTE FUNCTION canceled.refuse();
        ALTER TABLE canceled.t ENABLE ALWAYS TRIGGER refuse""")
    row = finished(cluster, cluster.query("SELECT replicator_repair('canceled', 't')")[0][0])["t"]
    assert (row["state"], row["missing"], row["repaired"]) == ("done", 3, 2)
    assert aside(cluster, "canceled") == [("6", "write", "57014")]
