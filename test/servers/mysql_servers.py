"""MySQL and MariaDB servers of a test's own: temporary directory, free port, unprivileged user, loopback only.

MariaDB is the distribution's, or, with `PGREPL_MARIADB_DIRECTORY`, Debian sid's, unpacked there. MySQL, which Debian's
stable releases do not have, is sid's too. What is unpacked is kept (`PGREPL_MYSQL_DIRECTORY`)."""
import contextlib
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from private_cluster import free_port, wait_until

MYSQL_DIRECTORY = os.environ.get("PGREPL_MYSQL_DIRECTORY", "/var/tmp/pg_replicator-mysql")
MARIADB_DIRECTORY = os.environ.get("PGREPL_MARIADB_DIRECTORY")
TEMPLATES = pathlib.Path(f"/var/tmp/pg_replicator-servers-{os.getuid()}")
SERVER_USER = "nobody"
PASSWORD = "pässword '\"\\%"

# Ends the server whose pid is in file $1 when its standard input closes, which it does when we end, however we end.
WATCHER = 'read -r unused; kill -KILL "$(cat "$1")"'


class UnavailableServer(Exception):
    """There is no such server on this machine, and it cannot be had."""


def fetch(root, server, *packages):
    """Unpacks the server into `root` if it is not there; one process at a time."""
    if (root / ".done").exists() and (root / "bin" / server).exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    script = pathlib.Path(__file__).with_name("get_server.sh")
    result = subprocess.run(["flock", str(root), str(script), str(root), *packages], capture_output=True, text=True)
    if result.returncode != 0:
        raise UnavailableServer(f"{server} cannot be fetched: {result.stderr[-500:]}")


