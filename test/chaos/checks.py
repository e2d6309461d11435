"""What must be true when the writer pauses and everything has been given the time to become up to date."""
import contextlib
import os
import sqlite3

import psycopg2

import compare
from control_faults import lift_refusals

WAIT = "240 s"
MOST_ATTEMPTS = 8
LONGEST_JOB_S = 240
# memory_per_worker (64 MB), the base of a backend, shared buffers that it has touched (32 MB), three rows of 27 KB.
MEMORY_LIMIT_KB = (64 + 60 + 32) * 1024
GONE = "is no longer at the source"


def settle(world):
    """Undoes what faults have left standing, and waits until every target is up to date. Gives what went wrong."""
    world.pause()
    if world.disk:
        world.disk.free()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(world.cluster.failure_file())
    found = []
    lift_refusals(world)
    for source in world.sources:
        world.put_file_back(source)
        if source.periodic:  # no refresh is to begin by itself while we compare
            world.call("SELECT replicator_alter(%s, refresh_interval => '1 hour')", source.name)
        found += bring_up_to_date(world, source)
    return found


def unsettle(world):
    """Has the periodic sources refresh again."""
    for source in world.sources:
        if source.periodic:
            world.call("SELECT replicator_alter(%s, refresh_interval => '1 second')", source.name)


def bring_up_to_date(world, source):
    errors = []
    for _ in range(MOST_ATTEMPTS):
        status = world.status(source)
        if status["state"] == "failed":
            errors.append(f"{source.name} is failed: {status['last_sqlstate']} {status['last_error']}")
        undo_standing_conditions(world, source)
        try:
            world.call(f"CALL replicator_wait(%s, '{WAIT}')", source.name)
            # A source that failed by itself would have needed a person.
            return errors
        except psycopg2.Error as error:
            if error.pgcode != "55000":
                return [f"{source.name} does not become up to date: {error}; {world.status(source)}"]
            if GONE not in str(error):  # a table that the writer has dropped; the next attempt removes it
                errors.append(f"{source.name}: {error}")
    return errors or [f"{source.name} was not up to date after {MOST_ATTEMPTS} attempts: {world.status(source)}"]


def undo_standing_conditions(world, source):
    at_source = tables_at_source(world, source)
    if world.status(source)["paused"]:
        world.call("SELECT replicator_resume(%s)", source.name)
    for (table,) in world.call("SELECT unnest(exclude_tables) FROM replicator.source WHERE name = %s", source.name):
        if table in at_source:
            world.call("SELECT replicator_add_table(%s, %s)", source.name, table)
    for table, state in world.call('SELECT "table", state FROM replicator_tables WHERE source = %s', source.name):
        if state == "paused":
            world.call("SELECT replicator_resume_table(%s, %s)", source.name, table)
        if state != "excluded" and table not in at_source:
            world.call("SELECT replicator_remove_table(%s, %s)", source.name, table, allowed={"42P01"})
        elif source.name in world.followed and (state == "failed" or (source, table) in world.damaged):
            world.damaged.discard((source, table))
            world.call("SELECT replicator_resync(%s, %s)", source.name, table)
    if source.name in world.followed:  # rows that were refused; a refresh would offer them again
        world.call("SELECT replicator_replay(%s)", source.name, allowed={"P0002"})


def tables_at_source(world, source):
    if source.name in world.followed:
        return world.followed[source.name].tables()
    with contextlib.closing(sqlite3.connect(source.path(world.directory))) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


