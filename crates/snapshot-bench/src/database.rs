//! Databases to measure on, always the same for the same number of rows.
//!
//! `reference-node` makes the rows that matter; here are the few of the other two tables.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use reference_node::bench_db::{BenchPlan, KeyOrder, make_bench_db};
use reference_node::families::Tuning;
use reference_node::tables::Tables;
use rocksdb::WriteBatch;
use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1, PerTable,
    Record, StoragePoolInfo, StoragePoolInfoV1, Table, TransactionDigest,
};
use twox_hash::XxHash64;

/// What a reader finds in the files of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Values only, in sorted files that do not overlap.
    Compacted,
    /// A quarter of the rows has merge operands in files of level 0, half of these nothing else.
    Unmerged,
}

impl Layout {
    const fn unmerged_share(self) -> f64 {
        match self {
            Self::Compacted => 0.0,
            Self::Unmerged => 0.25,
        }
    }
}

/// A database that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its directory.
    pub path: PathBuf,
    /// Its rows.
    pub counts: PerTable<u64>,
}

/// Seed of the content of all databases.
const SEED: u64 = 5;

/// Rows of `per_object_blob_info` for each pooled one.
const ROWS_PER_POOLED: u64 = 20;

/// Rows of `per_object_blob_info` for each storage pool.
const ROWS_PER_POOL: u64 = 1000;

/// Rows of a write batch.
const BATCH_ROWS: usize = 10_000;

/// Makes a database with `rows` rows in `per_object_blob_info`, and fewer in the other two tables,
/// somewhere in the directory `dir`, which must not exist.
///
/// # Errors
///
/// If it cannot be written.
pub fn make(dir: &Path, rows: u64, layout: Layout) -> Result<Made> {
    let unmerged_share = layout.unmerged_share();
    let plan = BenchPlan {
        rows,
        seed: SEED,
        keys: KeyOrder::Random,
        unmerged_share,
    };
    let path = make_bench_db(dir, &plan)?.database;
    let counts = PerTable {
        per_object_blob_info: rows,
        per_object_pooled_blob_info: rows / ROWS_PER_POOLED,
        storage_pool_info: rows / ROWS_PER_POOL,
    };
    let tuning = Tuning {
        auto_compaction: false,
        ..Tuning::default()
    };
    let tables = Tables::open(&path, tuning)?;
    for table in [Table::PerObjectPooledBlobInfo, Table::StoragePoolInfo] {
        put(&tables, table, counts[table])?;
    }
    Ok(Made { path, counts })
}

/// Puts the rows of a table, and compacts it.
fn put(tables: &Tables, table: Table, rows: u64) -> Result<()> {
    let db = tables.database();
    let family = db
        .cf_handle(table.name())
        .context("a node has all tables")?;
    let mut batch = WriteBatch::default();
    for number in 0..rows {
        batch.put_cf(
            family,
            bytes(table, number, 0),
            record(table, number).encode(),
        );
        if batch.len() >= BATCH_ROWS {
            db.write(std::mem::take(&mut batch))?;
        }
    }
    db.write(batch)?;
    db.flush_cf(family)?;
    db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
    Ok(())
}

fn record(table: Table, number: u64) -> Record {
    let epoch = Epoch(1 + (number % 20) as u32);
    match table {
        Table::StoragePoolInfo => Record::StoragePoolInfo(StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch: epoch,
            end_epoch: Epoch(epoch.0 + 50),
        })),
        _ => {
            let row = PerObjectPooledBlobInfoV1 {
                blob_id: BlobId::new(bytes(table, number, 1)),
                registered_epoch: epoch,
                certified_epoch: Some(epoch),
                storage_pool_id: ObjectId::new(bytes(table, number % 50, 2)),
                event: EventId {
                    tx_digest: TransactionDigest::new(bytes(table, number, 3)),
                    event_seq: number % 4,
                },
            };
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row))
        }
    }
}

/// Bytes that look random and are the same on every machine.
fn bytes(table: Table, number: u64, purpose: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (word, place) in bytes.chunks_exact_mut(8).zip(0_u8..) {
        let seed = u64::from_be_bytes([table as u8, purpose, place, 0, 0, 0, 0, 0]);
        let hash = XxHash64::oneshot(seed, &number.to_be_bytes());
        word.copy_from_slice(&hash.to_be_bytes());
    }
    bytes
}
