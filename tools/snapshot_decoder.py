#!/usr/bin/env python3
"""Strict verifier of blob info snapshot files, in plain Python.

A second implementation of docs/format.md, written from that document alone, so that a mistake in
one implementation shows as a disagreement between the two. It shares no code with the crates, needs
only the standard library (Python 3.9 or later), and reads any file in one pass and bounded memory.

    snapshot_decoder.py [--json] [--dump] FILE...        ('-' is standard input)

Prints one line for each accepted file. The exit code is 0 if every file was accepted, 1 if one was
rejected, 2 on wrong usage, 3 if one could not be read (or the output not written) and none was
rejected.

The first half of this file is pure: bytes in, a Snapshot or a Rejected out. Files, arguments and
printing are in the second half.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import os
import struct
import sys
import tempfile
from typing import Any, BinaryIO, Callable, Dict, List, NoReturn, Optional, Union

BytesLike = Union[bytes, bytearray, memoryview]
Read = Callable[[int], bytes]

MAGIC = 0xB10B1F05
VERSION = 1
KEY_LEN = 32
MAX_LEN = 1024  # bytes; bounds a header, a key and a value (docs/format.md, Limits)
PIECE = 1 << 18  # bytes read at once; no more than this and one field are held

PER_OBJECT = "per_object_blob_info"
PER_OBJECT_POOLED = "per_object_pooled_blob_info"
STORAGE_POOL = "storage_pool_info"
SEALED_ORDER = (PER_OBJECT, PER_OBJECT_POOLED, STORAGE_POOL)  # SF-020
COUNTED_ORDER = (PER_OBJECT, STORAGE_POOL, PER_OBJECT_POOLED)  # SF-030


class Rejected(Exception):
    """The input is no snapshot: the rule it breaks, and where.

    `section` is "header" (from the magic to the last header field), the name of a table, "checksum"
    or "end". `offset` is that of the first byte of the offending field, or the size of the input if
    it ended too early.
    """

    def __init__(self, rule: str, section: str, offset: int, what: str) -> None:
        super().__init__(f"{rule}: {section} at byte {offset}: {what}")
        self.rule = rule
        self.section = section
        self.offset = offset
        self.what = what


class ObjectId(bytes):
    """32 bytes; as text 0x and 64 hex digits."""

    def __str__(self) -> str:
        return "0x" + self.hex()


class BlobId(bytes):
    """32 bytes; as text 43 characters of URL-safe base64 without padding."""

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(self).rstrip(b"=").decode("ascii")


@dataclasses.dataclass(frozen=True)
class EventId:
    """A transaction digest of 32 bytes and a sequence number; as text base58, a colon, decimal."""

    digest: bytes
    event_seq: int

    def __str__(self) -> str:
        return f"{base58(self.digest)}:{self.event_seq}"


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of either framing; a counted file has no previous blob and is chunk 0 of 1."""

    epoch: int
    event_id: Optional[EventId]
    element_index: int
    prev_snapshot_blob_id: Optional[BlobId]
    chunk_index: int
    chunk_count: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One entry of a table: the fields of its value by their names in docs/format.md."""

    table: str
    key: ObjectId
    fields: Dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What an accepted file holds, without the entries: see `on_entry` of `decode`."""

    framing: str
    digest: str
    header: Header
    counts: Dict[str, int]
    size: int


OnEntry = Optional[Callable[[Entry], None]]


def decode(data: BytesLike, on_entry: OnEntry = None) -> Snapshot:
    """Verifies a whole file that is in memory; raises Rejected and nothing else for any bytes."""
    view = memoryview(data).cast("B")
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        piece = bytes(view[position : position + size])
        position += len(piece)
        return piece

    return decode_stream(read, on_entry)


def decode_stream(read: Read, on_entry: OnEntry = None) -> Snapshot:
    """Verifies what `read(size)` hands out in pieces of 1 to `size` bytes, and b"" at the end.

    `on_entry` is called with each entry as soon as it is decoded, before the rest of the file has
    been looked at: only once this returns are those entries to be trusted. Raises Rejected, and
    whatever `read` and `on_entry` raise.
    """
    source = _Input(read)
    at, magic = source.offset, source.big_endian(4, "header")
    if magic != MAGIC:
        raise Rejected("SF-071", "header", at, f"magic is 0x{magic:08x}, not 0x{MAGIC:08x}")
    at, version = source.offset, source.big_endian(4, "header")
    if version != VERSION:
        raise Rejected("SF-072", "header", at, f"version is {version}, not {VERSION}")
    if source.peek("header") == 0:  # SF-010
        return _sealed(source, on_entry)
    return _counted(source, on_entry)


