//! The bytes of the sealed framing, version 1 (`docs/format.md`, "Sealed framing").

use crate::limits::KEY_LEN;
use crate::table::Table;

/// The tables in the order of their sections.
pub(crate) const TABLES: [Table; 3] = Table::ALL;

/// The byte in front of each entry.
pub(crate) const ENTRY_MARKER: u8 = 0x01;

/// Marker and key length, which are the same for every entry.
const ENTRY_START: [u8; 5] = {
    let [a, b, c, d] = (KEY_LEN as u32).to_be_bytes();
    [ENTRY_MARKER, a, b, c, d]
};

/// The byte that ends a section.
pub(crate) const END_MARKER: u8 = 0x00;

/// Length in bytes of the trailer: the checksum.
pub(crate) const TRAILER_LEN: usize = 8;

/// Marker, key length, key and value length of an entry.
pub(crate) const ENTRY_PREFIX_LEN: usize = 1 + 4 + KEY_LEN + 4;

/// Appends the length that stands in front of the header.
pub(crate) fn put_header_len(out: &mut Vec<u8>, len: u32) {
    out.extend_from_slice(&len.to_be_bytes());
}

/// Appends an entry; the value is at most [`crate::limits::MAX_FIELD_LEN`] bytes long.
#[inline]
pub(crate) fn put_entry(out: &mut Vec<u8>, key: &[u8; KEY_LEN], value: &[u8]) {
    out.reserve(ENTRY_PREFIX_LEN + value.len());
    out.extend_from_slice(&ENTRY_START);
    out.extend_from_slice(key);
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends the end of a section of `count` entries.
pub(crate) fn put_section_end(out: &mut Vec<u8>, count: u64) {
    out.push(END_MARKER);
    out.extend_from_slice(&count.to_be_bytes());
}
