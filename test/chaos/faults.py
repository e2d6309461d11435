"""The faults of a chaos run that hit processes, the server and the disk. control_faults.py has those that a user causes.

A fault is a function of the world and of a random generator of its own; it returns what it hit, or None if there was
nothing to hit. It makes every draw before it looks at the world, so that what it wants is a function of the seed."""
import contextlib
import os
import pathlib
import re
import signal
import time

from private_cluster import wait_until
from sources import SOURCES

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 2  # for something to hit
LONGEST_DELAY_S = 0.4  # of the moment of a fault, once there is something to hit
FAULTS = {}  # kind → (weight, function)


def fault(kind, weight):
    def register(function):
        FAULTS[kind] = (weight, function)
        return function
    return register


def source_text():
    return "".join(path.read_text() for path in sorted(ROOT.glob("src/**/*.cpp")))


def worker_kinds():
    """By the sources, so that a new kind of worker is attacked without a word here."""
    return sorted(set(re.findall(r'"pg_replicator ((?:[a-z]+ worker)|probe|launcher)"', source_text())))


def failure_points():
    return sorted(set(re.findall(r'failure_point\("(\w+)"\)', source_text())))


FIND_WORKERS = """
    SELECT pid, application_name FROM pg_stat_activity WHERE backend_type = 'pg_replicator ' || %s
    ORDER BY application_name <> ALL (ARRAY['pg_replicator source ' || %s, 'pg_replicator copy of ' || %s]), pid"""


def find_worker(world, kind, source):
    """(pid, text) of a worker of that kind, of that source if there is one; None after some patience."""
    with contextlib.closing(Polling(world)) as polling:
        rows = world.wait_for(lambda: polling.query(FIND_WORKERS, kind, source.name, source.name), PATIENCE_S)
    return (rows[0][0], f"{kind} {rows[0][0]} ({rows[0][1]})") if rows else None


class Polling:
    """One connection for many looks: a probe lives for a few milliseconds."""

    def __init__(self, world):
        self.world, self.connection = world, None

    def query(self, sql, *parameters):
        import psycopg2
        try:
            self.connection = self.connection or self.world.cluster.connect("chaos")
            with self.connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall()
        except psycopg2.OperationalError:
            self.close()
            return []

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def provoke(world, kind, source):
    """Has such a worker started, if there is something for it to do."""
    world.request(source)
    if kind == "probe":
        world.call("SELECT replicator.request_probe()")


def kill_worker(kind):
    def run(world, rng):
        source, delay = rng.choice(SOURCES), rng.uniform(0, LONGEST_DELAY_S)
        provoke(world, kind, source)
        if kind != "probe" and find_worker(world, kind, source):
            time.sleep(delay)
        found = find_worker(world, kind, source)
        if not found:
            return None
        with contextlib.suppress(ProcessLookupError):
            world.cluster.kill(found[0])
            return found[1]
        return None
    return run


def terminate_worker(kind):
    def run(world, rng):
        source, delay = rng.choice(SOURCES), rng.uniform(0, LONGEST_DELAY_S)
        provoke(world, kind, source)
        if kind != "probe" and find_worker(world, kind, source):
            time.sleep(delay)
        found = find_worker(world, kind, source)
        ended = found and world.call("SELECT pg_terminate_backend(%s) FROM pg_stat_activity WHERE pid = %s "
                                     "AND backend_type LIKE 'pg\\_replicator%%'", found[0], found[0])
        return found[1] if ended and ended[0][0] else None
    return run


def stop_worker_for_a_moment(kind):
    def run(world, rng):
        source, moment = rng.choice(SOURCES), rng.uniform(0.1, 1.2)
        provoke(world, kind, source)
        found = find_worker(world, kind, source)
        if not found:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(found[0], signal.SIGSTOP)
            try:
                time.sleep(moment)
            finally:
                os.kill(found[0], signal.SIGCONT)
            return f"{found[1]} for {moment:.1f} s"
        return None
    return run


for each in worker_kinds():
    often = 5 if each in ("source worker", "copy worker") else 2
    fault(f"kill {each}", often)(kill_worker(each))
    fault(f"terminate {each}", often)(terminate_worker(each))
    fault(f"stop {each} for a moment", max(often // 2, 1))(stop_worker_for_a_moment(each))


def server_fault(kind, weight, act):
    @fault(kind, weight)
    def run(world, rng):
        source, delay = rng.choice(SOURCES), rng.uniform(0, LONGEST_DELAY_S)
        world.request(source)
        at_work = find_worker(world, "source worker", source)
        time.sleep(delay)
        act(world.cluster)
        return at_work[1] if at_work else None


server_fault("crash of the server", 4, lambda cluster: cluster.crash())
server_fault("fast restart", 3, lambda cluster: cluster.restart("fast"))
server_fault("immediate restart", 3, lambda cluster: cluster.restart("immediate"))


def failure_point(point):
    @fault(f"failure point {point}", 1)
    def run(world, rng):
        source = rng.choice(SOURCES)
        world.cluster.fail_at(point)
        world.request(source)
        if world.wait_for(lambda: not os.path.exists(world.cluster.failure_file()), PATIENCE_S):
            return point
        with contextlib.suppress(FileNotFoundError):
            os.unlink(world.cluster.failure_file())
        return None


for each in failure_points():
    failure_point(each)
    failure_point(each + ":error")


@fault("full disk", 4)
def full_disk(world, rng):
    source, delay = rng.choice(SOURCES), rng.uniform(0, LONGEST_DELAY_S)
    if not world.disk:
        return None
    world.request(source)
    find_worker(world, "source worker", source)
    time.sleep(delay)
    logged = len(world.cluster.log_text())
    world.disk.fill()
    try:
        before = world.status(source)
        world.request(source)

        def felt():
            now = world.status(source)
            return (now["last_sqlstate"] == "53100" or "No space left on device" in world.cluster.log_text()[logged:] or
                    now["sync_done"] > before["sync_done"])
        wait_until(felt, 30, lambda: f"the full disk to be noticed: {world.status(source)}")
        hit = "No space left on device" in world.cluster.log_text()[logged:]
        return f"{source.name}: {world.status(source)['last_error']}" if hit else None
    finally:
        world.disk.free()
