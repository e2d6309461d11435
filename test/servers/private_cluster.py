"""A PostgreSQL cluster of a test's own: temporary directory, free port, unprivileged user, loopback only."""
import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg2
import psycopg2.extensions

PG_CONFIG = os.environ.get("PG_CONFIG", "pg_config")
BINDIR = subprocess.run([PG_CONFIG, "--bindir"], check=True, capture_output=True, text=True).stdout.strip()

# Lines of a server log that no test may cause, unless it says so (expect_crash).
DEFECTS = re.compile(r"terminated by signal|PANIC|TRAP:|\bleak|Assert|invalid memory|could not abort|ERRCODE_INTERNAL|pg_replicator failed "
                     r"at")


def unprivileged(command, home):
    """The command as a user that servers accept; as it is unless we are root."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "env", f"HOME={home}"] + command


taken_ports = []


def free_port():
    """Below the ports that the kernel gives to outgoing connections: one of those could have it before the server starts, or
    while it is down. Other test processes see that we have it by a socket's name."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        lowest = int(f.read().split()[0])
    ports = range(10_000, lowest if lowest > 15_000 else 32_768)
    while True:
        port = random.SystemRandom().choice(ports)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0pg_replicator test port {port}")
            with contextlib.closing(socket.socket()) as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        taken_ports.append(mark)
        return port


def wait_until(condition, timeout=240, what="the condition", interval=0.02):
    """Polls until condition() is true; fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


def has_ended(pid):
    """Whether there is no such process, or nothing of it but its exit code."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# Ends the server whose data directory is $1 when its standard input closes, which it does when we end, however we end.
WATCHER = 'read -r unused; kill -QUIT "$(head -n 1 "$1/postmaster.pid")"'


