//! The outer layer of the log format: 32 KiB blocks of checksummed physical records.
//!
//! It knows block borders, headers, checksums and record types, and holds one block in memory. What
//! the payloads mean, and how fragments make up a record, is none of its business.

use std::io::{self, Read};

use super::error::{Fault, LogKind};

/// Records never cross the border of a block of this many bytes.
const BLOCK: usize = 32 * 1024;
/// Checksum 4, length 2, type 1.
const HEADER: usize = 7;
/// The log number that follows the header in the record types for recycled files.
const NUMBER: usize = 4;
/// RocksDB stores checksums rotated and shifted by this, so that the checksum of data that holds
/// checksums is no weaker.
const MASK_DELTA: u32 = 0xa282_ead8;
/// Types with this bit may be skipped by a reader that does not know them.
const SAFE_TO_IGNORE: u8 = 0x80;

/// Why reading stopped.
pub(super) enum Stop {
    /// The source failed.
    Io(io::Error),
    /// The bytes are wrong.
    Fault { offset: u64, fault: Fault },
}

/// What a physical record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A whole record.
    Full,
    /// The first fragment of a record.
    First,
    /// A fragment in between.
    Middle,
    /// The last fragment of a record.
    Last,
    /// Says that the payloads after it are compressed.
    Compression,
    /// Says something else about the file and belongs to no record.
    Metadata,
}

/// An intact physical record.
pub(super) struct Physical<'a> {
    pub(super) role: Role,
    /// Offset of its header from the start of the file, in bytes.
    pub(super) offset: u64,
    pub(super) payload: &'a [u8],
}

/// Reads the physical records of one file.
pub(super) struct PhysicalReader<R> {
    source: R,
    kind: LogKind,
    /// The low 32 bits of the file's number.
    number: u32,
    /// The current block, shorter than [`BLOCK`] at the end of the file.
    block: Vec<u8>,
    /// Where the current block starts in the file.
    start: u64,
    /// Where the next record starts in the block.
    at: usize,
    /// Whether the headers of this file carry its number; known from the first record on.
    numbered: Option<bool>,
    recycled_tail: bool,
}

impl<R: Read> PhysicalReader<R> {
    pub(super) fn new(source: R, kind: LogKind, number: u64) -> Self {
        Self {
            source,
            kind,
            number: u32::try_from(number & u64::from(u32::MAX)).expect("masked to 32 bits"),
            block: Vec::with_capacity(BLOCK),
            start: 0,
            // Nothing is left of the block before the first one.
            at: BLOCK,
            numbered: None,
            recycled_tail: false,
        }
    }

    /// Whether the file ended with records of the file it was recycled from.
    pub(super) fn recycled_tail(&self) -> bool {
        self.recycled_tail
    }

    /// Offset of the next record from the start of the file, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.start + self.at.min(self.block.len()) as u64
    }

    /// Returns the next record, or `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Physical<'_>>, Stop> {
        if self.recycled_tail || !self.seek_record()? {
            return Ok(None);
        }
        let offset = self.offset();
        let stop = |fault| Stop::Fault { offset, fault };

        let rest = self.block.get(self.at..).unwrap_or_default();
        let record = parse(rest, BLOCK - self.at).map_err(stop)?;
        let role = role(record.type_byte, self.kind).ok_or(stop(Fault::UnknownType {
            got: record.type_byte,
        }))?;
        // RocksDB takes any foreign log number for the end of a recycled file, before it looks at
        // the checksum. Here a foreign record ends the file only if it is intact, older, and
        // preceded by records of the file's own; this cannot come from a flipped type byte.
        if let Some(got) = record.number.filter(|got| *got != self.number) {
            if self.numbered == Some(true) && got < self.number {
                self.recycled_tail = true;
                return Ok(None);
            }
            return Err(stop(Fault::ForeignRecord {
                expected: self.number,
                got,
            }));
        }
        if role != Role::Compression {
            let numbered = record.number.is_some();
            if *self.numbered.get_or_insert(numbered) != numbered {
                return Err(stop(Fault::MixedHeaders));
            }
        }
        self.at += record.size;
        Ok(Some(Physical {
            role,
            offset,
            payload: record.payload,
        }))
    }

    /// Moves over the padding at the end of a block; false at the end of the file.
    fn seek_record(&mut self) -> Result<bool, Stop> {
        let header = if self.numbered == Some(true) {
            HEADER + NUMBER
        } else {
            HEADER
        };
        let mut padded = false;
        loop {
            let offset = self.offset();
            let stop = |fault| Stop::Fault { offset, fault };
            let room = BLOCK - self.at;
            let rest = self.block.get(self.at..).unwrap_or_default();
            if room >= header {
                return match (rest.is_empty(), padded) {
                    (false, _) => Ok(true),
                    (true, false) => Ok(false),
                    (true, true) => Err(stop(Fault::EndsAfterPadding)),
                };
            }
            if room > 0 {
                if rest.is_empty() {
                    return Ok(false);
                }
                if rest.iter().any(|byte| *byte != 0) {
                    return Err(stop(Fault::Padding));
                }
                if rest.len() < room {
                    return Err(stop(Fault::TruncatedHeader { got: rest.len() }));
                }
                padded = true;
            }
            self.next_block().map_err(Stop::Io)?;
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.start += self.block.len() as u64;
        self.at = 0;
        self.block.clear();
        self.source
            .by_ref()
            .take(BLOCK as u64)
            .read_to_end(&mut self.block)?;
        Ok(())
    }
}

