//! The rows of the two object tables and of the pools, each by itself; and the objects, sorted.

use std::collections::HashMap;

use snapshot_format::{
    BlobId, Epoch, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, StoragePoolInfo, Table,
};

use super::{CheckError, Problem, Run, Violation};
use crate::plan::KeyRange;
use crate::restore::aggregate::sort::Sorter;
use crate::restore::aggregate::{self, BlobObject, SORT_BUDGET, Sorted};
use crate::scan::{self, RangeScan};
use crate::schema::ColumnFamily;

/// Pools that are remembered; more are looked up again.
const REMEMBERED_POOLS: usize = 1 << 16;

/// What is known of pools: the end epoch of those that are there.
type Pools = HashMap<ObjectId, Option<Epoch>>;

impl<F: FnMut(&Violation)> Run<'_, F> {
    /// Looks at all rows of the three tables, and sorts the objects by blob ID.
    pub(super) fn objects(&mut self) -> Result<Sorted, CheckError> {
        let scratch = self.options.scratch.as_path();
        let estimate = self.database.estimated_counts().total();
        let parts = aggregate::parts(estimate);
        let mut sorter = Sorter::new(scratch, parts, SORT_BUDGET);
        let spill = |source| CheckError::Spill {
            dir: scratch.to_path_buf(),
            source,
        };
        let mut pools = Pools::new();
        for table in Table::ALL {
            let unreadable = self.unreadable();
            let mut scan = RangeScan::new(self.database, table.into(), &KeyRange::default())
                .map_err(&unreadable)?;
            while let Some((key, value)) = scan.next().map_err(&unreadable)? {
                self.report.rows[table] += 1;
                self.progress.advance(1);
                let Ok(id) = <[u8; 32]>::try_from(key).map(ObjectId::new) else {
                    self.found(table.into(), key, Problem::KeyLength { got: key.len() });
                    continue;
                };
                let object = match table {
                    Table::PerObjectBlobInfo => self.owned(id, value),
                    Table::PerObjectPooledBlobInfo => self.pooled(id, value, &mut pools)?,
                    Table::StoragePoolInfo => self.pool(id, value),
                };
                if let Some((blob_id, object)) = object {
                    sorter.push(&blob_id, &object).map_err(spill)?;
                }
            }
        }
        sorter.finish().map_err(spill)
    }

    fn owned(&mut self, id: ObjectId, value: &[u8]) -> Option<(BlobId, BlobObject)> {
        let family = ColumnFamily::PerObjectBlobInfo;
        let row = match PerObjectBlobInfo::decode(value) {
            Ok(row) => row,
            Err(error) => {
                self.found(family, id.as_bytes(), Problem::Value(error));
                return None;
            }
        };
        let PerObjectBlobInfo::V1(v1) = row;
        self.life(family, id, v1.registered_epoch, v1.end_epoch);
        self.certified(family, id, v1.registered_epoch, v1.certified_epoch);
        if let (true, Some(epoch)) = (v1.deleted, self.options.epoch) {
            self.found(family, id.as_bytes(), Problem::Deleted { epoch });
        }
        BlobObject::owned(id, &row)
    }

    fn pooled(
        &mut self,
        id: ObjectId,
        value: &[u8],
        pools: &mut Pools,
    ) -> Result<Option<(BlobId, BlobObject)>, CheckError> {
        let family = ColumnFamily::PerObjectPooledBlobInfo;
        let row = match PerObjectPooledBlobInfo::decode(value) {
            Ok(row) => row,
            Err(error) => {
                self.found(family, id.as_bytes(), Problem::Value(error));
                return Ok(None);
            }
        };
        let PerObjectPooledBlobInfo::V1(v1) = row;
        self.certified(family, id, v1.registered_epoch, v1.certified_epoch);
        let pool = v1.storage_pool_id;
        match (self.end_of(pool, pools)?, self.options.epoch) {
            (None, _) => self.found(family, id.as_bytes(), Problem::NoPool { pool }),
            (Some(end), Some(epoch)) if end <= epoch => {
                self.found(family, id.as_bytes(), Problem::Ended { end, epoch });
            }
            _ => {}
        }
        Ok(Some(BlobObject::pooled(&row)))
    }

    fn pool(&mut self, id: ObjectId, value: &[u8]) -> Option<(BlobId, BlobObject)> {
        let family = ColumnFamily::StoragePoolInfo;
        match StoragePoolInfo::decode(value) {
            Ok(StoragePoolInfo::V1(pool)) => {
                self.life(family, id, pool.start_epoch, pool.end_epoch);
            }
            Err(error) => self.found(family, id.as_bytes(), Problem::Value(error)),
        }
        None
    }

    fn life(&mut self, family: ColumnFamily, id: ObjectId, begin: Epoch, end: Epoch) {
        if end <= begin {
            let problem = Problem::EndsBeforeItBegins { begin, end };
            self.found(family, id.as_bytes(), problem);
        }
        if let Some(epoch) = self.options.epoch.filter(|epoch| end <= *epoch) {
            self.found(family, id.as_bytes(), Problem::Ended { end, epoch });
        }
    }

    fn certified(
        &mut self,
        family: ColumnFamily,
        id: ObjectId,
        registered: Epoch,
        certified: Option<Epoch>,
    ) {
        if let Some(certified) = certified.filter(|certified| *certified < registered) {
            let problem = Problem::CertifiedBeforeRegistered {
                certified,
                registered,
            };
            self.found(family, id.as_bytes(), problem);
        }
    }

    /// The end epoch of a pool, if it is there. One whose row cannot be read is reported with the pools.
    fn end_of(&self, pool: ObjectId, pools: &mut Pools) -> Result<Option<Epoch>, CheckError> {
        if let Some(known) = pools.get(&pool) {
            return Ok(*known);
        }
        let row = scan::get(
            self.database,
            ColumnFamily::StoragePoolInfo,
            pool.as_bytes(),
        )
        .map_err(self.unreadable())?;
        let end = row.map(|value| match StoragePoolInfo::decode(&value) {
            Ok(StoragePoolInfo::V1(pool)) => pool.end_epoch,
            Err(_) => Epoch(u32::MAX),
        });
        if pools.len() >= REMEMBERED_POOLS {
            pools.clear();
        }
        pools.insert(pool, end);
        Ok(end)
    }
}
