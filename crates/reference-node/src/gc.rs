//! Garbage collection (`docs/tables.md`, "Garbage collection").
//!
//! Phase 1 decides what is in a snapshot, so it is a function of the tables and the epoch alone, and
//! running it twice is running it once. When either phase runs is `node`'s business.

use std::collections::HashSet;

use rocksdb::WriteBatch;
use snapshot_format::{
    BlobId, Epoch, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, StoragePoolInfo, Table,
    ValueError,
};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2};
use snapshot_store::merge::BlobInfoOperand;
use snapshot_store::schema::ColumnFamily;

use crate::error::NodeError;
use crate::families::BLOB_DATA;
use crate::point::{NoWatch, Point, Watch};
use crate::tables::{Tables, value_error};
use crate::writes::Write;

/// Rows that one batch deletes: a batch is held in memory as a whole.
const BATCH_ROWS: usize = 1000;

/// What phase 1 deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Storage pools.
    pub pools: u64,
    /// Objects that own their storage.
    pub objects: u64,
    /// Objects in pools.
    pub pooled_objects: u64,
}

/// Phase 1 for `epoch`: deletes what has ended, pools first, and tells the aggregate rows.
///
/// The deletion of a row and the operand that goes with it are in one batch, so a crash in between
/// neither loses nor repeats an operand.
///
/// # Errors
///
/// If a row cannot be read or a batch not written.
pub fn phase_one(tables: &Tables, epoch: Epoch) -> Result<Collected, NodeError> {
    phase_one_watched(tables, epoch, &NoWatch)
}

/// [`phase_one`], which tells `watch` how far it is.
pub(crate) fn phase_one_watched(
    tables: &Tables,
    epoch: Epoch,
    watch: &dyn Watch,
) -> Result<Collected, NodeError> {
    let pools = drop_pools(tables, epoch)?;
    watch.at(Point::PoolsCollected)?;
    let objects = drop_objects(tables, epoch)?;
    watch.at(Point::ObjectsCollected)?;
    let pooled_objects = drop_pooled_objects(tables, epoch)?;
    Ok(Collected {
        pools,
        objects,
        pooled_objects,
    })
}

/// Phase 2: deletes the aggregate rows that count no object any more, with the data of their blobs.
/// Returns how many. It never touches the three tables of a snapshot.
///
/// # Errors
///
/// If a row cannot be read or a batch not written.
pub fn phase_two(tables: &Tables) -> Result<u64, NodeError> {
    let table = ColumnFamily::AggregateBlobInfo;
    let mut batches = Batches::new(tables);
    tables.scan(table, |key, value| {
        let info = BlobInfo::decode(value).map_err(|e| value_error(table.name(), key, e))?;
        if !counts_nothing(&info) {
            return Ok(());
        }
        let blob_id = BlobId::new(id(table.name(), key)?);
        for family in BLOB_DATA {
            batches.batch.delete_cf(tables.family(family)?, blob_id);
        }
        batches
            .batch
            .delete_cf(tables.family(table.name())?, blob_id);
        batches.next_row()
    })?;
    batches.finish()
}

fn drop_pools(tables: &Tables, epoch: Epoch) -> Result<u64, NodeError> {
    let table = Table::StoragePoolInfo;
    let mut batches = Batches::new(tables);
    tables.scan(table.into(), |key, value| {
        let StoragePoolInfo::V1(pool) = read(table, key, value, StoragePoolInfo::decode)?;
        if pool.end_epoch > epoch {
            return Ok(());
        }
        batches.delete(table, key)?;
        batches.next_row()
    })?;
    batches.finish()
}

fn drop_objects(tables: &Tables, epoch: Epoch) -> Result<u64, NodeError> {
    let table = Table::PerObjectBlobInfo;
    let mut batches = Batches::new(tables);
    tables.scan(table.into(), |key, value| {
        let PerObjectBlobInfo::V1(object) = read(table, key, value, PerObjectBlobInfo::decode)?;
        if object.end_epoch > epoch && !object.deleted {
            return Ok(());
        }
        batches.delete(table, key)?;
        // The aggregate row of a deleted object was told when it was deleted.
        if !object.deleted {
            let was_certified = object.certified_epoch.is_some();
            let operand = if object.deletable {
                BlobInfoOperand::DeletableExpired { was_certified }
            } else {
                BlobInfoOperand::PermanentExpired { was_certified }
            };
            batches.add(&Write::aggregate(&object.blob_id, &operand))?;
        }
        batches.next_row()
    })?;
    batches.finish()
}