QUERIES = {
    "staging table left": "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                          "WHERE n.nspname = 'replicator' AND c.relname ~ '^(staging|seen|first_pass|second_pass)_[0-9]' "
                          "AND NOT EXISTS (SELECT FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id "
                          "WHERE (s.mode = 'periodic' OR t.keyless) AND c.relname ~ ('^(staging|seen)_' || t.id || '$'))",
    "chunks left": "SELECT s.name, t.name, c.number, c.state FROM replicator.chunk c "
                   "JOIN replicator.source_table t ON t.id = c.table_id JOIN replicator.source s ON s.id = t.source_id",
    "copy left open": "SELECT s.name, st.state, st.copy_position FROM replicator.source_state st "
                      "JOIN replicator.source s ON s.id = st.source_id "
                      "WHERE st.copy_position IS NOT NULL OR st.state::text <> CASE s.mode WHEN 'continuous' THEN 'streaming' "
                      "ELSE 'idle' END",
    "table not done": "SELECT source, \"table\", state, reason FROM replicator_tables "
                      "WHERE state NOT IN ('excluded', 'unsupported', (SELECT CASE mode WHEN 'continuous' "
                      "THEN 'streaming' ELSE 'idle' END FROM replicator.source WHERE name = source))",
    "invalid index": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready",
    "target without a primary key": "SELECT source, target FROM replicator_tables WHERE state <> 'excluded' "
                                    "AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass(target) "
                                    "AND indisprimary)",
    "row set aside": "SELECT * FROM replicator_quarantine",
    "index not ready": "SELECT source, \"table\", index, state, last_error FROM replicator_indexes WHERE state <> 'ready'",
    "job not ended": "SELECT job, source, \"table\", state, last_error FROM replicator_jobs "
                     "WHERE state IN ('pending', 'running')",
}


def problems(world):
    """Everything that is not as it must be, as texts."""
    found = []
    left = "SELECT backend_type, application_name, state, query FROM pg_stat_activity " \
           "WHERE backend_type LIKE 'pg\\_replicator%' AND backend_type <> 'pg_replicator launcher' AND application_name <> ALL (" \
           "SELECT 'pg_replicator source ' || name FROM replicator.source WHERE mode = 'continuous')"
    if world.wait_for(lambda: world.call(left) == [], LONGEST_JOB_S) is None:
        found.append(f"worker left: {world.call(left)}")
    # A probe may be about to start the next worker.
    world.wait_for(lambda: world.call(QUERIES["index not ready"]) == [], LONGEST_JOB_S)
    for what, sql in QUERIES.items():
        found += [f"{what}: {row}" for row in world.call(sql)[:5]]
    for root, _, files in os.walk(os.path.join(world.cluster.data, "pgsql_tmp_pg_replicator")):
        found += [f"scratch file left: {os.path.join(root, file)}" for file in files]
    with contextlib.closing(world.cluster.connect("chaos")) as connection:
        for source in world.sources:
            try:
                differences = (world.followed[source.name].differences(connection) if source.name in world.followed else
                               compare.differences(source.path(world.directory), connection, source.name))
            except (AssertionError, psycopg2.Error) as error:  # an id twice; a target that is not there
                differences = [str(error)]
            found += [f"{source.name}.{difference[:400]}" for difference in differences]
    found += own_verdict(world)
    try:
        world.cluster.check_log()
    except AssertionError as error:
        found.append(str(error))
    if world.memory.highest_kb > MEMORY_LIMIT_KB:
        found.append(f"{world.memory.highest_name} had {world.memory.highest_kb} kB of memory, "
                     f"more than {MEMORY_LIMIT_KB} kB")
    return found


def own_verdict(world):
    """What replicator_verify says of every source, where that is not: equal. The writer pauses, so it has no excuse."""
    found = []
    for source in world.sources:
        job = world.call("SELECT replicator_verify(%s)", source.name)[0][0]
        rows = 'SELECT "table", state, changed, missing, extra, unconfirmed, quarantined, last_error FROM replicator_jobs ' \
               "WHERE job = %s AND (state <> 'done' OR changed + missing + extra + unconfirmed + quarantined > 0)"
        open_rows = "SELECT 1 FROM replicator_jobs WHERE job = %s AND state IN ('pending', 'running')"
        if world.wait_for(lambda: world.call(open_rows, job) == [], LONGEST_JOB_S) is None:
            found.append(f"the verification of {source.name} does not end: {world.call(rows, job)}")
        found += [f"replicator_verify of {source.name}: {row}" for row in world.call(rows, job)[:5]]
    return found


def sabotage(world, kind):
    """Makes one row wrong, to see that it is found."""
    target = '"wal"."item"'
    one = f"WHERE id = (SELECT min(id) FROM {target})"
    statements = {
        "flip": [f"UPDATE {target} SET data = jsonb_set(data, '{{n}}', '\"sabotage\"') {one}"],
        "delete": [f"DELETE FROM {target} {one}"],
        "double": [f"ALTER TABLE {target} DROP CONSTRAINT item_pkey",
                   f"INSERT INTO {target} SELECT * FROM {target} {one}"],
    }[kind]
    for statement in statements:
        world.call(statement)
