"""Indexes that the rules ask for: built beside the running tables, shown, repaired."""
import contextlib
import os

import psycopg2
import pytest

from private_cluster import wait_until

RULES = '{"gin": "jsonb_path_ops", "indexes": {"t": ["data->>\'b\'", "(data->>\'a\')::int"]}}'


def states(cluster, name):
    return [row[0] for row in cluster.query_when_up("SELECT state FROM replicator_indexes WHERE source = %s ORDER BY index", (name,))]


def wait_ready(cluster, name, count, timeout=240):
    wait_until(lambda: states(cluster, name) == ["ready"] * count, timeout,
               lambda: f"indexes to be ready: {cluster.query('SELECT index, state, last_error FROM replicator_indexes')}")


def valid_indexes(cluster, schema):
    return cluster.query("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisvalid AND NOT indisprimary",
                         (schema + ".t",))[0][0]


def invalid_indexes(cluster):
    return cluster.query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def test_indexes_are_built_after_the_copy_and_used(cluster, database, source, many_rows, assert_equal):
    path = database("indexed.db", many_rows(50_000), "CREATE TABLE other (id INTEGER PRIMARY KEY, v); INSERT INTO other VALUES (1, 2);")
    source(path, "indexed", rules=RULES)
    cluster.wait_for_copy("indexed")
    wait_ready(cluster, "indexed", 4)
    assert valid_indexes(cluster, "indexed") == 3
    plan = cluster.query("EXPLAIN SELECT * FROM indexed.t WHERE data->>'b' = 'row number 777'")
    assert any("Index" in row[0] for row in plan)
    assert cluster.query("SELECT method, definition, bytes > 0 FROM replicator_indexes WHERE \"table\" = 'other'") == [
        ("gin", "data jsonb_path_ops", True)]
    owner = cluster.query("SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname LIKE '%\\_idx'")
    assert owner == [("postgres",)]
    cluster.query("CALL replicator_wait('indexed', '240 s')")
    assert_equal(path, "indexed")


def test_rules_may_change_later(cluster, database, source, many_rows):
    path = database("later.db", many_rows(1000))
    source(path, "later")
    cluster.wait_for_copy("later")
    cluster.query("SELECT replicator_alter('later', rules => '{\"indexes\": {\"t\": [\"data->>''b''\"]}}')")
    wait_ready(cluster, "later", 1)
    cluster.query("SELECT replicator_alter('later', rules => '{}')")
    assert states(cluster, "later") == []
    assert valid_indexes(cluster, "later") == 1, "an index that is no longer asked for stays"


def test_a_lost_index_is_built_again(cluster, database, source, many_rows):
    path = database("lost.db", many_rows(1000))
    source(path, "lost", rules='{"gin": {"t": "jsonb_ops"}}')
    wait_ready(cluster, "lost", 1)
    name = cluster.query("SELECT index FROM replicator_indexes WHERE source = 'lost'")[0][0]
    connection = cluster.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:  # before a probe sees it
        cursor.execute(f'DROP INDEX lost."{name}"')
        cursor.execute("SELECT state FROM replicator_indexes WHERE source = 'lost'")
        assert cursor.fetchall() == [("missing",)]
    connection.commit()
    connection.close()
    cluster.query("DROP TABLE lost.t")
    cluster.query("CALL replicator_wait('lost', '240 s')")
    wait_ready(cluster, "lost", 1)
    assert valid_indexes(cluster, "lost") == 1


@pytest.fixture
def held_up(cluster):
    """Old transactions keep CREATE INDEX CONCURRENTLY waiting until they are released."""
    connections = []

    def hold():
        connection = cluster.connect()
        connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        connection.cursor().execute("SELECT 1 FROM replicator.source")
        connections.append(connection)
        return connection
    yield hold
    for connection in connections:
        try:
            connection.rollback()
            connection.close()
        except psycopg2.Error:
            pass  # the server was restarted under it


def building(cluster, source):
    return wait_until(lambda: cluster.query(
        "SELECT pid FROM replicator_progress WHERE source = %s AND phase LIKE 'creating an index: waiting%%'", (source,)),
        45, "a build that waits")[0][0]


def test_a_build_that_is_killed_leaves_nothing_invalid(cluster, database, source, many_rows, held_up):
    path = database("dead.db", many_rows(1000))
    source(path, "dead")
    cluster.wait_for_copy("dead")
    for end in ("kill", "terminate"):
        holder = held_up()
        cluster.query("SELECT replicator_alter('dead', rules => %s)", ('{"gin": "jsonb_ops"}' if end == "kill" else RULES,))
        pid = building(cluster, "dead")
        assert invalid_indexes(cluster)
        if end == "kill":
            cluster.kill(pid)
        else:
            cluster.query("SELECT pg_terminate_backend(%s)", (pid,))
            holder.rollback()
        wait_ready(cluster, "dead", 1 if end == "kill" else 3)
        assert invalid_indexes(cluster) == []


