//! The column families of a node that this project touches: names, keys and RocksDB options
//! (`docs/tables.md`).
//!
//! What the values mean stands in `snapshot-format`, `aggregate` and `cursor`; which of the families a
//! command opens, and the options of a database as a whole, are the opener's business. Only options
//! that every supported release of RocksDB knows appear here, and a node's RocksDB 8.10 must be able
//! to read whatever they make.

use std::fmt;

use rocksdb::{BlockBasedOptions, DBCompressionType, Options};
use snapshot_format::Table;

use crate::merge::{self, MergeFailures};

/// A column family of a node's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnFamily {
    /// `per_object_blob_info`: object ID to `PerObjectBlobInfo`.
    PerObjectBlobInfo,
    /// `per_object_pooled_blob_info`: object ID to `PerObjectPooledBlobInfo`.
    PerObjectPooledBlobInfo,
    /// `storage_pool_info`: pool object ID to `StoragePoolInfo`.
    StoragePoolInfo,
    /// `aggregate_blob_info`: blob ID to [`BlobInfo`](crate::aggregate::BlobInfo).
    AggregateBlobInfo,
    /// `latest_handled_event_index`: one u64 under [`LATEST_HANDLED_EVENT_INDEX_KEY`].
    LatestHandledEventIndex,
    /// `event_cursor`: one [`EventCursor`](crate::cursor::EventCursor) under [`EVENT_CURSOR_KEY`].
    EventCursor,
}

/// The only key of `latest_handled_event_index`.
pub const LATEST_HANDLED_EVENT_INDEX_KEY: &[u8] = b"";

/// The only key of `event_cursor`.
pub const EVENT_CURSOR_KEY: &[u8] = b"cursor";

impl ColumnFamily {
    /// All of them: the three of a snapshot, then the three that are rebuilt beside it.
    pub const ALL: [Self; 6] = [
        Self::PerObjectBlobInfo,
        Self::PerObjectPooledBlobInfo,
        Self::StoragePoolInfo,
        Self::AggregateBlobInfo,
        Self::LatestHandledEventIndex,
        Self::EventCursor,
    ];

    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerObjectBlobInfo => Table::PerObjectBlobInfo.name(),
            Self::PerObjectPooledBlobInfo => Table::PerObjectPooledBlobInfo.name(),
            Self::StoragePoolInfo => Table::StoragePoolInfo.name(),
            Self::AggregateBlobInfo => "aggregate_blob_info",
            Self::LatestHandledEventIndex => "latest_handled_event_index",
            Self::EventCursor => "event_cursor",
        }
    }

    /// The name of its merge operator, if it has one. RocksDB notes it in every SST file.
    #[must_use]
    pub const fn merge_operator_name(self) -> Option<&'static str> {
        match self {
            Self::PerObjectBlobInfo => Some("merge per object blob info"),
            Self::PerObjectPooledBlobInfo => Some("merge per object pooled blob info"),
            Self::StoragePoolInfo => Some("merge storage pool info"),
            Self::AggregateBlobInfo => Some("merge blob info"),
            Self::LatestHandledEventIndex => None,
            Self::EventCursor => Some("update_cursor_and_progress"),
        }
    }

    /// The one called `name`, if it is one of these.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|column_family| column_family.name() == name)
    }
}

impl From<Table> for ColumnFamily {
    fn from(table: Table) -> Self {
        match table {
            Table::PerObjectBlobInfo => Self::PerObjectBlobInfo,
            Table::PerObjectPooledBlobInfo => Self::PerObjectPooledBlobInfo,
            Table::StoragePoolInfo => Self::StoragePoolInfo,
        }
    }
}

impl fmt::Display for ColumnFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bytes of a data block before compression, as a node writes it.
const BLOCK_SIZE: usize = 64 << 10;

/// Bits of the Bloom filter for each key, as a node writes it: 1 % of the look-ups of absent keys
/// read a block for nothing.
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// The table format a node writes. Newer releases of RocksDB default to newer ones.
const TABLE_FORMAT_VERSION: i32 = 5;

/// Bytes of a memtable, and of an SST file of the first level below 0, as a node has them.
const FILE_SIZE: usize = 64 << 20;

/// Bytes of the first level below 0, as a node has it.
const LEVEL_BASE_SIZE: u64 = 512 << 20;

/// The options to read `column_family` with; rows that cannot be merged go to `failures`.
///
/// They serve an ordered scan. The block cache is off, as each block is read once; and without a
/// filter policy RocksDB leaves the Bloom filters on disk, which would take a byte and more of memory
/// for each row.
#[must_use]
pub fn reader_options(column_family: ColumnFamily, failures: &MergeFailures) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.disable_cache();
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_disable_auto_compactions(true);
    merge::register(&mut options, column_family, failures);
    options
}

/// The options to write `column_family` with, as a node writes it; rows that cannot be merged go to
/// `failures`.
#[must_use]
pub fn writer_options(column_family: ColumnFamily, failures: &MergeFailures) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_size(BLOCK_SIZE);
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(TABLE_FORMAT_VERSION);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Snappy);
    options.set_write_buffer_size(FILE_SIZE);
    options.set_target_file_size_base(FILE_SIZE as u64);
    options.set_max_bytes_for_level_base(LEVEL_BASE_SIZE);
    merge::register(&mut options, column_family, failures);
    options
}
