"""What there is at a server: tables, keys, and what cannot be copied, with the reason."""
import contextlib
import pathlib
import re
import socket
import threading

import pytest


def test_keys_and_what_has_none(server, adapter):
    server.run("""DROP DATABASE IF EXISTS k; CREATE DATABASE k; USE k;
        CREATE TABLE primary_key (a int, b int, PRIMARY KEY (b, a));
        CREATE TABLE unique_key (a int, b int NOT NULL, c int NOT NULL, d int NOT NULL, UNIQUE (a), UNIQUE (b, c), UNIQUE (d));
        CREATE TABLE nullable (a int, UNIQUE (a));
        CREATE TABLE prefix (a text NOT NULL, UNIQUE (a(10)));
        CREATE TABLE prefix_primary (a varchar(100), PRIMARY KEY (a(10)));
        CREATE TABLE nothing (a int);
        CREATE TABLE empty_table (a int PRIMARY KEY);
        CREATE VIEW view_of AS SELECT * FROM nothing""")
    tables = adapter.tables("k")
    assert tables["primary_key"]["key"] == ["b", "a"]
    assert tables["unique_key"]["key"] == ["d"]
    assert tables["empty_table"]["key"] == ["a"]
    assert tables["view_of"]["kind"] == "view"
    for name in ("nullable", "prefix", "prefix_primary", "nothing", "view_of"):
        assert "no key" in tables[name]["note"] and not tables[name]["reason"], name
        assert tables[name]["key"] == []
    assert adapter.call("rows", "k", "nothing") == []
    assert adapter.call("rows", "k", "empty_table") == []


def test_a_table_that_is_renamed_all_the_time_is_there_as_a_whole_or_not_at_all(server, adapter):
    """The server is asked for tables, columns and keys one after the other; others make that take longer."""
    server.run("DROP DATABASE IF EXISTS moving; CREATE DATABASE moving; CREATE TABLE moving.one (id int PRIMARY KEY, v int);"
               + "".join(f"CREATE TABLE moving.other{i} (id int PRIMARY KEY, v int, w int, x int);" for i in range(60)))
    stop = threading.Event()

    def rename():
        while not stop.is_set():
            server.run("RENAME TABLE one TO two; RENAME TABLE two TO one;" * 20, "moving")
    thread = threading.Thread(target=rename)
    thread.start()
    try:
        seen = [table for _ in range(100) for name, table in adapter.tables("moving").items() if not name.startswith("other")]
    finally:
        stop.set()
        thread.join()
        server.run("DROP DATABASE moving")
    assert seen and [table for table in seen if (table["columns"], table["key"], table["reason"]) != (["id", "v"], ["id"], "")] == []


def test_generated_and_invisible_columns(server, adapter, is_mariadb):
    invisible = "hidden int INVISIBLE DEFAULT 5" if is_mariadb else "hidden int DEFAULT 5 INVISIBLE"
    server.run(f"""DROP TABLE IF EXISTS computed; CREATE TABLE computed (id int PRIMARY KEY, v int AS (id + 1) VIRTUAL,
        s int AS (id + 2) STORED, {invisible}); INSERT INTO computed (id) VALUES (1)""", "d")
    table = adapter.tables("d")["computed"]
    if is_mariadb and server.version() >= (11,):  # its log lacks stored ones, too
        assert table["columns"] == ["id", "hidden"] and "`v`, `s`" in table["note"]
        assert adapter.rows("d", "computed") == [[{"n": "1"}, {"n": "5"}]]
        return
    assert table["columns"] == ["id", "s", "hidden"]
    assert "`v`" in table["note"]
    assert adapter.rows("d", "computed") == [[{"n": "1"}, {"n": "3"}, {"n": "5"}]]


def test_an_invisible_generated_primary_key_is_the_key(server, adapter, is_mariadb):
    if is_mariadb:
        return
    server.run("SET SESSION sql_generate_invisible_primary_key = ON; DROP TABLE IF EXISTS gipk; CREATE TABLE gipk (a int); "
               "INSERT INTO gipk VALUES (7)", "d")
    assert adapter.tables("d")["gipk"]["key"] == ["my_row_id"]
    assert adapter.rows("d", "gipk") == [[{"n": "1"}, {"n": "7"}]]


