"""Every type and its edges: what the adapter reads is what the server holds, as docs/user/types.md stores it."""
import base64
import struct

import pytest


def number(text):
    return {"n": str(text)}


def make(server, table, columns, rows, key="id int primary key"):
    """A table of one row for each of `rows`, inserted as they are written."""
    server.run(f"SET sql_mode = ''; DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({key}, {columns})", "d")
    for i, row in enumerate(rows):
        server.run(f"SET sql_mode = ''; INSERT INTO {table} VALUES ({i}, {row})", "d")


def read(adapter, table):
    """The rows without their key."""
    return [row[1:] for row in sorted(adapter.rows("d", table), key=lambda row: int(row[0]["n"]))]


INTEGERS = [("tinyint", -128, 127), ("tinyint unsigned", 0, 255), ("smallint", -32768, 32767),
            ("smallint unsigned", 0, 65535), ("mediumint", -8388608, 8388607), ("mediumint unsigned", 0, 16777215),
            ("int", -2147483648, 2147483647), ("int unsigned", 0, 4294967295),
            ("bigint", -9223372036854775808, 9223372036854775807), ("bigint unsigned", 0, 18446744073709551615),
            ("int(7) unsigned zerofill", 0, 42), ("bit(1)", 0, 1), ("bit(7)", 0, 127), ("bit(64)", 0, 2**64 - 1),
            ("year", 0, 2155), ("boolean", 0, 2)]


def test_integers_are_exact_to_both_ends(server, adapter):
    columns = ", ".join(f"c{i} {declared}" for i, (declared, _, _) in enumerate(INTEGERS))
    rows = [", ".join(str(v[end]) for v in INTEGERS) for end in (1, 2)] + [", ".join(["NULL"] * len(INTEGERS))]
    make(server, "integers", columns, rows)
    low, high, null = read(adapter, "integers")
    assert low == [number(v[1]) for v in INTEGERS]
    assert high == [number(v[2]) for v in INTEGERS]
    assert null == [None] * len(INTEGERS)


def test_decimals_keep_their_digits_and_scale(server, adapter):
    digits = "9" * 35 + "." + "9" * 30
    make(server, "decimals", "a decimal(10,2), b decimal(65,30), c decimal(8,3) zerofill, d decimal(5,0), e decimal(2,2)",
         [f"1.5, {digits}, 1.5, 7, 0.5", f"-0.01, -{digits}, 0, -7, -0.25", "0, 0, 12345.678, 0, 0"])
    assert read(adapter, "decimals") == [
        [number("1.50"), number(digits), number("1.500"), number("7"), number("0.50")],
        [number("-0.01"), number("-" + digits), number("0.000"), number("-7"), number("-0.25")],
        [number("0.00"), number("0." + "0" * 30), number("12345.678"), number("0"), number("0.00")]]


def test_floats_come_in_binary(server, adapter, is_mariadb):
    values = [0.1, 5.0, 1.17549435e-38, 3.4028234e38, 16777217.0, 1e-45, -1 / 3]
    if not is_mariadb:  # which stores -0 as 0
        values.append(-0.0)
    make(server, "floats", "f float, d double, m float(7,2)",
         [f"{v!r}, {v!r}, 1.5" if "e" in repr(v) else f"{v!r}e0, {v!r}e0, 1.5" for v in values])
    for value, (single, double, _) in zip(values, read(adapter, "floats")):
        assert struct.pack("d", float(double["d"])) == struct.pack("d", value)
        assert struct.pack("f", float(single["f"])) == struct.pack("f", value)


