"""Tests of snapshot_decoder.py.

Every file here is assembled by hand after docs/format.md, and nothing is read from the rest of the
repository. Run from the root with: python3 -m unittest discover -s tools
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
import unittest
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import snapshot_decoder
from snapshot_decoder import Entry, EventId, Rejected, Snapshot, XxHash64, decode, decode_stream

PER_OBJECT = "per_object_blob_info"
POOLED = "per_object_pooled_blob_info"
POOL = "storage_pool_info"

# The building blocks of docs/format.md.


def be32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def be64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def le32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def le64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def uleb(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def event(fill: int, seq: int) -> bytes:
    return b"\x20" + bytes([fill]) * 32 + le64(seq)


def option(value: Optional[int]) -> bytes:
    return b"\0" if value is None else b"\1" + le32(value)


def flag(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def per_object(certified: Optional[int], deletable: bool = True, deleted: bool = False) -> bytes:
    head = b"\0" + b"\xb1" * 32 + le32(3) + option(certified) + le32(9)
    return head + flag(deletable) + event(0xE1, 2**64 - 1) + flag(deleted)


def pooled(certified: Optional[int]) -> bytes:
    return b"\0" + b"\xb2" * 32 + le32(4) + option(certified) + b"\xab" * 32 + event(0, 7)


def pool() -> bytes:
    return b"\0" + le32(5) + le32(0xFFFF_FFFF)


PREFIX = be32(0xB10B_1F05) + be32(1)
SEALED_HEADER = le32(25) + b"\1" + event(0xEE, 6) + le64(2**40) + b"\x77" * 32 + le32(0) + le32(1)
BARE_HEADER = le32(25) + b"\0" + le64(0) + bytes(32) + le32(0) + le32(1)
COUNTED_HEADER = le32(25) + b"\0" + event(0xEE, 6) + le64(2**40)

# Base58 of 32 bytes 0xee and 0xe1, by another implementation.
EVENT_EE = "H5hM4fqRjygvCYXnp6dgFLgZ6o4uJ8Q9z7dAsTfapHmF"
EVENT_E1 = "GCkWCknJ46pyPNHC9DPjTxedvjLHYJUVioxe7X5o6xa4"

Pairs = List[Tuple[bytes, bytes]]
FIRST: Pairs = [(key(1), per_object(None)), (key(2), per_object(8, False, True))]
SECOND: Pairs = [(key(0), pooled(None)), (key(2**256 - 1), pooled(0))]
THIRD: Pairs = [(key(5), pool())]


def digest(data: bytes) -> int:
    hasher = XxHash64()
    hasher.update(data)
    return hasher.digest()


def seal(body: bytes) -> bytes:
    return body + be64(digest(body))


def sealed_entry(name: bytes, value: bytes) -> bytes:
    return b"\1" + be32(len(name)) + name + be32(len(value)) + value


def sealed_section(tag: int, pairs: Pairs) -> bytes:
    return bytes([tag]) + b"".join(sealed_entry(*pair) for pair in pairs) + b"\0" + be64(len(pairs))


def sealed_prefix(header: bytes = SEALED_HEADER) -> bytes:
    return PREFIX + be32(len(header)) + header


def sealed(
    header: bytes = SEALED_HEADER,
    first: Pairs = FIRST,
    second: Pairs = SECOND,
    third: Pairs = THIRD,
) -> bytes:
    sections = sealed_section(1, first) + sealed_section(2, second) + sealed_section(3, third)
    return seal(sealed_prefix(header) + sections)


def counted_entry(name: bytes, value: bytes) -> bytes:
    return uleb(len(name)) + name + uleb(len(value)) + value


def counted_section(tag: int, pairs: Pairs) -> bytes:
    return bytes([tag]) + be64(len(pairs)) + b"".join(counted_entry(*pair) for pair in pairs)


def counted_prefix(header: bytes = COUNTED_HEADER) -> bytes:
    return PREFIX + uleb(len(header)) + header


def counted(
    header: bytes = COUNTED_HEADER,
    first: Pairs = FIRST,
    second: Pairs = SECOND,
    third: Pairs = THIRD,
) -> bytes:
    sections = counted_section(1, first) + counted_section(2, third) + counted_section(3, second)
    return counted_prefix(header) + sections


SEALED = sealed()
COUNTED = counted()
S0 = len(sealed_prefix())  # byte offset of the first section
C0 = len(counted_prefix())
S_VALUE = S0 + 1 + 1 + 4 + 32 + 4  # of the first value
C_VALUE = C0 + 1 + 8 + 1 + 32 + 1
S_SECOND = S0 + len(sealed_section(1, FIRST))
C_SECOND = C0 + len(counted_section(1, FIRST))


class Bad(NamedTuple):
    """A rejected input, and where and why."""

    name: str
    data: bytes
    rule: str
    section: str
    offset: int


def one_value(data: bytes) -> Iterator[Tuple[bytes, int]]:
    """Files of both framings whose first value is `data`, with its offset."""
    yield sealed(first=[(key(1), data)]), S_VALUE
    yield counted(first=[(key(1), data)]), C_VALUE + len(uleb(len(data))) - 1


def bad_headers() -> Iterator[Bad]:
    """SF-071, SF-072, SF-073 (SF-040, SF-041), SF-079, SF-082 (SF-031)."""

    def patch(data: bytes, at: int, new: bytes) -> bytes:
        return data[:at] + new + data[at + len(new) :]

    yield Bad("magic", patch(SEALED, 0, b"\xb0"), "SF-071", "header", 0)
    yield Bad("magic, counted", patch(COUNTED, 3, b"\4"), "SF-071", "header", 0)
    yield Bad("magic, little-endian", SEALED[3::-1] + SEALED[4:], "SF-071", "header", 0)
    yield Bad("version 0", patch(SEALED, 7, b"\0"), "SF-072", "header", 4)
    yield Bad("version 2", patch(COUNTED, 7, b"\2"), "SF-072", "header", 4)

    long, short = SEALED_HEADER + b"\0", SEALED_HEADER[:-1]
    yield Bad("sealed header long", sealed(long), "SF-073", "header", 12 + 94)
    yield Bad("sealed header short", sealed(short), "SF-073", "header", 12 + 90)
    yield Bad("sealed header empty", sealed(b""), "SF-073", "header", 12)
    yield Bad("sealed bare header short", sealed(BARE_HEADER[:-4]), "SF-073", "header", 12 + 49)
    tag2 = sealed(patch(SEALED_HEADER, 4, b"\2"))
    yield Bad("sealed option tag", tag2, "SF-073", "header", 12 + 4)
    digest31 = sealed(patch(SEALED_HEADER, 5, b"\x1f"))
    yield Bad("sealed digest length", digest31, "SF-073", "header", 12 + 5)
    for index, count in ((1, 1), (0, 0), (3, 2)):
        data = sealed(SEALED_HEADER[:-8] + le32(index) + le32(count))
        yield Bad(f"chunk {index} of {count}", data, "SF-073", "header", 12 + 86)

    yield Bad("counted header long", counted(COUNTED_HEADER + b"\0"), "SF-073", "header", 9 + 54)
    yield Bad("counted header short", counted(COUNTED_HEADER[:-1]), "SF-073", "header", 9 + 46)
    variant = counted(patch(COUNTED_HEADER, 4, b"\1"))
    yield Bad("counted cursor variant", variant, "SF-073", "header", 9 + 4)
    loose = counted(COUNTED_HEADER[:4] + b"\x80\0" + COUNTED_HEADER[5:])
    yield Bad("counted cursor variant not minimal", loose, "SF-073", "header", 9 + 4)
    digest33 = counted(patch(COUNTED_HEADER, 5, b"\x21"))
    yield Bad("counted digest length", digest33, "SF-073", "header", 9 + 5)

    # SF-010: a sealed length of 2^24 or more would be one; it is a counted length of one byte.
    for text, at in (("01000035", 9), ("36000000", 9 + 4)):
        data = PREFIX + bytes.fromhex(text) + bytes([2]) * 60
        yield Bad(f"byte 8 of {text}", data, "SF-073", "header", at)
    big = seal(PREFIX + be32(1025) + bytes(1025))
    yield Bad("sealed header length", big, "SF-079", "header", 8)
    yield Bad("sealed header length 2^24 - 1", PREFIX + b"\0\xff\xff\xff", "SF-079", "header", 8)
    yield Bad("counted header length", PREFIX + uleb(1025) + bytes(1025), "SF-079", "header", 8)
    yield Bad(
        "sealed header of 1024", seal(PREFIX + be32(1024) + bytes(1024)), "SF-073", "header", 65
    )
    for text in ("8000", "b600", "ffffffff10", "8080808000", "ffffffffff01"):
        data = PREFIX + bytes.fromhex(text) + COUNTED_HEADER
        yield Bad(f"counted header length {text}", data, "SF-082", "header", 8)


def bad_sections() -> Iterator[Bad]:
    """SF-074, SF-075, SF-076, SF-083, SF-084, SF-085."""
    head = sealed_prefix()
    first, second = sealed_section(1, FIRST), sealed_section(2, SECOND)
    yield Bad("sealed tag 0", seal(head + b"\0" + first[1:]), "SF-074", PER_OBJECT, S0)
    yield Bad("sealed without section 1", seal(head + second), "SF-074", PER_OBJECT, S0)
    swapped = seal(head + first + sealed_section(3, THIRD))
    yield Bad("sealed in the other order", swapped, "SF-074", POOLED, S_SECOND)
    yield Bad("sealed section twice", seal(head + first + first), "SF-074", POOLED, S_SECOND)
    at = S_SECOND + len(second)
    yield Bad("sealed tag 4", seal(head + first + second + b"\4"), "SF-074", POOL, at)
    for marker in (2, 0xFF):
        data = seal(head + b"\1" + bytes([marker]) + first[2:])
        yield Bad(f"sealed marker {marker}", data, "SF-075", PER_OBJECT, S0 + 1)
    for count in (1, 3, 2**64 - 1):
        data = seal(head + first[:-8] + be64(count) + second + sealed_section(3, THIRD))
        yield Bad(f"sealed count {count}", data, "SF-076", PER_OBJECT, S_SECOND - 8)
    empty = seal(head + first + second + b"\3\0" + be64(1))
    yield Bad("sealed count of none", empty, "SF-076", POOL, at + 2)

    head, first = counted_prefix(), counted_section(1, FIRST)
    tag3 = head + first + b"\3" + counted_section(2, THIRD)[1:]
    yield Bad("counted in the other order", tag3, "SF-074", POOL, C_SECOND)
    rest = COUNTED[C_SECOND:]
    fewer = head + b"\1" + be64(1) + first[9:] + rest
    at = C0 + 9 + len(counted_entry(*FIRST[0]))
    yield Bad("counted count too low", fewer, "SF-074", POOL, at)
    more = head + b"\1" + be64(3) + first[9:] + rest
    yield Bad("counted count too high", more, "SF-078", PER_OBJECT, C_SECOND)
    last = counted_section(3, SECOND)
    start = len(COUNTED) - len(last)
    more = COUNTED[:start] + b"\3" + be64(2**64 - 1) + last[9:]
    yield Bad("counted last count too high", more, "SF-083", POOLED, len(COUNTED))
    fewer = COUNTED[:start] + b"\3" + be64(1) + last[9:]
    at = start + 9 + len(counted_entry(*SECOND[0]))
    yield Bad("counted last count too low", fewer, "SF-084", "end", at)

    yield Bad("sealed trailing byte", SEALED + b"\0", "SF-084", "end", len(SEALED))
    yield Bad("sealed twice", SEALED + SEALED, "SF-084", "end", len(SEALED))
    yield Bad("counted trailing byte", COUNTED + b"\0", "SF-084", "end", len(COUNTED))
    end = len(SEALED) - 8
    wrong = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
    yield Bad("checksum", wrong, "SF-085", "checksum", end)
    little = SEALED[:end] + SEALED[:end:-1][:7] + SEALED[end : end + 1]
    yield Bad("checksum little-endian", little, "SF-085", "checksum", end)
    yield Bad("checksum zero", SEALED[:end] + bytes(8), "SF-085", "checksum", end)
    epoch = SEALED[:12] + b"\x1a" + SEALED[13:]
    yield Bad("other epoch", epoch, "SF-085", "checksum", end)


def bad_entries() -> Iterator[Bad]:
    """SF-077, SF-078, SF-079, SF-082 (SF-031)."""
    value = per_object(None)
    for low in (1, 2):
        pairs: Pairs = [(key(2), value), (key(low), value)]
        at = S0 + 1 + len(sealed_entry(*pairs[0])) + 1 + 4
        yield Bad(f"sealed key {low} after 2", sealed(first=pairs), "SF-077", PER_OBJECT, at)
        at = C0 + 9 + len(counted_entry(*pairs[0])) + 1
        yield Bad(f"counted key {low} after 2", counted(first=pairs), "SF-077", PER_OBJECT, at)
    reverse = [(b"\1" + bytes(31), value), (bytes(31) + b"\2", value)]
    at = S0 + 1 + len(sealed_entry(*reverse[0])) + 1 + 4
    yield Bad("little-endian key order", sealed(first=reverse), "SF-077", PER_OBJECT, at)
    for size in (0, 31, 33, 1024):
        pairs = [(bytes(size), value)]
        yield Bad(f"sealed key of {size}", sealed(first=pairs), "SF-078", PER_OBJECT, S0 + 2)
        yield Bad(f"counted key of {size}", counted(first=pairs), "SF-078", PER_OBJECT, C0 + 9)
    pairs = [(bytes(1025), value)]
    yield Bad("sealed key of 1025", sealed(first=pairs), "SF-079", PER_OBJECT, S0 + 2)
    yield Bad("counted key of 1025", counted(first=pairs), "SF-079", PER_OBJECT, C0 + 9)
    pairs = [(key(1), b"\0" * 1025)]
    at = S_VALUE - 4
    yield Bad("sealed value of 1025", sealed(first=pairs), "SF-079", PER_OBJECT, at)
    yield Bad("counted value of 1025", counted(first=pairs), "SF-079", PER_OBJECT, C_VALUE - 1)
    claim = sealed_prefix() + b"\1\1" + be32(32) + key(1) + be32(2**32 - 1)
    yield Bad("sealed value of 2^32 - 1", claim, "SF-079", PER_OBJECT, at)
    for text in ("a000", "ffffffff1f", "8080808080"):
        data = counted_prefix() + b"\1" + be64(1) + bytes.fromhex(text) + bytes(200)
        yield Bad(f"counted key length {text}", data, "SF-082", PER_OBJECT, C0 + 9)
    data = counted_prefix() + b"\1" + be64(1) + b"\x20" + key(1) + b"\xd5\x80\0" + value
    yield Bad("counted value length d58000", data, "SF-082", PER_OBJECT, C_VALUE - 1)


def bad_values() -> Iterator[Bad]:
    """SF-080 (SF-060), SF-081 (SF-061)."""

    def both(name: str, value: bytes, rule: str, at: int) -> Iterator[Bad]:
        for data, start in one_value(value):
            framing = "counted" if data[8] else "sealed"
            yield Bad(f"{framing}: {name}", data, rule, PER_OBJECT, start + at)

    good, certified = per_object(None), per_object(8)
    yield from both("empty", b"", "SF-080", 0)
    yield from both("one byte short", good[:-1], "SF-080", 84)
    yield from both("one byte long", good + b"\0", "SF-080", 85)
    yield from both("certified, one byte short", certified[:-1], "SF-080", 88)
    yield from both("certified, one byte long", certified + b"\0", "SF-080", 89)
    yield from both("of 1024 bytes", good.ljust(1024, b"\0"), "SF-080", 85)
    yield from both("ends in a number", good[:35], "SF-080", 33)
    for at in (37, 42, 84):
        bad = good[:at] + b"\2" + good[at + 1 :]
        yield from both(f"2 at {at}", bad, "SF-080", at)
    for size in (0, 31, 33, 0xA0):
        bad = good[:43] + bytes([size]) + good[44:]
        yield from both(f"digest of {size}", bad, "SF-080", 43)
    for text in ("80", "8000", "ffffffff10", "8080808000", "ffffffffff"):
        at = 1 if text == "80" else 0
        tail = b"" if text == "80" else good[1:]
        yield from both(f"variant {text}", bytes.fromhex(text) + tail, "SF-080", at)
    for text in ("01", "7f", "8001", "ffffffff0f"):
        yield from both(f"variant {text}", bytes.fromhex(text), "SF-081", 0)
        yield from both(f"variant {text} and more", bytes.fromhex(text) + good, "SF-081", 0)

    at = S_SECOND + 1 + 1 + 4 + 32 + 4
    short = pooled(None)[:-1]
    yield Bad("pooled short", sealed(second=[(key(1), short)]), "SF-080", POOLED, at + 103)
    tag = pooled(None)[:37] + b"\2" + pooled(None)[38:]
    yield Bad("pooled option tag", sealed(second=[(key(1), tag)]), "SF-080", POOLED, at + 37)
    length = pooled(7)[:74] + b"\0" + pooled(7)[75:]
    yield Bad("pooled digest", sealed(second=[(key(1), length)]), "SF-080", POOLED, at + 74)
    unknown = b"\2" + pooled(7)[1:]
    yield Bad("pooled variant", sealed(second=[(key(1), unknown)]), "SF-081", POOLED, at)
    at = C_SECOND + 1 + 8 + 1 + 32 + 1
    yield Bad("pool short", counted(third=[(key(1), pool()[:-1])]), "SF-080", POOL, at + 5)
    yield Bad("pool long", counted(third=[(key(1), pool() + b"\0")]), "SF-080", POOL, at + 9)
    yield Bad("pool variant", counted(third=[(key(1), b"\1")]), "SF-081", POOL, at)


def all_bad() -> Iterator[Bad]:
    yield from bad_headers()
    yield from bad_sections()
    yield from bad_entries()
    yield from bad_values()


def slices(data: bytes, sizes: Callable[[], int]) -> Callable[[int], bytes]:
    """A reader that hands out at most `sizes()` bytes at a time."""
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        piece = data[position : position + min(size, sizes())]
        position += len(piece)
        return piece

    return read


def collect(data: bytes) -> Tuple[Snapshot, List[Entry]]:
    entries: List[Entry] = []
    return decode(data, entries.append), entries


def encode(snapshot: Snapshot, entries: List[Entry]) -> bytes:
    """The bytes that a snapshot must have had, from nothing but what was decoded."""

    def event_of(which: EventId) -> bytes:
        return b"\x20" + which.digest + le64(which.event_seq)

    def value_of(entry: Entry) -> bytes:
        fields = entry.fields
        if entry.table == POOL:
            return b"\0" + le32(fields["start_epoch"]) + le32(fields["end_epoch"])
        out: bytes = b"\0" + fields["blob_id"] + le32(fields["registered_epoch"])
        out += option(fields["certified_epoch"])
        if entry.table == POOLED:
            out += fields["storage_pool_id"]
            return out + event_of(fields["event"])
        out += le32(fields["end_epoch"]) + flag(fields["deletable"])
        return out + event_of(fields["event"]) + flag(fields["deleted"])

    tables: Dict[str, Pairs] = {PER_OBJECT: [], POOLED: [], POOL: []}
    for entry in entries:
        tables[entry.table].append((bytes(entry.key), value_of(entry)))
    parts = (tables[PER_OBJECT], tables[POOLED], tables[POOL])
    header = snapshot.header
    cursor = b"" if header.event_id is None else event_of(header.event_id)
    if snapshot.framing == "counted":
        return counted(le32(header.epoch) + b"\0" + cursor + le64(header.element_index), *parts)
    head = le32(header.epoch) + flag(header.event_id is not None) + cursor
    head += le64(header.element_index) + (header.prev_snapshot_blob_id or b"")
    return sealed(head + le32(header.chunk_index) + le32(header.chunk_count), *parts)


def unbase58(text: str) -> bytes:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for letter in text:
        number = number * 58 + alphabet.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


class Hash(unittest.TestCase):
    """SF-100: answers of the reference implementation."""

    KNOWN = (
        (b"", 0, "ef46db3751d8e999"),
        (b"a", 0, "d24ec4f1a98c6e5b"),
        (b"abc", 0, "44bc2cf5ad770999"),
        (b"abcd", 0, "de0327b0d25d92cc"),
        (b"abcdefgh", 0, "3ad351775b4634b7"),
        (b"foo", 0, "33bf00a859c4ba3f"),
        (b"0123456789abcdefghijklmnopqrstuvwxyz", 0, "69196c1b3af0bff9"),
        (b"Nobody inspects the spammish repetition", 0, "fbcea83c8a378bf1"),
        (bytes(range(31)), 0, "c346d2b59b4d8ee1"),
        (bytes(range(32)), 0, "cbf59c5116ff32b4"),
        (bytes(range(33)), 0, "0c535d1acafb8ead"),
        (bytes(range(64)), 0, "f7c67301db6713f0"),
        (bytes(range(100)), 0, "6ac1e58032166597"),
        (bytes(range(256)) * 1000, 0, "ea8a95f52bcdb693"),
        (b"", 2654435761, "ac75fda2929b17ef"),
        (b"abc", 2654435761, "1318df30094a85fd"),
        (bytes(range(100)), 2654435761, "8832442a88284f11"),
    )

    def test_known_answers(self) -> None:
        for data, seed, expected in self.KNOWN:
            hasher = XxHash64(seed)
            hasher.update(data)
            self.assertEqual(f"{hasher.digest():016x}", expected, (data[:40], seed))

    def test_any_slicing_and_digests_in_between(self) -> None:
        data = bytes(range(100))
        for size in (1, 7, 31, 32, 33, 64, 99):
            hasher = XxHash64()
            for start in range(0, len(data), size):
                hasher.update(data[start : start + size])
                self.assertEqual(hasher.digest(), digest(data[: start + size]))
            self.assertEqual(f"{hasher.digest():016x}", "6ac1e58032166597")


class Accepted(unittest.TestCase):
    def test_sf_010_sf_020_sealed_by_hand(self) -> None:
        body = bytes.fromhex(
            "b10b1f05 00000001 00000035"  # magic, version, header_len
            "19000000 00 0000000000000000"  # epoch 25, no event, element_index
            "0000000000000000000000000000000000000000000000000000000000000000"
            "00000000 01000000"  # chunk 0 of 1
            "01 00 0000000000000000 02 00 0000000000000000"
            "03 01 00000020"
            "00000000000000000000000000000000000000000000000000000000000000ff"
            "00000009 00 17000000 1d000000"
            "00 0000000000000001"
        )
        # The checksum was computed by the reference implementation.
        data = body + bytes.fromhex("49a9260b10eeb8a7")
        snapshot, entries = collect(data)
        self.assertEqual((snapshot.framing, snapshot.digest), ("sealed", "49a9260b10eeb8a7"))
        self.assertEqual(snapshot.header.epoch, 25)
        self.assertIsNone(snapshot.header.event_id)
        self.assertEqual(snapshot.counts, {PER_OBJECT: 0, POOLED: 0, POOL: 1})
        self.assertEqual(snapshot.size, len(data))
        self.assertEqual(len(entries), 1)
        self.assertEqual(entries[0].fields, {"start_epoch": 23, "end_epoch": 29})

    def test_sf_010_sf_030_counted_by_hand(self) -> None:
        data = bytes.fromhex(
            "b10b1f05 00000001 36"  # magic, version, header_len
            "19000000 00"  # epoch 25, cursor V1
            "20 1515151515151515151515151515151515151515151515151515151515151515"
            "0000000000000000 e42e000000000000"  # event_seq 0, next event 12004
            "01 0000000000000000 02 0000000000000001"
            "20 00000000000000000000000000000000000000000000000000000000000000ff"
            "09 00 17000000 1d000000"
            "03 0000000000000000"
        )
        snapshot, entries = collect(data)
        # The digest was computed by the reference implementation.
        self.assertEqual((snapshot.framing, snapshot.digest), ("counted", "76ec6aa1ecc4d2ff"))
        self.assertEqual(snapshot.header.element_index, 12004)
        cursor = str(snapshot.header.event_id)
        self.assertEqual(cursor, "2RJD1KnDRGEkvuFfAGrJ7PD28LRE9LRDjZznDywagzmr:0")
        self.assertIsNone(snapshot.header.prev_snapshot_blob_id)
        self.assertEqual(snapshot.counts, {PER_OBJECT: 0, POOLED: 0, POOL: 1})
        self.assertEqual(entries[0].fields, {"start_epoch": 23, "end_epoch": 29})

    def test_lengths_of_the_document(self) -> None:
        lengths = [len(SEALED_HEADER), len(BARE_HEADER), len(COUNTED_HEADER)]
        self.assertEqual(lengths, [94, 53, 54])
        values = [per_object(None), per_object(1), pooled(None), pooled(1), pool()]
        self.assertEqual([len(value) for value in values], [85, 89, 111, 115, 9])

    def test_every_field(self) -> None:
        for data in (SEALED, COUNTED):
            snapshot, entries = collect(data)
            header = snapshot.header
            self.assertEqual((header.epoch, header.element_index), (25, 2**40))
            assert header.event_id is not None
            self.assertEqual((header.event_id.digest, header.event_id.event_seq), (b"\xee" * 32, 6))
            self.assertEqual((header.chunk_index, header.chunk_count), (0, 1))
            self.assertEqual(snapshot.counts, {PER_OBJECT: 2, POOLED: 2, POOL: 1})
            found = {(entry.table, bytes(entry.key)): entry.fields for entry in entries}
            self.assertEqual(len(found), 5)
            fields = found[PER_OBJECT, key(2)]
            self.assertEqual(bytes(fields["blob_id"]), b"\xb1" * 32)
            self.assertEqual(fields["registered_epoch"], 3)
            self.assertEqual(fields["certified_epoch"], 8)
            self.assertEqual(fields["end_epoch"], 9)
            self.assertEqual((fields["deletable"], fields["deleted"]), (False, True))
            self.assertEqual(fields["event"].digest, b"\xe1" * 32)
            self.assertEqual(fields["event"].event_seq, 2**64 - 1)
            fields = found[POOLED, key(0)]
            self.assertIsNone(fields["certified_epoch"])
            self.assertEqual(bytes(fields["storage_pool_id"]), b"\xab" * 32)
            self.assertEqual(fields["event"].event_seq, 7)
            self.assertEqual(found[POOLED, key(2**256 - 1)]["certified_epoch"], 0)
            self.assertEqual(found[POOL, key(5)], {"start_epoch": 5, "end_epoch": 0xFFFF_FFFF})

    def test_empty_sections(self) -> None:
        for data in (sealed(BARE_HEADER, [], [], []), counted(COUNTED_HEADER, [], [], [])):
            self.assertEqual(set(decode(data).counts.values()), {0})

    def test_sf_041_sf_050_chunk(self) -> None:
        data = sealed(SEALED_HEADER[:-8] + le32(1) + le32(3))
        header = decode(data).header
        self.assertEqual((header.chunk_index, header.chunk_count), (1, 3))

    def test_sf_070_encoding_what_was_decoded_gives_the_input(self) -> None:
        for data in (SEALED, COUNTED, sealed(BARE_HEADER)):
            self.assertEqual(encode(*collect(data)), data)

    def test_sf_100_digest(self) -> None:
        self.assertEqual(decode(SEALED).digest, SEALED[-8:].hex())
        self.assertEqual(decode(COUNTED).digest, f"{digest(COUNTED):016x}")

    def test_sf_001_text_forms_parse_back(self) -> None:
        for raw in (bytes(32), b"\xff" * 32, b"\0\0" + b"\x5a" * 30, bytes(range(32))):
            blob = str(snapshot_decoder.BlobId(raw))
            self.assertEqual(len(blob), 43)
            self.assertEqual(base64.urlsafe_b64decode(blob + "="), raw)
            self.assertEqual(str(snapshot_decoder.ObjectId(raw)), "0x" + raw.hex())
            text, seq = str(snapshot_decoder.EventId(raw, 2**64 - 1)).split(":")
            self.assertEqual((unbase58(text), seq), (raw, "18446744073709551615"))
        # Known answers of base58 (the Bitcoin alphabet).
        self.assertEqual(snapshot_decoder.base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U")
        self.assertEqual(snapshot_decoder.base58(bytes.fromhex("0000287fb4cd")), "11233QC4")
        self.assertEqual(snapshot_decoder.base58(bytes(32)), "1" * 32)


class Refused(unittest.TestCase):
    def check(self, bad: Bad, read: Optional[Callable[[int], bytes]] = None) -> str:
        with self.assertRaises(Rejected, msg=bad.name) as caught:
            decode(bad.data) if read is None else decode_stream(read)
        error = caught.exception
        found = (error.rule, error.section, error.offset)
        self.assertEqual(found, (bad.rule, bad.section, bad.offset), f"{bad.name}: {error}")
        return str(error)

    def test_sf_071_to_sf_085_each_rule(self) -> None:
        rules = set()
        for bad in all_bad():
            text = self.check(bad)
            self.assertTrue(text.isascii() and text.isprintable(), bad.name)
            rules.add(bad.rule)
        self.assertEqual(rules, {f"SF-{number:03}" for number in range(71, 86)})

    def test_sf_083_every_truncation(self) -> None:
        for data in (SEALED, COUNTED, sealed(BARE_HEADER)):
            for size in range(len(data)):
                with self.assertRaises(Rejected) as caught:
                    decode(data[:size])
                self.assertEqual((caught.exception.rule, caught.exception.offset), ("SF-083", size))

    def test_every_bit_flip_of_a_sealed_file(self) -> None:
        for at in range(len(SEALED)):
            for bit in range(8):
                data = bytearray(SEALED)
                data[at] ^= 1 << bit
                with self.assertRaises(Rejected, msg=f"bit {bit} of byte {at}"):
                    decode(data)

    def test_sf_091_any_slicing(self) -> None:
        choices = random.Random(91)
        for sizes in (lambda: 1, lambda: choices.randint(1, 9)):
            for data in (SEALED, COUNTED):
                entries: List[Entry] = []
                snapshot = decode_stream(slices(data, sizes), entries.append)
                self.assertEqual((snapshot, entries), collect(data))
            for bad in all_bad():
                self.check(bad, slices(bad.data, sizes))

    def test_sf_090_memory_does_not_follow_claims(self) -> None:
        head = counted_prefix() + b"\1" + be64(2**64 - 1)
        tail = b"\x20" + key(1) + b"\xff\xff\xff\xff\x0f"
        claims = [PREFIX + b"\0\xff\xff\xff", PREFIX + b"\xff\xff\xff\xff\x0f", head, head + tail]
        claims.append(sealed_prefix() + b"\1\1" + be32(32) + key(1) + be32(2**32 - 1))
        for data in claims:
            with self.assertRaises(Rejected):
                self.peak_of(slices(data, lambda: 1 << 20))

    def test_sf_021_sf_090_one_pass_in_bounded_memory(self) -> None:
        count, value = 10_000, per_object(8)

        def pieces() -> Iterator[bytes]:
            yield counted_prefix() + b"\1" + be64(count)
            for number in range(count):
                yield counted_entry(key(number), value)
            yield counted_section(2, []) + counted_section(3, [])

        source = pieces()
        sizes = set()

        def read(size: int) -> bytes:
            sizes.add(size)
            return next(source, b"")

        snapshot = self.peak_of(read)
        self.assertLessEqual(max(sizes), 1 << 18)
        self.assertEqual(snapshot.counts[PER_OBJECT], count)
        self.assertGreater(snapshot.size, 1 << 20)

    def peak_of(self, read: Callable[[int], bytes]) -> Snapshot:
        tracemalloc.start()
        try:
            return decode_stream(read)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            self.assertLess(peak, 1 << 18)


class Fuzzed(unittest.TestCase):
    """SF-092: any bytes give a snapshot or Rejected; SF-070: the former only one byte string."""

    def attempt(self, data: bytes) -> Optional[str]:
        try:
            snapshot, entries = collect(data)
        except Rejected as error:
            with self.assertRaises(Rejected) as again:
                decode(data)
            self.assertEqual(str(again.exception), str(error))
            return error.rule
        self.assertEqual(encode(snapshot, entries), data)
        return None

    def test_garbage(self) -> None:
        choices = random.Random(1)
        for _ in range(2000):
            garbage = bytes(choices.getrandbits(8) for _ in range(choices.randrange(300)))
            start = choices.choice((b"", PREFIX, sealed_prefix(), counted_prefix()))
            self.assertIsNotNone(self.attempt(start + garbage))

    def test_mutations(self) -> None:
        choices = random.Random(2)
        outcomes = set()
        for number in range(12_000):
            original = choices.choice((SEALED[:-8], COUNTED))
            data = bytearray(original)
            for _ in range(choices.choice((1, 1, 1, 2, 3))):
                self.mutate(data, choices)
            # Sealed anew, so that the checksum does not hide what comes before it.
            outcomes.add(
                self.attempt(seal(bytes(data)) if original is not COUNTED else bytes(data))
            )
        self.assertLessEqual({None, "SF-074", "SF-075", "SF-080", "SF-081", "SF-082"}, outcomes)

    def mutate(self, data: bytearray, choices: random.Random) -> None:
        at = choices.randrange(len(data))
        kind = choices.randrange(5)
        if kind == 0:
            data[at] ^= 1 << choices.randrange(8)
        elif kind == 1:
            data[at] = choices.choice((0, 1, 2, 0x20, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del data[at : at + choices.choice((1, 4, 32))]
        elif kind == 3:
            data[at:at] = bytes(choices.choice((1, 4, 8)))
        else:
            end = at + choices.randrange(64)
            data[at:at] = data[at:end]


class CommandLine(unittest.TestCase):
    SCRIPT = os.path.abspath(snapshot_decoder.__file__)

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name: str, data: bytes) -> str:
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def run_it(self, *arguments: str, stdin: bytes = b"") -> Tuple[int, str, str]:
        command = [sys.executable, self.SCRIPT, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        self.assertNotIn(b"Traceback", done.stderr)
        return done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii")

    def test_accepted_lines(self) -> None:
        one = self.write("one", SEALED)
        two = self.write("two", sealed(BARE_HEADER))
        code, out, err = self.run_it(one, two, "-", stdin=COUNTED)
        counts = f"{PER_OBJECT}=2 {POOLED}=2 {POOL}=1"
        cursor = f"cursor={EVENT_EE}:6@{2**40}"
        lines = [
            f"{SEALED[-8:].hex()}  sealed  epoch=25 chunk=0/1 {cursor} {counts} "
            f"bytes={len(SEALED)}  {one}",
            f"{decode(sealed(BARE_HEADER)).digest}  sealed  epoch=25 chunk=0/1 cursor=none@0 "
            f"{counts} bytes={len(sealed(BARE_HEADER))}  {two}",
            f"{digest(COUNTED):016x}  counted  epoch=25 chunk=0/1 {cursor} {counts} "
            f"bytes={len(COUNTED)}  -",
        ]
        self.assertEqual((code, out.splitlines(), err), (0, lines, ""))

    def test_rejected_lines_and_the_rest_goes_on(self) -> None:
        chosen = {bad.name: bad for bad in all_bad()}
        for name in ("magic", "sealed twice", "counted: variant 01"):
            bad = chosen[name]
            path = self.write("bad", bad.data)
            code, out, err = self.run_it(path, "-", stdin=COUNTED)
            start = f"{path}: {bad.rule}: {bad.section} at byte {bad.offset}: "
            self.assertEqual((code, len(out.splitlines()), len(err.splitlines())), (1, 1, 1))
            self.assertTrue(err.startswith(start), err)

    def test_json(self) -> None:
        path = self.write("a\n\u00e9", SEALED)
        code, out, _ = self.run_it("--json", path)
        self.assertEqual((code, len(out.splitlines())), (0, 1))
        report = json.loads(out)
        self.assertEqual((report["path"], report["bytes"]), (path, len(SEALED)))
        self.assertEqual((report["digest"], report["framing"]), (SEALED[-8:].hex(), "sealed"))
        self.assertEqual(report["counts"], {PER_OBJECT: 2, POOLED: 2, POOL: 1})
        self.assertEqual(report["header"]["prev_snapshot_blob_id"], "d3d3" * 10 + "d3c")
        self.assertEqual(report["header"]["event_id"], EVENT_EE + ":6")

    def test_dump(self) -> None:
        for data, order in (
            (SEALED, (PER_OBJECT, POOLED, POOL)),
            (COUNTED, (PER_OBJECT, POOL, POOLED)),
        ):
            path = self.write("file", data)
            code, out, _ = self.run_it("--dump", path)
            same = self.run_it("--dump", "-", stdin=data)
            self.assertEqual((code, same[0]), (0, 0))
            self.assertEqual(out.splitlines()[1:], same[1].splitlines()[1:])
            entries = [json.loads(line) for line in out.splitlines()[1:]]
            self.assertEqual(list(dict.fromkeys(entry["table"] for entry in entries)), list(order))
            second = entries[1]
            self.assertEqual(second["key"], "0x" + key(2).hex())
            self.assertEqual((second["certified_epoch"], second["deleted"]), (8, True))
            self.assertEqual(second["event"], EVENT_E1 + f":{2**64 - 1}")
        code, out, _ = self.run_it("--dump", "-", stdin=SEALED[:-1])
        self.assertEqual((code, out), (1, ""))  # nothing of a file that is not whole

    def test_exit_codes(self) -> None:
        good, bad = self.write("good", SEALED), self.write("bad", b"")
        missing = os.path.join(self.directory, "missing")
        self.assertEqual(self.run_it()[0], 2)
        self.assertEqual(self.run_it("--no-such-option", good)[0], 2)
        self.assertEqual(self.run_it(good)[0], 0)
        self.assertEqual(self.run_it(bad, good)[0], 1)
        self.assertEqual(self.run_it(missing, good)[0], 3)
        self.assertEqual(self.run_it(self.directory)[0], 3)
        self.assertEqual(self.run_it(missing, bad, good)[0], 1)

    def test_output_that_cannot_be_written(self) -> None:
        command = [sys.executable, self.SCRIPT, "--dump", self.write("good", SEALED)]
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        finally:
            os.close(writer)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (3, 1), done.stderr)

    def test_mutations_through_the_command_line(self) -> None:
        for number, at in enumerate((0, 4, 8, 12, S0, S_VALUE, len(SEALED) - 1)):
            data = bytearray(SEALED)
            data[at] ^= 0x80
            self.assertEqual(
                self.run_it("--json", "--dump", self.write(str(number), bytes(data)))[0], 1
            )


if __name__ == "__main__":
    unittest.main()