def test_current_rows_of_a_system_versioned_table(server, adapter, is_mariadb):
    if not is_mariadb:
        return
    server.run("""DROP TABLE IF EXISTS versions; CREATE TABLE versions (a int PRIMARY KEY, b int) WITH SYSTEM VERSIONING;
        INSERT INTO versions VALUES (1, 1), (2, 2); UPDATE versions SET b = 10 WHERE a = 1; DELETE FROM versions WHERE a = 2""", "d")
    assert adapter.tables("d")["versions"]["key"] == ["a"]
    assert adapter.rows("d", "versions") == [[{"n": "1"}, {"n": "10"}]]


def test_difficult_names(server, adapter):
    table = "t`'\".\\ %üñ" + "日" * 28  # a file name has room for so many
    column = "c`'\".\\;--ß"
    server.run("SET sql_mode = ''; DROP DATABASE IF EXISTS `q``'\".ü`; CREATE DATABASE `q``'\".ü`")
    quote = "`{}`".format
    name, col = quote(table.replace("`", "``")), quote(column.replace("`", "``"))
    server.run(f"CREATE TABLE {name} ({col} varchar(10) CHARACTER SET utf8mb4 PRIMARY KEY); INSERT INTO {name} VALUES ('x')", "q`'\".ü")
    assert adapter.tables("q`'\".ü")[table]["columns"] == [column]
    assert adapter.call("rows", "q`'\".ü", table) == [["x"]]
    assert adapter.call("chunks", "q`'\".ü", table, 3, 1) == [["x"]]


def test_charsets_that_the_server_imposes_do_not_count(server, adapter):
    server.run("DROP TABLE IF EXISTS `größe`, `漢字`; CREATE TABLE `größe` (`ключ` int PRIMARY KEY, v varchar(9) CHARACTER SET utf8mb4); "
               "INSERT INTO `größe` VALUES (1, 'ß漢')", "d")
    server.run("SET GLOBAL init_connect = 'SET NAMES latin1'")
    try:
        stream = adapter.stream("größe")
        server.run("CREATE TABLE `漢字` (id int PRIMARY KEY); INSERT INTO `größe` VALUES (2, '漢')", "d")
        assert adapter.tables("d")["größe"]["columns"] == ["ключ", "v"]
        assert adapter.rows("d", "größe") == [[{"n": "1"}, "ß漢"], [{"n": "2"}, "漢"]]
        assert stream.ask("table d 漢字") == "followed"
        assert stream.changes() == [["insert", "d.größe", [{"n": "2"}, "漢"]]]
    finally:
        server.run("SET GLOBAL init_connect = ''")


def test_settings_of_the_server_change_nothing_that_is_read(server, adapter, is_mariadb):
    """Those that a session takes over from it: how many rows a query gives, how many warnings are kept, how names are written."""
    columns = ", ".join(f"c{i} json" for i in range(12))
    server.run(f"DROP TABLE IF EXISTS settings; CREATE TABLE settings ({columns}); "
               "INSERT INTO settings (c0) VALUES " + ", ".join(f"('[{i}]')" for i in range(20)), "d")
    names = ["sql_select_limit", "max_error_count", "max_sort_length", "sql_quote_show_create"]
    before = server.query("SELECT " + ", ".join(f"@@GLOBAL.{name}" for name in names))[0]
    wanted = adapter.tables("d"), adapter.rows("d", "settings")
    assert len(wanted[1]) == 20 and "a" in wanted[1][0][0]
    try:
        for name, value in zip(names, (3, 0, 64, 0)):
            server.run(f"SET GLOBAL {name} = {value}")
        assert (adapter.tables("d"), adapter.rows("d", "settings")) == wanted
        assert [check["name"] for check in adapter.call("check") if not check["ok"] and check["severity"] == 0] == []
    finally:
        server.run("SET " + ", ".join(f"GLOBAL {name} = {value}" for name, value in zip(names, before)))


