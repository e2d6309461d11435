"""An address that leads to several servers: what is read for a source comes from the one that its position names."""
import pytest

from leading_proxy import LeadingProxy
from private_cluster import free_port, wait_until
from observing import caught_up, equal, registered, repair, rows, table_row, verify

ROWS = 30_000  # worth copy workers
NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) "


@pytest.fixture
def proxy(pair):
    proxy = LeadingProxy(pair.first.port)
    yield proxy
    proxy.close()


def url_by(proxy, pair):
    return pair.first.url("shop").replace(f":{pair.first.port}/", f":{proxy.port}/")


@pytest.fixture
def big(pair):
    """A table that the second server shows as it was before each of its rows was changed."""
    pair.first.run("CREATE TABLE big (id INT PRIMARY KEY, v INT); INSERT INTO big "
                   f"{NUMBERS} SELECT a.i + 250 * (b.i - 1), 1 FROM n a, n b WHERE b.i <= {ROWS // 250}; ANALYZE TABLE big", "shop")
    wait_until(lambda: pair.second_has(ROWS, "big"), 240, "the second server to follow")
    pair.hold_back()
    pair.first.run(f"UPDATE big SET v = 2; DELETE FROM big WHERE id = 1; INSERT INTO big VALUES ({ROWS + 1}, 2)", "shop")


def holds_the_first_servers_rows(cluster):
    return cluster.query("SELECT min(data->>'v'), count(*), min(id::int), max(id::int) FROM s.big") == [("2", ROWS, 2, ROWS + 1)]


def differences(found):
    return tuple(found[name] for name in ("state", "changed", "missing", "extra", "unconfirmed"))


def backs_off(cluster, words):
    """The source says the words, and tries again."""
    def error():
        return cluster.status("s")["last_error"] or ""
    wait_until(lambda: words in error() or cluster.status("s")["state"] == "failed", 240, error)
    assert words in error()


def test_copy_workers_read_the_server_that_the_copy_was_begun_at(cluster, pair, proxy, big, source_s):
    with cluster.waiting_at("targets_made", lambda: cluster.query(
            "SELECT replicator_init(%s, name => 's', target_schema => 's')", (url_by(proxy, pair),))):
        proxy.lead_to(pair.second.port)
    wait_until(lambda: proxy.led.get(pair.second.port), 240, "a copy worker to reach the second server")
    backs_off(cluster, "does not have all yet")  # the stream: all rows are in
    proxy.lead_to(pair.first.port)
    caught_up(cluster)
    assert holds_the_first_servers_rows(cluster) and equal(cluster)


def test_servers_that_answer_in_turn_keep_no_copy_and_no_stream_from_going_on(cluster, pair, proxy, big, source_s):
    proxy.lead_to(pair.first.port, pair.second.port)
    registered(cluster, url_by(proxy, pair))
    pair.let_go_on()
    caught_up(cluster)
    cluster.query("SELECT replicator_resync('s', 'big')")
    caught_up(cluster)
    assert holds_the_first_servers_rows(cluster) and equal(cluster)


def copied_in_part(cluster, pair, proxy, options=""):
    """A copy that was begun at the first server, and was interrupted; now the second answers."""
    cluster.fail_at("targets_made:wait")
    cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's', options => %s)",
                  (url_by(proxy, pair), f'{{"copy_workers_per_source": 0, "retry_initial": "1s", "retry_max": "1s"{options}}}'))
    cluster.wait_for_waiting("targets_made")
    proxy.lead_to(pair.second.port)
    cluster.fail_at("chunk_committed")
    cluster.wait_for_failure()


@pytest.mark.parametrize("returns", [True, False], ids=["the first returns", "the first is gone"])
def test_a_copy_that_was_interrupted_goes_on_at_its_server_or_starts_over_at_another(cluster, pair, proxy, big, source_s, returns):
    copied_in_part(cluster, pair, proxy)
    backs_off(cluster, "another MySQL server answers")
    if returns:
        proxy.lead_to(pair.first.port)
        caught_up(cluster)
        assert holds_the_first_servers_rows(cluster)
    else:
        caught_up(cluster)
        assert cluster.query("SELECT max(data->>'v'), count(*) FROM s.big") == [("1", ROWS)]
    assert equal(cluster)


def test_failures_of_other_kinds_give_up_no_copy_at_its_server(cluster, pair, proxy, big, source_s):
    cluster.fail_at("targets_made:wait")
    cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's', options => %s)",
                  (url_by(proxy, pair), '{"copy_workers_per_source": 0, "retry_initial": "100ms", "retry_max": "100ms"}'))
    cluster.wait_for_waiting("targets_made")
    proxy.lead_to(free_port())
    cluster.fail_at("chunk_committed")
    cluster.wait_for_failure()
    wait_until(lambda: cluster.query("SELECT retry_count FROM replicator.source_state") >= [(8,)], 240, "tries in vain")
    proxy.lead_to(pair.second.port)
    backs_off(cluster, "another MySQL server answers")
    proxy.lead_to(pair.first.port)
    caught_up(cluster)
    assert holds_the_first_servers_rows(cluster) and equal(cluster)


