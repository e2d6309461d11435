"""No secret in anything that we, an error, a decoder or a dump writes: passwords of sources go in and are used, nothing more.

One cluster: followed logically, with everything logged and the modules loaded that look at statements."""
import contextlib
import os
import subprocess

import psycopg2
import pytest

from mysql_servers import MariaDbServer, UnavailableServer
from private_cluster import BINDIR, PrivateCluster, unprivileged, wait_until

# Three passwords: of the first registration, of an alter, and one that no server knows.
FIRST, SECOND, WRONG = "geheim_first", "geheim_second", "geheim_wrong"


@pytest.fixture(scope="module")
def cluster():
    instance = PrivateCluster({"wal_level": "logical"})
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


@pytest.fixture(scope="module")
def shop():
    """A server with two accounts of one name: each knows its own password."""
    try:
        server = MariaDbServer()
    except UnavailableServer as error:
        pytest.skip(str(error))
    server.run("CREATE DATABASE shop; CREATE TABLE shop.t (id int PRIMARY KEY); INSERT INTO shop.t VALUES (1);")
    for name, password in (("first", FIRST), ("second", SECOND)):
        server.run(f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'; CREATE USER {name}@localhost IDENTIFIED BY '{password}'; "
                   f"GRANT ALL ON *.* TO {name}@'%'; GRANT ALL ON *.* TO {name}@localhost")
    yield server
    server.destroy()


def url(server, user="first", password=FIRST):
    return f"mysql://{user}:{password}@127.0.0.1:{server.port}/shop"


def run_tool(cluster, tool, *arguments):
    command = [f"{BINDIR}/{tool}", "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", *arguments]
    return subprocess.run(unprivileged(command, cluster.directory), check=True, capture_output=True, text=True, cwd="/").stdout


@pytest.fixture
def registered(cluster, shop):
    cluster.query("SELECT replicator_init(%s, name => 's', mode => 'once')", (url(shop),))
    cluster.wait_for_copy("s")
    yield "s"
    cluster.query_when_up("SELECT replicator_drop('s', drop_tables => true); DROP SCHEMA IF EXISTS shop CASCADE")


def secrets(cluster):
    return cluster.query("SELECT srvname::text, umoptions FROM pg_user_mappings ORDER BY 1")


def still_works(cluster):
    cluster.query_when_up("CALL replicator_wait('s', '240 s')")


def test_decoding_shows_no_password(cluster, shop, registered):
    cluster.query("CREATE PUBLICATION everything FOR ALL TABLES")
    for slot, plugin in (("told", "test_decoding"), ("published", "pgoutput")):
        cluster.query("SELECT pg_create_logical_replication_slot(%s, %s)", (slot, plugin))
    cluster.query("SELECT replicator_init(%s, name => 'other', target_schema => 'other', mode => 'once')", (url(shop),))
    cluster.query("SELECT replicator_alter('other', source_url => %s)", (url(shop, "second", SECOND),))
    cluster.query("CALL replicator_wait('other', '240 s')")
    cluster.query("SELECT replicator_drop('other', drop_tables => true); DROP SCHEMA other")
    decoded = "".join(row[0] for row in cluster.query("SELECT data FROM pg_logical_slot_get_changes('told', NULL, NULL)"))
    decoded += "".join(row[0] for row in cluster.query(
        "SELECT encode(data, 'escape') FROM pg_logical_slot_get_binary_changes('published', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')"))
    cluster.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots; DROP PUBLICATION everything")
    assert "replicator.event" in decoded and "second@" in decoded, "the calls are in what was decoded"
    assert FIRST not in decoded and SECOND not in decoded


def test_dumps_hold_no_password(cluster, registered):
    for tool, *options in (("pg_dump",), ("pg_dump", "--schema-only"), ("pg_dump", "--data-only"), ("pg_dump", "--extension=pg_replicator"),
                           ("pg_dump", "--inserts", "--include-foreign-data=*"), ("pg_dumpall",)):
        text = run_tool(cluster, tool, *options, *(["postgres"] if tool == "pg_dump" else []))
        assert FIRST not in text and "USER MAPPING" not in text, (tool, options)
    # pg_upgrade, which copies the files of tables, takes the catalogs from such a dump.
    text = run_tool(cluster, "pg_dump", "--schema-only", "--binary-upgrade", "postgres")
    assert FIRST in text and "ALTER EXTENSION pg_replicator ADD SERVER" in text


