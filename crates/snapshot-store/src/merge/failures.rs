//! The way of a merge failure past RocksDB, which tells its caller only that some merge failed.
//!
//! The callbacks record here, the reader that meets a corruption status looks here. Nothing here
//! knows a table's values.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use snapshot_format::{BlobId, ObjectId};

use super::error::MergeError;
use crate::schema::ColumnFamily;

/// A row that could not be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeFailure {
    /// The column family.
    pub column_family: ColumnFamily,
    /// The row's key.
    pub key: Vec<u8>,
    /// Why.
    pub cause: MergeError,
}

impl MergeFailure {
    /// The key as it is printed elsewhere: as an object ID, a blob ID, or failing that in hex.
    #[must_use]
    pub fn key_text(&self) -> String {
        let id = <[u8; 32]>::try_from(self.key.as_slice());
        match (self.column_family, id) {
            (
                ColumnFamily::PerObjectBlobInfo
                | ColumnFamily::PerObjectPooledBlobInfo
                | ColumnFamily::StoragePoolInfo,
                Ok(id),
            ) => ObjectId::new(id).to_string(),
            (ColumnFamily::AggregateBlobInfo, Ok(id)) => BlobId::new(id).to_string(),
            _ => self.key.iter().fold(String::from("0x"), |text, byte| {
                text + &format!("{byte:02x}")
            }),
        }
    }
}

impl fmt::Display for MergeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {}: {}",
            self.key_text(),
            self.column_family,
            self.cause
        )
    }
}

/// Collects the failures of the merge operators of one database.
///
/// Clones share what they collect: one goes into the options of each column family, one stays with
/// the reader.
#[derive(Clone, Debug, Default)]
pub struct MergeFailures {
    kept: Arc<Mutex<VecDeque<MergeFailure>>>,
}

impl MergeFailures {
    /// How many failures are kept, the latest ones. One is what a reader stops at; a few more tell
    /// whether it is alone. A damaged column family must not fill the memory.
    pub const CAPACITY: usize = 16;

    /// Nothing collected yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The latest failure.
    #[must_use]
    pub fn last(&self) -> Option<MergeFailure> {
        self.lock().back().cloned()
    }

    /// The latest failure in one column family.
    #[must_use]
    pub fn last_in(&self, column_family: ColumnFamily) -> Option<MergeFailure> {
        self.lock()
            .iter()
            .rfind(|kept| kept.column_family == column_family)
            .cloned()
    }

    /// The latest failure of one row.
    #[must_use]
    pub fn of_row(&self, column_family: ColumnFamily, key: &[u8]) -> Option<MergeFailure> {
        self.lock()
            .iter()
            .rfind(|kept| is_row(kept, column_family, key))
            .cloned()
    }

    /// Removes and returns the kept failures, each row once, the latest last.
    #[must_use]
    pub fn take(&self) -> Vec<MergeFailure> {
        std::mem::take(&mut *self.lock()).into()
    }

    /// Keeps a failure. RocksDB may try a row several times; the row is kept once.
    pub(super) fn record(&self, failure: MergeFailure) {
        let mut kept = self.lock();
        kept.retain(|old| !is_row(old, failure.column_family, &failure.key));
        if kept.len() >= Self::CAPACITY {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// A panic elsewhere cannot leave the list half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, VecDeque<MergeFailure>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_row(failure: &MergeFailure, column_family: ColumnFamily, key: &[u8]) -> bool {
    failure.column_family == column_family && failure.key == key
}
