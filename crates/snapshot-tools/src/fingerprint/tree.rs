//! What is hashed: the rows of a range of keys, a single row, all tables (`docs/fingerprint.md`, "The
//! digests"). BLAKE3, apart by what is hashed, by table and by level.
//!
//! The digest of a range does not depend on what else is in the table, on the framing, or on the header.

use blake3::Hasher;
use snapshot_format::{Framing, ObjectId, PerTable, Table};

use super::digest::{PartDigest, RangeDigest, RowDigest, ShortDigest};
use super::document::{Part, RangePrint, TablePrint};
use super::prefix::Prefix;

/// What BLAKE3 derives the key for ranges from.
const RANGE: &str = "blob-snapshot fingerprint v1: range of rows";

/// What BLAKE3 derives the key for single rows from.
const ROW: &str = "blob-snapshot fingerprint v1: row";

/// What BLAKE3 derives the key for all tables from.
const CONTENT: &str = "blob-snapshot fingerprint v1: content";

/// A range of at most so many rows is shown key by key. Of 2,000,000 rows, 30 share two bytes; 48 keys with
/// their digests are 4 KiB.
pub const MOST_KEYS: usize = 48;

/// Bytes of rows that are hashed at once: BLAKE3 is fastest from 16 KiB on.
const HASHED_AT_ONCE: usize = 64 * 1024;

/// A non-empty part of a range: the keys that go on with one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubRange {
    /// The byte.
    pub byte: u8,
    /// Rows.
    pub rows: u64,
    /// Their digest.
    pub digest: PartDigest,
}

/// A key and the digest of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPrint {
    /// The key.
    pub key: ObjectId,
    /// The digest of key and value.
    pub digest: RowDigest,
}

/// Rows and digest of each table.
pub type Content = PerTable<(u64, RangeDigest)>;

/// The digest of rows of `table`, in key order, whose keys begin with `prefix`.
#[must_use]
pub fn range<'a>(
    table: Table,
    prefix: &Prefix,
    rows: impl IntoIterator<Item = (&'a ObjectId, &'a [u8])>,
) -> RangeDigest {
    let mut hasher = range_hasher(table, prefix);
    let mut bytes = Vec::new();
    for (key, value) in rows {
        bytes.clear();
        put_row(&mut bytes, key, value);
        hasher.update(&bytes);
    }
    RangeDigest(hasher.finalize().into())
}

/// The digest of one row of `table`.
#[must_use]
pub fn row(table: Table, key: &ObjectId, value: &[u8]) -> RowDigest {
    let mut hasher = Hasher::new_derive_key(ROW);
    hasher.update(&[tag(table)]);
    hasher.update(key.as_bytes());
    hasher.update(value);
    short(&hasher)
}

/// The digest of all tables.
#[must_use]
pub fn content(tables: &Content) -> RangeDigest {
    let mut hasher = Hasher::new_derive_key(CONTENT);
    for (table, (rows, digest)) in tables.iter() {
        hasher.update(&[tag(table)]);
        hasher.update(&rows.to_be_bytes());
        hasher.update(&digest.0);
    }
    RangeDigest(hasher.finalize().into())
}

/// The number that stands for a table: its tag in the sealed framing.
const fn tag(table: Table) -> u8 {
    Framing::Sealed.tag(table)
}

pub(crate) fn range_hasher(table: Table, prefix: &Prefix) -> Hasher {
    let mut hasher = Hasher::new_derive_key(RANGE);
    hasher.update(&[tag(table), prefix.level()]);
    hasher.update(prefix.as_bytes());
    hasher
}

pub(crate) fn put_row(bytes: &mut Vec<u8>, key: &ObjectId, value: &[u8]) {
    bytes.extend_from_slice(key.as_bytes());
    // Values have at most 1 KiB.
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(value);
}

fn short<const LEN: usize>(hasher: &Hasher) -> ShortDigest<LEN> {
    let mut bytes = [0; LEN];
    hasher.finalize_xof().fill(&mut bytes);
    ShortDigest(bytes)
}

/// The digests of one table, in the making.
#[derive(Clone, Debug)]
pub(super) struct TableTree {
    table: Table,
    rows: u64,
    whole: Hasher,
    close_up: Option<CloseUp>,
    /// Rows that no hasher has yet: all of one part of the close-up, or all outside of it.
    pending: Vec<u8>,
}

