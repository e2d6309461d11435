"""The tables and rows of the corpus that record_mysql_corpus.py records: each function adds some to the recorder `r`."""
import random
import struct


def numbers(r):
    widths = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INT": 32, "BIGINT": 64}
    columns, low, high = [], [], []
    for name, bits in widths.items():
        columns += [("s%d" % bits, name, "number"), ("u%d" % bits, name + " UNSIGNED", "number")]
        low += [str(-2 ** (bits - 1)), "0"]
        high += [str(2 ** (bits - 1) - 1), str(2 ** bits - 1)]
    r.table("v_int", columns, [low, high, ["-1", "1"] * 5, ["NULL"] * 10])
    decimals = [(10, 2), (65, 30), (65, 0), (30, 30), (9, 9), (18, 9), (5, 0), (20, 10), (1, 1), (38, 19)]
    columns = [("d%d_%d" % d, "DECIMAL(%d,%d)" % d, "decimal") for d in decimals]
    r.table("v_decimal", columns, [
        ["9" * (p - s) + "." + "9" * s for p, s in decimals], ["-" + "9" * (p - s) + "." + "9" * s for p, s in decimals],
        ["0"] * 10, ["1.5"] * 10, ["-0.1"] * 10, ["'0.000000001'"] * 10, ["123456.789"] * 10, ["'-10.01'"] * 10])
    r.table("v_float", [("f", "FLOAT", "double"), ("d", "DOUBLE", "double"), ("u", "DOUBLE UNSIGNED", "double")], [
        ["0", "0", "0"], ["0.1", "0.1", "0.1"], ["-3.402823466e38", "-1.7976931348623157e308", "1.7976931348623157e308"],
        ["1.175494351e-38", "2.2250738585072014e-308", "5"], ["16777217", "9007199254740993", "1e20"],
        ["-1.5", "-1.5", "NULL"]])
    r.table("v_bit", [("b1", "BIT(1)", "number"), ("b8", "BIT(8)", "number"), ("b9", "BIT(9)", "number"),
                      ("b64", "BIT(64)", "number"), ("t1", "BOOL", "number"), ("y", "YEAR", "number")], [
        ["b'0'", "0", "0", "0", "0", "0"], ["b'1'", "255", "511", "18446744073709551615", "2", "1901"],
        ["b'1'", "128", "256", "9223372036854775808", "1", "2155"], ["NULL"] * 6])


def temporal_rows(with_partial=True):
    rows = [
        ["'2024-01-31'"] + ["'10:20:30.654321'"] * 7 + ["'2024-01-31 10:20:30.654321'"] * 14,
        ["'9999-12-31'"] + ["'838:59:59'"] * 7 + ["'9999-12-31 23:59:59'"] * 7 + ["'2038-01-19 03:14:07'"] * 7,
        ["'1000-01-01'"] + ["'-838:59:59'"] * 7 + ["'1000-01-01 00:00:00'"] * 7 + ["'1970-01-01 00:00:01'"] * 7,
        ["'0000-00-00'"] + ["'-00:00:01.999999'"] * 7 + ["'0000-00-00 00:00:00'"] * 14,
        ["'2024-02-29'"] + ["'-00:00:00.1'"] * 7 + ["'1969-12-31 23:59:59.123456'"] * 7 + ["'2000-02-29 12:00:00.5'"] * 7,
        ["'1970-01-01'"] + ["'00:00:00.000001'"] * 7 + ["'2024-01-01 00:00:00.000001'"] * 14, ["NULL"] * 22,
        ["'2023-03-01'"] + ["'-12:34:56.789012'"] * 7 + ["'2100-12-31 23:00:00.9'"] * 7 + ["'2024-12-31 23:59:59.99'"] * 7]
    if with_partial:
        rows.append(["'2024-00-15'"] + ["'100:00:00'"] * 7 + ["'2024-00-00 01:02:03'"] * 7 + ["'1999-03-01 00:00:00'"] * 7)
    return rows


def temporal_columns():
    columns = [("d", "DATE", "text")]
    columns += [("t%d" % f, "TIME(%d)" % f, "text") for f in range(7)]
    columns += [("dt%d" % f, "DATETIME(%d)" % f, "datetime") for f in range(7)]
    return columns + [("ts%d" % f, "TIMESTAMP(%d) NULL" % f, "timestamp") for f in range(7)]