def test_pause_and_drop_cancel_a_build(cluster, database, source, many_rows, held_up):
    path = database("canceled.db", many_rows(1000))
    source(path, "canceled")
    cluster.wait_for_copy("canceled")
    holder = held_up()
    cluster.query("SELECT replicator_alter('canceled', rules => '{\"gin\": \"jsonb_ops\"}')")
    building(cluster, "canceled")
    cluster.query("SELECT replicator_pause('canceled')")
    wait_until(lambda: not cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'canceled' AND phase LIKE 'creating%'"),
               45, "the build to be canceled")
    holder.rollback()
    wait_until(lambda: not cluster.workers("index worker"), 45, "the worker to end")
    assert invalid_indexes(cluster) == [] and states(cluster, "canceled") != ["ready"]
    holder = held_up()
    cluster.query("SELECT replicator_resume('canceled')")
    building(cluster, "canceled")
    cluster.query("SELECT replicator_drop('canceled', drop_tables => true)")
    assert cluster.query("SELECT to_regclass('canceled.t')") == [(None,)]
    wait_until(lambda: not cluster.workers("index worker"), 45, "the worker to end")


def test_only_a_change_of_what_is_wanted_interrupts_a_build(cluster, database, source, many_rows, held_up):
    path = database("steady.db", many_rows(1000))
    source(path, "steady")
    cluster.wait_for_copy("steady")
    rules = '{"gin": "jsonb_ops"}'
    holder = held_up()
    cluster.query("SELECT replicator_alter('steady', rules => %s)", (rules,))
    building(cluster, "steady")
    begun = cluster.query("SELECT started_at FROM replicator_indexes WHERE source = 'steady'")
    cluster.query("SELECT replicator_alter('steady', mode => 'periodic', refresh_interval => '1 day', options => '{\"retry_max\": "
                  "\"2s\"}')")
    cluster.query("SELECT replicator_alter('steady', rules => %s)", (rules,))
    holder.rollback()
    wait_ready(cluster, "steady", 1)
    assert cluster.query("SELECT started_at FROM replicator_indexes WHERE source = 'steady'") == begun, "it was begun again"
    holder = held_up()
    cluster.query("SELECT replicator_alter('steady', rules => %s)", (RULES,))
    building(cluster, "steady")
    cluster.query("SELECT replicator_alter('steady', rules => '{}')")
    wait_until(lambda: not cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'steady' AND phase LIKE 'creating%'"),
               45, "the build to be canceled")
    holder.rollback()
    wait_until(lambda: invalid_indexes(cluster) == [], 45, "what is left of the index to be dropped")


def test_pauses_do_not_use_up_the_failures_that_a_build_may_have(cluster, database, source, many_rows, held_up):
    path = database("patient.db", many_rows(1000))
    source(path, "patient", options='{"retry_initial": "10s", "retry_max": "10s"}')
    cluster.wait_for_copy("patient")
    define = "CREATE OR REPLACE FUNCTION patient.moody(jsonb) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {} END $$"
    cluster.query(define.format("RETURN 'fine';"))
    holder = held_up()
    cluster.query("SELECT replicator_alter('patient', rules => '{\"indexes\": {\"t\": [\"patient.moody(data)\"]}}')")
    for _ in range(5):
        building(cluster, "patient")
        cluster.query("SELECT replicator_pause('patient')")
        wait_until(lambda: not cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'patient' AND phase LIKE 'creating%'"),
                   45, "the build to be canceled")
        cluster.query("SELECT replicator_resume('patient')")
    building(cluster, "patient")
    cluster.query("SELECT replicator_pause('patient')")
    holder.rollback()
    wait_until(lambda: not cluster.workers("index worker"), 45, "the worker to end")
    cluster.query(define.format("RAISE EXCEPTION 'not today' USING ERRCODE = '57014';"))
    cluster.query("SELECT replicator_resume('patient')")
    error = wait_until(lambda: cluster.query("SELECT last_error, state FROM replicator_indexes WHERE source = 'patient' AND last_error <> "
                                             "''"),
                       45, "the build to fail")
    # Of an error that code of the owner has raised all texts are for its members only: the hint stands in the message.
    assert error == [("not today (Correct the rows or the rule, then call replicator_resume or replicator_alter to try again.)", "pending")]
    cluster.query(define.format("RETURN 'fine';"))
    cluster.query("SELECT replicator_resume('patient')")
    wait_ready(cluster, "patient", 1)


