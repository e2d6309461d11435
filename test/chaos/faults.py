"""The faults of a chaos run that hit processes, the server and the disk. control_faults.py has those of users.

A fault is a function of the world and of a random generator of its own; it returns what it hit, or None if there was
nothing to hit. It makes every draw before it looks at the world, so that what it wants is a function of the seed."""
import contextlib
import os
import pathlib
import re
import signal
import time

from private_cluster import wait_until
from world import NoRoomToConnect, Polling

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 2  # for something to hit
NO_SPACE = re.compile("pg_replicator .*No space left on device")
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
    """With an error where one can be raised: not at a process's end."""
    found = set(re.findall(r'\b(exit_)?failure_point\("(\w+)"\)', source_text()))
    return sorted([point for _, point in found] + [point + ":error" for at_exit, point in found if not at_exit])


FIND_WORKERS = """
    SELECT pid, application_name FROM pg_stat_activity WHERE backend_type = 'pg_replicator ' || %s
    ORDER BY application_name <> ALL (ARRAY['pg_replicator source ' || %s, 'pg_replicator copy of ' || %s]), pid"""
TERMINATE = "SELECT pg_terminate_backend(%s) FROM pg_stat_activity WHERE pid = %s AND backend_type LIKE 'pg\\_repl%%'"


OUR_INDEXES = "SELECT format('%%I.%%I', schemaname, indexname) FROM pg_indexes WHERE schemaname = %s AND indexname LIKE '%%\\_idx'"


def give_work(world, rng, kind, source):
    """Comparisons and index builds are asked for; all else begins with the copy that a request begins."""
    refused = {"55000", "42P01", "53100", "40P01"}
    if kind == "job worker":
        call, table = rng.choice((("SELECT replicator_verify(%s)", ()), ("SELECT replicator_repair(%s, %s)", (source.long_table,))))
        world.call(call, source.name, *table, allowed=refused)
    elif kind == "index worker":
        for (index,) in world.call(OUR_INDEXES, source.name, allowed=refused) or []:
            world.call(f"DROP INDEX IF EXISTS {index}", allowed=refused)
        world.call("SELECT replicator_alter(%s, rules => %s)", source.name,
                   '{"indexes": {"*": ["data->>\'n\'", "left(data->>\'body\', 20)"]}}', allowed=refused)


def hit_worker(world, rng, kind, hit, longest_delay_s=LONGEST_DELAY_S):
    """Looks for a worker of that kind, of a source of our choice if there is one, and hits it at a random moment of its
    life: hit(polling, pid) says whether it did. Gives what was hit."""
    source, delay = rng.choice(world.sources), rng.uniform(0, longest_delay_s)
    world.request(source)
    give_work(world, rng, kind, source)
    with contextlib.closing(Polling(world)) as polling:
        if kind == "probe":  # it lives for milliseconds, and comes when it is asked for
            polling.query("SELECT replicator.request_probe()")
            delay = 0

        def look():
            return polling.query(FIND_WORKERS, kind, source.name, source.name)
        found = world.wait_for(look, PATIENCE_S, interval=0.001)
        if found and delay:
            time.sleep(delay)
            found = look() or world.wait_for(look, PATIENCE_S)  # the next one, if that one has ended
        if not found:
            return None
        pid, name = found[0]
        with contextlib.suppress(ProcessLookupError):
            if hit(polling, pid):
                return f"{kind} {pid} ({name})"
    return None


def kill(world):
    def hit(_polling, pid):
        world.cluster.kill(pid)
        return True
    return hit


def stop_for(moment):
    def hit(_polling, pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(moment)
        finally:
            os.kill(pid, signal.SIGCONT)
        return True
    return hit


def terminate(polling, pid):
    return polling.query(TERMINATE, pid, pid) == [(True,)]


def worker_faults(kind, weight):
    fault(f"kill {kind}", weight)(lambda world, rng: hit_worker(world, rng, kind, kill(world)))
    fault(f"terminate {kind}", weight)(lambda world, rng: hit_worker(world, rng, kind, terminate))
    fault(f"stop {kind} for a moment", max(weight // 2, 1))(
        lambda world, rng: hit_worker(world, rng, kind, stop_for(rng.uniform(0.1, 1.2))))


for each in worker_kinds():
    worker_faults(each, 5 if each in ("source worker", "copy worker") else 2)


def source_at_work(world, rng, sources=None):
    """A source in the middle of a copy or followed, if one can be had; and whether it is."""
    source, delay = rng.choice(sources or world.sources), rng.uniform(0, LONGEST_DELAY_S)
    world.request(source)
    with contextlib.closing(Polling(world)) as polling:
        at_work = world.wait_for(lambda: [row for row in polling.query(FIND_WORKERS, "source worker", "", "")
                                          if row[1].endswith(" " + source.name)], PATIENCE_S)
    time.sleep(delay)
    return source, bool(at_work)


def server_fault(kind, weight, act):
    @fault(kind, weight)
    def run(world, rng):
        source, at_work = source_at_work(world, rng)
        act(world.cluster)
        return f"{source.name} at work" if at_work else None


server_fault("crash of the server", 4, lambda cluster: cluster.crash())
server_fault("fast restart", 3, lambda cluster: cluster.restart("fast"))
server_fault("immediate restart", 3, lambda cluster: cluster.restart("immediate"))


def failure_point(point):
    @fault(f"failure point {point}", 1)
    def run(world, rng):
        source = rng.choice(world.sources)
        world.cluster.fail_at(point)
        world.request(source)
        if world.wait_for(lambda: not os.path.exists(world.cluster.failure_file()), PATIENCE_S):
            return point
        with contextlib.suppress(FileNotFoundError):
            os.unlink(world.cluster.failure_file())
        return None


for each in failure_points():
    failure_point(each)


@fault("full disk", 4)
def full_disk(world, rng):
    source, _ = source_at_work(world, rng)
    if not world.disk:
        return None
    logged = world.log_length()
    world.disk.fill()
    try:
        if not world.request(source):
            return f"{source.name}: the call itself found no space"
        request = world.status(source)["sync_requested"]

        def felt():
            world.disk.fill()
            now = world.status(source)
            return now["last_sqlstate"] == "53100" or NO_SPACE.search(world.log_since(logged)) or (
                now["sync_done"] >= request)
        wait_until(felt, 240, lambda: f"the full disk to be noticed: {world.status(source)}")
        found = NO_SPACE.search(world.log_since(logged))
        return f"{source.name}: {found.group()}" if found else None
    except NoRoomToConnect:
        return f"{source.name}: not even a connection found space"
    finally:
        world.disk.free()