def times(r):
    r.table("v_time", temporal_columns(), temporal_rows())


def texts(r):
    r.table("v_text", [
        ("c", "CHAR(10)", "text"), ("c255", "CHAR(255)", "text"), ("v", "VARCHAR(60)", "text"),
        ("v1000", "VARCHAR(1000)", "text"), ("tt", "TINYTEXT", "text"), ("t", "TEXT", "text"),
        ("mt", "MEDIUMTEXT", "text"), ("lt", "LONGTEXT", "text")], [
        ["''"] * 8, ["'a b '"] * 8, ["'é漢😀'"] * 8, ["NULL"] * 8, ["'tab\\tline\\n back\\\\ quote\"'"] * 8,
        ["REPEAT('é',10)", "REPEAT('😀',255)", "REPEAT('v',60)", "REPEAT('w',1000)", "REPEAT('t',255)",
         "REPEAT('x',65535)", "REPEAT('y',70000)", "REPEAT('zé',40000)"]])
    r.table("v_binary", [
        ("b", "BINARY(5)", "bytes"), ("b255", "BINARY(255)", "bytes"), ("v", "VARBINARY(20)", "bytes"),
        ("v300", "VARBINARY(300)", "bytes"), ("tb", "TINYBLOB", "bytes"), ("bl", "BLOB", "bytes"),
        ("mb", "MEDIUMBLOB", "bytes"), ("lb", "LONGBLOB", "bytes")], [
        ["''"] * 8, ["x'00'"] * 8, ["x'0100'"] * 8, ["x'ff00ff0000'"] * 8, ["NULL"] * 8, ["'a '"] * 8,
        ["REPEAT('b',5)", "REPEAT(x'80',255)", "REPEAT('v',20)", "REPEAT('w',300)", "REPEAT('t',255)",
         "REPEAT(x'ff',65535)", "REPEAT(x'00',70000)", "REPEAT('z',80000)"]])


EIGHT_BIT = ("armscii8 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u "
             "latin1 latin2 latin5 latin7 macce macroman swe7 tis620").split()
MULTI_BYTE = "utf8mb3 utf8mb4 ucs2 utf16 utf16le utf32 big5 cp932 eucjpms euckr gb2312 gbk sjis ujis gb18030".split()


def charsets(r):
    known = {row[0].decode() for row in r.run("SELECT character_set_name FROM information_schema.character_sets")}
    for charset in [c for c in ["ascii"] + EIGHT_BIT + MULTI_BYTE if c in known]:
        rows = [["''", "''"], ["'plain'", "'plain '"]]
        if charset in EIGHT_BIT:
            valid = [b for b in range(32, 256)
                     if r.run("SELECT HEX(CONVERT(CONVERT(x'%02x' USING %s) USING utf32))" % (b, charset))[0][0]
                     not in (b"", b"0000003F", b"0000FFFD")]
            text = "CONVERT(x'%s' USING %s)" % (bytes(valid).hex(), charset)
            rows.append([text, "LEFT(%s, 20)" % text])
        elif charset != "ascii":
            rows += [["'%s'" % s, "LEFT('%s', 20)" % s] for s in
                     ("漢字とかな交じり文テスト。、", "汉字简体中文测试", "한글 시험 가나다", "繁體中文測試", "Ελληνικά Кириллица",
                      "é ü ß ñ €", "😀 emoji 𝄞", "¥ ‾ \\\\ ~ | －")]
        r.table("v_cs_" + charset, [("v", "VARCHAR(300) CHARACTER SET " + charset, "text"),
                                    ("c", "CHAR(20) CHARACTER SET " + charset, "text")], rows)