def _sealed(source: _Input, on_entry: OnEntry) -> Snapshot:
    fields = _header_fields(source, _sealed_length(source, "header", "header"))
    epoch = fields.u32("epoch")
    event_id = fields.event_id("event_id") if fields.flag("event_id's option tag") else None
    element_index = fields.u64("element_index")
    prev = BlobId(fields.raw(32, "prev_snapshot_blob_id"))
    at, chunk_index = fields.offset, fields.u32("chunk_index")
    chunk_count = fields.u32("chunk_count")
    fields.finish("header")
    if chunk_index >= chunk_count:  # SF-041
        what = f"chunk_index {chunk_index} is not below chunk_count {chunk_count}"
        raise Rejected("SF-073", "header", at, what)
    header = Header(epoch, event_id, element_index, prev, chunk_index, chunk_count)

    counts = {}
    for tag, table in enumerate(SEALED_ORDER, 1):
        counts[table] = _sealed_section(source, tag, table, on_entry)

    expected = source.digest()
    at, checksum = source.offset, source.big_endian(8, "checksum")
    if checksum != expected:
        what = f"checksum is {checksum:016x}, but the bytes before it have {expected:016x}"
        raise Rejected("SF-085", "checksum", at, what)
    size = _end(source)
    return Snapshot("sealed", f"{checksum:016x}", header, counts, size)


def _sealed_section(source: _Input, tag: int, table: str, on_entry: OnEntry) -> int:
    _tag(source, tag, table)
    entries = _Entries(source, table, _sealed_length, on_entry)
    while True:
        at, marker = source.offset, source.big_endian(1, table)
        if marker == 0:
            break
        if marker != 1:
            what = f"0x{marker:02x} in front of an entry, neither 0x01 nor 0x00"
            raise Rejected("SF-075", table, at, what)
        entries.read_one()
    at, count = source.offset, source.big_endian(8, table)
    if count != entries.count:
        what = f"count is {count}, but the section has {entries.count} entries"
        raise Rejected("SF-076", table, at, what)
    return count


def _sealed_length(source: _Input, section: str, what: str) -> int:
    at, length = source.offset, source.big_endian(4, section)
    return _bounded(length, section, at, what)


def _counted(source: _Input, on_entry: OnEntry) -> Snapshot:
    fields = _header_fields(source, _counted_length(source, "header", "header"))
    epoch = fields.u32("epoch")
    at, variant = fields.offset, fields.variant("the event cursor")
    if variant != 0:
        raise Rejected("SF-073", "header", at, f"event cursor of unknown variant {variant}")
    event_id = fields.event_id("event_id")
    next_event_index = fields.u64("next_event_index")
    fields.finish("header")
    header = Header(epoch, event_id, next_event_index, None, 0, 1)

    counts = {}
    for tag, table in enumerate(COUNTED_ORDER, 1):
        _tag(source, tag, table)
        entries = _Entries(source, table, _counted_length, on_entry)
        counts[table] = source.big_endian(8, table)
        while entries.count < counts[table]:
            entries.read_one()
    size = _end(source)
    return Snapshot("counted", f"{source.digest():016x}", header, counts, size)


def _counted_length(source: _Input, section: str, what: str) -> int:
    at = source.offset
    length = _uleb128(lambda: source.big_endian(1, section))
    if length is None:
        what = f"{what} length is not minimal ULEB128 of 32 bits"
        raise Rejected("SF-082", section, at, what)
    return _bounded(length, section, at, what)


def _header_fields(source: _Input, length: int) -> _Fields:
    at = source.offset
    return _Fields(source.take(length, "header"), "SF-073", "header", at)


def _bounded(length: int, section: str, at: int, what: str) -> int:
    if length > MAX_LEN:
        raise Rejected("SF-079", section, at, f"{what} length is {length}, above {MAX_LEN}")
    return length


def _tag(source: _Input, expected: int, table: str) -> None:
    at, tag = source.offset, source.big_endian(1, table)
    if tag != expected:
        raise Rejected("SF-074", table, at, f"section tag is {tag}, not {expected}")


def _end(source: _Input) -> int:
    if not source.at_end():
        raise Rejected("SF-084", "end", source.offset, "bytes behind the end of the snapshot")
    return source.offset