def test_an_expression_that_fails_on_a_row_says_so_and_can_be_tried_again(cluster, database, source):
    path = database("rows.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'five'), (2, 5);")
    source(path, "rows", rules='{"indexes": {"t": ["(data->>\'v\')::int"]}}')
    wait_until(lambda: states(cluster, "rows") == ["failed"], 45, "the build to fail")
    error, hint = cluster.query("SELECT last_error, hint FROM replicator_indexes WHERE source = 'rows'")[0]
    assert 'invalid input syntax for type integer: "five"' in error and "replicator_resume" in hint
    wait_until(lambda: invalid_indexes(cluster) == [], 45, "what is left of it to be dropped")
    cluster.query("UPDATE rows.t SET data = '{\"v\": 5}'")
    cluster.query("SELECT replicator_resume('rows')")
    wait_ready(cluster, "rows", 1)
    assert invalid_indexes(cluster) == []


def test_the_expression_runs_with_the_owners_rights(cluster, database, many_rows):
    """A function of the owner's in an index expression must not get hold of our worker's rights."""
    path = database("rightly.db", many_rows(10))
    cluster.query("CREATE ROLE mallory; GRANT CREATE ON DATABASE postgres TO mallory; GRANT pg_read_server_files TO mallory; "
                  "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO mallory; CREATE SCHEMA mallory AUTHORIZATION mallory")
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE mallory")
        cursor.execute("""CREATE FUNCTION mallory.whoami(jsonb) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
            IF current_user <> 'mallory' THEN RAISE EXCEPTION 'run as %', current_user; END IF;
            BEGIN EXECUTE 'SET ROLE postgres'; EXCEPTION WHEN OTHERS THEN RETURN 'kept'; END; RETURN 'escaped'; END $$""")
        cursor.execute("SELECT replicator_init(%s, name => 'rightly', rules => '{\"indexes\": {\"t\": [\"mallory.whoami(data)\"]}}')",
                       (f"sqlite://{path}",))
    cluster.wait_for_copy("rightly")
    wait_ready(cluster, "rightly", 1)
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SELECT count(*) FROM rightly.t WHERE mallory.whoami(data) = 'kept'")
        assert cursor.fetchall() == [(10,)]
    connection.close()
    cluster.query("SELECT replicator_drop('rightly', drop_tables => true); DROP OWNED BY mallory CASCADE; DROP ROLE mallory")


def test_an_index_is_built_on_the_target_and_on_nothing_that_stands_in_its_place(cluster, database, source, many_rows):
    def rules(*columns):
        return "{\"indexes\": {\"t\": [" + ", ".join(f"\"data->>'{column}'\"" for column in columns) + "]}}"

    def built(relation):
        return cluster.query("SELECT count(*) FROM pg_index WHERE indrelid = %s AND indisvalid AND NOT indisprimary", (relation,))[0][0]
    source(database("swapped.db", many_rows(100)), "swapped")
    cluster.wait_for_copy("swapped")
    target, = cluster.query("SELECT 'swapped.t'::regclass::oid")[0]
    # Nobody can rename the table while its index is analysed and built, but its schema.
    with cluster.waiting_at("index_analysed", lambda: cluster.query("SELECT replicator_alter('swapped', rules => %s)", (rules("a"),))):
        cluster.query("ALTER SCHEMA swapped RENAME TO moved; CREATE SCHEMA swapped; CREATE TABLE swapped.t (LIKE moved.t INCLUDING ALL)")
        other, = cluster.query("SELECT 'swapped.t'::regclass::oid")[0]
    wait_ready(cluster, "swapped", 1)
    assert (built(target), built(other)) == (1, 0)
    cluster.query("SELECT replicator_alter('swapped', rules => %s)", (rules("a", "b"),))
    wait_until(lambda: sorted(states(cluster, "swapped")) == ["failed", "ready"], 60,
               lambda: f"the build to be refused: {states(cluster, 'swapped')}")
    assert "is not the target that was made" in cluster.query("SELECT last_error FROM replicator_indexes WHERE state = 'failed'")[0][0]
    assert (built(target), built(other)) == (1, 0)
    cluster.query("DROP SCHEMA swapped CASCADE; ALTER SCHEMA moved RENAME TO swapped; SELECT replicator_resume('swapped')")
    wait_ready(cluster, "swapped", 2)
    assert built(target) == 2