/// A record whose checksum matches.
struct Parsed<'a> {
    type_byte: u8,
    number: Option<u32>,
    payload: &'a [u8],
    /// Header and payload, in bytes.
    size: usize,
}

/// Parses the record at the start of `rest`, which ends with the file or, after `room` bytes, with
/// the block.
///
/// A record that the file cuts off is told from one whose length is wrong: that one is followed by others,
/// or is whole at another length.
fn parse(rest: &[u8], room: usize) -> Result<Parsed<'_>, Fault> {
    match parse_whole(rest, room) {
        Err(Fault::TruncatedPayload { expected, got }) if hides_a_record(rest) => {
            Err(Fault::WrongLength { expected, got })
        }
        parsed => parsed,
    }
}

/// Whether a whole record lies in `rest`, whose first record claims to be longer.
fn hides_a_record(rest: &[u8]) -> bool {
    let Some(([c0, c1, c2, c3, _, _], checked)) = rest.split_first_chunk::<6>() else {
        return false;
    };
    let expected = unmask(u32::from_le_bytes([*c0, *c1, *c2, *c3]));
    let mut checksum = 0;
    let whole_when_shorter = checked.chunks(1).any(|byte| {
        checksum = crc32c::crc32c_append(checksum, byte);
        checksum == expected
    });
    whole_when_shorter
        || (1..rest.len()).any(|at| {
            let later = rest.get(at..).unwrap_or_default();
            parse_whole(later, later.len())
                .is_ok_and(|record| matches!(record.type_byte, 1..=8) && !record.payload.is_empty())
        })
}

/// As [`parse`], whatever the length is due to.
fn parse_whole(rest: &[u8], room: usize) -> Result<Parsed<'_>, Fault> {
    let truncated_header = Fault::TruncatedHeader { got: rest.len() };
    let Some((header, body)) = rest.split_first_chunk::<HEADER>() else {
        return Err(truncated_header);
    };
    let [c0, c1, c2, c3, l0, l1, type_byte] = *header;
    if header.iter().all(|byte| *byte == 0) {
        return Err(Fault::Zeroed);
    }
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    let (number, room) = if is_numbered(type_byte) {
        (NUMBER, room.saturating_sub(HEADER + NUMBER))
    } else {
        (0, room.saturating_sub(HEADER))
    };
    if length > room {
        return Err(Fault::LengthPastBlock { length, room });
    }
    let Some((number, body)) = body.split_at_checked(number) else {
        return Err(truncated_header);
    };
    let Some((payload, _)) = body.split_at_checked(length) else {
        return Err(Fault::TruncatedPayload {
            expected: length,
            got: body.len(),
        });
    };
    let expected = unmask(u32::from_le_bytes([c0, c1, c2, c3]));
    let checksummed = number.len() + length;
    let size = HEADER + checksummed;
    let got = crc32c::crc32c(rest.get(HEADER - 1..size).unwrap_or_default());
    if got != expected {
        return Err(Fault::Checksum { expected, got });
    }
    let number = number.first_chunk().copied().map(u32::from_le_bytes);
    Ok(Parsed {
        type_byte,
        number,
        payload,
        size,
    })
}

/// Whether the header of a record of this type is followed by a log number.
const fn is_numbered(type_byte: u8) -> bool {
    matches!(type_byte, 5..=8) || (type_byte >= 10 && type_byte & 1 == 1)
}

/// The role of a type, or `None` if a file of that kind cannot hold it.
fn role(type_byte: u8, kind: LogKind) -> Option<Role> {
    match (type_byte, kind) {
        (1, _) | (5, LogKind::Wal) => Some(Role::Full),
        (2, _) | (6, LogKind::Wal) => Some(Role::First),
        (3, _) | (7, LogKind::Wal) => Some(Role::Middle),
        (4, _) | (8, LogKind::Wal) => Some(Role::Last),
        (9, LogKind::Wal) => Some(Role::Compression),
        (10 | 11, LogKind::Wal) => Some(Role::Metadata),
        (other, LogKind::Wal) if other & SAFE_TO_IGNORE != 0 => Some(Role::Metadata),
        _ => None,
    }
}

const fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}