def labels_and_others(r):
    many = ",".join("'m%d'" % i for i in range(64))
    enum300 = ",".join("'e%d'" % i for i in range(300))
    r.table("v_label", [
        ("e", "ENUM('x','y','é','漢')", "text"), ("e300", "ENUM(%s)" % enum300, "text"),
        ("s", "SET('a','b','ü')", "set"), ("s64", "SET(%s)" % many, "set"),
        ("el", "ENUM('ä','ö') CHARACTER SET latin1", "text"), ("eu", "ENUM('ä','字') CHARACTER SET utf16", "text"),
        ("sj", "SET('表','日') CHARACTER SET sjis", "set"), ("t", "VARCHAR(10) CHARACTER SET latin1", "text")], [
        ["'x'", "'e0'", "'a'", "'m0'", "'ä'", "'ä'", "'表'", "'é'"],
        ["'漢'", "'e299'", "'ü,a'", "'m63,m0'", "'ö'", "'字'", "'日,表'", "'ü'"],
        ["0", "0", "''", "''", "0", "0", "''", "''"], ["NULL"] * 8,
        ["'é'", "'e255'", "'a,b,ü'", "18446744073709551615", "1", "2", "3", "'x'"]])
    srid = "" if r.maria else ", 4326"
    r.table("v_geometry", [("g", "GEOMETRY", "geometry"), ("p", "POINT", "geometry"), ("l", "LINESTRING", "geometry")], [
        ["ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(-1.5 2.25)')", "ST_GeomFromText('LINESTRING(0 0,1 1)')"],
        ["ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'%s)" % srid, "NULL", "NULL"],
        ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,2 2))')", "NULL", "NULL"]])


def changes(r):
    """Every kind of change, with keys that move, and the ways in which a transaction can end."""
    r.table("u_rows", [("a", "VARCHAR(50)", "text"), ("n", "BIGINT UNSIGNED", "number"), ("m", "MEDIUMTEXT", "text")],
            [["'row %d'" % i, str(i * 1000), "REPEAT('m', %d)" % (i * 100)] for i in range(1, 20)])
    for sql in ("UPDATE u_rows SET a = CONCAT(a, '!'), n = NULL WHERE id % 2 = 0", "UPDATE u_rows SET id = id + 100 WHERE id < 5",
                "DELETE FROM u_rows WHERE id BETWEEN 10 AND 12", "BEGIN", "INSERT INTO u_rows VALUES (500, 'a', 1, 'b')",
                "SAVEPOINT s", "UPDATE u_rows SET a = 'gone' WHERE id = 500", "ROLLBACK TO s", "COMMIT",
                "XA START 'branch','b',7", "INSERT INTO u_rows VALUES (501, 'xa', 2, NULL)", "XA END 'branch','b',7",
                "XA PREPARE 'branch','b',7", "XA COMMIT 'branch','b',7"):
        r.run(sql)
    r.table("u_myisam", [("a", "INT", "number")], [["1"], ["2"], ["3"]], options="ENGINE=MyISAM")
    r.run("UPDATE u_myisam SET a = a * 2 WHERE id > 1")
    r.run("INSERT INTO u_myisam VALUES (9, 0)")
    r.run("DELETE FROM u_myisam WHERE id = 1")
    r.run("CREATE TABLE u_select ENGINE=InnoDB SELECT id, a FROM u_rows WHERE id > 10")
    r.tables.append(("u_select", [("id", "number"), ("a", "text")]))
    r.table("u_key", [("a", "VARCHAR(20)", "text"), ("b", "TEXT", "text")], [["'k'", "'v'"]])
    r.run("ALTER TABLE u_key DROP PRIMARY KEY, ADD PRIMARY KEY (a, b(10))")
    r.run("ALTER TABLE u_key ADD COLUMN c INT DEFAULT 7, MODIFY a VARCHAR(400)")
    r.run("INSERT INTO u_key VALUES (2, 'k2', 'v2', 8)")
    r.run("UPDATE u_key SET c = 9 WHERE id = 1")
    r.tables[-1][1].append(("c", "number"))
    # An image that is not full, and what follows it.
    r.run("CREATE TABLE refused_minimal (id INT PRIMARY KEY, a INT, b INT)")
    r.run("INSERT INTO refused_minimal VALUES (1, 2, 3)")
    r.run("SET binlog_row_image = MINIMAL")
    r.run("UPDATE refused_minimal SET a = 5")
    r.run("SET binlog_row_image = FULL")


JSON_TEXTS = [
    "null", "true", "false", "0", "-1", "32767", "32768", "-32768", "-32769", "65535", "65536", "2147483647",
    "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "-9223372036854775808", "1.5", "-0.25", '""', '"text"',
    '"é 漢 😀"', '"quote \\" slash \\\\ tab \\t nul \\u0001"', "[]", "{}", "[[]]", "[{}]", '{"": 1}',
    '{"a": [1, 2, {"b": null}], "long key with spaces": "v", "é": true}',
    '[true, false, null, 1, -1, 70000, -70000, 5000000000, 1.25, "s", [], {}]', '{"$oid": "x"}',
    '{"b": 1, "a": 2, "aa": 3}']