class PrivateCluster:
    def __init__(self, settings=None, preload=True):
        self._make_directory()
        self._run([f"{BINDIR}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                   "--locale=C.UTF-8", "-N"])
        conf = {"listen_addresses": "", "unix_socket_directories": self.directory, "port": self.port,
                "shared_buffers": "16MB", "max_worker_processes": 16, "logging_collector": "off",
                "log_line_prefix": "%m [%p] %b ", "pg_replicator.failure_points": "on",
                "pg_replicator.retry_initial": "100ms", "pg_replicator.retry_max": "1s", "max_wal_size": "4GB",
                "pg_replicator.target_lock_patience": "1h"}  # tests hold processes by such locks
        if preload:
            conf["shared_preload_libraries"] = "pg_replicator"
        conf.update(settings or {})
        self.configure(**conf)
        self.start()

    def _make_directory(self):
        self.directory = tempfile.mkdtemp(prefix="pgrepl")
        os.chmod(self.directory, 0o755)
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "log")
        self.port = free_port()
        self.expected_crash = False
        self.expected_panic = False
        self.watcher = subprocess.Popen(["sh", "-c", WATCHER, "sh", self.data], stdin=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        self.give_to_server(self.directory)

    @classmethod
    def copy_of(cls, stopped):
        """A physical copy of a cluster that is not running; to be started."""
        copy = cls.__new__(cls)
        copy._make_directory()
        copy._run(["cp", "-a", stopped.data, copy.data])
        copy.configure(unix_socket_directories=copy.directory, port=copy.port)
        return copy

    @classmethod
    def standby_of(cls, running):
        """A base backup of a running cluster, which follows it; to be started."""
        copy = cls.__new__(cls)
        copy._make_directory()
        copy._run([f"{BINDIR}/pg_basebackup", "-D", copy.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                   "-h", running.directory, "-p", str(running.port), "-U", "postgres"])
        copy.configure(unix_socket_directories=copy.directory, port=copy.port)
        return copy

    @staticmethod
    def give_to_server(path):
        """Makes a file or directory the server's, which runs as another user if we are root."""
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(path, user.pw_uid, user.pw_gid)

    def _run(self, command, **options):
        options.setdefault("check", True)
        return subprocess.run(unprivileged(command, self.directory), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd="/", **options)

    def configure(self, **settings):
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            for name, value in settings.items():
                conf.write(f"{name} = '{value}'\n")

    def _pg_ctl(self, *arguments, **options):
        return self._run([f"{BINDIR}/pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "300", *arguments], **options)

    def start(self):
        self._pg_ctl("start")

    def stop(self, mode="fast"):
        self._pg_ctl("stop", "-m", mode)

    def restart(self, mode="fast"):
        self._pg_ctl("restart", "-m", mode)

    def reload(self):
        self._pg_ctl("reload")

    def postmaster_pid(self):
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            return int(f.readline())

    def kill(self, pid, sig=signal.SIGKILL):
        if sig == signal.SIGKILL:
            self.expected_crash = True
        os.kill(pid, sig)

    def crash(self):
        """The whole server dies at once, and is started again."""
        self.expected_crash = True
        postmaster = self.postmaster_pid()
        os.kill(postmaster, signal.SIGSTOP)  # no child may be born between the list and the end
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True)
        for pid in [postmaster] + [int(p) for p in children.stdout.split()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # No process may be left in shared memory when the next postmaster looks for it.
        wait_until(lambda: all(has_ended(pid) for pid in [postmaster, *children.stdout.split()]), what="their end")
        # It is asked by its lock files for, too, as long as nobody has fetched its exit code.
        for file in (os.path.join(self.data, "postmaster.pid"), os.path.join(self.directory, f".s.PGSQL.{self.port}.lock")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file)
        self.start()

    def fail_at(self, point):
        """Arms a failure point (docs/dev/architecture.md), in one step in place of another that may be armed."""
        self.crashes_at_point = not point.endswith((":error", ":wait"))
        if self.crashes_at_point:
            self.expected_crash = True
            self.checkpointer_before = self.checkpointer()
        self.expected_panic = self.expected_panic or point.endswith(":full")
        if point.endswith(":wait"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.failure_file()}.{point.removesuffix(':wait')}")  # of one that was killed while it waited
        with open(self.failure_file() + ".new", "w") as f:
            f.write(point)
        self.give_to_server(self.failure_file() + ".new")
        os.rename(self.failure_file() + ".new", self.failure_file())

    def failure_file(self):
        return os.path.join(self.data, "pg_replicator.failure_point")

    @contextlib.contextmanager
    def waiting_at(self, point, reach=lambda: None):
        """A process waits at the failure point, once `reach` has made it get there, until the end of the block; and so does
        each other that gets there. Not even the end of the server changes that."""
        self.fail_at(f"{point}:wait")
        try:
            reach()
            self.wait_for_waiting(point)
            yield
        finally:
            os.unlink(self.failure_file())

    def wait_for_waiting(self, point):
        """Until a process waits at the failure point."""
        wait_until(lambda: os.path.exists(f"{self.failure_file()}.{point}"), what=f"a process to wait at {point}")

    def waiting_processes(self, point):
        """Those that wait at the failure point since it was armed: they hold no lock but those of the point."""
        with contextlib.suppress(FileNotFoundError):
            with open(f"{self.failure_file()}.{point}") as file:
                return {int(pid) for pid in file.read().split()}
        return set()

    def checkpointer(self):
        """Its pid, which each restart after a crash changes; None while the server has none."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            children = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.postmaster_pid())],
                                      capture_output=True, text=True)
            for line in children.stdout.splitlines():
                if "checkpointer" in line:
                    return int(line.split()[0])
        return None

    def wait_for_failure(self, timeout=240):
        """Until the armed failure point was reached and, if that ends a process, until the server has met its end and is up
        again: between the two it still answers, and then breaks the connection."""
        wait_until(lambda: not os.path.exists(self.failure_file()), timeout, "the failure point to be reached")
        if self.crashes_at_point:
            wait_until(lambda: self.checkpointer() not in (None, self.checkpointer_before), timeout, "the restart")
            self.query_when_up("SELECT 1")

    def connect(self, database="postgres", user="postgres"):
        connection = psycopg2.connect(host=self.directory, port=self.port, dbname=database, user=user,
                                      connect_timeout=60)
        connection.autocommit = True
        return connection

    def query(self, sql, parameters=None, database="postgres", user="postgres"):
        """Rows of one statement, in a connection of its own."""
        with contextlib.closing(self.connect(database, user)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else None

    def query_when_up(self, sql, parameters=None, timeout=240, **options):
        """The same, while the server may be restarting after a crash."""
        result, errors = [], []

        def attempt():
            try:
                result[:] = [self.query(sql, parameters, **options)]
                return True
            except psycopg2.OperationalError as error:
                errors[:] = [error]
                return False
        wait_until(attempt, timeout, lambda: f"the server to answer: {errors[0]}")
        return result[0]

    def status(self, name, database="postgres"):
        """The source's row of replicator_status, as a dictionary."""
        rows = self.query_when_up("SELECT to_jsonb(s) FROM replicator_status s WHERE name = %s", (name,),
                                  database=database)
        return rows[0][0] if rows else None

    def wait_for_state(self, name, state, timeout=240, database="postgres"):
        last = {}

        def reached():
            last["status"] = self.status(name, database)
            return last["status"] is not None and last["status"]["state"] == state
        wait_until(reached, timeout, lambda: f"{name} to be {state}: {last['status']}")
        return last["status"]

    def wait_for_copy(self, name, request=None, timeout=240, database="postgres"):
        """Until all requests made so far are served."""
        def served():
            return self.query_when_up(
                "SELECT st.sync_done >= st.sync_requested AND st.state = 'idle' FROM replicator.source_state st "
                "JOIN replicator.source s ON s.id = st.source_id WHERE s.name = %s", (name,), database=database)[0][0]
        wait_until(served, timeout, lambda: f"{name} to be copied: {self.status(name, database)}")

    def workers(self, kind, database=None):
        """Pids of our workers of one kind: launcher, source worker, copy worker, probe."""
        return [row[0] for row in self.query_when_up(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = %s AND (%s::text IS NULL OR datname = %s)",
            ("pg_replicator " + kind, database, database))]

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def check_log(self):
        """Fails if the server log holds what no test may cause."""
        for line in self.log_text().splitlines():
            if self.expected_crash and ("terminated by signal 9" in line or "signal 9: Killed" in line):
                continue
            if self.expected_panic and ("PANIC:  failure point" in line or "signal 6: Aborted" in line):
                continue
            assert not DEFECTS.search(line), f"in the server log: {line}"

    def destroy(self, check=True, keep=False):
        """Stops the server and removes its directory, or leaves the directory to be looked at."""
        try:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.stop("fast" if keep else "immediate")
            if check:
                self.check_log()
        finally:
            self.watcher.stdin.close()
            self.watcher.wait()
            if not keep:
                shutil.rmtree(self.directory, ignore_errors=True)
