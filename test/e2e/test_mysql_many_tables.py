"""Sources of many tables and of many databases. PGREPL_CONVERGENCE_TABLES gives the former more of them."""
import time

import pytest

from convergence import TABLES
from private_cluster import PrivateCluster


@pytest.fixture
def roomy_cluster():
    """PostgreSQL's locks suffice for the tables of one transaction, such as one that drops them all."""
    instance = PrivateCluster({"max_locks_per_transaction": 256})
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


def test_fifty_databases_are_one_source(cluster, server, assert_converged):
    names = [f"tenant_{i}" for i in range(50)]
    server.run("".join(f"CREATE DATABASE {n}; CREATE TABLE {n}.t (id INT PRIMARY KEY, v TEXT); INSERT INTO {n}.t VALUES (1, '{n}');" for n
                       in names))
    try:
        cluster.query("SELECT replicator_init(%s, name => 'tenants', mode => 'continuous', include_databases => ARRAY['tenant_*'])",
                      (server.url(""),))
        cluster.wait_for_state("tenants", "streaming")
        server.run("".join(f"BEGIN; INSERT INTO {n}.t VALUES (2, 'new'); UPDATE tenant_0.t SET v = '{n}'; COMMIT;" for n in names))
        server.run("CREATE TABLE tenant_7.late (id INT PRIMARY KEY); INSERT INTO tenant_7.late VALUES (1); DROP DATABASE tenant_8; "
                   "CREATE DATABASE tenant_50; CREATE TABLE tenant_50.t (id INT PRIMARY KEY, v TEXT); INSERT INTO tenant_50.t VALUES (1, "
                   "'x')")
        names = [n for n in names if n != "tenant_8"] + ["tenant_50"]
        assert_converged("tenants", {n: n for n in names})
    finally:
        cluster.query("SELECT replicator_drop('tenants', drop_tables => true)")
        server.run("".join(f"DROP DATABASE IF EXISTS {n};" for n in names))


def test_many_tables_are_followed(roomy_cluster, server, assert_converged):
    cluster, count = roomy_cluster, TABLES
    began = time.monotonic()
    server.run("DROP DATABASE IF EXISTS wide; CREATE DATABASE wide; USE wide;" + "".join(
        f"CREATE TABLE t{i} (id INT PRIMARY KEY, v TEXT); INSERT INTO t{i} VALUES (1, 'x'), (2, 'y');" for i in range(count)))
    times = {"created": time.monotonic() - began}
    began = time.monotonic()
    cluster.query("SELECT replicator_init(%s, name => 'wide', target_schema => 'wide')", (server.url("wide"),))
    times["init"] = time.monotonic() - began
    cluster.wait_for_state("wide", "streaming", timeout=60 + 0.4 * count)
    times["streaming"] = time.monotonic() - began
    began = time.monotonic()
    server.run("".join(f"INSERT INTO t{i} VALUES (3, 'z');" for i in range(0, count, 10)), "wide")
    times["written"] = time.monotonic() - began
    cluster.query("CALL replicator_wait('wide', '240 s')")
    times["changes"] = time.monotonic() - began
    began = time.monotonic()
    server.run("ALTER TABLE t5 ADD COLUMN w INT DEFAULT 1; CREATE TABLE late (id INT PRIMARY KEY); INSERT INTO late VALUES (1)", "wide")
    cluster.query("CALL replicator_wait('wide', '240 s')")
    times["definitions"] = time.monotonic() - began
    began = time.monotonic()
    assert_converged("wide", {"wide": "wide"}, cluster=cluster)
    times["comparison"] = time.monotonic() - began
    began = time.monotonic()
    cluster.query("SELECT replicator_drop('wide', drop_tables => true)")
    times["drop"] = time.monotonic() - began
    print({what: round(seconds, 1) for what, seconds in times.items()})
    server.run("DROP DATABASE wide")
