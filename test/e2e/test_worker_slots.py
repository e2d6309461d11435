"""Fewer background worker slots than there is work for: all are served in the order in which they began to wait, and the
views say what is waited for."""
import contextlib
import signal
import threading

import psycopg2
import pytest

from private_cluster import PrivateCluster, wait_until

# The launcher of logical replication and ours have one each, and a probe has one now and then.
OTHERS = 3


@pytest.fixture
def narrow():
    """Makes clusters with as many slots for workers."""
    made = []

    def make(slots, **settings):
        server = PrivateCluster({"max_worker_processes": OTHERS + slots, "pg_replicator.copy_workers_per_source": 0,
                                 **{f"pg_replicator.{name}": value for name, value in settings.items()}})
        made.append(server)
        server.query("CREATE EXTENSION pg_replicator")
        return server
    yield make
    for server in made:
        server.destroy()


@pytest.fixture
def register(database):
    """Registers a source of one table, which has its name."""
    def init(server, name, rows=10, where="postgres", **arguments):
        path = database(f"{name}.db", f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, a INT); INSERT INTO {name} "
                        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, i FROM n")
        extra = "".join(f", {key} => %({key})s" for key in arguments)
        server.query(f"SELECT replicator_init(%(url)s, name => %(name)s{extra})",
                     {"url": f"sqlite://{path}", "name": name, **arguments}, database=where)
        return name
    return init


def is_waiting(server, name, where="postgres"):
    status = server.status(name, where)
    return status["state"] == "backing_off" and status["last_error"] == "no free background worker slot" and status


def wait_for_wait(server, name, where="postgres"):
    return wait_until(lambda: is_waiting(server, name, where), what=lambda: f"{name} to wait: {server.status(name, where)}")


def began(server, name, where="postgres"):
    return server.query("SELECT st.copy_started_at FROM replicator.source_state st JOIN replicator.source s ON s.id = st.source_id "
                        "WHERE s.name = %s", (name,), database=where)[0][0]


def test_who_has_waited_longest_comes_first(narrow, register):
    server = narrow(1)
    for name in ("early", "jobs"):
        server.wait_for_copy(register(server, name))
    with server.waiting_at("copy_chunk holder", lambda: register(server, "holder")):
        register(server, "late")
        status = wait_for_wait(server, "late")
        assert f"max_worker_processes = {OTHERS + 1}" in status["hint"] and status["worker_pid"] is None
        server.query("SELECT replicator_verify('jobs')")
        wait_until(lambda: "max_worker_processes" in (server.query("SELECT hint FROM replicator_jobs")[0][0] or ""),
                   what="the job to wait")
        server.query("SELECT replicator_sync('early')")
        wait_for_wait(server, "early")
        # Nothing that ends meanwhile, and no other look, changes the order.
        server.query("SELECT replicator.request_probe()")
        assert server.query("SELECT s.name, w.kind FROM replicator.slot_wait w JOIN replicator.source s ON s.id = w.source_id "
                            "ORDER BY w.since") == [("late", "source worker"), ("jobs", "job worker"), ("early", "source worker")]
    for name in ("holder", "late", "early"):
        server.wait_for_copy(name)
    job = "SELECT started_at, state, hint FROM replicator_jobs"
    wait_until(lambda: server.query(job)[0][1] == "done", what=lambda: f"the job: {server.query(job)}")
    started, _, hint = server.query(job)[0]
    assert began(server, "late") < started < began(server, "early") and hint is None
    wait_until(lambda: server.query("SELECT * FROM replicator.slot_wait") == [], what="nobody to wait")
    assert server.status("early")["state"] == "idle" and server.status("early")["last_error"] is None


def test_it_is_the_same_queue_in_all_databases(narrow, register):
    server = narrow(1)
    server.query("CREATE DATABASE second")
    server.query("CREATE EXTENSION pg_replicator", database="second")
    with server.waiting_at("copy_chunk holder", lambda: register(server, "holder")):
        register(server, "first_to_wait", where="second")
        wait_for_wait(server, "first_to_wait", "second")
        register(server, "next")
        wait_for_wait(server, "next")
        # No look is under way, and none begins, until the slot is free; then one is wanted in the worker's own database.
        [launcher], [holder] = server.workers("launcher"), server.workers("source worker")
        server.kill(launcher, signal.SIGSTOP)
        wait_until(lambda: server.workers("probe") == [], what="no probe")
    try:
        wait_until(lambda: holder not in server.workers("source worker"), what="the worker's end")
    finally:
        server.kill(launcher, signal.SIGCONT)
    server.wait_for_copy("next")
    server.wait_for_copy("first_to_wait", database="second")
    assert began(server, "first_to_wait", "second") < began(server, "next")


