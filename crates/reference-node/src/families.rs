//! The column families of a node's database, and their options.
//!
//! The six that snapshots are about come from `snapshot-store`; here are the others that a node has,
//! so that a reader meets them. What is in those is made up.

use std::collections::BTreeMap;

use rocksdb::{BlockBasedOptions, ColumnFamilyDescriptor, DBCompressionType, Options};
use snapshot_format::BlobId;
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{self, ColumnFamily};

/// The column family that every RocksDB database has. A node leaves it empty.
pub const DEFAULT: &str = "default";

/// Blob ID to the metadata of a blob.
pub const METADATA: &str = "metadata";

/// What the node is doing, under the empty key.
pub const NODE_STATUS: &str = "node_status";

/// Blob ID to a sliver of the blob, in SST files.
pub const SLIVERS_IN_SST_FILES: &str = "shard-0/primary-slivers";

/// Blob ID to a sliver of the blob, in blob files.
pub const SLIVERS_IN_BLOB_FILES: &str = "shard-1/primary-slivers";

/// The column families that are none of a snapshot's business.
pub const OTHERS: [&str; 5] = [
    DEFAULT,
    METADATA,
    NODE_STATUS,
    SLIVERS_IN_SST_FILES,
    SLIVERS_IN_BLOB_FILES,
];

/// Bytes of the made-up metadata of a blob.
const METADATA_LEN: usize = 160;

/// Bytes of a made-up sliver; real ones have up to megabytes.
const SLIVER_LEN: usize = 600;

/// Bytes from which on a sliver goes into a blob file.
const MIN_BLOB_SIZE: u64 = 512;

/// Of how many blobs the node stores the data of one; real nodes store something of each.
const STORED_ONE_IN: u8 = 16;

/// How a node's RocksDB goes about its work. None of it may change a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes of a memtable that make RocksDB flush it.
    pub write_buffer_bytes: usize,
    /// Whether RocksDB compacts when it sees fit, or only when told to.
    pub auto_compaction: bool,
    /// How data blocks are compressed.
    pub compression: DBCompressionType,
    /// Bytes of a data block before compression.
    pub block_bytes: usize,
}

impl Default for Tuning {
    /// As a node has it.
    fn default() -> Self {
        Self {
            write_buffer_bytes: 64 << 20,
            auto_compaction: true,
            compression: DBCompressionType::Snappy,
            block_bytes: 64 << 10,
        }
    }
}

/// The names of all column families of a node.
pub fn all() -> impl Iterator<Item = &'static str> {
    OTHERS
        .into_iter()
        .chain(ColumnFamily::ALL.map(ColumnFamily::name))
}

/// What RocksDB needs to open all of them; rows that cannot be merged go to `failures`.
pub(crate) fn descriptors(tuning: Tuning, failures: &MergeFailures) -> Vec<ColumnFamilyDescriptor> {
    let ours = ColumnFamily::ALL
        .into_iter()
        .map(|family| (family.name(), schema::writer_options(family, failures)));
    let others = OTHERS.into_iter().map(|name| (name, other_options(name)));
    ours.chain(others)
        .map(|(name, mut options)| {
            options.set_write_buffer_size(tuning.write_buffer_bytes);
            options.set_disable_auto_compactions(!tuning.auto_compaction);
            options.set_compression_type(tuning.compression);
            if tuning.block_bytes != Tuning::default().block_bytes {
                let mut blocks = BlockBasedOptions::default();
                blocks.set_block_size(tuning.block_bytes);
                options.set_block_based_table_factory(&blocks);
            }
            ColumnFamilyDescriptor::new(name, options)
        })
        .collect()
}

fn other_options(name: &str) -> Options {
    let mut options = Options::default();
    if name == SLIVERS_IN_BLOB_FILES {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(MIN_BLOB_SIZE);
    }
    options
}

/// The data this node stores of a blob, by column family: of most blobs nothing at all.
pub(crate) fn blob_data(blob_id: &BlobId) -> BTreeMap<&'static str, Vec<u8>> {
    let [first, second, ..] = blob_id.as_bytes();
    if first % STORED_ONE_IN != 0 {
        return BTreeMap::new();
    }
    let slivers = if second % 2 == 0 {
        SLIVERS_IN_SST_FILES
    } else {
        SLIVERS_IN_BLOB_FILES
    };
    BTreeMap::from([
        (METADATA, filler(blob_id, METADATA_LEN)),
        (slivers, filler(blob_id, SLIVER_LEN)),
    ])
}

/// The column families that may hold data of a blob.
pub(crate) const BLOB_DATA: [&str; 3] = [METADATA, SLIVERS_IN_SST_FILES, SLIVERS_IN_BLOB_FILES];

fn filler(blob_id: &BlobId, len: usize) -> Vec<u8> {
    blob_id
        .as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}
