"""Every column type of both servers: a row that the first copy reads and the same row met in the log are the same bytes.

Tables are generated: a column for each type, a row for each edge value. They are filled before the source is registered
(keys 0, 1, …), then the server itself copies the rows while they are followed: by INSERT … SELECT (keys from INSERTED on),
and by an UPDATE of rows that were all NULL (keys from UPDATED on). What of it must be in the target is written by hand for
the traps of docs/user/types.md; of the rest it is required that all three are the same."""
import base64
import json

import pytest

from mysql_compare import lacks_stored_columns

INSERTED, UPDATED = 1_000_000, 2_000_000
NULL = "NULL"


class Column:
    """A type, the SQL of its edge values, and as far as written down what they become: a text of JSON each, or None."""
    def __init__(self, declared, values, expected=(), name=None):
        self.declared, self.name = declared, name
        self.values = list(values)
        self.expected = list(expected)

    def again(self):
        """MariaDB itself loses an empty label of a SET when it copies it."""
        return self.name + " + 0" if self.declared.startswith("set(") else self.name


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def of_texts(declared, values):
    """Column of values that are written as texts, and stored as the same texts: {value: stored} or [value]."""
    pairs = values.items() if isinstance(values, dict) else [(value, value) for value in values]
    pairs = list(pairs)
    return Column(declared, [quoted(value) for value, _ in pairs],
                  [None if stored is None else json.dumps(stored, ensure_ascii=False) for _, stored in pairs])


def of_numbers(declared, *values):
    return Column(declared, map(str, values), map(str, values))