def test_dates_and_times_are_as_written(server, adapter):
    rows = ["'2024-01-31', '2024-01-31 10:20:30.123456', '2024-01-31 10:20:30', '-838:59:59', '-838:59:58.999999'",
            "'0000-00-00', '0000-00-00', '0000-00-00 00:00:00', '00:00:00', '00:00:00.000001'",
            "'2024-00-15', '2024-02-00 01:02:03.5', '9999-12-31 23:59:59', '838:59:59', '-00:00:00.5'",
            "'1000-01-01', '1000-01-01', '2024-00-00 00:00:00', '100:00:00', '09:08:07.654321'"]
    make(server, "times", "a date, b datetime(6), c datetime, d time, e time(6)", rows)
    assert read(adapter, "times") == [
        ["2024-01-31", "2024-01-31T10:20:30.123456", "2024-01-31T10:20:30", "-838:59:59", "-838:59:58.999999"],
        ["0000-00-00", "0000-00-00T00:00:00.000000", "0000-00-00T00:00:00", "00:00:00", "00:00:00.000001"],
        ["2024-00-15", "2024-02-00T01:02:03.500000", "9999-12-31T23:59:59", "838:59:59", "-00:00:00.500000"],
        ["1000-01-01", "1000-01-01T00:00:00.000000", "2024-00-00T00:00:00", "100:00:00", "09:08:07.654321"]]


def test_timestamps_are_in_utc_whatever_the_servers_zone(server, adapter):
    server.run("SET GLOBAL time_zone = '+05:00'")
    make(server, "stamps", "a timestamp null, b timestamp(3) null, c timestamp(6) null",
         ["'2024-01-31 10:20:30', '1970-01-01 00:00:01.5', '2038-01-19 03:14:07.999999'", "0, 0, 0"])
    server.run("SET GLOBAL time_zone = 'SYSTEM'")
    assert read(adapter, "stamps") == [
        ["2024-01-31T10:20:30Z", "1970-01-01T00:00:01.500Z", "2038-01-19T03:14:07.999999Z"],
        ["0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z", "0000-00-00T00:00:00.000000Z"]]


def test_enums_are_labels_and_sets_are_arrays(server, adapter):
    make(server, "labels", "e enum('a','b''c','d,e','ü') character set latin1, s set('x','y z','q''\"','é') character set "
         "ucs2, t set('','one','two')", ["'b''c', 'q''\"', ''", "'ü', 'é,x', 5", "'nothing', '', 'one,two'", "'d,e', 'x,y z', 7"])
    assert read(adapter, "labels") == [
        ["b'c", {"a": ["q'\""]}, {"a": [""]} if server.value("select t+0 from labels where id=0", "d") == "1" else {"a": []}],
        ["ü", {"a": ["x", "é"]}, {"a": ["", "two"]}],
        ["", {"a": []}, {"a": ["one", "two"]}],
        ["d,e", {"a": ["x", "y z"]}, {"a": ["", "one", "two"]}]]


def test_bytes_stay_bytes(server, adapter):
    make(server, "bytea", "a binary(4), b varbinary(10), c blob, d longblob",
         ["x'01', x'', x'00ff00', x'" + "ab" * 100 + "'", "x'ffffffff', x'6100', '', NULL"])
    assert read(adapter, "bytea") == [[{"x": "01000000"}, {"x": ""}, {"x": "00ff00"}, {"x": "ab" * 100}],
                                      [{"x": "ffffffff"}, {"x": "6100"}, {"x": ""}, None]]


def test_text_is_transcoded_by_the_columns_charset(server, adapter):
    texts = {"utf8mb4": "aé€😀", "utf8mb3": "aé€", "latin1": "aé€\x81", "ucs2": "aé€", "utf16": "aé😀", "utf16le": "aé😀",
             "utf32": "aé😀", "cp1251": "Привет", "koi8r": "Привет", "sjis": "日本ｱ", "cp932": "日本①", "eucjpms": "日本",
             "ujis": "日本", "gbk": "中文", "gb2312": "中文", "big5": "中文", "euckr": "한국", "swe7": "åÄ", "hebrew": "שלום",
             "greek": "Ελλάς", "tis620": "ไทย", "macroman": "é€", "ascii": "plain"}
    columns = ", ".join(f"c{i} varchar(20) character set {name}" for i, name in enumerate(texts))
    values = ", ".join(f"_utf8mb4 x'{text.encode().hex()}'" for text in texts.values())
    make(server, "texts", columns, [values])
    assert dict(zip(texts, read(adapter, "texts")[0])) == texts