fn drop_pooled_objects(tables: &Tables, epoch: Epoch) -> Result<u64, NodeError> {
    let pools = live_pools(tables, epoch)?;
    let table = Table::PerObjectPooledBlobInfo;
    let mut batches = Batches::new(tables);
    tables.scan(table.into(), |key, value| {
        let PerObjectPooledBlobInfo::V1(object) =
            read(table, key, value, PerObjectPooledBlobInfo::decode)?;
        let storage_pool_id = object.storage_pool_id;
        if pools.contains(&storage_pool_id) {
            return Ok(());
        }
        let was_certified = object.certified_epoch.is_some();
        let operand = BlobInfoOperand::PoolExpired {
            storage_pool_id,
            was_certified,
        };
        batches.delete(table, key)?;
        batches.add(&Write::aggregate(&object.blob_id, &operand))?;
        batches.next_row()
    })?;
    batches.finish()
}

fn live_pools(tables: &Tables, epoch: Epoch) -> Result<HashSet<ObjectId>, NodeError> {
    let table = Table::StoragePoolInfo;
    let mut pools = HashSet::new();
    tables.scan(table.into(), |key, value| {
        let StoragePoolInfo::V1(pool) = read(table, key, value, StoragePoolInfo::decode)?;
        if pool.end_epoch > epoch {
            pools.insert(ObjectId::new(id(table.name(), key)?));
        }
        Ok(())
    })?;
    Ok(pools)
}

/// Whether no object stands behind an aggregate row. An invalid row stays, as it no longer counts.
fn counts_nothing(info: &BlobInfo) -> bool {
    match info {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => {
            row.count_deletable_total == 0 && row.permanent_total.is_none()
        }
        BlobInfo::V2(BlobInfoV2::Valid(row)) => {
            row.count_deletable_total == 0
                && row.permanent_total.is_none()
                && row.count_pooled_refs_total == 0
        }
        BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }) => {
            false
        }
    }
}

fn read<T>(
    table: Table,
    key: &[u8],
    value: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, ValueError>,
) -> Result<T, NodeError> {
    decode(value).map_err(|source| value_error(table.name(), key, source))
}

fn id(table: &'static str, key: &[u8]) -> Result<[u8; 32], NodeError> {
    key.try_into().map_err(|_| {
        value_error(
            table,
            key,
            ValueError::Invalid {
                what: "a key has 32 bytes",
            },
        )
    })
}

/// Deletions that are written every [`BATCH_ROWS`] rows.
struct Batches<'a> {
    tables: &'a Tables,
    batch: WriteBatch,
    rows_in_batch: usize,
    rows: u64,
}

impl<'a> Batches<'a> {
    fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            batch: WriteBatch::default(),
            rows_in_batch: 0,
            rows: 0,
        }
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), NodeError> {
        self.add(&Write::delete(
            table.into(),
            &ObjectId::new(id(table.name(), key)?),
        ))
    }

    fn add(&mut self, write: &Write) -> Result<(), NodeError> {
        self.tables.add(&mut self.batch, write)
    }

    /// Ends the writes of one row: only between rows a batch may end.
    fn next_row(&mut self) -> Result<(), NodeError> {
        self.rows += 1;
        self.rows_in_batch += 1;
        if self.rows_in_batch < BATCH_ROWS {
            return Ok(());
        }
        self.rows_in_batch = 0;
        self.tables.write(std::mem::take(&mut self.batch))
    }

    fn finish(self) -> Result<u64, NodeError> {
        if self.rows_in_batch > 0 {
            self.tables.write(self.batch)?;
        }
        Ok(self.rows)
    }
}