def mysql_only(r):
    rng = random.Random(1)
    doubles = [repr(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]) for _ in range(300)]
    doubles = [d for d in doubles if "n" not in d]
    doubles += ["%re%d" % (m, e) for m in (1.0, 1.5, 9.999999999999999, 1.2345678901234567, -7.25) for e in range(-20, 25)]
    rows = [["CAST('%s' AS JSON)" % t.replace("\\", "\\\\")] for t in JSON_TEXTS]
    rows += [["CAST('[%s]' AS JSON)" % ", ".join(doubles[i:i + 10])] for i in range(0, len(doubles), 10)]
    rows += [["NULL"], ["JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-12345678901234567890.123 AS DECIMAL(65,3)), 0.0)"],
             ["JSON_ARRAY(CAST('2024-01-31' AS DATE), CAST('10:20:30' AS TIME), CAST('-838:59:59.5' AS TIME(1)), "
              "CAST('2024-01-31 10:20:30.123456' AS DATETIME(6)), TIMESTAMP('2024-01-31 10:20:30'))"],
             ["JSON_OBJECT('bit', b'101', 'blob', CAST('abc' AS BINARY), 'geo', ST_GeomFromText('POINT(1 2)'))"],
             ["JSON_OBJECT('opaque', CAST(REPEAT('o', 200) AS BINARY), 'year', CAST(2024 AS YEAR))"],
             ["JSON_ARRAY(CAST('x' AS BINARY), CAST('' AS BINARY))"], ["CAST(CAST(1 AS YEAR) AS JSON)"],
             ["JSON_OBJECT('d', 1e0, 'e', 1e20, 'f', 123456789012345678e0)"],
             ["CAST('%s1%s' AS JSON)" % ("[" * 99, "]" * 99)],
             ["(WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT "
              "JSON_ARRAYAGG(JSON_OBJECT('key', i, 'text', REPEAT('x', 100), 'big', i * 10000000000)) FROM n)"],
             ["(WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT "
              "JSON_OBJECTAGG(CONCAT('k', i, REPEAT('y', 90)), i * 100) FROM n)"],
             ["JSON_ARRAY(REPEAT('s', 127), REPEAT('s', 128), REPEAT('s', 20000))"], ["JSON_ARRAY(-0.0e0, 0e0)"]]
    r.table("v_json", [("j", "JSON", "json")], rows)
    r.table("v_vector", [("v", "VECTOR(3)", "bytes"), ("w", "VECTOR(2048)", "bytes")], [
        ["STRING_TO_VECTOR('[1,-2.5,3e10]')", "STRING_TO_VECTOR('[0.1]')"], ["NULL", "NULL"]])
    r.table("v_hidden", [("a", "INT INVISIBLE", "number"), ("s", "INT GENERATED ALWAYS AS (id * 2) STORED", "number"),
                         ("v", "INT GENERATED ALWAYS AS (id * 3) VIRTUAL", "number"), ("z", "VARCHAR(5)", "text")])
    r.run("INSERT INTO v_hidden (id, a, z) VALUES (1, 10, 'z')")
    r.run("SET binlog_transaction_compression = ON")
    r.table("u_compressed", [("a", "TEXT", "text"), ("b", "INT", "number")],
            [["REPEAT('compressed %d ', 50)" % i, str(i)] for i in range(5)])
    r.run("BEGIN")
    for i in range(200):
        r.run("INSERT INTO u_compressed VALUES (%d, REPEAT('row', 300), %d)" % (100 + i, i))
    r.run("UPDATE u_compressed SET b = -b WHERE id > 250")
    r.run("DELETE FROM u_compressed WHERE id BETWEEN 150 AND 160")
    r.run("COMMIT")
    r.run("SET binlog_transaction_compression = OFF")
    r.run("SET gtid_next = 'AUTOMATIC:my_tag'")
    r.run("INSERT INTO u_rows VALUES (600, 'tagged', 3, 'm')")
    r.run("SET gtid_next = 'AUTOMATIC'")
    r.run("CREATE TABLE refused_partial (id INT PRIMARY KEY, j JSON)")
    r.run("INSERT INTO refused_partial VALUES (1, '{\"a\": 1, \"b\": \"%s\"}')" % ("x" * 100))
    r.run("SET binlog_row_value_options = PARTIAL_JSON")
    r.run("UPDATE refused_partial SET j = JSON_SET(j, '$.a', 2)")
    r.run("SET binlog_row_value_options = ''")


