//! The three tables of a snapshot, and a value for each of them.
//!
//! Nothing here knows how a framing orders or tags the tables: that is `framing`.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A table of the node that a snapshot holds (`docs/tables.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// `per_object_blob_info`: blob objects that own their storage.
    PerObjectBlobInfo,
    /// `per_object_pooled_blob_info`: blob objects whose storage belongs to a pool.
    PerObjectPooledBlobInfo,
    /// `storage_pool_info`: the storage pools.
    StoragePoolInfo,
}

impl Table {
    /// All tables, in the sealed framing's order.
    pub const ALL: [Self; 3] = [
        Self::PerObjectBlobInfo,
        Self::PerObjectPooledBlobInfo,
        Self::StoragePoolInfo,
    ];

    /// The table's name, which is that of the node's column family.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerObjectBlobInfo => "per_object_blob_info",
            Self::PerObjectPooledBlobInfo => "per_object_pooled_blob_info",
            Self::StoragePoolInfo => "storage_pool_info",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One `T` for each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerTable<T> {
    /// For `per_object_blob_info`.
    pub per_object_blob_info: T,
    /// For `per_object_pooled_blob_info`.
    pub per_object_pooled_blob_info: T,
    /// For `storage_pool_info`.
    pub storage_pool_info: T,
}

impl<T> PerTable<T> {
    /// Makes the value of each table.
    pub fn from_fn(mut make: impl FnMut(Table) -> T) -> Self {
        Self {
            per_object_blob_info: make(Table::PerObjectBlobInfo),
            per_object_pooled_blob_info: make(Table::PerObjectPooledBlobInfo),
            storage_pool_info: make(Table::StoragePoolInfo),
        }
    }

    /// The values with their tables, in the order of [`Table::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Table, &T)> {
        Table::ALL.into_iter().map(|table| (table, &self[table]))
    }
}

impl PerTable<u64> {
    /// The sum over all tables.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }
}

impl<T> Index<Table> for PerTable<T> {
    type Output = T;

    fn index(&self, table: Table) -> &T {
        match table {
            Table::PerObjectBlobInfo => &self.per_object_blob_info,
            Table::PerObjectPooledBlobInfo => &self.per_object_pooled_blob_info,
            Table::StoragePoolInfo => &self.storage_pool_info,
        }
    }
}

impl<T> IndexMut<Table> for PerTable<T> {
    fn index_mut(&mut self, table: Table) -> &mut T {
        match table {
            Table::PerObjectBlobInfo => &mut self.per_object_blob_info,
            Table::PerObjectPooledBlobInfo => &mut self.per_object_pooled_blob_info,
            Table::StoragePoolInfo => &mut self.storage_pool_info,
        }
    }
}