class _Entries:
    """The entries of one section: checks key length, key order and value, and counts."""

    def __init__(
        self,
        source: _Input,
        table: str,
        length: Callable[[_Input, str, str], int],
        on_entry: OnEntry,
    ) -> None:
        self.count = 0
        self._source = source
        self._table = table
        self._length = length
        self._value = _VALUES[table]
        self._on_entry = on_entry
        self._last = b""  # below every key

    def read_one(self) -> None:
        source, table = self._source, self._table
        at, key_len = source.offset, self._length(source, table, "key")
        if key_len != KEY_LEN:
            raise Rejected("SF-078", table, at, f"key length is {key_len}, not {KEY_LEN}")
        at, key = source.offset, source.take(KEY_LEN, table)
        if key <= self._last:
            relation = "equal to" if key == self._last else "below"
            what = f"key 0x{key.hex()} is {relation} the one before it"
            raise Rejected("SF-077", table, at, what)
        self._last = key

        value_len = self._length(source, table, "value")
        at = source.offset
        fields = _Fields(source.take(value_len, table), "SF-080", table, at)
        variant = fields.variant("the value")
        if variant != 0:
            what = f"value of unknown variant {variant}, written by newer software"
            raise Rejected("SF-081", table, at, what)
        values = self._value(fields)
        fields.finish("value")
        self.count += 1
        if self._on_entry is not None:
            self._on_entry(Entry(table, ObjectId(key), values))


def _per_object(fields: _Fields) -> Dict[str, Any]:
    return {  # a dict display is evaluated in order, which is that of the bytes
        "blob_id": BlobId(fields.raw(32, "blob_id")),
        "registered_epoch": fields.u32("registered_epoch"),
        "certified_epoch": fields.option_u32("certified_epoch"),
        "end_epoch": fields.u32("end_epoch"),
        "deletable": fields.flag("deletable"),
        "event": fields.event_id("event"),
        "deleted": fields.flag("deleted"),
    }


def _per_object_pooled(fields: _Fields) -> Dict[str, Any]:
    return {
        "blob_id": BlobId(fields.raw(32, "blob_id")),
        "registered_epoch": fields.u32("registered_epoch"),
        "certified_epoch": fields.option_u32("certified_epoch"),
        "storage_pool_id": ObjectId(fields.raw(32, "storage_pool_id")),
        "event": fields.event_id("event"),
    }


def _storage_pool(fields: _Fields) -> Dict[str, Any]:
    return {"start_epoch": fields.u32("start_epoch"), "end_epoch": fields.u32("end_epoch")}


_VALUES: Dict[str, Callable[[_Fields], Dict[str, Any]]] = {
    PER_OBJECT: _per_object,
    PER_OBJECT_POOLED: _per_object_pooled,
    STORAGE_POOL: _storage_pool,
}


class _Fields:
    """Strict BCS of one header or value whose bytes are all there; fails with the rule given."""

    def __init__(self, data: bytes, rule: str, section: str, start: int) -> None:
        self._data = data
        self._position = 0
        self._rule = rule
        self._section = section
        self._start = start

    @property
    def offset(self) -> int:
        """Byte offset of the next field in the file."""
        return self._start + self._position

    def raw(self, size: int, name: str) -> bytes:
        field = self._data[self._position : self._position + size]
        if len(field) < size:
            self._fail(self.offset, f"the {len(self._data)} bytes end before or inside {name}")
        self._position += size
        return field

    def u32(self, name: str) -> int:
        return int.from_bytes(self.raw(4, name), "little")

    def u64(self, name: str) -> int:
        return int.from_bytes(self.raw(8, name), "little")

    def flag(self, name: str) -> bool:
        at, byte = self.offset, self.raw(1, name)[0]
        if byte > 1:
            self._fail(at, f"{name} is {byte}, neither 0 nor 1")
        return byte == 1

    def option_u32(self, name: str) -> Optional[int]:
        return self.u32(name) if self.flag(f"{name}'s option tag") else None

    def event_id(self, name: str) -> EventId:
        at, length = self.offset, self.raw(1, name)[0]
        if length != 32:
            self._fail(at, f"length of {name}'s digest is {length}, not 32")
        digest = self.raw(32, name)
        return EventId(digest, self.u64(name))

    def variant(self, name: str) -> int:
        at = self.offset
        index = _uleb128(lambda: self.raw(1, f"the variant of {name}")[0])
        if index is None:
            self._fail(at, f"the variant of {name} is not minimal ULEB128 of 32 bits")
        return index

    def finish(self, name: str) -> None:
        rest = len(self._data) - self._position
        if rest:
            self._fail(self.offset, f"{rest} bytes behind the last field of the {name}")

    def _fail(self, at: int, what: str) -> NoReturn:
        raise Rejected(self._rule, self._section, at, what)


