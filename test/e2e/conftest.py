"""Fixtures of the end-to-end tests: a cluster per module, a directory for SQLite files that the server can read."""
import contextlib
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "servers"))

import compare  # noqa: E402
import mysql_compare  # noqa: E402
from convergence import SEED  # noqa: E402
from followed_server import FollowedByAnother  # noqa: E402
from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer  # noqa: E402
from observing import finished  # noqa: E402
from private_cluster import PrivateCluster  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    instance = PrivateCluster()
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


@pytest.fixture
def files():
    """A directory that the server's user can read and SQLite can write its journals in."""
    directory = tempfile.mkdtemp(prefix="pgreplfiles")
    os.chmod(directory, 0o777)
    yield pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def source(cluster):
    """Registers sources, and drops them with their tables at the end."""
    names = []

    def init(path, name="s", **arguments):
        extra = "".join(f", {key} => %({key})s" for key in arguments)
        cluster.query(f"SELECT replicator_init(%(url)s, name => %(name)s{extra})",
                      {"url": f"sqlite://{path}", "name": name, **arguments})
        names.append(name)
        return name
    yield init
    for name in names:
        if cluster.status(name):
            cluster.query_when_up("SELECT replicator_drop(%s, drop_tables => true)", (name,))


@pytest.fixture
def assert_equal(cluster):
    """The target equals the file, by the independent comparison."""
    def check(path, schema, tables=None):
        connection = cluster.connect()
        try:
            assert compare.differences(str(path), connection, schema, tables) == []
        finally:
            connection.close()
    return check


def make_readable(path):
    """SQLite files that root made must be readable, and in WAL mode writable, for the server's user."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        name = str(path) + suffix
        if os.path.exists(name):
            os.chmod(name, 0o666)


@pytest.fixture
def database(files):
    """Creates a SQLite file from statements."""
    def create(name, *statements, wal=False, **pragmas):
        path = files / name
        connection = sqlite3.connect(path, isolation_level=None, timeout=240)
        for pragma, value in pragmas.items():
            connection.execute(f"PRAGMA {pragma} = {value}")
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        for statement in statements:
            if callable(statement):
                statement(connection)
            else:
                connection.executescript(statement)
        connection.close()
        make_readable(path)
        return path
    return create


@pytest.fixture
def many_rows():
    """A statement that fills table t with n small rows. A copy commits after 200,000 at the latest."""
    def fill(count):
        return (f"CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b TEXT);"
                f"INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                f"SELECT i, i * 7 % 1000, 'row number ' || i FROM n;")
    return fill


@pytest.fixture
def owners(cluster):
    """Two roles that may have sources."""
    for role in ("first_owner", "second_owner"):
        cluster.query(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE postgres TO {role}; GRANT pg_read_server_files TO {role}; "
                      f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO {role}")
    yield
    for role in ("first_owner", "second_owner"):
        if cluster.query("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
            cluster.query(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture(scope="module", params=[MariaDbServer, MySqlServer], ids=["MariaDB", "MySQL"])
def server(request):
    """With what the test file asks of it: SERVER_SETTINGS = {"MariaDB": {…}, "MySQL": {…}}."""
    settings = getattr(request.module, "SERVER_SETTINGS", {})
    try:
        instance = request.param(settings.get(request.param.flavour))
    except UnavailableServer as error:
        pytest.skip(str(error))
    yield instance
    instance.destroy()


@pytest.fixture(scope="module")
def mariadb():
    try:
        instance = MariaDbServer()
    except UnavailableServer as error:
        pytest.skip(str(error))
    yield instance
    instance.destroy()


@pytest.fixture
def mysql_source(cluster, server):
    """Registers databases of the server, and drops the sources at the end."""
    names = []

    def init(database, name, **arguments):
        arguments = {"mode": "once", "target_schema": name, **arguments}
        extra = "".join(f", {key} => %({key})s" for key in arguments)
        cluster.query(f"SELECT replicator_init(%(url)s, name => %(name)s{extra})",
                      {"url": server.url(database), "name": name, **arguments})
        names.append(name)
    yield init
    for name in names:
        if cluster.status(name):
            cluster.query_when_up("SELECT replicator_drop(%s, drop_tables => true)", (name,))
        cluster.query_when_up(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')  # what a test that failed has left


@pytest.fixture
def assert_converged(cluster, server):
    """The target holds what the source holds, and replicator_verify says the same."""
    print(f"PGREPL_CONVERGENCE_SEED={SEED}")

    def check(name, schemas, timeout_s=480, cluster=cluster):
        cluster.query_when_up("CALL replicator_wait(%s, %s)", (name, f"{timeout_s} s"), timeout=timeout_s)
        connection = cluster.connect()
        try:
            assert mysql_compare.differences(server, connection, schemas) == []
        finally:
            connection.close()
        job = cluster.query("SELECT replicator_verify(%s)", (name,))[0][0]
        wrong = {table: row for table, row in finished(cluster, job).items()
                 if (row["state"], row["changed"], row["missing"], row["extra"], row["unconfirmed"]) != ("done", 0, 0, 0, 0)}
        assert wrong == {}
        assert cluster.query("SELECT source, \"table\", state, reason FROM replicator_tables WHERE source = %s AND state NOT IN "
                             "('streaming', 'excluded', 'unsupported')", (name,)) == []
        assert cluster.query("SELECT count(*) FROM replicator_quarantine WHERE source = %s", (name,)) == [(0,)]
    return check


@pytest.fixture
def db(server):
    """A database of the test's own; gone at the end."""
    server.run("""DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
        CREATE TABLE customer (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(40), rate DECIMAL(8,2), notes JSON);
        INSERT INTO customer VALUES (1, 'Åsa', 1.50, '{"a": [1, 2.5]}'), (2, '漢字', NULL, NULL), (3, '', 0, '[]');
        CREATE TABLE line (a INT, b VARCHAR(10) COLLATE utf8mb4_bin, v INT, PRIMARY KEY (a, b));
        INSERT INTO line VALUES (1, 'x', 1), (1, 'X', 2), (2, '', 3)""")
    yield server
    server.run("DROP DATABASE IF EXISTS shop")


@pytest.fixture
def follow(cluster, mysql_source):
    """Registers the database shop for good, and waits until it streams."""
    def begin(name="s", database="shop", **arguments):
        mysql_source(database, name, mode="continuous", **arguments)
        cluster.wait_for_state(name, "streaming")
        return name
    return begin


@pytest.fixture
def pair(server):
    with contextlib.ExitStack() as stack:
        yield FollowedByAnother(type(server), stack)


@pytest.fixture
def source_s(cluster):
    yield
    if cluster.status("s"):
        cluster.query_when_up("SELECT replicator_drop('s', drop_tables => true)")


@pytest.fixture
def copied(cluster, database, source, many_rows):
    """A source of 20,000 rows that has been copied."""
    def make(name, **arguments):
        path = database(name + ".db", many_rows(20_000), **arguments)
        source(path, name)
        cluster.wait_for_copy(name)
        return path
    return make


@pytest.fixture
def keyless(db):
    db.run("""USE shop; CREATE TABLE log (v INT, w VARCHAR(10));
        INSERT INTO log VALUES (1, 'a'), (1, 'a'), (1, 'a'), (NULL, NULL), (NULL, NULL), (2, ''), (2, NULL);
        CREATE TABLE nothing (v INT)""")
    return db