def all_codes(charset):
    """Every single byte and every pair (and more) that may be a character."""
    codes = [f"{b:02X}" for b in range(256)]
    if charset in ("big5", "sjis", "cp932", "euckr", "gb2312", "gbk", "gb18030", "ujis", "eucjpms"):
        codes += [f"{a:02X}{b:02X}" for a in range(0x81, 0xFF) for b in range(0x40, 0xFF)]
    if charset in ("ujis", "eucjpms"):
        codes += [f"8F{a:02X}{b:02X}" for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]
    if charset == "gb18030":
        codes += ["81308130", "84308130", "90308130", "E3329A35", "8431A439"]
        codes += ["82359037", "82359039", "82359130", "82359134", "84318236", "84318239", "84318330", "84318335"]
    return codes


CHARSETS = ("armscii8 ascii cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u "
            "latin1 latin2 latin5 latin7 macce macroman swe7 tis620 big5 sjis cp932 euckr gb2312 gbk gb18030 ujis "
            "eucjpms").split()


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_character_of_a_charset_is_read_as_the_server_reads_it(server, adapter, is_mariadb, charset):
    if charset == "gb18030" and is_mariadb:
        pytest.skip("MariaDB has no gb18030")
    server.run(f"DROP TABLE IF EXISTS codes; CREATE TABLE codes (id int auto_increment primary key, t varchar(10) character "
               f"set {charset}); CREATE TEMPORARY TABLE raw (id int auto_increment primary key, b varbinary(4));"
               "INSERT INTO raw (b) VALUES " + ",".join(f"(x'{code}')" for code in all_codes(charset)) + ";"
               f"SET sql_mode = ''; INSERT IGNORE INTO codes SELECT id, CONVERT(b USING {charset}) FROM raw WHERE "
               f"CONVERT(b USING {charset}) IS NOT NULL AND HEX(CONVERT(b USING {charset})) = HEX(b)", "d")
    expected = {int(key): (raw, utf8) for key, raw, utf8 in server.query(
        "SELECT id, HEX(t), HEX(CONVERT(t USING utf8mb4)) FROM codes", "d")}
    assert len(expected) > 100 or charset == "ascii"
    different = []
    for key, value in adapter.rows("d", "codes"):
        raw, utf8 = expected[int(key["n"])]
        wanted = bytes.fromhex(utf8).decode()
        # The server's answer for what has no place in Unicode loses the bytes; ours keeps them.
        lossy = "?" in wanted and b"?" not in bytes.fromhex(raw) or "\ufffd" in wanted
        if value != wanted and not (lossy and value == {"x": raw.lower()}):
            different.append((raw, wanted, value))
    assert different == []


def test_text_that_its_charset_does_not_allow_keeps_its_bytes(server, adapter):
    make(server, "invalid", "t varchar(10) character set ascii, z text character set latin1", ["'a', concat('a', char(0), 'b')"])
    assert read(adapter, "invalid") == [["a", "a\0b"]]


DOCUMENTS = ['{}', '[]', '[1, -2, 18446744073709551615, 1.5, 1e100, -0.0]', '{"a": {"b": [true, false, null, {"c": []}]}}',
             '"text"', '12', 'null', '{"": "empty", "quote\\"": "\\\\ \\/ \\b \\f \\n \\r \\t é \\u00e9 \\ud83d\\ude00"}',
             '"zero \\u0000 inside"', '[[[[[[[[[[1]]]]]]]]]]']


def plain(value):
    """A value of the driver as Python has JSON, numbers as texts."""
    if isinstance(value, dict):
        if "o" in value:
            return {key: plain(inner) for key, inner in value["o"]}
        if "a" in value:
            return [plain(inner) for inner in value["a"]]
        return next(iter(value.values()))
    return value


