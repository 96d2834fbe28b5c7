//! Which pools the pooled blobs are in, in bounded memory: exact for as many pools as the bound has room
//! for, and beyond that with an error that is known.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshot_format::{Epoch, ObjectId, PerObjectPooledBlobInfo};

/// Pools that are told apart at a time: some 10 MiB of counts.
pub const MOST_POOLS: usize = 65_536;

/// Pools that are shown.
const SHOWN: usize = 12;

/// What there is to see of the pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pools {
    /// Pools in `storage_pool_info`.
    pub pools: u64,
    /// Those that hold most blobs, the largest first.
    pub largest: Vec<PoolUse>,
    /// Blobs in pools that are not in `storage_pool_info`; `None` if there are too many pools to tell.
    pub blobs_without_pool: Option<u64>,
    /// The first pool that such a blob names.
    pub first_missing: Option<ObjectId>,
    /// Pools that no blob is in; `None` if there are too many pools to tell.
    pub empty: Option<u64>,
    /// By how many blobs the counts may be too low.
    pub error: u64,
}

/// A pool and the blobs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PoolUse {
    /// The pool.
    pub pool: ObjectId,
    /// Blobs.
    pub blobs: u64,
    /// Blobs that are certified.
    pub certified: u64,
    /// When its storage ends, if it is in `storage_pool_info`.
    pub end_epoch: Option<Epoch>,
}

/// The counts in the making. The tables come in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct PoolTally {
    pools: u64,
    by_pool: BTreeMap<ObjectId, Tally>,
    /// By how much a pool that was dropped may be under-counted; 0 as long as none was.
    error: u64,
    is_incomplete: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    blobs: u64,
    certified: u64,
    end: Option<Epoch>,
}

impl PoolTally {
    /// Counts a pooled blob.
    pub(super) fn blob(&mut self, row: &PerObjectPooledBlobInfo) {
        let PerObjectPooledBlobInfo::V1(row) = row;
        let tally = self.tally(row.storage_pool_id);
        tally.blobs += 1;
        tally.certified += u64::from(row.certified_epoch.is_some());
    }

    /// Counts a pool.
    pub(super) fn pool(&mut self, pool: ObjectId, end: Epoch) {
        self.pools += 1;
        self.tally(pool).end = Some(end);
    }

    /// When the storage of how many pooled blobs ends, as far as their pools are known.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Epoch, u64)> {
        let tallies = self.by_pool.values();
        tallies.filter_map(|tally| tally.end.map(|end| (end, tally.blobs)))
    }

    /// What there is to see, once all rows have passed.
    pub(super) fn finish(self) -> Pools {
        let is_missing = |tally: &Tally| tally.end.is_none() && tally.blobs > 0;
        let missing = self.by_pool.iter().filter(|(_, tally)| is_missing(tally));
        let is_complete = !self.is_incomplete;
        let without_pool: u64 = missing.clone().map(|(_, tally)| tally.blobs).sum();
        let empty = self.by_pool.values().filter(|tally| tally.blobs == 0);
        let empty = empty.count() as u64;
        let first_missing = missing.map(|(pool, _)| *pool).next();
        let mut largest: Vec<PoolUse> = self
            .by_pool
            .iter()
            .filter(|(_, tally)| tally.blobs > 0)
            .map(|(pool, tally)| PoolUse {
                pool: *pool,
                blobs: tally.blobs,
                certified: tally.certified,
                end_epoch: tally.end,
            })
            .collect();
        largest.sort_by_key(|pool| (std::cmp::Reverse(pool.blobs), pool.pool));
        largest.truncate(SHOWN);
        Pools {
            pools: self.pools,
            largest,
            blobs_without_pool: is_complete.then_some(without_pool),
            first_missing: first_missing.filter(|_| is_complete),
            empty: is_complete.then_some(empty),
            error: self.error,
        }
    }

    fn tally(&mut self, pool: ObjectId) -> &mut Tally {
        if self.by_pool.len() >= MOST_POOLS && !self.by_pool.contains_key(&pool) {
            self.drop_the_smaller_half();
        }
        self.by_pool.entry(pool).or_default()
    }

    /// Makes room. A pool that is dropped and seen again has lost at most the median each time.
    fn drop_the_smaller_half(&mut self) {
        let mut counts: Vec<u64> = self.by_pool.values().map(|tally| tally.blobs).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.by_pool.retain(|_, tally| tally.blobs > median);
        self.error += median;
        self.is_incomplete = true;
    }
}
