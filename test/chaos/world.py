"""What a chaos run works on: a server, the sources, the writer, the small disk; and how one talks to a server that may
be down just now."""
import contextlib
import os
import random
import subprocess
import threading
import time

import psycopg2

from disk import SmallDisk, enter_own_namespace
from load import Writer
from private_cluster import PrivateCluster, wait_until
from mysql_servers import UnavailableServer
from sources import FILES, SERVERS, create

DATABASE = "chaos"
SETTINGS = {"max_worker_processes": 20, "shared_buffers": "32MB", "fsync": "off", "autovacuum_naptime": "5s",
            "statement_timeout": 0, "deadlock_timeout": "300ms"}
CALL_TIMEOUT_S = 300  # more than checks.WAIT
# The server is going down, coming up or in recovery; no pgcode at all: the connection broke or was refused.
SERVER_IS_DOWN = {None, "57P01", "57P02", "57P03", "08006", "08001", "08003"}


class NoRoomToConnect(Exception):
    """On a full disk PostgreSQL itself may refuse connections: it cannot write its cache of the catalog."""


class World:
    def __init__(self, seed):
        self.began = time.monotonic()
        self.disk, self.disk_obstacle, self.writer, self.memory = None, None, None, None
        self.followed, self.server_obstacles = {}, []  # name of a source → its FollowedServer; what kept others from being
        try:
            enter_own_namespace()
        except PermissionError as error:
            self.disk_obstacle = str(error)
        self.cluster = PrivateCluster(SETTINGS)
        self.directory = os.path.join(self.cluster.directory, "files")
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o777)
        self.damaged = set()  # (source, table): what was done to it by hand may be there still
        self.away = {}  # name of a source → where its file was moved
        try:
            self.set_up(seed)
        except BaseException:
            self.end(keep=False)
            raise

    def set_up(self, seed):
        if not self.disk_obstacle:
            self.make_disk()
        self.cluster.query(f"CREATE DATABASE {DATABASE}" + (" TABLESPACE small" if self.disk else ""))
        self.query("CREATE EXTENSION pg_replicator")
        for source in FILES:
            create(source, self.directory, random.Random(f"{seed} {source.name}"))
        self.functions = {row[0] for row in self.query("SELECT proname FROM pg_proc WHERE proname LIKE 'replicator%'")}
        self.memory = MemoryWatch(self.cluster)
        self.writer = Writer(f"{seed} load", self.directory)
        self.follow_servers(seed)
        self.sources = FILES + tuple(followed.source for followed in self.followed.values())
        for source in self.sources:
            self.init(source)

    def follow_servers(self, seed):
        from followed import FollowedServer  # which knows the faults, and they know us
        for source in SERVERS:
            try:
                self.followed[source.name] = FollowedServer(source, seed)
            except UnavailableServer as error:
                self.server_obstacles.append(str(error))

    def make_disk(self):
        try:
            self.disk = SmallDisk(os.path.join(self.cluster.directory, "disk"))
            self.cluster.give_to_server(self.disk.directory)
            self.cluster.query(f"CREATE TABLESPACE small LOCATION '{self.disk.directory}'")
        except PermissionError as error:
            self.disk_obstacle = str(error)

    def seconds(self):
        return time.monotonic() - self.began

    def init(self, source):
        arguments = source.arguments()
        given = ", ".join(f"{key} => %s" for key in arguments)
        followed = self.followed.get(source.name)
        url = followed.server.url(source.name) if followed else "sqlite://" + source.path(self.directory)
        self.call(f"SELECT replicator_init(%s, {given})", url, *arguments.values(), allowed={"42710"})

    def go(self):
        for writer in (self.writer, *self.followed.values()):
            writer.go()

    def pause(self):
        for writer in (self.writer, *self.followed.values()):
            writer.pause()

    def transactions(self):
        return self.writer.transactions + sum(followed.writer.transactions for followed in self.followed.values())

    def query(self, sql, *parameters):
        """Rows of one statement on a server that is up."""
        return self.cluster.query(sql, parameters or None, database=DATABASE)

    def call(self, sql, *parameters, allowed=()):
        """The same, tried again while the server is down; None after an error whose SQLSTATE is allowed."""
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                with contextlib.closing(self.cluster.connect(DATABASE)) as connection, connection.cursor() as cursor:
                    cursor.execute(f"SET statement_timeout = '{CALL_TIMEOUT_S}s'")
                    cursor.execute(sql, parameters or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                if error.pgcode in allowed:
                    return None
                if "could not write init file" in str(error):
                    raise NoRoomToConnect(str(error)) from error
                if error.pgcode not in SERVER_IS_DOWN or time.monotonic() > deadline:
                    error.args = (f"{sql} {parameters}: {error}",)
                    raise
            time.sleep(0.02)

    def call_on_target(self, sql, *parameters):
        """For statements that a copy under way may keep from working: no such table yet, deadlock, full disk."""
        return self.call(sql, *parameters, allowed={"42P01", "3F000", "40P01", "53100"})

    def request(self, source):
        """Gives the source something to do, even if an earlier fault has left it paused. False on a full disk."""
        sync = "SELECT replicator_sync(%s)"
        if self.call(sync, source.name, allowed={"55000", "53100"}) is not None:
            return True
        self.call("SELECT replicator_resume(%s)", source.name, allowed={"53100"})
        return self.call(sync, source.name, allowed={"53100"}) is not None

    @staticmethod
    def wait_for(condition, seconds, interval=0.02):
        """What the condition gives within that time; None if it stays false."""
        with contextlib.suppress(AssertionError):
            return wait_until(condition, seconds, interval=interval)
        return None

    def log_length(self):
        return os.stat(self.cluster.log).st_size

    def log_since(self, length):
        with open(self.cluster.log, errors="replace") as log:
            log.seek(length)
            return log.read()

    def status(self, source):
        rows = self.call("SELECT to_jsonb(st) || jsonb_build_object('paused', s.paused, 'mode', s.mode) "
                         "FROM replicator.source s JOIN replicator.source_state st ON st.source_id = s.id "
                         "WHERE s.name = %s", source.name)
        return rows[0][0] if rows else None

    @contextlib.contextmanager
    def writer_paused(self):
        self.writer.pause()
        try:
            yield
        finally:
            self.writer.go()

    def put_file_back(self, source):
        if source.name in self.away:
            os.rename(self.away.pop(source.name), source.path(self.directory))

    def end(self, keep):
        for part in (self.writer, self.memory, *self.followed.values()):
            if part:
                part.end()
        if self.disk:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.cluster.stop("fast" if keep else "immediate")
            self.disk.unmount(keep)
        self.cluster.destroy(check=False, keep=keep)


class Polling:
    """One connection for many looks in quick succession; no rows while the server is down."""

    def __init__(self, world):
        self.world, self.connection = world, None

    def query(self, sql, *parameters):
        try:
            self.connection = self.connection or self.world.cluster.connect(DATABASE)
            with self.connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return cursor.fetchall()
        except psycopg2.OperationalError:
            self.close()
            return []

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class MemoryWatch:
    """The most memory that any of our workers had, by /proc; looks every few milliseconds, for they are short-lived."""
    INTERVAL_S = 0.05

    def __init__(self, cluster):
        self.cluster, self.highest_kb, self.highest_name = cluster, 0, ""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.wait(self.INTERVAL_S):
            with contextlib.suppress(OSError, ValueError, IndexError):
                postmaster = self.cluster.postmaster_pid()
                with open(f"/proc/{postmaster}/task/{postmaster}/children") as children:
                    for pid in children.read().split():
                        self.look_at(pid)

    def look_at(self, pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline") as f:
                title = f.read().replace("\0", " ").strip()
            if "pg_replicator" not in title:
                return
            with open(f"/proc/{pid}/status") as f:
                peak = next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0)
            if peak > self.highest_kb:
                self.highest_kb, self.highest_name = peak, title

    def end(self):
        self.stop.set()
        self.thread.join()
