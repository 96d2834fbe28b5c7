//! The values of the three tables: typed, and validated in place (`docs/format.md`, "Values").
//!
//! One record per file. A record's `decode` is the strict reading of its bytes; its `encode` is BCS
//! through serde, so the two vouch for each other.

mod per_object;
mod pooled;
mod storage_pool;

pub use per_object::{PerObjectBlobInfo, PerObjectBlobInfoV1};
pub use pooled::{PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1};
pub use storage_pool::{StoragePoolInfo, StoragePoolInfoV1};

use serde::Serialize;

use crate::table::Table;
use crate::value::ValueError;

/// A value of any of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// A row of `per_object_blob_info`.
    PerObjectBlobInfo(PerObjectBlobInfo),
    /// A row of `per_object_pooled_blob_info`.
    PerObjectPooledBlobInfo(PerObjectPooledBlobInfo),
    /// A row of `storage_pool_info`.
    StoragePoolInfo(StoragePoolInfo),
}

impl Record {
    /// Decodes the bytes of a value of `table`.
    ///
    /// # Errors
    ///
    /// If they are not the canonical BCS of a known variant.
    pub fn decode(table: Table, value: &[u8]) -> Result<Self, ValueError> {
        Ok(match table {
            Table::PerObjectBlobInfo => Self::PerObjectBlobInfo(PerObjectBlobInfo::decode(value)?),
            Table::PerObjectPooledBlobInfo => {
                Self::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::decode(value)?)
            }
            Table::StoragePoolInfo => Self::StoragePoolInfo(StoragePoolInfo::decode(value)?),
        })
    }

    /// The canonical BCS of the value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::PerObjectBlobInfo(value) => value.encode(),
            Self::PerObjectPooledBlobInfo(value) => value.encode(),
            Self::StoragePoolInfo(value) => value.encode(),
        }
    }

    /// The table the value belongs to.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Self::PerObjectBlobInfo(_) => Table::PerObjectBlobInfo,
            Self::PerObjectPooledBlobInfo(_) => Table::PerObjectPooledBlobInfo,
            Self::StoragePoolInfo(_) => Table::StoragePoolInfo,
        }
    }
}

/// Checks in place, without allocating, that `value` is the canonical BCS of a value of `table`.
///
/// # Errors
///
/// What is wrong and where, counted from the first byte of the value.
#[inline]
pub fn validate(table: Table, value: &[u8]) -> Result<(), ValueError> {
    match table {
        Table::PerObjectBlobInfo => PerObjectBlobInfo::read(value).map(drop),
        Table::PerObjectPooledBlobInfo => PerObjectPooledBlobInfo::read(value).map(drop),
        Table::StoragePoolInfo => StoragePoolInfo::read(value).map(drop),
    }
}

/// BCS of a value whose types can all be represented in it, and that has at most `max_len` bytes.
fn to_bcs(value: &impl Serialize, max_len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(max_len);
    bcs::serialize_into(&mut bytes, value)
        .expect("integers, arrays, options and enums always have a BCS form");
    bytes
}