class _Input:
    """The bytes that have arrived and were not taken yet, and the hash of those that were."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._hash = XxHash64()
        self._buffer = b""
        self._hashed = 0  # position in the buffer up to which it is in the hash
        self._position = 0  # position in the buffer of the next byte to take
        self._base = 0  # byte offset of the start of the buffer

    @property
    def offset(self) -> int:
        return self._base + self._position

    def take(self, size: int, section: str) -> bytes:
        if not self._has(size):
            end = self._base + len(self._buffer)
            raise Rejected("SF-083", section, end, "the input ends early")
        start = self._position
        self._position += size
        return self._buffer[start : self._position]

    def big_endian(self, size: int, section: str) -> int:
        return int.from_bytes(self.take(size, section), "big")

    def peek(self, section: str) -> int:
        byte = self.take(1, section)[0]
        self._position -= 1
        return byte

    def at_end(self) -> bool:
        return not self._has(1)

    def digest(self) -> int:
        """Hash of every byte taken so far."""
        self._hash.update(memoryview(self._buffer)[self._hashed : self._position])
        self._hashed = self._position
        return self._hash.digest()

    def _has(self, size: int) -> bool:
        if self._position + size <= len(self._buffer):
            return True
        self._hash.update(memoryview(self._buffer)[self._hashed : self._position])
        self._base += self._position
        self._buffer = self._buffer[self._position :]
        self._position = self._hashed = 0
        while len(self._buffer) < size:
            piece = self._read(PIECE)
            if not piece:
                return False
            self._buffer += piece
        return True


def _uleb128(next_byte: Callable[[], int]) -> Optional[int]:
    """Reads a number, or None if it is not minimal or above 32 bits."""
    value = 0
    for shift in range(0, 35, 7):
        byte = next_byte()
        if shift == 28 and byte > 0x0F:  # also when it says that more bytes follow
            return None
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return None if byte == 0 and shift > 0 else value
    return None


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    """Base58 with the Bitcoin alphabet; each leading zero byte is a "1"."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


_MASK = 0xFFFF_FFFF_FFFF_FFFF
_P1 = 0x9E37_79B1_85EB_CA87
_P2 = 0xC2B2_AE3D_27D4_EB4F
_P3 = 0x1656_67B1_9E37_79F9
_P4 = 0x85EB_CA77_C2B2_AE63
_P5 = 0x27D4_EB2F_1656_67C5


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