def test_a_wait_that_is_not_wanted_any_more_is_forgotten(narrow, register):
    server = narrow(1)
    with server.waiting_at("copy_chunk holder", lambda: register(server, "holder")):
        for name in ("paused", "dropped"):
            register(server, name)
            wait_for_wait(server, name)
        server.query("SELECT replicator_pause('paused')")
        assert server.status("paused")["state"] == "paused" and server.status("paused")["hint"] is None
        server.query("SELECT replicator_drop('dropped')")
        wait_until(lambda: server.query("SELECT * FROM replicator.slot_wait") == [], what="nobody to wait")
        server.query("SELECT replicator_resume('paused')")
        wait_for_wait(server, "paused")
        # A wait that lasts is told once.
        wait_until(lambda: server.query("SELECT count(*) FROM replicator_events WHERE source = 'paused' AND sqlstate = '53000'")
                   == [(1,)], what="the event")
    server.wait_for_copy("paused")
    wait_until(lambda: server.query("SELECT count(*) FROM replicator_events WHERE source = 'paused' AND action = 'source recovered'")
               == [(1,)], what="the event of its end")


def test_who_waits_is_told_of_though_another_is_held(narrow, register):
    """A look waits for nobody who holds one source's state, and tells no wait of one that fails for another reason."""
    server = narrow(1)
    with server.waiting_at("copy_chunk holder", lambda: register(server, "holder")):
        for name in ("held", "failing", "free"):
            register(server, name)
            wait_for_wait(server, name)
        server.query("UPDATE replicator.source_state SET failing_since = now(), failing_with = 'backing_off 08001' WHERE source_id = "
                     "(SELECT id FROM replicator.source WHERE name = 'failing')")
        holding = server.connect()
        holding.autocommit = False
        with contextlib.closing(holding):
            holding.cursor().execute("SELECT FROM replicator.source_state WHERE source_id = (SELECT id FROM replicator.source WHERE name "
                                     "= 'held') FOR UPDATE")
            told = "SELECT source FROM replicator_events WHERE sqlstate = '53000' ORDER BY 1"
            wait_until(lambda: server.query(told), what="an event")
            assert server.query(told) == [("free",)]
        wait_until(lambda: server.query(told) == [("free",), ("held",)], what="the event of the other")
    for name in ("held", "failing", "free"):
        server.wait_for_copy(name)


def test_a_copy_leaves_slots_to_sources_that_wait(narrow, register):
    server = narrow(1, copy_workers_per_source=2)
    with server.waiting_at("copy_chunk holder", lambda: register(server, "holder")):
        register(server, "large", rows=30_000)
        wait_for_wait(server, "large")
        register(server, "small")
        wait_for_wait(server, "small")
        server.fail_at("copy_chunk large:wait")
        server.wait_for_waiting("copy_chunk large")
        assert server.workers("copy worker") == []
        assert "copies alone" in server.status("large")["hint"]
    server.wait_for_copy("large")
    server.wait_for_copy("small")


@contextlib.contextmanager
def all_slots_taken(server):
    """By a parallel query of somebody else."""
    sleeping = "SELECT {} FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND wait_event = 'PgSleep'"
    server.query("CREATE TABLE many AS SELECT generate_series(1, 1000) AS i; ALTER TABLE many SET (parallel_workers = 2)")

    def query():
        with contextlib.suppress(psycopg2.errors.QueryCanceled):
            server.query("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; "
                         "SET parallel_leader_participation = off; SELECT count(*) FROM many WHERE pg_sleep(i * 3600) IS NULL")

    def end(thread):
        server.query(sleeping.format("pg_cancel_backend(leader_pid)"))
        thread.join()

    def take():
        thread = threading.Thread(target=query)
        thread.start()
        wait_until(lambda: server.query(sleeping.format("1")), what="a parallel worker")
        wait_until(lambda: server.workers("probe") == [], what="no probe")
        if len(server.query(sleeping.format("1"))) == 2:
            return thread
        end(thread)  # a probe had one of them
        return None
    thread = wait_until(take, what="all slots to be taken")
    try:
        yield
    finally:
        end(thread)


def test_without_a_slot_for_a_look_the_views_say_so(narrow, register):
    """Nobody of ours can be started to write anything down."""
    server = narrow(1)
    register(server, "known")
    server.wait_for_copy("known")
    with all_slots_taken(server):
        register(server, "new")
        wait_for_wait(server, "new")
        assert server.query("SELECT * FROM replicator.slot_wait") == []
        status = server.status("known")
        assert status["state"] == "idle" and status["hint"] is None  # it wants nothing
        server.query("SELECT replicator_sync('known')")
        assert "max_worker_processes" in wait_for_wait(server, "known")["hint"]
        for value, waits in (("off", False), ("on", True)):  # who starts no workers lacks none
            server.query(f"ALTER SYSTEM SET pg_replicator.enabled = {value}")
            server.reload()
            wait_until(lambda: server.query("SELECT replicator.short_of_slots_since() IS NOT NULL") == [(waits,)],
                       what=f"slots to be lacking: {waits}")
    server.wait_for_copy("new")
    server.wait_for_copy("known")
    assert server.status("new")["last_error"] is None