@contextlib.contextmanager
def between(server, change):
    """The port of a proxy that changes what clients send, without changing its length."""
    def pump(source, target, edit):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(edit(data))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                upstream = socket.create_connection(("127.0.0.1", server.port))
                for arguments in ((client, upstream, change), (upstream, client, lambda data: data)):
                    threading.Thread(target=pump, args=arguments, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def test_charsets_that_a_proxy_imposes_are_noticed(server, adapter):
    for name in (b"client", b"connection", b"results"):
        wanted = b"NULL" if name == b"results" else b"utf8mb4"
        imposed = b"utf8" if name == b"results" else b"latin1 "

        def change(data, find=b"character_set_" + name + b" = " + wanted, put=b"character_set_" + name + b" = " + imposed):
            return data.replace(find, put)
        with between(server, change) as port:
            refused = adapter.call("tables", url=re.sub(r":\d+/", f":{port}/", server.url("d")))
        assert isinstance(refused, dict) and "imposes character sets" in refused["text"], (name, refused)
        assert "character_set_client" in refused["detail"] and "proxy" in refused["hint"], refused


def test_an_account_for_columns_or_tables_only_sees_what_json_is(server, adapter):
    server.run("""DROP TABLE IF EXISTS docs;
        CREATE TABLE docs (id int PRIMARY KEY, doc JSON, plain LONGTEXT CHARACTER SET utf8mb4, secret int);
        INSERT INTO docs VALUES (1, '{"a": 1}', '{"a": 1}', 5);
        DROP USER IF EXISTS cols@'127.0.0.1', cols@localhost, tabs@'127.0.0.1', tabs@localhost""", "d")
    server.create_user("tabs", "pw", "SELECT ON d.docs")
    server.create_user("cols", "pw", "USAGE ON *.*")
    for host in ("127.0.0.1", "localhost"):  # a right to write a column is none to read it
        server.run(f"GRANT SELECT (id, doc, plain), UPDATE (secret) ON d.docs TO cols@'{host}'")
    whole = adapter.rows("d", "docs")
    assert whole[0][1] != whole[0][2] == '{"a": 1}'
    assert adapter.call("rows", "d", "docs", url=server.url(user="tabs", password="pw")) == whole
    assert adapter.call("rows", "d", "docs", url=server.url(user="cols", password="pw")) == [row[:3] for row in whole]


def test_a_name_of_64_characters(server, adapter):
    name = "n" * 63 + "é"
    server.run(f"DROP TABLE IF EXISTS `{name}`; CREATE TABLE `{name}` (`{name}` int PRIMARY KEY); INSERT INTO `{name}` VALUES (1)", "d")
    assert adapter.rows("d", name) == [[{"n": "1"}]]


def test_a_thousand_columns(server, adapter):
    columns = ", ".join(f"c{i} int" for i in range(999))
    server.run(f"DROP TABLE IF EXISTS thousand; CREATE TABLE thousand (id int PRIMARY KEY, {columns}); "
               "INSERT INTO thousand (id, c0, c998) VALUES (1, 2, 3)", "d")
    row = adapter.rows("d", "thousand")[0]
    assert len(row) == 1000 and row[1] == {"n": "2"} and row[999] == {"n": "3"} and row[500] is None


def test_the_definition_changes_with_the_structure_only(server, adapter):
    def definition():
        return adapter.tables("d")["shape"]["definition"]
    server.run("DROP TABLE IF EXISTS shape; CREATE TABLE shape (id int auto_increment PRIMARY KEY, a varchar(10))", "d")
    before = definition()
    server.run("INSERT INTO shape (a) VALUES ('x'), ('y')", "d")
    assert definition() == before
    server.run("ALTER TABLE shape MODIFY a varchar(11)", "d")
    assert definition() != before


def test_several_databases_and_no_system_ones(server, adapter):
    server.run("CREATE DATABASE IF NOT EXISTS d2; DROP TABLE IF EXISTS d2.t2; CREATE TABLE d2.t2 (a int primary key)")
    server.run("DROP TABLE IF EXISTS t1; CREATE TABLE t1 (a int primary key)", "d")
    everything = adapter.tables()
    assert "t1" in everything and "t2" in everything and "user" not in everything
    assert {table["database"] for table in adapter.tables("d,d2").values()} == {"d", "d2"}
    # Letter by letter, though information_schema takes them for the same.
    server.run("".join(f"CREATE DATABASE IF NOT EXISTS {name}; CREATE TABLE IF NOT EXISTS {name}.in_{name} (a int);" for name in ("D2",
                                                                                                                                  "đ2",
                                                                                                                                  "Sys")))
    try:
        assert {table["database"] for table in adapter.tables("d,d2").values()} == {"d", "d2"}
        assert {"in_D2", "in_đ2", "in_Sys"} < set(adapter.tables())
    finally:
        server.run("".join(f"DROP DATABASE {name};" for name in ("D2", "đ2", "Sys")))


def test_a_merge_table_that_lacks_a_part_hides_no_other(server, adapter):
    """DROP TABLE asks nobody. The server does not even show the MERGE table's definition then."""
    server.run("DROP DATABASE IF EXISTS merged; CREATE DATABASE merged; USE merged; CREATE TABLE one (a int, KEY (a)) ENGINE=MyISAM; "
               "CREATE TABLE two LIKE one; CREATE TABLE both_of_them (a int, KEY (a)) ENGINE=MERGE UNION=(one, two); "
               "CREATE TABLE other (a int PRIMARY KEY) ENGINE=MyISAM; DROP TABLE one")
    try:
        assert {"two", "other"} <= set(adapter.tables("merged"))
    finally:
        server.run("DROP DATABASE merged")


def test_a_table_whose_engine_is_not_there_hides_no_other(server, adapter, is_mariadb):
    """Its plugin is not loaded any more, say."""
    if not is_mariadb:
        pytest.skip("MySQL asks no engine for the description of a table")
    server.run("DROP DATABASE IF EXISTS bare; CREATE DATABASE bare; USE bare; CREATE TABLE lost (a int PRIMARY KEY) ENGINE=MyISAM; "
               "CREATE TABLE other (a int PRIMARY KEY)")
    file = pathlib.Path(server.data, "bare", "lost.frm")
    definition = file.read_bytes()
    server.run("FLUSH TABLES bare.lost")
    file.write_bytes(definition[:3] + bytes([42]) + definition[4:].replace(b"MyISAM", b"NoSuch"))
    try:
        assert "Unknown storage engine" in server._client("SELECT * FROM bare.lost", check=False).stderr.decode()
        tables = adapter.tables("bare")
        assert "Unknown storage engine" in tables["lost"]["reason"] and not tables["other"]["reason"], tables
    finally:
        file.write_bytes(definition)
        server.run("DROP DATABASE bare")


def test_errors_say_what_to_do(server, adapter):
    wrong_password = adapter.call("tables", url=server.url(password="wrong"))
    assert wrong_password["error"] == 3 and wrong_password["code"] == 1045 and "wrong" not in str(wrong_password)
    assert adapter.call("tables", url=server.url("nothing_there"))["code"] == 1049
    assert adapter.call("tables", url=server.url(parameters="sslmode=maybe"))["error"] == 0
    assert adapter.call("tables", url=server.url(parameters="ssl_mode=require"))["error"] == 0
    refused = adapter.call("tables", url="mysql://u:p@127.0.0.1:1/d")
    assert refused["error"] == 8 and refused["retryable"]
    assert adapter.call("tables", url="mysql://u:p@no-such-host.invalid/d")["error"] in (1, 8)
    server.run("DROP USER IF EXISTS poor@'127.0.0.1', poor@localhost")
    server.create_user("poor", "poor", "SELECT ON d2.*")
    assert set(adapter.call("tables", url=server.url(user="poor", password="poor"))[0]["database"]) <= set("d2")


def test_tls_is_demanded_or_refused(server, adapter, is_mariadb):
    required = adapter.call("tables", url=server.url("d", parameters="sslmode=require"))
    if is_mariadb and server.version() < (11, 4):  # it has no certificate of its own
        assert "TLS" in required["text"]
        return
    assert isinstance(required, list)
    assert isinstance(adapter.call("tables", url=server.url("d", parameters="")), list)
    if is_mariadb:  # its certificate is re-created with each start, and nowhere to be had
        assert "error" in adapter.call("tables", url=server.url("d", parameters="sslmode=verify-full"))
        return
    authority = f"{server.data}/ca.pem"
    stranger = adapter.call("tables", url=server.url("d", parameters=f"sslmode=verify-full&sslrootcert={authority}"))
    assert "error" in stranger  # MySQL's own certificate names no host
    pin = __import__("subprocess").run(["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", f"{server.data}/server-cert.pem"],
                                       capture_output=True, text=True).stdout.split("=")[1].strip()
    assert isinstance(adapter.call("tables", url=server.url("d", parameters=f"sslfingerprint={pin}")), list)
    other = pin[:-1] + ("0" if pin[-1] != "0" else "1")
    assert "error" in adapter.call("tables", url=server.url("d", parameters=f"sslfingerprint={other}"))
