#!/usr/bin/python3
"""Records the corpus of the MySQL unit tests: what a real server writes to its binlog, and what it answers to SELECT.

    record_mysql_corpus.py PORT NAME

The server listens on 127.0.0.1 and lets root in without a password; database `corpus` is dropped and re-created. MySQL
needs gtid_mode=ON and binlog_row_metadata=FULL, MariaDB log_bin, binlog_format=ROW and binlog_row_metadata=FULL.
Writes mysql_corpus/NAME.events.gz (events one after another, as a dump sends them) and NAME.expected.gz (lines of
table, id, column, value, parted by tabs; the value in the form of mysql_value_text.hpp).
"""
import gzip
import json
import os
import socket
import struct
import sys
import zlib

from mysql_corpus_rows import changes, charsets, labels_and_others, maria_only, mysql_only, numbers, texts, times

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = 200  # bytes; longer values are kept as their size and CRC-32


class Client:
    """The MySQL protocol, as much as is needed: no password, text results, a dump."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        greeting = self.read()
        self.version = greeting[1:greeting.index(b"\0", 1)].decode()
        plugin = greeting.rstrip(b"\0").rsplit(b"\0", 1)[1]
        capabilities = 0x200 | 0x8000 | 0x80000 | 0x1 | 0x2000  # 4.1, secure, plugin, long password, transactions
        self.write(struct.pack("<IIB23x", capabilities, 1 << 24, 45) + b"root\0\0" + plugin + b"\0", 1)
        self.check(self.read())

    def read(self):
        data = b""
        while True:
            head = self.file.read(4)
            size = int.from_bytes(head[:3], "little")
            data += self.file.read(size)
            if size < 0xFFFFFF:
                return data

    def write(self, data, sequence=0):
        self.socket.sendall(struct.pack("<I", len(data))[:3] + bytes([sequence]) + data)

    def check(self, packet):
        if packet[:1] == b"\xff":
            raise RuntimeError(packet[3:].decode(errors="replace"))
        if packet[:1] == b"\xfe" and len(packet) > 9:
            self.write(b"", 3)  # another way to show that there is no password
            self.check(self.read())

    def run(self, sql):
        self.write(b"\x03" + (sql if isinstance(sql, bytes) else sql.encode()))
        first = self.read()
        if first[:1] == b"\xff":
            raise RuntimeError(first[9:].decode(errors="replace") + "\n" + str(sql)[:300])
        if first[:1] == b"\x00":
            return []
        columns = first[0]
        for _ in range(columns + 1):
            self.read()
        rows = []
        while True:
            packet = self.read()
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return rows
            rows.append(self.parse_row(packet, columns))

    @staticmethod
    def parse_row(packet, columns):
        row, at = [], 0
        for _ in range(columns):
            size = packet[at]
            at += 1
            if size == 251:
                row.append(None)
                continue
            width = {252: 2, 253: 3, 254: 8}.get(size, 0)
            if width:
                size = int.from_bytes(packet[at:at + width], "little")
                at += width
            row.append(packet[at:at + size])
            at += size
        return row

    def dump(self, file, flags, server_id, wanted=None):
        """Events from the start of `file` to its end, or those of type `wanted` (the first that comes)."""
        self.write(b"\x12" + struct.pack("<IHI", 4, flags, server_id) + file.encode())
        while True:
            packet = self.read()
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return
            self.check(packet)
            event = packet[1:]
            if wanted is None:
                yield event
            elif event[4] == wanted:
                yield event
                return


def text_of(kind, raw):
    """The value in the form of mysql_value_text.hpp."""
    if raw is None:
        return "NULL"
    if kind in ("number", "decimal"):
        return raw.decode()
    if kind == "double":
        return "%.17g" % float(raw)
    if kind == "bytes":
        return "x'%s'" % raw.hex() if len(raw) <= LONG else "bytes:%d:%08x" % (len(raw), zlib.crc32(raw))
    if kind == "datetime":
        raw = raw.replace(b" ", b"T")
    if kind == "timestamp":
        raw = raw.replace(b" ", b"T") + b"Z"
    if kind == "json" and raw == b"null":
        return "NULL"  # both are stored as null
    if kind == "set":
        labels = raw.decode().split(",") if raw else []
        raw = json.dumps(labels, ensure_ascii=False).encode()
    if kind == "geometry":
        import base64
        raw = ('{"$geometry": {"srid": %d, "wkb": "%s"}}' %
               (int.from_bytes(raw[:4], "little"), base64.b64encode(raw[4:]).decode())).encode()
    if len(raw) > LONG:
        return "text:%d:%08x" % (len(raw), zlib.crc32(raw))
    return raw.decode().replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\0", "\\0")


class Recorder:
    def __init__(self, port, name):
        self.client = Client(port)
        self.port = port
        self.name = name
        self.maria = "MariaDB" in self.client.version
        self.tables = []  # name, [(column, kind)]
        self.lines = []

    def run(self, sql):
        return self.client.run(sql)

    def table(self, name, columns, rows=(), kind=None, options=""):
        """columns: (name, definition, kind); the first is id. rows: lists of SQL expressions, id left out."""
        self.run("CREATE TABLE %s (id INT PRIMARY KEY, %s) %s" % (name, ", ".join("%s %s" % c[:2] for c in columns),
                                                                 options))
        self.tables.append((name, [("id", "number")] + [(c[0], c[2]) for c in columns]))
        for number, row in enumerate(rows, 1):
            self.run("INSERT INTO %s (id, %s) VALUES (%d, %s)" %
                     (name, ", ".join(c[0] for c in columns[:len(row)]), number, ", ".join(row)))

    def logical(self, table, column, what):
        self.lines.append("!logical\t%s\t%s\t%s" % (table, column, what))

    def decimals(self, table, column, digits):
        self.lines.append("!decimals\t%s\t%s\t%d" % (table, column, digits))

    def expect(self):
        for table, columns in self.tables:
            select = ", ".join("CAST(%s AS DOUBLE)" % c if k == "double" else "%s + 0" % c if k == "number" else c
                               for c, k in columns)
            for row in self.run("SELECT %s FROM %s ORDER BY id" % (select, table)):
                for (column, kind), value in zip(columns, row):
                    self.lines.append("%s\t%s\t%s\t%s" % (table, row[0].decode(), column, text_of(kind, value)))

    def record(self):
        for sql in ("SET NAMES utf8mb4", "SET sql_mode = ''", "SET time_zone = '+00:00'",
                    "DROP DATABASE IF EXISTS corpus", "CREATE DATABASE corpus CHARACTER SET utf8mb4", "USE corpus",
                    "FLUSH BINARY LOGS"):
            self.run(sql)
        status = "SHOW MASTER STATUS" if self.maria else "SHOW BINARY LOG STATUS"
        file = self.run(status)[0][0].decode()
        numbers(self)
        times(self)
        texts(self)
        charsets(self)
        labels_and_others(self)
        changes(self)
        (maria_only if self.maria else mysql_only)(self)
        self.expect()
        position = self.run("SELECT @@gtid_binlog_pos" if self.maria else "SELECT @@gtid_executed")[0][0].decode()
        self.lines.append("!gtid\t%s\tgtid\t%s" % (self.name, position.replace("\n", "")))
        self.run("FLUSH BINARY LOGS")
        self.write(file)

    def write(self, file):
        def dumper():
            client = Client(self.port)
            for sql in ("SET @master_binlog_checksum = 'CRC32'", "SET @source_binlog_checksum = 'CRC32'",
                        "SET @master_heartbeat_period = 200000000", "SET @source_heartbeat_period = 200000000",
                        "SET @mariadb_slave_capability = 4"):
                client.run(sql)
            return client
        events = list(dumper().dump(file, 1, 70001))
        # The dump goes on into the next file; what is wanted ends with the ROTATE at the end of this one.
        end = max(i for i, e in enumerate(events) if e[4] == 4 and not e[17] & 0x20)
        events = events[:end + 1]
        last = self.run("SHOW MASTER STATUS" if self.maria else "SHOW BINARY LOG STATUS")[0][0].decode()
        events += dumper().dump(last, 0, 70002, 27)
        if not self.maria:
            events += dumper().dump(last, 2, 70003, 41)
        base = os.path.join(HERE, "mysql_corpus", self.name)
        with gzip.GzipFile(base + ".events.gz", "wb", 9, mtime=0) as out:
            out.write(b"".join(events))
        with gzip.GzipFile(base + ".expected.gz", "wb", 9, mtime=0) as out:
            out.write(("\n".join(self.lines) + "\n").encode())
        print("%s: %d events, %d bytes, %d values" % (self.name, len(events), sum(map(len, events)), len(self.lines)))


if __name__ == "__main__":
    Recorder(int(sys.argv[1]), sys.argv[2]).record()