def test_json_is_the_document_that_the_server_prints(server, adapter):
    import json
    rows = ["'" + document.replace("\\", "\\\\").replace("'", "''") + "'" for document in DOCUMENTS]
    make(server, "documents", "j json", rows + ["NULL"])
    printed = [bytes.fromhex(text).decode() for (text,) in
               server.query("SELECT HEX(CONVERT(j USING utf8mb4)) FROM documents WHERE j IS NOT NULL ORDER BY id", "d")]
    expected = [json.loads(text, parse_int=str, parse_float=str) for text in printed]
    assert [plain(row[0]) for row in read(adapter, "documents")] == expected + [None]


def test_json_of_mysql_keeps_what_only_it_knows(server, adapter, is_mariadb):
    if is_mariadb:
        pytest.skip("MariaDB's JSON is text")
    make(server, "typed", "j json", [
        "JSON_OBJECT('d', CAST('2024-01-31' AS DATE), 't', CAST('10:20:30.5' AS TIME(6)), 'n', CAST(1.50 AS DECIMAL(5,2)), "
        "'f', 1e0, 'b', x'00ff')"])
    assert plain(read(adapter, "typed")[0][0]) == {
        "d": "2024-01-31", "t": "10:20:30.500000", "n": "1.50", "f": "1.0", "b": "base64:type15:AP8="}


def test_geometries_have_their_wkb(server, adapter):
    make(server, "shapes", "g geometry, p point", ["ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(3 4)', 4326)",
                                                  "ST_GeomFromText('LINESTRING(0 0,1 1)'), NULL"])
    wkb = base64.b64encode(struct.pack("<bIdd", 1, 1, 1, 2)).decode()
    first, second = read(adapter, "shapes")
    assert plain(first[0]) == {"$geometry": {"srid": "0", "wkb": wkb}}
    assert plain(first[1])["$geometry"]["srid"] == "4326"
    server_wkb = base64.b64encode(bytes.fromhex(server.value(
        "SELECT HEX(SUBSTR(CAST(p AS BINARY), 5)) FROM shapes WHERE id = 0", "d"))).decode()
    assert plain(first[1])["$geometry"]["wkb"] == server_wkb
    assert second[1] is None


def test_types_that_one_server_alone_has(server, adapter, is_mariadb):
    if is_mariadb:
        make(server, "special", "u uuid, a inet6, b inet4",
             ["'123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329', '192.0.2.1'"])
        assert read(adapter, "special") == [["123e4567-e89b-12d3-a456-426655440000", "2001:db8::ff00:42:8329", "192.0.2.1"]]
    else:
        make(server, "special", "v vector(2)", ["TO_VECTOR('[1,2]')"])
        assert read(adapter, "special") == [[{"x": struct.pack("<ff", 1, 2).hex()}]]


@pytest.mark.parametrize("size", [65535, 65536, 300_000, 17_000_000])
def test_large_values_arrive_whole(server, adapter, size):
    server.run("SET GLOBAL max_allowed_packet = 67108864")
    make(server, "large", "t longtext character set latin1, u longtext character set utf8mb4, b longblob",
         [f"REPEAT('é', {size}), REPEAT('x', {size}), REPEAT('y', {size})", "'a', 'b', 'c'"])
    first, second = read(adapter, "large")
    assert first == ["é" * size, "x" * size, {"x": "79" * size}]
    assert second == ["a", "b", {"x": "63"}]


def test_rows_with_large_values_are_read_to_the_last(server, adapter):
    """Such a value stays in the driver's buffer, and with it the statement of a slice (32 MB) that it ends."""
    rows, size = 600, 70_000
    server.run("CREATE TABLE many_large (id int PRIMARY KEY, u longtext character set utf8mb4)", "d")
    for first in range(0, rows, 100):
        server.run("INSERT INTO many_large VALUES " + ", ".join(f"({n}, REPEAT('x', {size}))" for n in range(first, first + 100)), "d")
    server.run("ANALYZE TABLE many_large", "d")
    found = read(adapter, "many_large")
    assert len(found) == rows and all(row == ["x" * size] for row in found)