@pytest.mark.parametrize("end", ["forgotten", "dropped", "removed"])
def test_a_killed_build_that_is_not_wanted_any_more_leaves_nothing_invalid(cluster, database, source, many_rows, held_up, end):
    path = database(f"{end}.db", many_rows(1000))
    source(path, end)
    cluster.wait_for_copy(end)
    held_up()
    cluster.query("SELECT replicator_alter(%s, rules => '{\"gin\": \"jsonb_ops\"}')", (end,))
    pid = building(cluster, end)
    cluster.configure(**{"pg_replicator.enabled": "off"})
    cluster.reload()
    try:
        cluster.kill(pid)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 45, "the worker's end")
        assert cluster.query_when_up("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(1,)]
        unwant(cluster, end)
    finally:
        cluster.configure(**{"pg_replicator.enabled": "on"})
        cluster.reload()
    cluster.query_when_up("SELECT replicator.request_probe()")
    wait_until(lambda: invalid_indexes(cluster) == [], 45, "what is left of the index to be dropped")
    wait_until(lambda: states(cluster, end) in ([], ["pending"]), 45, lambda: f"the list to be right: {states(cluster, end)}")
    if end == "dropped":
        cluster.query("DROP SCHEMA dropped CASCADE")


def unwant(cluster, end):
    cluster.query_when_up({"forgotten": "SELECT replicator_alter(%s, rules => '{}')", "dropped": "SELECT replicator_drop(%s)",
                   "removed": "SELECT replicator_remove_table(%s, 't')"}[end], (end,))


def test_a_locked_table_keeps_the_indexes_of_others_from_nothing(cluster, database, source):
    source(database("apart.db", *(f"CREATE TABLE {t} (id INTEGER PRIMARY KEY, v INT); INSERT INTO {t} VALUES (1, 1)" for t in "ab")),
           "apart",
           options='{"target_lock_patience": "100ms", "retry_max": "1s"}')
    cluster.wait_for_copy("apart")
    shown = "SELECT \"table\", state, last_error FROM replicator_indexes WHERE source = 'apart' ORDER BY 1"
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE apart.a IN SHARE UPDATE EXCLUSIVE MODE")
        cluster.query("SELECT replicator_alter('apart', rules => '{\"indexes\": {\"*\": [\"data->>''v''\"]}}')")
        wait_until(lambda: cluster.query(shown) == [("a", "pending", "its table is locked"), ("b", "ready", None)], 60,
                   lambda: cluster.query(shown))
        assert cluster.query("SELECT DISTINCT failures FROM replicator.target_index") == [(0,)]
        cursor.execute("COMMIT")
    wait_ready(cluster, "apart", 2)
    assert cluster.query(shown) == [("a", "ready", None), ("b", "ready", None)]


def test_what_a_build_waits_for_is_named_and_keeps_no_other_index_waiting(cluster, database, source, held_up):
    make = "CREATE TABLE {0} (id INTEGER PRIMARY KEY, v INT); INSERT INTO {0} VALUES (1, 1)"
    for name, tables in (("one", "ab"), ("two", "c")):
        source(database(f"{name}.db", *(make.format(table) for table in tables)), name,
               options='{"target_lock_patience": "100ms", "retry_max": "1s"}')
        cluster.wait_for_copy(name)

    def shown(*columns, where="true"):
        return cluster.query(f"SELECT \"table\", {', '.join(columns)} FROM replicator_indexes "
                             f"WHERE source IN ('one', 'two') AND {where} ORDER BY 1")

    def ask_for(expression):
        for name in ("one", "two"):
            cluster.query("SELECT replicator_alter(%s, rules => %s)", (name, '{"indexes": {"*": ["%s"]}}' % expression))

    def ready():
        wait_until(lambda: {state for _, state in shown("state")} == {"ready"}, 60, lambda: shown("state", "last_error"))

    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE one.a IN ROW EXCLUSIVE MODE")
        ask_for("data->>'v'")
        wait_until(lambda: shown("state", "last_error", "blocked_by") == [
            ("a", "pending", "its table is locked", [other.info.backend_pid]), ("b", "ready", None, None), ("c", "ready", None, None)],
            60, lambda: shown("state", "last_error", "blocked_by"))
        cursor.execute("COMMIT")
    ready()

    old = held_up()
    ask_for("data->>'w'")
    pid = old.info.backend_pid
    wait_until(lambda: shown("blocked_by", where="state = 'building'") == [("a", [pid]), ("c", [pid])], 60,
               lambda: shown("state", "blocked_by"))
    assert all("blocked_by" in hint for _, hint in shown("hint", where="state = 'building'"))
    with contextlib.closing(cluster.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM one.a")
        # It can be interrupted; what is left of it cannot be dropped yet, which keeps no other index waiting.
        cluster.query("SELECT replicator_pause('one')")
        wait_until(lambda: cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'one'") == [], 60, "the worker's end")
        old.rollback()
        cluster.query("SELECT replicator_resume('one')")
        wait_until(lambda: shown("state", "blocked_by") == [("a", "pending", [reader.info.backend_pid]), ("b", "ready", None),
                                                            ("c", "ready", None)],
                   60, lambda: shown("state", "last_error", "blocked_by"))
        cursor.execute("COMMIT")
    ready()
    assert cluster.query("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
