//! Which rows are wanted: by ID, by table, by epochs.

use snapshot_format::{
    BlobId, Epoch, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record, StoragePoolInfo,
    Table,
};

/// What must hold of a row; what is not told holds of every row.
///
/// A condition on a field holds only of rows that have the field: a pool is neither certified nor not, and a
/// pooled blob has no end epoch but that of its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The tables; none means all.
    pub tables: Vec<Table>,
    /// The pool that stores it, or the pool itself.
    pub pools: Vec<ObjectId>,
    /// Its end epoch, the first without it, is below this.
    pub expiring_before: Option<Epoch>,
    /// Its end epoch is above this.
    pub expiring_after: Option<Epoch>,
    /// Whether it is certified.
    pub certified: Option<bool>,
}

impl Filter {
    /// Whether the row is wanted.
    #[must_use]
    pub fn admits(&self, key: &ObjectId, record: &Record) -> bool {
        let before = |end: Option<Epoch>| {
            self.expiring_before
                .is_none_or(|limit| end.is_some_and(|end| end < limit))
        };
        let after = |end: Option<Epoch>| {
            self.expiring_after
                .is_none_or(|limit| end.is_some_and(|end| end > limit))
        };
        let (end, certified) = match record {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => {
                (Some(row.end_epoch), Some(row.certified_epoch.is_some()))
            }
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
                (None, Some(row.certified_epoch.is_some()))
            }
            Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => (Some(row.end_epoch), None),
        };
        (self.tables.is_empty() || self.tables.contains(&record.table()))
            && (self.pools.is_empty()
                || pool_id(key, record).is_some_and(|pool| self.pools.contains(&pool)))
            && before(end)
            && after(end)
            && self
                .certified
                .is_none_or(|wanted| certified == Some(wanted))
    }
}

/// The blob that a row is about; a pool is about none.
#[must_use]
pub const fn blob_id(record: &Record) -> Option<BlobId> {
    match record {
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => Some(row.blob_id),
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => Some(row.blob_id),
        Record::StoragePoolInfo(_) => None,
    }
}

/// The pool that a row is about, or stored in.
#[must_use]
pub const fn pool_id(key: &ObjectId, record: &Record) -> Option<ObjectId> {
    match record {
        Record::PerObjectBlobInfo(_) => None,
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
            Some(row.storage_pool_id)
        }
        Record::StoragePoolInfo(_) => Some(*key),
    }
}