/// The range that is looked at closely, in the making.
#[derive(Clone, Debug)]
struct CloseUp {
    prefix: Prefix,
    rows: u64,
    /// Of all its rows.
    hasher: Hasher,
    /// The part that goes on.
    open: Option<OpenPart>,
    parts: Vec<SubRange>,
    /// The first rows, one more than would be shown.
    keys: Vec<RowPrint>,
    /// The row whose key is the prefix.
    value: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct OpenPart {
    byte: u8,
    rows: u64,
    hasher: Hasher,
}

impl TableTree {
    /// A table of which the keys with `prefix`, if any, are looked at closely.
    pub(super) fn new(table: Table, prefix: Option<Prefix>) -> Self {
        Self {
            table,
            rows: 0,
            whole: range_hasher(table, &Prefix::EMPTY),
            close_up: prefix.map(|prefix| CloseUp {
                prefix,
                rows: 0,
                hasher: range_hasher(table, &prefix),
                open: None,
                parts: Vec::new(),
                keys: Vec::new(),
                value: None,
            }),
            pending: Vec::new(),
        }
    }

    /// Takes in the next row.
    pub(super) fn row(&mut self, key: &ObjectId, value: &[u8]) {
        let Self {
            table,
            whole,
            close_up,
            pending,
            ..
        } = self;
        self.rows += 1;
        if let Some(close_up) = close_up {
            let byte = close_up.byte_of(key);
            if close_up.open.as_ref().map(|open| open.byte) != byte {
                close_up.flush(whole, pending);
                close_up.open_part(*table, byte);
            }
            if let Some(open) = &mut close_up.open {
                open.rows += 1;
            }
            if close_up.prefix.contains(key) {
                close_up.count(*table, key, value);
            }
        }
        put_row(pending, key, value);
        if pending.len() >= HASHED_AT_ONCE {
            match close_up {
                Some(close_up) => close_up.flush(whole, pending),
                None => {
                    whole.update(pending);
                    pending.clear();
                }
            }
        }
    }

    /// What is to be said of the table, once its rows have passed.
    pub(super) fn finish(mut self) -> TablePrint {
        let range = match self.close_up {
            Some(mut close_up) => {
                close_up.flush(&mut self.whole, &mut self.pending);
                close_up.open_part(self.table, None);
                Some(close_up.finish())
            }
            None => {
                self.whole.update(&self.pending);
                None
            }
        };
        TablePrint {
            rows: self.rows,
            digest: RangeDigest(self.whole.finalize().into()),
            range,
        }
    }
}

impl CloseUp {
    /// The byte that names the part `key` belongs to: none outside of the range, or where the prefix is a
    /// whole key.
    fn byte_of(&self, key: &ObjectId) -> Option<u8> {
        if self.prefix.contains(key) {
            self.prefix.next_byte(key)
        } else {
            None
        }
    }

    /// Closes the part that goes on, and opens another.
    fn open_part(&mut self, table: Table, byte: Option<u8>) {
        if let Some(part) = self.open.take() {
            self.parts.push(SubRange {
                byte: part.byte,
                rows: part.rows,
                digest: short(&part.hasher),
            });
        }
        self.open = byte
            .and_then(|byte| self.prefix.child(byte).map(|child| (byte, child)))
            .map(|(byte, child)| OpenPart {
                byte,
                rows: 0,
                hasher: range_hasher(table, &child),
            });
    }

    /// Hands the pending rows, all of the open part or all outside of the range, to their hashers.
    fn flush(&mut self, whole: &mut Hasher, pending: &mut Vec<u8>) {
        whole.update(pending);
        if let Some(open) = &mut self.open {
            open.hasher.update(pending);
            if self.prefix != Prefix::EMPTY {
                self.hasher.update(pending);
            }
        }
        pending.clear();
        if self.prefix == Prefix::EMPTY {
            self.hasher.clone_from(whole);
        }
    }

    fn count(&mut self, table: Table, key: &ObjectId, value: &[u8]) {
        self.rows += 1;
        if self.keys.len() <= MOST_KEYS {
            self.keys.push(RowPrint {
                key: *key,
                digest: row(table, key, value),
            });
        }
        if self.prefix.as_key().is_some() {
            let mut bytes = Vec::new();
            put_row(&mut bytes, key, value);
            self.hasher.update(&bytes);
            self.value = Some(value.to_vec());
        }
    }

    fn finish(self) -> RangePrint {
        let part = match self.value {
            Some(value) => Part::Row(value),
            None if self.keys.len() <= MOST_KEYS => Part::Keys(self.keys),
            None => Part::Ranges(self.parts),
        };
        RangePrint {
            prefix: self.prefix,
            rows: self.rows,
            digest: RangeDigest(self.hasher.finalize().into()),
            part,
        }
    }
}
