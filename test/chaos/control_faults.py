"""The faults that users cause: control calls in the middle of a copy, rows of a target changed by hand, files that are
replaced or missing. What is left standing (a pause, a removed table) ends with the block, or by a later fault."""
import contextlib
import os
import sqlite3
import time

from faults import PATIENCE_S, fault, source_at_work
from sources import FILES, TABLES, make_accessible

PAUSED_OR_EXCLUDED = {"55000", "42P01", "53100"}
NOTHING_TO_DO = {"P0002"}


def in_a_copy(world, rng, sources=None):
    """A source and the name of a table of it, and whether the source is in the middle of a copy."""
    chosen = rng.random()
    source, at_work = source_at_work(world, rng, sources)
    return source, source.table_names[int(chosen * len(source.table_names))], at_work


def control_call(kind, weight, *statements):
    """Calls with the source's name, and the table's where the statement takes it."""
    @fault(kind, weight)
    def run(world, rng):
        source, table, at_work = in_a_copy(world, rng)
        done = []
        for statement in statements:
            parameters = (source.name, table)[:statement.count("%s")]
            done.append(world.call(statement, *parameters, allowed=PAUSED_OR_EXCLUDED) is not None)
        return f"{source.name}.{table}" if at_work and any(done) else None


control_call("pause", 3, "SELECT replicator_pause(%s)")
control_call("resume", 3, "SELECT replicator_resume(%s)")
control_call("pause and resume", 3, "SELECT replicator_pause(%s)", "SELECT replicator_resume(%s)")
control_call("sync twice", 2, "SELECT replicator_sync(%s)", "SELECT replicator_sync(%s)")
control_call("resync", 3, "SELECT replicator_resync(%s, %s)")
control_call("pause table", 2, "SELECT replicator_pause_table(%s, %s)")
control_call("resume table", 2, "SELECT replicator_resume_table(%s, %s)")
control_call("remove table", 2, "SELECT replicator_remove_table(%s, %s)")
control_call("add table", 2, "SELECT replicator_add_table(%s, %s)")
control_call("remove and add table", 2, "SELECT replicator_remove_table(%s, %s)", "SELECT replicator_add_table(%s, %s)")


def later_function(name, weight, statement):
    """For functions that not every version has."""
    @fault(name.replace("replicator_", ""), weight)
    def run(world, rng):
        if name not in world.functions:
            return None
        source, table, at_work = in_a_copy(world, rng)
        parameters = (source.name, table)[:statement.count("%s")]
        done = world.call(statement, *parameters, allowed=PAUSED_OR_EXCLUDED | NOTHING_TO_DO)
        return f"{source.name}.{table}" if at_work and done is not None else None


later_function("replicator_verify", 3, "SELECT replicator_verify(%s)")
later_function("replicator_repair", 3, "SELECT replicator_repair(%s, %s)")
later_function("replicator_replay", 1, "SELECT replicator_replay(%s)")


@fault("alter copy workers", 3)
def alter_copy_workers(world, rng):
    count = rng.randint(0, 3)
    source, _, at_work = in_a_copy(world, rng)
    world.call("SELECT replicator_alter(%s, options => %s)", source.name, '{"copy_workers_per_source": %d}' % count,
               allowed={"53100"})
    return f"{source.name}: {count}" if at_work else None


RULES = ('{}', '{"gin": {"item": "jsonb_path_ops"}}', '{"indexes": {"*": ["data->>\'n\'"]}}',
         '{"gin": "jsonb_ops", "indexes": {"long": ["data->>\'n\'", "data->>\'body\'"]}}')


@fault("rules for indexes", 4)
def alter_rules(world, rng):
    """Index workers get work, or lose it in the middle."""
    rules = rng.choice(RULES)
    source, _, _ = in_a_copy(world, rng)
    done = world.call("SELECT replicator_alter(%s, rules => %s)", source.name, rules, allowed={"53100"})
    return source.name if done is not None else None


REFUSING = "chaos_refusal"