def bits_and_integers(_):
    columns = []
    for name, bits in (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)):
        half = 2 ** (bits - 1)
        columns.append(of_numbers(name, -half, half - 1, -1, 0, 1, -half + 1))
        columns.append(of_numbers(name + " unsigned", 0, 2 * half - 1, half, half - 1, 1))
    columns += [of_numbers("int(7) unsigned zerofill", 42), of_numbers("boolean", 0, 1, 2, -128)]
    columns += [of_numbers("year", 0, 1901, 2155, 1970)]
    for bits in range(1, 65):
        columns.append(of_numbers(f"bit({bits})", 0, 1, 2**bits - 1, 2**(bits - 1), (2**64 // 3) % 2**bits))
    return columns


def decimals(_):
    columns = []
    for precision, scale in ((1, 0), (1, 1), (2, 2), (5, 0), (9, 0), (9, 9), (10, 0), (10, 1), (10, 9), (10, 10), (17, 8), (18, 9),
                             (19, 0), (20, 2), (27, 18), (28, 28), (30, 30), (38, 30), (39, 19), (64, 30), (65, 0), (65, 1), (65, 30)):
        whole = "9" * (precision - scale) or "0"
        dot = "." if scale else ""
        largest, smallest, zero = whole + dot + "9" * scale, "0" + dot + ("0" * (scale - 1) + "1" if scale else ""), "0" + dot + "0" * scale
        small = smallest if scale else "1"
        middle = "1" * (precision - scale) + dot + "0" * scale if precision > scale else zero
        values = [largest, "-" + largest, zero, small, "-" + small, middle]
        columns.append(Column(f"decimal({precision},{scale})", values, values))
    return columns + [of_numbers("decimal(8,3) zerofill", "12345.678", "0.000", "1.500"),
                      of_numbers("decimal(65,30) unsigned", "0." + "0" * 29 + "1")]


def floats(mysql):
    doubles = {"1.7976931348623157e308": None, "-5e-324": None, "0.1e0": "0.1", "1e15": "1000000000000000.0", "1e16": "10000000000000000.0",
               "1e20": "100000000000000000000.0", "5e0": "5.0", "-5e0": "-5.0", "0e0": "0.0", "9007199254740993e0": "9007199254740992.0",
               "1e-5": "0.00001", "123456789.125e0": "123456789.125", "-1e0/3": None, "2.2250738585072014e-308": None}
    singles = {"0.1e0": "0.1", "16777216e0": "16777216.0", "3.4028234e38": None, "-1e-45": None, "1.17549435e-38": None, "5e0": "5.0",
               "0.3e0": "0.3", "123456.7e0": "123456.7", "1e10": "10000000000.0", "0e0": "0.0", "-1e0/3": None}
    if mysql:  # MariaDB stores it as 0
        doubles["-0e0"] = singles["-0e0"] = '{"$numberDouble": "-0.0"}'
    return [Column(declared, values, values.values()) for declared, values in (("double", doubles), ("float", singles))] + [
        Column("float(7,2)", ["1.5", "-12345.67", "0"], ["1.5", None, "0.0"]),
        Column("double(20,3)", ["1.5", "-12345.678", "0"], ["1.5", "-12345.678", "0.0"]),
        Column("float unsigned", ["1.5"], ["1.5"]), Column("double unsigned", ["1e300"]), Column("float(30)", ["0.1e0"], ["0.1"])]


def with_digits(text, digits):
    """The text, which has six digits behind the point, cut to so many."""
    return text if digits == 6 else text[:-7] + (text[-7:-6 + digits] if digits else "")


def times(_):
    days = ["0000-00-00", "2024-00-00", "2024-00-15", "2024-02-00", "2024-02-29", "2023-02-31", "1000-01-01", "0001-01-01", "9999-12-31",
            "1970-01-01"]
    columns = [of_texts("date", days)]
    for digits in range(7):
        moments = [day + "T" + clock for day, clock in zip(days, ["00:00:00.000000", "00:00:00.000000", "01:02:03.123456",
                                                                  "23:59:59.999999", "00:00:00.000001",
                                                                "10:20:30.500000", "00:00:00.000000", "00:00:00.100000", "23:59:59.999999",
                                                                  "00:00:00.000000"])]
        moments = [with_digits(moment, digits) for moment in moments]
        stamps = [with_digits(stamp, digits) for stamp in ("0000-00-00T00:00:00.000000", "1970-01-01T00:00:01.000000",
                                                           "2038-01-19T03:14:07.999999",
                                                           "2024-03-31T02:30:00.123456", "2001-09-09T01:46:40.000001")]
        clocks = [with_digits(clock, digits) for clock in ("-838:59:59.000000", "838:59:59.000000", "00:00:00.000000", "00:00:00.000001",
                                                           "00:00:59.999999",
                                                           "100:00:00.100000", "23:59:59.999990", "09:08:07.654321")]
        signed = [clock if clock.startswith("-") or not any(digit in clock for digit in "123456789") else "-" + clock for clock in clocks]
        columns += [of_texts(f"datetime({digits})", moments),
                    of_texts(f"timestamp({digits}) NULL", {stamp: stamp + "Z" for stamp in stamps}),
                    of_texts(f"time({digits})", dict.fromkeys(clocks + signed).keys())]
    return columns


def bytes_columns(_):
    edges = ["", "00", "01", "ff", "0001", "0100", "0000", "2020", "20", "6100", "610020", "5c27", "00ff00", "80", "0a0d"]

    def of(declared, width, pad):
        raw = [bytes.fromhex(text)[:width] for text in edges] + [b"\0" * width, b"\xff" * width, b"x" * (width - 1) + b"\0"]
        stored = [value.ljust(width, b"\0") if pad else value for value in raw]
        return Column(declared, [f"x'{value.hex()}'" for value in raw],
                      [json.dumps({"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}) for value in stored])
    return [of("binary(1)", 1, True), of("binary(4)", 4, True), of("binary(255)", 255, True), of("varbinary(5)", 5, False),
            of("varbinary(255)", 255, False),
            of("varbinary(256)", 256, False), of("varbinary(5000)", 4000, False), of("tinyblob", 255, False), of("blob", 4000, False),
            of("mediumblob", 70_000, False), of("longblob", 70_000, False)]


def labels(_):
    def label_list(count, prefix=""):
        return ", ".join(f"'{prefix}{i}'" for i in range(count))

    def enum(charset, *values):
        return Column(f"enum({', '.join(quoted(value) for value in values)}) character set {charset}", map(str, range(len(values) + 1)),
                      ['""'] + [json.dumps(value, ensure_ascii=False) for value in values])
    columns = [enum("latin1", "a", "b'c", "d,e", "ü", "€"), enum("utf8mb4", "", "x", "😀", '"', "\\"), enum("ucs2", "Ω", "é"),
               enum("cp1251", "Привет", "z"),
               enum("sjis", "表", "ソ", "a"), enum("gbk", "中文", "b"), enum("utf32", "😀", "c"), enum("utf16le", "😀", "ж"), enum("swe7", "åÄ"),
               enum("koi8r", "ж"),
               Column(f"enum({label_list(300)})", ["0", "1", "255", "256", "257", "300"],
                      ['""', '"0"', '"254"', '"255"', '"256"', '"299"'])]
    for charset, members in (("latin1", ["ü", "a", "b'c"]), ("ucs2", ["x", "y z", 'q"', "é"]), ("utf8mb4", ["", "one", "two"]),
                             ("sjis", ["表", "x"])):
        columns.append(Column(f"set({', '.join(quoted(member) for member in members)}) character set {charset}",
                              map(str, range(2 ** len(members))),
                              [json.dumps([member for i, member in enumerate(members) if bits >> i & 1],
                                          ensure_ascii=False) for bits in range(2 ** len(members))]))
    for count in (1, 8, 9, 16, 17, 24, 25, 32, 33, 63, 64):
        columns.append(Column(f"set({label_list(count, 'm')})", ["0", "1", str(2 ** count - 1), str(2 ** (count - 1))],
                              ["[]", '["m0"]', json.dumps([f"m{i}" for i in range(count)]), f'["m{count - 1}"]']))
    return columns


def lengths_of_text(_):
    texts = {"": "", " ": None, "a  ": None, "a": "a", "é€": "é€", "\t\n\r\\\"'": "\t\n\r\\\"'", "\x7f": "\x7f",
             "{\"a\": 1}": "{\"a\": 1}", "null": "null", "12": "12"}
    strict = {**texts, " ": " ", "a  ": "a  "}
    columns = [of_texts(f"char({width}) character set {charset}", texts) for width in (10, 255) for charset in ("utf8mb4", "latin1")]
    columns += [of_texts(f"{declared} character set {charset}", strict) for charset in ("utf8mb4", "latin1")
                for declared in ("varchar(10)", "varchar(63)", "varchar(64)", "varchar(255)", "varchar(256)", "tinytext", "text",
                                 "mediumtext", "longtext")]
    long = [f"REPEAT('{letter}', {length})" for letter in "aé" for length in (63, 64, 255, 256)]
    columns += [Column(f"varchar(300) character set {charset}", long) for charset in ("utf8mb4", "latin1", "utf32", "ucs2")]
    columns += [Column(f"longtext character set {charset}", [f"REPEAT('aé', {length})" for length in (127, 128, 32_767, 32_768, 40_000)])
                for charset in ("utf8mb4", "latin1", "utf16")]
    return columns + [of_texts("char(0)", ["", ""]), Column("varchar(20) collate utf8mb4_bin", ["'A'", "'a'"], ['"A"', '"a"'])]


def shapes(mysql):
    kinds = {"point": "POINT(1 2.5)", "linestring": "LINESTRING(0 0,1 1,-1e300 5e-324)",
             "polygon": "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",
             "multipoint": "MULTIPOINT(1 2,3 4)", "multilinestring": "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
             "multipolygon": "MULTIPOLYGON(((0 0,4 0,4 4,0 4,0 0)))",
             "geometrycollection": "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))"}
    every = [f"ST_GeomFromText('{text}')" for text in kinds.values()] + ["ST_GeomFromText('POINT(3 4)', 4326)",
                                                                         "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"]
    point = '{"$geometry": {"wkb": "AQEAAAAAAAAAAADwPwAAAAAAAARA", "srid": 0}}'
    columns = [Column("geometry", every, [point])]
    columns += [Column(kind, [f"ST_GeomFromText('{text}')", f"ST_GeomFromText('{text}', {'3857' if kind == 'linestring' else 3857})"],
                       [point] if kind == "point" else ())
                for kind, text in kinds.items()]
    if mysql:
        columns.append(Column("point srid 4326", ["ST_GeomFromText('POINT(3 4)', 4326)"]))
    return columns


DOCUMENTS = {
    '{}': '{}', '[]': '[]', '""': '""', 'null': 'null', 'true': 'true', '12': '12', '-0.5': '-0.5', '"text"': '"text"',
    '[1, -2, 18446744073709551615, -9223372036854775808, 2147483648, 65535, 65536, -32769]': '[1, -2, 18446744073709551615, '
                                                                                             '-9223372036854775808, 2147483648, 65535, '
                                                                                             '65536, -32769]',
    '[1.5, 1e100, 1e-7, 0.1, 1.0, 5e-324, 1.7976931348623157e308, 123456789012345680000, 1e15, 1e16, 1e17]': None,
    '[-0.0, 0.0, -0, 1E2]': None,
    '18446744073709551616': None, '123456789012345678901234567890': None, '0.30000000000000004': None,
    '{"a": {"b": [true, false, null, {"c": []}]}}': '{"a": {"b": [true, false, null, {"c": []}]}}',
    '{"": "empty", "quote\\"": "\\\\ \\/ \\b \\f \\n \\r \\t é \\u00e9 \\ud83d\\ude00", "é€😀": 1, "\\u007f\\u0001": 2}': None,
    '{"b": 1, "a": 2, "aa": 3, "b": 4}': '{"a": 2, "b": 4, "aa": 3}', '"zero \\u0000 inside"': None, '{"k": "\\u0000"}': None,
    '{"$binary": {"base64": "AA=="}}': '{"$literal": {"$binary": {"base64": "AA=="}}}', '{"$literal": 1}': '{"$literal": {"$literal": 1}}',
    '{"$date": 1, "x": 2}': '{"x": 2, "$date": 1}', '[{"$oid": {"$numberDouble": "NaN"}}]': None, '  [ 1 , 2 ]  ': '[1, 2]',
    '[' * 30 + '1' + ']' * 30: '[' * 30 + '1' + ']' * 30, '{"long": "' + 'x' * 127 + '", "longer": "' + 'y' * 128 + '"}': None,
    '["' + 'é' * 9000 + '", "' + 'z' * 70_000 + '"]': None,
    '[' + ', '.join(str(i) for i in range(9000)) + ']': '[' + ', '.join(str(i) for i in range(9000)) + ']',
    '{' + ', '.join(f'"key {i}": {{"n": {i}}}' for i in range(4000)) + '}': None}


def documents(mysql):
    column = Column("json", [quoted(text) for text in DOCUMENTS], DOCUMENTS.values())
    if not mysql:
        return [column, Column("longtext character set utf8mb4 check (json_valid(c1))", column.values[:10], name="c1")]
    inside = ["CAST('2024-01-31' AS DATE)", "CAST('0000-00-00' AS DATE)", "CAST('2024-01-31 10:20:30.123456' AS DATETIME(6))",
              "CAST('2024-01-31 10:20:30' AS DATETIME)",
              "CAST('-838:59:59' AS TIME)", "CAST('-00:00:00.5' AS TIME(6))", "TIMESTAMP('2024-01-31 10:20:30')",
              "CAST(1.50 AS DECIMAL(5,2))", "CAST(-0.05 AS DECIMAL(30,20))",
              "CAST(99999999999999999999999999999999999999999999999999999999999999999 AS DECIMAL(65))", "CAST(0 AS DECIMAL(10,5))", "1e0",
              "-0e0", "1e15", "1e16", "1e17", "1e21", "1e22", "1e-4", "1e-5", "1.5e300", "0.1e0+0.2e0",
              "x'00ff'", "x''", "b'101'", "CAST(2024 AS YEAR)", "CAST('abc' AS BINARY)", "ST_GeomFromText('POINT(1 2)')",
              "18446744073709551615", "-1", "TRUE", "NULL",
              "_latin1 x'e980'", "CAST('[1, {}]' AS JSON)", "REPEAT('x', 20000)", "CAST(REPEAT('y', 300) AS BINARY)"]
    whole = [f"JSON_ARRAY({value}, JSON_OBJECT('k', {value}))" for value in inside]
    alone = ["CAST(CAST(1.50 AS DECIMAL(5,2)) AS JSON)", "CAST(CAST('10:20:30' AS TIME) AS JSON)", "CAST(x'00ff' AS JSON)",
             "CAST(1e0 AS JSON)", "CAST(TRUE AS JSON)", "CAST(CAST('2024-01-31' AS DATE) AS JSON)"]
    expected = {0: '["2024-01-31", {"k": "2024-01-31"}]', 7: '[1.50, {"k": 1.50}]',
                22: '["base64:type15:AP8=", {"k": "base64:type15:AP8="}]'}
    return [column, Column("json", whole, [expected.get(i) for i in range(len(whole))]),
            Column("json", alone, ["1.50", '"10:20:30.000000"', '"base64:type15:AP8="', "1.0", "true", '"2024-01-31"'])]


def what_one_server_has(mysql):
    both = [Column("int invisible", ["1", "-1"], ["1", "-1"]), Column("bigint unsigned invisible", ["18446744073709551615"],
                                                                      ["18446744073709551615"])]
    if mysql:
        return both + [Column("vector(3)", ["TO_VECTOR('[1, -2.5, 0]')", "TO_VECTOR('[0, 0, 0]')", "TO_VECTOR('[1]')"],
                              ['{"$binary": {"base64": "AACAPwAAIMAAAAAA", "subType": "00"}}',
                               '{"$binary": {"base64": "AAAAAAAAAAAAAAAA", "subType": "00"}}',
                               '{"$binary": {"base64": "AACAPw==", "subType": "00"}}']),
                       of_numbers("tinyint(1)", 2)]
    uuids = ["00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426655440000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
             "01890a5d-ac96-774b-bcce-b302099a8057", "6ccd780c-baba-1026-9564-5b8c656024db"]
    long = [quoted(""), quoted("a"), "REPEAT('compress me ', 400)", quoted("é€"), "REPEAT('\\0', 300)"]
    return both + [of_texts("uuid", uuids), of_texts("inet4", ["0.0.0.0", "255.255.255.255", "192.0.2.1", "10.0.0.0"]),
                   of_texts("inet6", ["::", "::1", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                      "fe80::", "1::"])] + [
        Column(declared, long) for declared in ("varchar(5000) compressed", "varchar(200) compressed character set latin1",
                                                "text compressed", "tinytext compressed",
                                                "mediumtext compressed character set ucs2", "longtext compressed",
                                                "varbinary(5000) compressed", "blob compressed", "longblob compressed")]


def generated_columns(_):
    return [Column("int", ["1", "-5", "2147483646"], ["1", "-5", "2147483646"], name="base"),
            Column("bigint AS (base + 1) VIRTUAL", [], name="left_out"),
            Column("bigint AS (base + 1) STORED", [], ["2", "-4", "2147483647"], name="kept"),
            Column("varchar(30) AS (concat('ü', base)) VIRTUAL", [], name="left_out_too"),
            Column("varchar(30) character set latin1 AS (concat('ü', base)) STORED", [], ['"ü1"', '"ü-5"'], name="kept_text"),
            Column("varbinary(4)", ["x'00'", "x'0100'"], name="last")]


FAMILIES = [bits_and_integers, decimals, floats, times, bytes_columns, labels, lengths_of_text, shapes, documents, what_one_server_has,
            generated_columns]


def codes_of(charset, width):
    """Every single byte; of charsets with several, each lead byte with the edges of what may follow."""
    codes = [f"{byte:02X}" for byte in range(256)]
    if width == 1:
        return codes
    if charset.startswith(("utf", "ucs")):
        points = [0, 1, 9, 0x20, 0x7F, 0x80, 0xFF, 0x7FF, 0x800, 0x20AC, 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1F600,
                  0xFFFFF, 0x10FFFF, 0x301]
        names = {"utf16": "utf-16-be", "utf32": "utf-32-be", "ucs2": "utf-16-be", "utf16le": "utf-16-le"}
        whole = [chr(point).encode(names.get(charset, "utf-8")).hex() for point in points]
        return whole + {"utf16": ["D800", "DC00D800", "D83D"], "utf16le": ["00D8", "00DC"], "ucs2": ["D800", "DFFF"],
                        "utf32": ["0000D800", "00110000"]}.get(
            charset, ["C0", "EDA080", "F4908080", "C080", "FF", "61FF"])
    codes += [f"{lead:02X}{trail:02X}" for lead in range(0x81, 0xFF) for trail in (0x40, 0x5C, 0x7E, 0x80, 0xA1, 0xC8, 0xFE)]
    codes += {"ujis": ["8FA2AF", "8FEDE3", "8EDF"], "eucjpms": ["8FA2AF", "8FF3F3", "8EDF"],
              "gb18030": ["81308130", "84318236", "90308130", "E3329A35", "8431A439", "82359037", "82359833"]}.get(charset, [])
    return codes


def charset_tables(server):
    """Three tables, each with a column of every charset that the server has: CHAR, VARCHAR and TEXT."""
    charsets = [(row[0], int(row[-1])) for row in server.query("SHOW CHARACTER SET") if row[0] != "binary"]
    assert len(charsets) > 35
    for declared in ("char(4)", "varchar(20)", "text"):
        yield [Column(f"{declared} character set {name}", [f"CONVERT(x'{code}' USING {name})" for code in codes_of(name, width)]) for name,
               width in charsets]


class Table:
    def __init__(self, name, columns):
        self.name, self.columns = name, columns
        for i, column in enumerate(columns):
            column.name = column.name or f"c{i}"
        self.written = [column for column in columns if column.values]
        self.rows = max(len(column.values) for column in columns) + 1  # the last one is NULL where it can be

    def create(self):
        return (f"CREATE TABLE {self.name} (id INT PRIMARY KEY, "
                + ", ".join(f"{column.name} {column.declared}" for column in self.columns) +
                ") ROW_FORMAT = DYNAMIC;")

    def fill(self):
        names = ", ".join(column.name for column in self.written)
        rows = [f"({i}, " + ", ".join(column.values[i] if i < len(column.values) else NULL for column in self.written) + ")" for i
                in range(self.rows)]
        return "".join(f"INSERT IGNORE INTO {self.name} (id, {names}) VALUES " + ",\n".join(rows[at:at + 200]) + ";\n"
                       for at in range(0, len(rows), 200))

    def repeat(self):
        names, same = ", ".join(column.name for column in self.written), ", ".join(f"a.{column.name} = b.{column.again()}" for column
                                                                                   in self.written)
        again = ", ".join(column.again() for column in self.written)
        return (f"INSERT INTO {self.name} (id, {names}) SELECT id + {INSERTED}, {again} FROM {self.name} WHERE id < {INSERTED};"
                f"INSERT INTO {self.name} (id) SELECT id + {UPDATED} FROM {self.name} WHERE id < {INSERTED};"
                f"UPDATE {self.name} a JOIN {self.name} b ON a.id = b.id + {UPDATED} SET {same};")


@pytest.fixture
def tables(server):
    mysql = server.flavour == "MySQL"
    made = [Table(family.__name__, family(mysql)) for family in FAMILIES]
    made += [Table(f"charsets_{i}", columns) for i, columns in enumerate(charset_tables(server))]
    mode = "SET sql_mode = 'ALLOW_INVALID_DATES';"
    server.run("SET GLOBAL max_allowed_packet = 67108864; DROP DATABASE IF EXISTS types; CREATE DATABASE types CHARACTER SET utf8mb4; USE "
               f"types; {mode}" +
               "".join(table.create() for table in made))
    for table in made:
        server.run(mode + table.fill(), "types")
        assert int(server.value(f"SELECT count(*) FROM {table.name}", "types")) == table.rows, table.name
    yield made
    server.run("DROP DATABASE types")


def stored(cluster, table):
    """{key: ({column: text of JSON}, text of all of it but the key)} of the table's target."""
    rows = cluster.query("SELECT id::int, (SELECT json_object_agg(key, value::text)::text FROM jsonb_each(data) WHERE key <> 'id'), (data "
                         f"- 'id')::text FROM types.{table.name}")
    return {key: (json.loads(columns), text) for key, columns, text in rows}


def test_a_row_is_stored_alike_however_it_came(cluster, server, tables, mysql_source):
    mysql_source("types", "types", mode="continuous")
    cluster.wait_for_state("types", "streaming")
    first = {table.name: stored(cluster, table) for table in tables}
    for table in tables:
        server.run("SET sql_mode = 'ALLOW_INVALID_DATES';" + table.repeat(), "types")
    cluster.query("CALL replicator_wait('types', '240 s')")
    assert cluster.query("SELECT \"table\", key, reason FROM replicator_quarantine WHERE source = 'types'") == []
    assert cluster.query("SELECT \"table\", state, reason FROM replicator_tables WHERE source = 'types' AND state <> 'streaming'") == []
    wrong = []
    for table in tables:
        now = stored(cluster, table)
        assert len(first[table.name]) == table.rows and len(now) == 3 * table.rows, table.name
        for key, (columns, text) in first[table.name].items():
            assert now[key] == (columns, text), f"{table.name} {key} was not to be changed"
            for of, moved in (("insert", key + INSERTED), ("update", key + UPDATED)):
                if now[moved][1] != text:
                    wrong.append((table.name, key, of))
                    wrong += [(table.name, column.name, column.declared[:60], column.values[key:key + 1], of, columns.get(column.name),
                               now[moved][0].get(column.name))
                              for column in table.columns if columns.get(column.name) != now[moved][0].get(column.name)]
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(str([str(part)[:200] for part in line]) for line in wrong[:40])
    unlike = []
    for table in tables:
        for column in table.columns:
            if "STORED" in column.declared and lacks_stored_columns(server.value("SELECT VERSION()")):
                continue
            for key, value in enumerate(column.expected):
                ours = first[table.name][key][0].get(column.name)
                if value is not None and ours != value:
                    unlike.append(str((table.name, column.declared[:60], column.values[key:key + 1], ours, value))[:400])
    assert not unlike, f"{len(unlike)} values are not as they should be:\n" + "\n".join(unlike[:40])
    kept = set() if lacks_stored_columns(server.value("SELECT VERSION()")) else {"kept", "kept_text"}
    assert first["generated_columns"][0][0].keys() == {"base", "last"} | kept


def test_a_document_that_jsonb_cannot_hold_is_kept_alike(cluster, server, mysql_source):
    """Keys of the first copy, of an insert and of an update that meets the same document later."""
    odd = ['{"a\\u0000b": 1}', '[{"x": {"\\u0000": null}}]', '{"fine": 1}']
    if server.flavour == "MariaDB":  # whose JSON is any text that looks like JSON
        odd += ['1e400', '-1e400', '1e200000', '[1e-20000]', '[-0, -0.0, 1E+2, 1.50, 0.10e1]', '{"a": 1, "a": 2}']
    rows = ", ".join(f"({i}, {quoted(text)})" for i, text in enumerate(odd))
    server.run("DROP DATABASE IF EXISTS odd; CREATE DATABASE odd CHARACTER SET utf8mb4; USE odd; CREATE TABLE t (id INT PRIMARY KEY, j "
               f"JSON); INSERT INTO t VALUES {rows}")
    mysql_source("odd", "odd", mode="continuous")
    cluster.wait_for_state("odd", "streaming")
    server.run(f"INSERT INTO t SELECT id + {INSERTED}, j FROM t; INSERT INTO t SELECT id + {UPDATED}, NULL FROM t WHERE id < {INSERTED};"
               f"UPDATE t a JOIN t b ON a.id = b.id + {UPDATED} SET a.j = b.j", "odd")
    cluster.query("CALL replicator_wait('odd', '240 s')")
    outcome = {int(key): reason for key, reason in cluster.query("SELECT key, reason FROM replicator_quarantine WHERE source = 'odd'")}
    for key, text in cluster.query("SELECT id::int, (data->'j')::text FROM odd.t"):
        outcome.setdefault(key, text)  # what was there before a row was set aside stays
    for key, text in enumerate(odd):
        assert outcome[key] == outcome[key + INSERTED] == outcome[key + UPDATED], text
    # A key with U+0000: the document's text, as a string.
    assert outcome[2] == '{"fine": 1}' and json.loads(json.loads(outcome[0])) == {"a\0b": 1}
    if server.flavour == "MariaDB":
        assert outcome[len(odd) - 1] == '{"a": 2}' and len(outcome[3]) == 401
    server.run("DROP DATABASE odd")
