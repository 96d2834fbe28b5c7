//! Rows and digests by the first byte of the key: what a map of where snapshots differ is drawn from. The
//! digests are the ones of fingerprints (`docs/fingerprint.md`, "The digests").

use blake3::Hasher;
use snapshot_format::{ObjectId, Table};

use crate::fingerprint::{Prefix, RangeDigest, put_row, range_hasher};

/// Ranges of a table.
pub const RANGES: usize = 256;

/// Bytes of rows that are hashed at once.
const HASHED_AT_ONCE: usize = 16 * 1024;

/// What a table has in one range of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// Rows.
    pub rows: u64,
    /// Their digest; none if there are no rows.
    pub digest: Option<RangeDigest>,
}

/// What a table has in each range: one for each first byte of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRanges(Vec<KeyRange>);

impl KeyRanges {
    /// The ranges with the byte that their keys begin with.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &KeyRange)> {
        (0..=u8::MAX).zip(&self.0)
    }

    /// The range of keys that begin with `byte`.
    #[must_use]
    pub fn range(&self, byte: u8) -> KeyRange {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// The digests in the making. Rows come in key order, so that one range at a time is open.
#[derive(Clone, Debug)]
pub(super) struct RangeHasher {
    table: Table,
    ranges: Vec<KeyRange>,
    open: Option<(u8, Hasher)>,
    pending: Vec<u8>,
}

impl RangeHasher {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            ranges: vec![KeyRange::default(); RANGES],
            open: None,
            pending: Vec::new(),
        }
    }

    /// Takes in the next row.
    pub(super) fn row(&mut self, key: &ObjectId, value: &[u8]) {
        let byte = key.as_bytes().first().copied().unwrap_or_default();
        if self.open.as_ref().is_none_or(|(open, _)| *open != byte) {
            self.close();
            let prefix = Prefix::new(&[byte]).unwrap_or(Prefix::EMPTY);
            self.open = Some((byte, range_hasher(self.table, &prefix)));
        }
        if let Some(range) = self.ranges.get_mut(usize::from(byte)) {
            range.rows += 1;
        }
        put_row(&mut self.pending, key, value);
        if self.pending.len() >= HASHED_AT_ONCE {
            self.flush();
        }
    }

    pub(super) fn finish(mut self) -> KeyRanges {
        self.close();
        KeyRanges(self.ranges)
    }

    fn flush(&mut self) {
        if let Some((_, hasher)) = &mut self.open {
            hasher.update(&self.pending);
        }
        self.pending.clear();
    }

    fn close(&mut self) {
        self.flush();
        if let Some((byte, hasher)) = self.open.take()
            && let Some(range) = self.ranges.get_mut(usize::from(byte))
        {
            range.digest = Some(RangeDigest(hasher.finalize().into()));
        }
    }
}