@fault("constraint that refuses rows", 3)
def refuse_rows(world, rng):
    """Some of what changes is set aside; lift_refusals() lets it in again."""
    remainder = rng.randrange(300)
    source, table, _ = in_a_copy(world, rng)
    done = world.call(f'ALTER TABLE "{source.name}"."{table}" ADD CONSTRAINT {REFUSING} '
                      f"CHECK (hashtext(id) % 300 <> {remainder}) NOT VALID",
                      allowed={"42P01", "3F000", "40P01", "53100", "42710"})
    return f"{source.name}.{table}" if done is not None else None


def lift_refusals(world):
    for (target,) in world.call("SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = %s", REFUSING):
        world.call_on_target(f"ALTER TABLE {target} DROP CONSTRAINT {REFUSING}")


@fault("drop with tables, init again", 2)
def drop_and_init(world, rng):
    source, _, at_work = in_a_copy(world, rng)
    # A deadlock with the worker's merge is the user's to lose; the call is simply made again.
    while world.call("SELECT replicator_drop(%s, drop_tables => true)", source.name,
                     allowed={"40P01", "53100", "42704"}) is None and world.status(source):
        pass
    world.init(source)
    return source.name if at_work else None


@fault("local damage", 6)
def damage(world, rng):
    seed = rng.randrange(1 << 30)
    source, table, _ = in_a_copy(world, rng)
    target = f'"{source.name}"."{table}"'
    world.damaged.add((source, table))  # a stream passes over it, and the resync below may be refused
    some = f"id IN (SELECT id FROM {target} ORDER BY hashtext(id || '{seed}') LIMIT 7)"
    done = [world.call_on_target(f"UPDATE {target} SET data = '{{\"damaged\": true}}' WHERE {some}"),
            world.call_on_target(f"DELETE FROM {target} WHERE {some.replace(str(seed), str(seed + 1))}"),
            world.call_on_target(f"INSERT INTO {target} VALUES ('not at the source {seed}', '{{}}', now())")]
    world.call("SELECT replicator_resync(%s, %s)", source.name, table, allowed=PAUSED_OR_EXCLUDED)
    return f"{source.name}.{table}" if any(part is not None for part in done) else None


@contextlib.contextmanager
def nobody_at_the_file(world, source):
    """The application is down and has written its WAL back. Gives False if a reader kept it from doing so."""
    with world.writer_paused():
        connection = sqlite3.connect(source.path(world.directory), isolation_level=None, timeout=0)
        written_back = world.wait_for(
            lambda: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, 2 * PATIENCE_S)
        connection.close()
        yield bool(written_back)


@fault("file replaced by another", 3)
def replace_file(world, rng):
    """The new file holds other rows in other pages; it takes the old one's place at once, as a restore does it."""
    divisor, remainder = rng.randint(3, 9), rng.randint(0, 2)
    source, _, at_work = in_a_copy(world, rng, FILES)
    path = source.path(world.directory)
    with nobody_at_the_file(world, source) as written_back:
        if not written_back:
            return None
        connection = sqlite3.connect(path)
        connection.execute("VACUUM INTO ?", (path + ".new",))
        connection.close()
        connection = sqlite3.connect(path + ".new", isolation_level=None)
        for table in TABLES:
            connection.execute(f"DELETE FROM {table.name} WHERE length(body) % {divisor} = {remainder}")
        connection.execute("UPDATE item SET n = -n WHERE typeof(n) = 'integer' AND n < 1000")
        connection.execute("PRAGMA journal_mode = " + ("WAL" if source.wal else "DELETE"))
        connection.close()
        make_accessible(path + ".new")
        # What is left of the old WAL is empty; it must not be taken for the new file's.
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)
        os.rename(path + ".new", path)
    world.request(source)
    return source.name + (" in a copy" if at_work else "")


@fault("file missing for a moment", 2)
def file_missing(world, rng):
    moment = rng.uniform(0, 0.5)
    source, _, _ = in_a_copy(world, rng, FILES)
    with world.writer_paused():
        world.away[source.name] = source.path(world.directory) + ".away"
        os.rename(source.path(world.directory), world.away[source.name])
        try:
            world.request(source)
            noticed = world.wait_for(
                lambda: (world.status(source) or {}).get("state") == "backing_off", 2 * PATIENCE_S)
            time.sleep(moment)
        finally:
            world.put_file_back(source)
    return source.name if noticed else None
