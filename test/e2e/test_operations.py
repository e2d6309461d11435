"""Pausing, restarting, dumping, dropping: what a DBA does with a running system."""
import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time

import psycopg2
import pytest

from private_cluster import BINDIR, PG_CONFIG, PrivateCluster, unprivileged, wait_until


def test_a_pause_stays_a_pause_over_a_restart(cluster, database, source, many_rows, assert_equal):
    path = database("p.db", many_rows(400_000))
    source(path, "paused")
    cluster.query("SELECT replicator_pause('paused')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    cluster.restart()
    assert cluster.status("paused")["state"] == "paused"
    # A probe has looked at the database when the launcher is waiting again; no worker came of it.
    wait_until(lambda: cluster.workers("launcher") and not cluster.workers("probe"), 45, "the launcher")
    assert not cluster.workers("source worker") and cluster.status("paused")["state"] == "paused"
    cluster.query("SELECT replicator_resume('paused')")
    cluster.wait_for_copy("paused")
    assert_equal(path, "paused")


def test_a_fast_shutdown_during_a_copy_is_prompt_and_clean(cluster, database, source, many_rows, assert_equal):
    path = database("f.db", many_rows(300_000))
    with cluster.waiting_at("chunk_committed", lambda: source(path, "fast")):
        assert cluster.workers("copy worker")
        cluster.query("CHECKPOINT")  # how fast the disk is does not concern us
    began = time.monotonic()
    cluster.restart("fast")
    assert time.monotonic() - began < 30
    cluster.wait_for_copy("fast")
    assert_equal(path, "fast")


def test_a_session_may_discard_everything_and_be_somebody_else(cluster, database, many_rows, owners):
    """What a session keeps for control calls (plans, callbacks, settings) survives DISCARD ALL; who calls is who the session
    says at the call."""
    path = database("d.db", many_rows(10))
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION AUTHORIZATION first_owner")
        cursor.execute("SELECT public.replicator_init(%s, name => 'd')", (f"sqlite://{path}",))
        cluster.wait_for_copy("d")
        for reset in ("DISCARD ALL", "RESET SESSION AUTHORIZATION", "RESET ALL", "DISCARD PLANS"):
            cursor.execute(reset)  # the first is back to who has logged in, too
            cursor.execute("SELECT public.replicator_sync('d')")
            cluster.wait_for_copy("d")
            cursor.execute("SET SESSION AUTHORIZATION second_owner")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("SELECT public.replicator_sync('d')")
            cursor.execute("SET SESSION AUTHORIZATION first_owner; SET search_path = nowhere; SELECT public.replicator_pause('d')")
            cursor.execute("BEGIN; SELECT public.replicator_resume('d'); SET LOCAL SESSION AUTHORIZATION second_owner")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("SELECT public.replicator_pause('d')")
            cursor.execute("ROLLBACK; SELECT public.replicator_resume('d')")
            cursor.execute("ALTER TABLE d.t ADD CONSTRAINT small CHECK ((data->>'a')::int < 1000) NOT VALID")
            change_file(path, "UPDATE t SET a = 5000 WHERE id = 1")
            cursor.execute("SELECT public.replicator_sync('d')")
            cluster.wait_for_copy("d")
            cursor.execute("ALTER TABLE d.t DROP CONSTRAINT small")
            cursor.execute("DISCARD ALL")
            cursor.execute("SELECT stored FROM replicator_replay('d')")
            assert cursor.fetchall() == [(True,)]
            change_file(path, "UPDATE t SET a = 7 WHERE id = 1")
        cursor.execute("DISCARD ALL")
        cursor.execute("SELECT replicator_drop('d', drop_tables => true)")
    roles = dict(cluster.query("SELECT outcome, array_agg(DISTINCT role ORDER BY role) FROM replicator_events WHERE source = 'd' "
                               "AND action IN ('replicator_pause', 'replicator_resume', 'replicator_sync') GROUP BY 1"))
    assert roles["ok"] == ["first_owner", "postgres"]
    failed = "SELECT DISTINCT role FROM replicator_events WHERE source = 'd' AND outcome = 'error'"
    wait_until(lambda: cluster.query(failed) == [("second_owner",)],
               45, "the refused calls")


def change_file(path, statement):
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.execute(statement)
        file.commit()


def test_two_sources_do_not_disturb_each_other(cluster, database, source, many_rows, assert_equal):
    good, bad = database("good.db", many_rows(100_000)), database("bad.db", many_rows(1000))
    source(bad, "bad")
    cluster.wait_for_copy("bad")
    os.unlink(bad)
    cluster.query("SELECT replicator_sync('bad')")
    source(good, "good")
    cluster.wait_for_copy("good")
    assert_equal(good, "good")
    cluster.wait_for_state("bad", "backing_off")


def test_what_fails_and_works_again_is_told_once(cluster, database, source):
    """In replicator_events and in the server log."""
    path = database("told.db", "CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE bad (id INTEGER PRIMARY KEY); INSERT INTO bad "
                               "VALUES (1), (2)")
    source(path, "told")
    cluster.wait_for_copy("told")

    def events(*actions):
        return cluster.query("SELECT action, outcome, sqlstate, arguments - 'seconds', (arguments->>'seconds')::numeric >= 0 "
                             "FROM replicator_events WHERE source = 'told' AND action = ANY (%s) ORDER BY at", (list(actions),))

    def refresh_in_vain():
        with pytest.raises(psycopg2.Error, match="bad"):
            cluster.query("CALL replicator_wait('told', '240 s')")
    copied = ("copy finished", "ok", None, {"tables": 2, "rows": 2}, True)
    assert events("copy finished") == [copied]

    cluster.query("ALTER TABLE told.bad RENAME data TO other")
    refresh_in_vain()
    refresh_in_vain()
    failed, = events("table failed", "table recovered")
    assert (failed[:2], failed[3:]) == (("table failed", "error"), ({"table": "main.bad"}, None)) and failed[2]
    assert cluster.query("SELECT hint FROM replicator_tables WHERE source = 'told' AND \"table\" = 'bad'")[0][0]
    cluster.query("ALTER TABLE told.bad RENAME other TO data")
    cluster.query("CALL replicator_wait('told', '240 s')")
    assert events("table failed", "table recovered") == [failed, ("table recovered", "ok", None, {"table": "main.bad"}, True)]
    assert cluster.query("SELECT last_error, hint FROM replicator_tables WHERE source = 'told' AND \"table\" = 'bad'") == [(None, None)]

    # The probe writes down what failed.
    wait_until(lambda: [event[1] for event in events("replicator_wait")] == ["error", "error", "ok"], 120,
               lambda: str(events("replicator_wait")))

    os.rename(path, f"{path}.away")
    cluster.query("SELECT replicator_sync('told')")
    wait_until(lambda: cluster.query("SELECT retry_count > 2 FROM replicator.source_state JOIN replicator.source ON id = source_id WHERE "
                                     "name = 'told'")[0][0],
               120, "attempts")
    os.rename(f"{path}.away", path)
    cluster.wait_for_copy("told")
    outage = events("source backs off", "source recovered")
    assert [event[:2] for event in outage] == [("source backs off", "error"), ("source recovered", "ok")] and outage[1][4]
    assert not cluster.status("told")["last_error"]
    lines = [line for line in cluster.log_text().splitlines() if 'source "told"' in line]
    for severity, text in (("LOG", 'source "told" was copied: 2 tables with 2 rows in '),
                           ("WARNING", 'table "main.bad" of source "told" has failed: '),
                           ("LOG", 'table "main.bad" of source "told" is up to date again after '), ("LOG", 'source "told" backs off: '),
                           ("LOG", 'source "told" works again after ')):
        assert any(f"{severity}:  pg_replicator: {text}" in line for line in lines), (severity, text, lines)


def test_sources_in_two_databases(cluster, database, source, many_rows):
    path = database("two.db", many_rows(1000))
    cluster.query("CREATE DATABASE second")
    cluster.query("CREATE EXTENSION pg_replicator", database="second")
    source(path, "first")
    cluster.query("SELECT replicator_init(%s, name => 'second')", (f"sqlite://{path}",), database="second")
    cluster.wait_for_copy("first")
    cluster.wait_for_copy("second", database="second")
    assert cluster.query("SELECT count(*) FROM second.t", database="second")[0][0] == 1000
    cluster.query("SELECT replicator_stop_workers()", database="second")
    cluster.query("DROP DATABASE second")


def test_drop_extension_and_drop_database_while_workers_run(cluster, database, many_rows):
    path = database("drop.db", many_rows(600_000))
    cluster.query("CREATE DATABASE victim")
    cluster.query("CREATE EXTENSION pg_replicator", database="victim")

    def init():
        cluster.query("SELECT replicator_init(%s, name => 'v')", (f"sqlite://{path}",), database="victim")
    with cluster.waiting_at("chunk_committed", init):
        cluster.query("DROP EXTENSION pg_replicator", database="victim")
    wait_until(lambda: not cluster.workers("source worker", "victim") and not cluster.workers("copy worker", "victim"),
               45, "the workers to end")
    cluster.query("DROP SCHEMA IF EXISTS v CASCADE; CREATE EXTENSION pg_replicator", database="victim")
    holder = cluster.connect("victim")
    holder.autocommit = False
    with cluster.waiting_at("chunk_committed", init):
        holder.cursor().execute("LOCK TABLE v.t IN ACCESS EXCLUSIVE MODE")
    assert cluster.query("SELECT replicator_stop_workers()", database="victim")[0][0] >= 1
    holder.close()
    cluster.query("DROP DATABASE victim")


def test_dump_and_restore_keep_configuration_and_ask_before_they_go_on(cluster, database, source, many_rows,
                                                                       assert_equal):
    path = database("dump.db", many_rows(2000))
    source(path, "dumped", exclude_tables=["nothing*"])
    cluster.wait_for_copy("dumped")
    dump = os.path.join(cluster.directory, "dump")
    arguments = ["-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres"]
    subprocess.run(unprivileged([f"{BINDIR}/pg_dump", "-Fc", "-f", dump, *arguments, "postgres"], cluster.directory),
                   check=True)
    cluster.query("CREATE DATABASE restored")
    subprocess.run(unprivileged([f"{BINDIR}/pg_restore", "-d", "restored", *arguments, dump], cluster.directory),
                   check=True)
    status = cluster.status("dumped", "restored")
    assert status["state"] == "restored" and "replicator_resume" in status["hint"]
    assert cluster.query("SELECT exclude_tables FROM replicator.source", database="restored") == [(["nothing*"],)]
    before = cluster.query("SELECT min(xmin::text) = max(xmin::text) FROM dumped.t", database="restored")
    assert before == [(True,)]
    known = "SELECT relid = 'dumped.t'::regclass FROM replicator.target_relation"
    assert cluster.query(known, database="restored") == []
    cluster.query("SELECT replicator_resume('dumped')", database="restored")
    cluster.wait_for_copy("dumped", database="restored")
    assert cluster.query(known, database="restored") == [(True,)]
    assert cluster.query("SELECT count(*) FROM dumped.t", database="restored")[0][0] == 2000
    cluster.query("SELECT replicator_stop_workers()", database="restored")
    cluster.query("DROP DATABASE restored")


def test_lag_grows_while_the_worker_is_stopped(cluster, database, source, many_rows):
    path = database("lag.db", many_rows(600_000))
    source(path, "lagging", mode="periodic", refresh_interval="1 second")
    wait_until(lambda: cluster.status("lagging")["lag"], 240, "the first copy")
    with cluster.waiting_at("chunk_committed"):  # of a refresh
        pid = cluster.status("lagging")["worker_pid"]
        os.kill(pid, signal.SIGSTOP)
    try:
        lag = "SELECT extract(epoch FROM lag) FROM replicator_status WHERE name = 'lagging'"
        first = cluster.query(lag)[0][0]
        wait_until(lambda: cluster.query(lag)[0][0] > float(first) + 1, 45, "the lag to grow")
        assert cluster.status("lagging")["worker_pid"] == pid
    finally:
        os.kill(pid, signal.SIGCONT)
    cluster.query("SELECT replicator_pause('lagging')")


def test_failed_calls_are_recorded_with_their_error(cluster):
    with pytest.raises(psycopg2.Error):
        cluster.query("SELECT replicator_pause('no such source')")
    wait_until(lambda: cluster.query("SELECT 1 FROM replicator_events WHERE action = 'replicator_pause' AND "
                                     "source = 'no such source' AND outcome = 'error' AND sqlstate = '42704'"),
               45, "the event")


def test_nothing_of_a_rolled_back_registration_is_left(cluster, database):
    path = database("rb.db", "CREATE TABLE t (a);")
    connection = cluster.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("SELECT replicator_init(%s, name => 'rolledback')", (f"sqlite://{path}",))
    connection.rollback()
    connection.close()
    assert cluster.status("rolledback") is None
    assert cluster.query("SELECT to_regnamespace('rolledback')") == [(None,)]


def test_a_password_is_seen_nowhere(cluster):
    with pytest.raises(psycopg2.Error) as error:
        cluster.query("SELECT replicator_init('mysql://user:s3cr3t@host/db')")
    assert "s3cr3t" not in str(error.value).replace("LINE 1", "").split("CONTEXT")[0]
    with pytest.raises(psycopg2.Error):
        cluster.query("DO $$ BEGIN PERFORM replicator_init('mysql://user:s3cr3t@host/db'); END $$")
    assert "s3cr3t" not in cluster.log_text()
    wait_until(lambda: cluster.query("SELECT 1 FROM replicator_events WHERE arguments::text LIKE '%mysql://***@host/db%'"),
               45, "the event")
    assert cluster.query("SELECT count(*) FROM replicator_events WHERE e::text LIKE '%s3cr3t%'".replace("replicator_events",
                                                                                                        "replicator_events e"))[0][0] == 0


class TestOtherServers:
    """Servers with settings of their own."""

    def test_without_preload_the_functions_say_which_line_to_add(self):
        server = PrivateCluster(preload=False)
        try:
            server.query("CREATE EXTENSION pg_replicator")
            with pytest.raises(psycopg2.Error) as error:
                server.query("SELECT replicator_init('sqlite:///tmp/x.db')")
            assert error.value.pgcode == "55000"
            assert "shared_preload_libraries = 'pg_replicator'" in error.value.diag.message_hint
            assert "shared_preload_libraries" in (server.query("SELECT replicator.obstacle()")[0][0])
        finally:
            server.destroy()

    def test_without_free_slots_the_source_worker_copies_alone_or_status_names_the_setting(self, files, database,
                                                                                          many_rows):
        path = database("slots.db", many_rows(300_000))
        # The logical replication launcher and ours take two; one is left for the probe and then the source worker.
        server = PrivateCluster({"max_worker_processes": 3})
        try:
            server.query("CREATE EXTENSION pg_replicator")
            server.query("SELECT replicator_init(%s, name => 'slots')", (f"sqlite://{path}",))

            def named():
                status = server.status("slots")
                return status["hint"] and "max_worker_processes" in status["hint"] or status["state"] == "idle"
            wait_until(named, 240, lambda: f"the hint: {server.status('slots')}")
            assert "max_worker_processes" in (server.status("slots")["hint"] or "max_worker_processes")
            server.configure(max_worker_processes=4)
            server.restart()
            server.wait_for_copy("slots")
            assert server.query("SELECT count(*) FROM slots.t")[0][0] == 300_000
        finally:
            server.destroy()

    def test_enabled_off_starts_nothing_and_status_says_so(self, files, database, many_rows):
        path = database("off.db", many_rows(1000))
        server = PrivateCluster({"pg_replicator.enabled": "off"})
        try:
            server.query("CREATE EXTENSION pg_replicator")
            server.query("SELECT replicator_init(%s, name => 'off')", (f"sqlite://{path}",))
            assert "pg_replicator.enabled" in server.status("off")["hint"]
            assert not server.workers("source worker")
            server.configure(**{"pg_replicator.enabled": "on"})
            server.reload()
            server.wait_for_copy("off")
        finally:
            server.destroy()

    def test_another_installed_version_starts_no_worker(self, files, database, many_rows):
        path = database("v.db", many_rows(1000))
        server = PrivateCluster()
        try:
            server.query("CREATE EXTENSION pg_replicator")
            server.query("UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'pg_replicator'")
            server.query("SELECT replicator_init(%s, name => 'v')", (f"sqlite://{path}",))
            wait_until(lambda: "starts no workers in database" in server.log_text(), 45, "the warning")
            assert "restart the server" in server.status("v")["hint"]
            assert not server.workers("source worker")
        finally:
            server.destroy()

    def test_an_update_of_the_extension_is_refused_or_goes_on_by_itself(self, database, many_rows):
        path = database("u.db", many_rows(1000))
        sharedir = subprocess.run([PG_CONFIG, "--sharedir"], check=True, capture_output=True, text=True).stdout.strip()
        server = PrivateCluster()
        script = None
        try:
            server.query("CREATE EXTENSION pg_replicator")
            server.query("SELECT replicator_init(%s, name => 'u', refresh_interval => '1 s')", (f"sqlite://{path}",))
            server.wait_for_state("u", "idle")
            version = server.query("SELECT extversion FROM pg_extension WHERE extname = 'pg_replicator'")[0][0]
            server.query("ALTER EXTENSION pg_replicator UPDATE")  # to what it is
            server.query("SELECT replicator_sync('u')")
            server.wait_for_copy("u")
            # An older one, from which no script leads here: nothing is changed, and nothing runs.
            server.query("UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'pg_replicator'")
            with pytest.raises(psycopg2.Error, match='no update path from version "0.0.9"'):
                server.query("ALTER EXTENSION pg_replicator UPDATE")
            assert "ALTER EXTENSION" in server.status("u")["hint"]
            wait_until(lambda: server.workers("source worker") == [], what="no worker")
            # With a script, in the running server: workers start again without anybody's call.
            script = os.path.join(sharedir, "extension", f"pg_replicator--0.0.9--{version}.sql")
            try:
                with open(script, "w") as file:
                    file.write("-- Made by a test.\n")
            except OSError as error:
                pytest.skip(f"the server's extensions cannot be written: {error}")
            server.query("SELECT replicator.request_probe()")
            wait_until(lambda: "starts no workers in database" in server.log_text(), 45, "a look")
            change_file(path, "INSERT INTO t VALUES (5000, 1, 'new')")
            server.query("ALTER EXTENSION pg_replicator UPDATE")
            assert server.status("u")["hint"] is None
            wait_until(lambda: server.query("SELECT 1 FROM u.t WHERE id = '5000'") == [(1,)], 45, "the next refresh")
        finally:
            if script and os.path.exists(script):
                os.unlink(script)
            server.destroy()

    def test_in_recovery_nothing_starts_and_promotion_starts_it(self, files, database, many_rows):
        path = database("rec.db", many_rows(1000))
        server = PrivateCluster({"pg_replicator.enabled": "off"})
        try:
            server.query("CREATE EXTENSION pg_replicator")
            server.query("SELECT replicator_init(%s, name => 'rec')", (f"sqlite://{path}",))
            server.stop()
            server.configure(**{"pg_replicator.enabled": "on"})
            signal_file = os.path.join(server.data, "standby.signal")
            open(signal_file, "w").close()
            os.chmod(signal_file, 0o666)
            server.start()
            assert server.query("SELECT pg_is_in_recovery()") == [(True,)]
            assert "recovery" in server.status("rec")["hint"]
            assert not server.workers("launcher") and not server.workers("source worker")
            server.query("SELECT pg_promote()")
            server.wait_for_copy("rec")
            assert server.query("SELECT count(*) FROM rec.t")[0][0] == 1000
        finally:
            server.destroy()


def test_a_resync_of_a_table_that_is_left_out_meanwhile_is_refused(cluster, copied):
    """Whoever leaves it out between the look that found it replicated and the step that asks for its copy."""
    copied("leaving")
    table, = cluster.query("SELECT t.id FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id WHERE s.name = "
                           "'leaving'")[0]
    refusals = []

    def resync():
        try:
            cluster.query("SELECT replicator_resync('leaving', 't')")
        except psycopg2.Error as error:
            refusals.append(error)
    call = threading.Thread(target=resync)
    holder = cluster.connect()
    holder.autocommit = False
    try:
        with holder.cursor() as cursor:
            # The call writes this row after its look.
            cursor.execute("SELECT 1 FROM replicator.target_relation WHERE table_id = %s FOR UPDATE", (table,))
            call.start()
            wait_until(lambda: cluster.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%replicator_resync%%' "
                                             "AND %s = ANY (pg_blocking_pids(pid))", (holder.get_backend_pid(),)), 60, "the call to wait")
            cursor.execute("UPDATE replicator.source_table SET state = 'excluded', reason = 'was dropped at the source' WHERE id = %s",
                           (table,))
        holder.commit()
    finally:
        holder.close()
        call.join()
    assert [(error.pgcode, error.diag.message_primary) for error in refusals] == [("55000", "the table is not replicated any more")]
    assert refusals[0].diag.message_hint == "replicator_tables.reason says why."
    # Nothing of the call is left but its event.
    row, = cluster.query("SELECT state, reason FROM replicator_tables WHERE source = 'leaving'")
    assert row == ("excluded", "was dropped at the source")
    assert cluster.status("leaving")["state"] == "idle"