def test_a_table_that_another_server_does_not_have_yet_is_looked_at_after_the_copy(cluster, pair, proxy, big, source_s):
    pair.first.run("CREATE TABLE later (id INT PRIMARY KEY); INSERT INTO later VALUES (1)", "shop")
    copied_in_part(cluster, pair, proxy, ', "on_drop": "drop"')
    target = cluster.query("SELECT to_regclass('s.later')::oid")
    assert target != [(None,)]
    with cluster.waiting_at("targets_made"):  # of the copy that starts over at the second server
        pair.let_go_on()
        wait_until(lambda: pair.second_has(1, "later"), 240, "the second server to follow")
    caught_up(cluster)
    assert cluster.query("SELECT to_regclass('s.later')::oid") == target and rows(cluster, "later") == {"1": '{"id": 1}'}
    assert equal(cluster)


def test_tables_beside_the_stream_are_read_from_its_server(cluster, pair, proxy, source_s):
    registered(cluster, url_by(proxy, pair))
    pair.hold_back()
    pair.first.run("UPDATE t SET v = 10; DELETE FROM t WHERE id = 1", "shop")
    caught_up(cluster)
    proxy.lead_to(pair.second.port)
    cluster.query("SELECT replicator_resync('s', 't')")
    wait_until(lambda: proxy.led.get(pair.second.port), 240, "a connection to reach the second server")
    wait_until(lambda: cluster.status("s")["last_error"] or table_row(cluster, "t")["state"] == "streaming", 240, "the read to end")
    proxy.lead_to(pair.first.port)
    caught_up(cluster)
    assert rows(cluster, "t") == {"2": '{"v": 10, "id": 2}'} and equal(cluster)


def test_a_comparison_reads_the_server_of_the_stream(cluster, pair, proxy, source_s):
    """A row of the target that is as the second server shows it."""
    registered(cluster, url_by(proxy, pair))
    pair.hold_back()
    pair.first.run("UPDATE t SET v = 10 WHERE id = 1", "shop")
    caught_up(cluster)
    cluster.query("UPDATE s.t SET data = jsonb_set(data, '{v}', '1') WHERE id = '1'")
    proxy.lead_to(pair.second.port)
    found = verify(cluster, "s")["t"]
    assert found["state"] == "failed" and "another MySQL server answers" in found["error"], found
    proxy.lead_to(pair.first.port)
    found = verify(cluster, "s")["t"]
    assert differences(found) == ("done", 1, 0, 0, 0), found


def test_a_repair_writes_nothing_older_than_the_target(cluster, pair, proxy, source_s):
    cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's', mode => 'periodic', refresh_interval => '1 hour')",
                  (url_by(proxy, pair),))
    cluster.wait_for_copy("s")
    wait_until(lambda: pair.second_has(2), 240, "the second server to follow")
    pair.hold_back()
    pair.first.run("UPDATE t SET v = 10 WHERE id = 1; INSERT INTO t VALUES (3, 3)", "shop")
    cluster.query("SELECT replicator_sync('s')")
    cluster.wait_for_copy("s")
    copied = rows(cluster, "t")
    proxy.lead_to(pair.second.port)
    found = repair(cluster, "s", "t")
    assert found["state"] == "failed" and "shows an older state" in found["error"], found
    proxy.lead_to(pair.first.port)
    found = repair(cluster, "s", "t")
    assert differences(found) == ("done", 0, 0, 0, 0), found
    assert rows(cluster, "t") == copied and len(copied) == 3


def test_a_server_that_has_no_connection_left_for_a_moment_is_waited_for(cluster, pair, source_s):
    """Though the next host of the URL answers, which has a history of its own."""
    wait_until(lambda: pair.second_has(2), 240, "the second server to follow")
    pair.hold_back()
    pair.second.run("CREATE TABLE shop.own (id INT PRIMARY KEY)")
    pair.first.run("INSERT INTO shop.t VALUES (3, 3)")
    registered(cluster, pair.first.url("shop").replace("/shop", f",127.0.0.1:{pair.second.port}/shop"))

    def limit(connections):
        pair.first.run("SET sql_log_bin = 0; " + "".join(
            f"ALTER USER 'replicator'@'{host}' WITH MAX_USER_CONNECTIONS {connections};" for host in ("127.0.0.1", "localhost")))
    limit(1)
    pair.first.end_connections("replicator")
    backs_off(cluster, "max_user_connections")
    limit(0)
    pair.first.run("UPDATE shop.t SET v = 4")
    caught_up(cluster)
    assert table_row(cluster, "t")["state"] == "streaming" and equal(cluster)