def test_only_superusers_see_a_password(cluster, registered):
    assert FIRST in str(secrets(cluster))
    cluster.query("CREATE ROLE onlooker LOGIN; GRANT pg_monitor TO onlooker")
    with contextlib.closing(cluster.connect(user="onlooker")) as connection, connection.cursor() as cursor:
        for view in ("pg_user_mappings", "information_schema.user_mapping_options", "pg_foreign_server", "information_schema.foreign_server_options"):
            cursor.execute(f"SELECT * FROM {view}")
            assert FIRST not in str(cursor.fetchall()), view
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT * FROM pg_user_mapping")
        server = secrets(cluster)[0][0]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f'CREATE USER MAPPING FOR onlooker SERVER "{server}"')
    cluster.query("DROP OWNED BY onlooker; DROP ROLE onlooker")


def test_a_password_goes_with_its_transaction_and_its_source(cluster, shop, registered):
    before = secrets(cluster)
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        for undone in ("SELECT replicator_drop('s')", "SELECT replicator_alter('s', source_url => %(second)s)",
                       "SELECT replicator_init(%(first)s, name => 'undone', target_schema => 'undone', mode => 'once')", "DROP EXTENSION pg_replicator"):
            cursor.execute("BEGIN")
            cursor.execute(undone, {"first": url(shop), "second": url(shop, "second", SECOND)})
            cursor.execute("SELECT count(*) FROM pg_user_mappings WHERE umoptions = ARRAY[%s]", (f"password={FIRST}",))
            assert cursor.fetchall() == [(2 if "init" in undone else 0,)], undone
            cursor.execute("ROLLBACK")
    assert secrets(cluster) == before
    cluster.query("SELECT replicator_alter('s', options => '{}')")
    assert secrets(cluster) == before, "an alter without a URL leaves it"


def test_calls_at_once_wait_for_each_other(cluster, shop, registered):
    """The catalog's own functions would fail with: tuple concurrently updated."""
    with contextlib.closing(cluster.connect()) as first, contextlib.closing(cluster.connect()) as second:
        first.autocommit = False
        first.cursor().execute("SELECT replicator_alter('s', source_url => %s)", (url(shop, "second", SECOND),))
        waits = subprocess.Popen(unprivileged([f"{BINDIR}/psql", "-X", "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", "-c",
                                 f"SELECT replicator_alter('s', source_url => '{url(shop)}')"], cluster.directory), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
        wait_until(lambda: cluster.query("SELECT 1 FROM pg_locks WHERE NOT granted"), 45, "the second to wait")
        first.commit()
        output, _ = waits.communicate()
        assert waits.returncode == 0, output
        assert FIRST in str(secrets(cluster)) and SECOND not in str(secrets(cluster)) and second is not None
    still_works(cluster)


def test_a_password_survives_a_crash(cluster, registered):
    cluster.crash()
    assert FIRST in str(cluster.query_when_up("SELECT umoptions FROM pg_user_mappings"))
    shown = cluster.query("SELECT to_jsonb(s)::text FROM replicator_status s UNION ALL SELECT to_jsonb(e)::text FROM replicator_events e")
    assert "geheim" not in str(shown)
    still_works(cluster)


def test_a_promoted_standby_has_the_password(cluster, shop, registered):
    copy = os.path.join(cluster.directory, "standby")
    run_tool(cluster, "pg_basebackup", "-D", copy, "-R", "-X", "stream", "-c", "fast", "--no-sync")
    port = f"-p {cluster.port + 1} -k {cluster.directory} -c pg_replicator.enabled=off -c shared_preload_libraries="
    control = unprivileged([f"{BINDIR}/pg_ctl", "-D", copy, "-w", "-l", f"{copy}.log"], cluster.directory)
    subprocess.run([*control, "-o", port, "start"], check=True, capture_output=True, cwd="/")
    try:
        cluster.query("SELECT replicator_alter('s', source_url => %s)", (url(shop, "second", SECOND),))
        subprocess.run([*control, "promote"], check=True, capture_output=True, cwd="/")
        with contextlib.closing(psycopg2.connect(host=cluster.directory, port=cluster.port + 1, dbname="postgres", user="postgres")) as promoted, promoted.cursor() as cursor:
            cursor.execute("SELECT umoptions FROM pg_user_mappings")
            assert SECOND in str(cursor.fetchall())
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")


def test_a_source_without_its_password_says_so(cluster, registered):
    cluster.query("DROP USER MAPPING FOR postgres SERVER \"{}\"".format(secrets(cluster)[0][0]))
    with pytest.raises(psycopg2.Error) as error:
        cluster.query("SELECT replicator_resume('s')")
    assert "has no password" in str(error.value) and "HINT" in str(error.value)
    cluster.query("SELECT replicator_sync('s')")
    wait_until(lambda: "has no password" in (cluster.status("s")["last_error"] or ""), 45, "the error")
    assert "replicator_alter" in cluster.status("s")["hint"]
