//! The bytes of the counted framing, version 1 (`docs/format.md`, "Counted framing").

use crate::limits::KEY_LEN;
use crate::table::Table;
use crate::wire::put_uleb128;

/// The tables in the order of their sections.
pub(crate) const TABLES: [Table; 3] = [
    Table::PerObjectBlobInfo,
    Table::StoragePoolInfo,
    Table::PerObjectPooledBlobInfo,
];

/// Key length, key and value length of an entry at most.
const MAX_ENTRY_PREFIX_LEN: usize = 1 + KEY_LEN + 2;

/// Appends the length that stands in front of the header.
pub(crate) fn put_header_len(out: &mut Vec<u8>, len: u32) {
    put_uleb128(out, len);
}

/// Appends an entry; the value is at most [`crate::limits::MAX_FIELD_LEN`] bytes long.
#[inline]
pub(crate) fn put_entry(out: &mut Vec<u8>, key: &[u8; KEY_LEN], value: &[u8]) {
    out.reserve(MAX_ENTRY_PREFIX_LEN + value.len());
    put_uleb128(out, KEY_LEN as u32);
    out.extend_from_slice(key);
    put_uleb128(out, value.len() as u32);
    out.extend_from_slice(value);
}