class XxHash64:
    """Streaming xxhash64."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed & _MASK
        first = self._seed + _P1
        self._lanes = tuple(x & _MASK for x in (first + _P2, seed + _P2, seed, seed - _P1))
        self._tail = b""  # fewer than 32 bytes
        self._length = 0

    def update(self, data: BytesLike) -> None:
        view = memoryview(data).cast("B")
        self._length += len(view)
        if self._tail:
            missing = 32 - len(self._tail)
            self._tail += bytes(view[:missing])
            if len(self._tail) < 32:
                return
            self._stripes(memoryview(self._tail))
            view = view[missing:]
        whole = len(view) & ~31
        self._stripes(view[:whole])
        self._tail = bytes(view[whole:])

    def _stripes(self, view: memoryview) -> None:
        # `_round` by hand four times: a call each would double the time for a large file.
        one, two, three, four = self._lanes
        p1, p2, mask = _P1, _P2, _MASK
        for a, b, c, d in struct.iter_unpack("<4Q", view):
            one = (one + a * p2) & mask
            one = ((one << 31 | one >> 33) & mask) * p1 & mask
            two = (two + b * p2) & mask
            two = ((two << 31 | two >> 33) & mask) * p1 & mask
            three = (three + c * p2) & mask
            three = ((three << 31 | three >> 33) & mask) * p1 & mask
            four = (four + d * p2) & mask
            four = ((four << 31 | four >> 33) & mask) * p1 & mask
        self._lanes = (one, two, three, four)

    def digest(self) -> int:
        """Hash of the bytes so far; more may follow."""
        if self._length < 32:
            value = self._seed + _P5
        else:
            value = sum(_rotate(x, n) for x, n in zip(self._lanes, (1, 7, 12, 18))) & _MASK
            for lane in self._lanes:
                value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
        value = (value + self._length) & _MASK
        tail = self._tail
        while len(tail) >= 8:
            word = int.from_bytes(tail[:8], "little")
            value = (_rotate(value ^ _round(0, word), 27) * _P1 + _P4) & _MASK
            tail = tail[8:]
        if len(tail) >= 4:
            word = int.from_bytes(tail[:4], "little")
            value = (_rotate(value ^ (word * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
            tail = tail[4:]
        for byte in tail:
            value = _rotate(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
        value = (value ^ (value >> 33)) * _P2 & _MASK
        value = (value ^ (value >> 29)) * _P3 & _MASK
        return value ^ (value >> 32)


# The command line.

EXIT_REJECTED, EXIT_IO = 1, 3  # argparse itself exits with 2


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the command line and returns the exit code; usage errors raise SystemExit(2)."""
    parser = argparse.ArgumentParser(
        prog="snapshot_decoder.py",
        description="Verify blob info snapshot files of either framing (docs/format.md).",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per file")
    parser.add_argument("--dump", action="store_true", help="also print each entry, as a JSON line")
    parser.add_argument("files", nargs="+", metavar="FILE", help="'-' is standard input")
    options = parser.parse_args(arguments)

    if sys.stdout is None:
        _complain("standard output is closed")
        return EXIT_IO
    codes = set()
    try:
        for path in options.files:
            codes.add(_verify(path, options.json, options.dump))
        sys.stdout.flush()
    except OSError as error:  # those of reading became _ReadError
        _complain(f"cannot write: {_reason(error)}")
        _discard_stdout()
        codes.add(EXIT_IO)
    return EXIT_REJECTED if EXIT_REJECTED in codes else max(codes)


class _ReadError(Exception):
    """A file could not be opened or read; kept apart from a failure to print."""


def _verify(path: str, as_json: bool, dump: bool) -> int:
    """Verifies one file, prints what came out, and returns its exit code."""
    try:
        with _open(path) as file:
            if not dump:
                _print_accepted(decode_stream(_reader(file)), path, as_json)
            elif path != "-" and file.seekable():
                _dump(file, path, as_json)
            else:
                with tempfile.TemporaryFile() as copy:
                    read = _reader(file)
                    for piece in iter(lambda: read(PIECE), b""):
                        copy.write(piece)
                    copy.seek(0)
                    _dump(copy, path, as_json)
    except Rejected as rejected:
        _complain(f"{_printable(path)}: {rejected}")
        return EXIT_REJECTED
    except _ReadError as error:
        _complain(f"{_printable(path)}: cannot be read: {error}")
        return EXIT_IO
    return 0


def _dump(file: BinaryIO, path: str, as_json: bool) -> None:
    # Two passes, so that no entry is printed of a file that turns out to be damaged further on.
    _print_accepted(decode_stream(_reader(file)), path, as_json)
    file.seek(0)
    decode_stream(_reader(file), _print_entry)


def _open(path: str) -> BinaryIO:
    try:
        # Descriptor 0, not sys.stdin: that is None if standard input is closed.
        return open(0, "rb", closefd=False) if path == "-" else open(path, "rb")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise _ReadError(_reason(error)) from error


def _reader(file: BinaryIO) -> Read:
    def read(size: int) -> bytes:
        try:
            piece = file.read(size)
        except OSError as error:
            raise _ReadError(_reason(error)) from error
        if piece is None:  # not the end: a non-blocking descriptor has nothing yet
            raise _ReadError("it is non-blocking")
        return piece

    return read


def _print_accepted(snapshot: Snapshot, path: str, as_json: bool) -> None:
    header, counts = snapshot.header, snapshot.counts
    if as_json:
        report = {
            "digest": snapshot.digest,
            "framing": snapshot.framing,
            "header": vars(header),
            "counts": {table: counts[table] for table in SEALED_ORDER},
            "bytes": snapshot.size,
            "path": path,
        }
        print(json.dumps(report, default=str))
        return
    tables = " ".join(f"{table}={counts[table]}" for table in SEALED_ORDER)
    print(
        f"{snapshot.digest}  {snapshot.framing}  epoch={header.epoch}"
        f" chunk={header.chunk_index}/{header.chunk_count}"
        f" cursor={header.event_id or 'none'}@{header.element_index}"
        f" {tables} bytes={snapshot.size}  {_printable(path)}"
    )


def _print_entry(entry: Entry) -> None:
    line = {"table": entry.table, "key": str(entry.key), **entry.fields}
    print(json.dumps(line, default=str))  # identifiers print themselves


def _printable(path: str) -> str:
    """The path on one line of ASCII, whatever its bytes."""
    text = path.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _reason(error: Exception) -> str:
    return _printable(getattr(error, "strerror", None) or str(error))


def _complain(line: str) -> None:
    if sys.stderr is None:  # print would take standard output instead
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        pass  # nowhere left to say it; the exit code still does


def _discard_stdout() -> None:
    """Keeps the interpreter from failing again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