class SqlServer:
    """What both kinds have in common. `settings` become options of the server: {"binlog_format": "ROW"}."""
    flavour = None
    client = None

    def __init__(self, settings=None):
        self.directory = tempfile.mkdtemp(prefix="pgreplmy")
        os.chmod(self.directory, 0o755)
        if os.getuid() == 0:
            user = pwd.getpwnam(SERVER_USER)
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.data = os.path.join(self.directory, "data")
        self.socket = os.path.join(self.directory, "socket")
        self.pid_file = os.path.join(self.directory, "pid")
        self.log = os.path.join(self.directory, "log")
        self.port = free_port()
        self.settings = {"port": self.port, "bind-address": "127.0.0.1", "socket": self.socket, "datadir": self.data,
                         "pid-file": self.pid_file, "tmpdir": self.directory, "server-id": 1 + self.port, "innodb-buffer-pool-size": "64M",
                         "innodb-flush-log-at-trx-commit": 0, "sync-binlog": 0, **self.defaults(), **(settings or {})}
        self.process = None
        self.watcher = subprocess.Popen(["sh", "-c", WATCHER, "sh", self.pid_file], stdin=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        self.set_up()
        self.start()
        self.create_user("replicator", PASSWORD)

    def defaults(self):
        return {}

    def initialise(self):
        raise NotImplementedError

    def name_case(self):
        """lower_case_table_names, which MySQL keeps from the beginning."""
        return self.settings.get("lower-case-table-names", 0)

    def set_up(self):
        """Fills the data directory: from one that was set up before by the same server, because that takes seconds."""
        server = pathlib.Path(self.server_command()[0]).resolve()
        template = TEMPLATES / f"{self.flavour}-{server.stat().st_mtime_ns}-{server.stat().st_size}-{self.name_case()}"
        TEMPLATES.mkdir(parents=True, exist_ok=True)
        with open(TEMPLATES / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                self.initialise()
                pathlib.Path(self.data, "auto.cnf").unlink(missing_ok=True)  # MySQL's uuid: each server has its own
                shutil.rmtree(f"{template}.new", ignore_errors=True)
                subprocess.run(["cp", "-a", self.data, f"{template}.new"], check=True)
                os.rename(f"{template}.new", template)
                return
        subprocess.run(["cp", "-a", str(template), self.data], check=True)

    def server_command(self):
        raise NotImplementedError

    def as_server_user(self, command):
        if os.getuid() != 0:
            return command
        group = pwd.getpwnam(SERVER_USER).pw_gid
        return ["setpriv", f"--reuid={SERVER_USER}", f"--regid={group}", "--clear-groups", "env",
                f"HOME={self.directory}"] + command

    def run_installer(self, command):
        """Runs what fills the data directory; what it printed is in the error if it fails."""
        result = subprocess.run(self.as_server_user(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", cwd="/")
        if result.returncode != 0:
            raise AssertionError(f"{self.flavour} cannot be set up:\n{result.stdout[-3000:]}")

    def start(self):
        options = [f"--{name}" if value is None else f"--{name}={value}" for name, value in self.settings.items()]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.as_server_user(self.server_command() + options), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        wait_until(self.answers, 300, lambda: f"{self.flavour} to answer:\n{self.log_text()[-3000:]}")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.flavour} did not start:\n{self.log_text()[-3000:]}")
        return self._client("SELECT 1", check=False).returncode == 0

    def pid(self):
        with open(self.pid_file) as f:
            return int(f.read())

    def _end(self, sig):
        os.kill(self.pid(), sig)
        self.process.wait(300)

    def stop(self):
        self._end(signal.SIGTERM)

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        """kill -9: the server has no time for anything."""
        self._end(signal.SIGKILL)

    def begin_log_file(self):
        """Ends the file of the log, and begins the next."""
        self.run("FLUSH BINARY LOGS")

    def end_connections(self, user):
        """KILL for all that the user has just now."""
        for (number,) in self.query(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"):
            self._client(f"KILL {number}", check=False)  # it may have ended by itself

    def _client(self, sql, database="", check=True):
        command = self.client + ["--no-defaults", f"--socket={self.socket}", "-uroot", "--default-character-set=utf8mb4",
                                 "--batch", "--raw", "--skip-column-names", "--init-command=SET time_zone='+00:00'"]
        result = subprocess.run(command + ([database] if database else []), input=sql.encode(), capture_output=True)
        if check and result.returncode != 0:
            raise AssertionError(f"{result.stderr.decode(errors='replace')} in {sql[:500]}")
        return result

    def run(self, sql, database=""):
        """Statements without an answer."""
        self._client(sql, database)

    def query(self, sql, database=""):
        """Rows of texts; NULL is the text NULL. For values without tabs and newlines: ask for HEX() of others."""
        out = self._client(sql, database).stdout.decode(errors="surrogateescape")
        return [line.split("\t") for line in out.splitlines()]

    def value(self, sql, database=""):
        return self.query(sql, database)[0][0]

    def version(self):
        """(10, 11, 6)"""
        return tuple(int(part) for part in self.value("SELECT VERSION()").split("-")[0].split("."))

    def create_user(self, name, password, grants="SELECT, REPLICATION SLAVE ON *.*"):
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        self.run(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{quoted}', '{name}'@'localhost' IDENTIFIED BY "
                 f"'{quoted}'; GRANT {grants} TO '{name}'@'127.0.0.1', '{name}'@'localhost'")

    def url(self, database="", user="replicator", password=PASSWORD, parameters="sslmode=disable"):
        from urllib.parse import quote
        return (f"mysql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/"
                f"{quote(database, safe='')}" + (f"?{parameters}" if parameters else ""))

    def log_text(self):
        with contextlib.suppress(FileNotFoundError), open(self.log, errors="replace") as f:
            return f.read()
        return ""

    def destroy(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            self._end(signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.pid_file)  # the pid may be another's by now
        self.watcher.stdin.close()
        self.watcher.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class MariaDbServer(SqlServer):
    flavour = "MariaDB"
    client = ["mariadb"]

    def __init__(self, settings=None):
        self.root = pathlib.Path(MARIADB_DIRECTORY) if MARIADB_DIRECTORY else None
        if self.root:
            fetch(self.root, "mariadbd", "mariadb-server-core", "mariadb-client-core")
            self.client = [str(self.root / "bin/mariadb")]
        elif not shutil.which("mariadbd") and not os.path.exists("/usr/sbin/mariadbd"):
            raise UnavailableServer("there is no mariadbd: run `make setup`")
        super().__init__(settings)

    def defaults(self):
        return {"log-bin": "binlog", "binlog-format": "ROW", "binlog-row-metadata": "FULL"}

    def initialise(self):
        install = ["sh", str(self.root / "root/usr/bin/mariadb-install-db"), "--no-defaults",
                   f"--basedir={self.root}"] if self.root else ["mariadb-install-db", "--no-defaults"]
        # Each MariaDB that starts deletes the temporary tables of its tmpdir, those of others included.
        self.run_installer([*install, f"--datadir={self.data}", f"--tmpdir={self.directory}",
                            "--auth-root-authentication-method=normal", "--skip-test-db"])

    def server_command(self):
        if not self.root:
            return ["/usr/sbin/mariadbd", "--no-defaults"]
        return [str(self.root / "bin/mariadbd"), "--no-defaults", f"--basedir={self.root}",
                f"--plugin-dir={self.root}/lib/mysql/plugin", f"--lc-messages-dir={self.root}/share/mariadb",
                f"--character-sets-dir={self.root}/share/mariadb/charsets"]

    def begin_log_file(self):
        """Also waits for what the server writes there by itself, some time later."""
        super().begin_log_file()
        file = self.query("SHOW MASTER STATUS")[0][0]
        wait_until(lambda: any((row[2], row[5]) == ("Binlog_checkpoint", file) for row in self.query(f"SHOW BINLOG EVENTS IN '{file}'")),
                   what="a checkpoint in the new file")

    def crash_within_transaction(self, sql, undo, database, cut=27):
        """Leaves the server as a crash does that comes while the transaction of `sql`, which `undo` takes back, is being
        written to the log: it stands there but for its last bytes. By default these are its end, XID."""
        self.run("SET GLOBAL binlog_checksum = NONE")
        self.begin_log_file()
        path = pathlib.Path(self.data) / self.query("SHOW MASTER STATUS")[0][0]
        self.run(sql, database)
        log = bytearray(path.read_bytes())
        assert log[-23] == 16, "the last event is XID"
        log[21] |= 1  # the file was in use
        self.run(undo, database)
        self.stop()
        path.write_bytes(log[:-cut])
        self.start()


class MySqlServer(SqlServer):
    flavour = "MySQL"

    def __init__(self, settings=None):
        if not MYSQL_DIRECTORY:
            raise UnavailableServer("servers of MySQL are left out: PGREPL_MYSQL_DIRECTORY is empty")
        self.root = pathlib.Path(MYSQL_DIRECTORY)
        fetch(self.root, "mysqld", "mysql-server-core", "mysql-client-core")
        self.client = [str(self.root / "bin/mysql")]
        super().__init__(settings)

    def defaults(self):
        return {"gtid-mode": "ON", "enforce-gtid-consistency": "ON", "binlog-row-metadata": "FULL"}

    def server_command(self):
        usr = self.root / "root/usr"
        return [str(self.root / "bin/mysqld"), "--no-defaults", f"--basedir={usr}",
                f"--plugin-dir={usr}/lib/mysql/plugin", f"--lc-messages-dir={usr}/share/mysql",
                f"--character-sets-dir={usr}/share/mysql/charsets", "--secure-file-priv=NULL", "--mysqlx=OFF"]

    def initialise(self):
        self.run_installer(self.server_command() + [f"--datadir={self.data}", f"--tmpdir={self.directory}",
                                                    f"--lower-case-table-names={self.name_case()}", "--initialize-insecure"])