def maria_only(r):
    uuids = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
             "6ccd780c-baba-1026-9564-5b8c656024db", "550e8400-e29b-41d4-a716-446655440000",
             "018f3a4b-1c2d-7e3f-8a4b-5c6d7e8f9a00", "12345678-1234-1234-1234-000000000000",
             "a0000000-0000-4000-8000-000000000000", "12345678-1234-6234-8234-123456789abc",
             "00000001-0000-1000-8000-000000000000", "12345678-1234-0034-8234-123456789abc",
             "12345678-1234-8034-8234-123456789abc", "12345678-1234-5034-0034-123456789abc"]
    inet4 = ["0.0.0.0", "255.255.255.255", "10.0.0.0", "192.168.1.20"]
    inet6 = ["::", "::1", "2001:db8::ff00:42:8329", "::ffff:192.168.0.1", "ff02::", "1:2:3:4:5:6:7:8"]
    r.table("v_fixed", [("u", "UUID", "text"), ("i4", "INET4", "text"), ("i6", "INET6", "text")],
            [["'%s'" % u, "'%s'" % inet4[i % 4], "'%s'" % inet6[i % 6]] for i, u in enumerate(uuids)] + [["NULL"] * 3])
    for column, what in (("u", "uuid"), ("i4", "inet4"), ("i6", "inet6")):
        r.logical("v_fixed", column, what)
    r.table("v_json", [("j", "JSON", "json")],
            [["'%s'" % t.replace("\\", "\\\\")] for t in JSON_TEXTS] + [["'1e20'"], ["'-1.50'"]])
    r.logical("v_json", "j", "json")
    r.table("v_compressed", [("v", "VARCHAR(1000) COMPRESSED", "text"), ("t", "TEXT COMPRESSED", "text"),
                             ("b", "BLOB COMPRESSED", "bytes"), ("s", "VARCHAR(50) COMPRESSED", "text")],
            [["''"] * 4, ["'short'"] * 4, ["REPEAT('long ', 200)", "REPEAT('é', 5000)", "REPEAT(x'00ff', 5000)", "'x'"],
             ["NULL"] * 4])
    r.table("v_hidden", [("a", "INT INVISIBLE", "number"), ("s", "INT GENERATED ALWAYS AS (id * 2) STORED", "number"),
                         ("z", "VARCHAR(5)", "text")])
    r.run("INSERT INTO v_hidden (id, a, z) VALUES (1, 10, 'z')")
    r.run("CREATE SEQUENCE seq")
    r.run("SELECT NEXTVAL(seq)")
    r.run("DROP SEQUENCE seq")
    r.run("SET GLOBAL mysql56_temporal_format = OFF")
    r.table("v_old_time", temporal_columns(), temporal_rows())
    for f in range(1, 7):
        for column in ("t", "dt", "ts"):
            r.decimals("v_old_time", "%s%d" % (column, f), f)
    r.run("SET GLOBAL mysql56_temporal_format = ON")
    r.run("SET GLOBAL log_bin_compress = ON")
    r.run("SET GLOBAL log_bin_compress_min_len = 10")
    r.table("u_compressed", [("a", "TEXT", "text"), ("b", "INT", "number")],
            [["REPEAT('compressed %d ', 50)" % i, str(i)] for i in range(5)])
    r.run("BEGIN")
    for i in range(50):
        r.run("INSERT INTO u_compressed VALUES (%d, REPEAT('row', 300), %d)" % (100 + i, i))
    r.run("UPDATE u_compressed SET b = -b WHERE id > 120")
    r.run("DELETE FROM u_compressed WHERE id BETWEEN 110 AND 115")
    r.run("COMMIT")
    r.run("SET GLOBAL log_bin_compress = OFF")
    r.run("SET gtid_domain_id = 5")
    r.run("INSERT INTO u_rows VALUES (600, 'domain', 3, 'm')")
    r.run("SET gtid_domain_id = 0")
