//! The storage pools that differing rows are in or that differ themselves: a row in a pool has ended when
//! its pool has, which the row does not say.

use std::collections::BTreeMap;

use snapshot_format::{ObjectId, Table};

use super::class::Only;
use super::summary::Patterns;
use crate::side::{Side, Sides};

/// Pools that are watched at most, 100 bytes each: beyond, rows count as missing without a reason.
const MOST_POOLS: usize = 4096;

/// What has become of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    InBoth,
    /// Only one side has it, and its time is over.
    Ended(Side),
    /// Only one side has it, since a later event.
    Later(Side),
    /// Only one side has it, and it should still be there.
    Missing(Side),
}

impl Fate {
    /// The fate of a pool that `side` alone has.
    pub(super) const fn of(side: Side, kind: Only) -> Self {
        match kind {
            Only::Ended => Self::Ended(side),
            Only::Later => Self::Later(side),
            Only::Pooled(_) | Only::Plain => Self::Missing(side),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// Rows in the pool that one side alone has.
    rows: Sides<u64>,
    fate: Option<Fate>,
}

/// The pools of differing rows.
#[derive(Clone, Debug)]
pub(super) struct PoolWatch {
    pools: BTreeMap<ObjectId, Watched>,
    /// Whether all pools have passed once the rows in pools have: a pool not met then is nowhere.
    pools_come_last: bool,
}

impl PoolWatch {
    pub(super) const fn new(pools_come_last: bool) -> Self {
        Self {
            pools: BTreeMap::new(),
            pools_come_last,
        }
    }

    /// Takes in a row of `pool` that `side` alone has; false if there are too many pools.
    pub(super) fn row(&mut self, side: Side, pool: ObjectId) -> bool {
        match self.watched(pool) {
            Some(watched) => {
                watched.rows[side] += 1;
                true
            }
            None => false,
        }
    }

    /// Takes in a pool that both sides have.
    pub(super) fn pool_in_both(&mut self, pool: &ObjectId) {
        if let Some(watched) = self.pools.get_mut(pool) {
            watched.fate = Some(Fate::InBoth);
        }
    }

    /// Takes in a pool that one side has.
    pub(super) fn pool_in_one(&mut self, pool: ObjectId, fate: Fate) {
        if let Some(watched) = self.watched(pool) {
            watched.fate = Some(fate);
        }
    }

    /// Sorts the rows by what became of their pools.
    pub(super) fn settle(&self, patterns: &mut Patterns) {
        for watched in self.pools.values() {
            for (side, rows) in watched.rows.iter() {
                let counter = match watched.fate {
                    Some(Fate::Ended(of)) if of == side => &mut patterns.ended[side],
                    // Deleted on the other side with its pool, and left behind on this one.
                    None if self.pools_come_last => &mut patterns.ended[side],
                    Some(Fate::Later(of)) if of == side => &mut patterns.later[side],
                    Some(Fate::Missing(of)) if of == side => {
                        &mut patterns.rows_of_missing_pools[side.other()]
                    }
                    _ => &mut patterns.missing[Table::PerObjectPooledBlobInfo][side.other()],
                };
                *counter += rows;
            }
        }
    }

    fn watched(&mut self, pool: ObjectId) -> Option<&mut Watched> {
        if self.pools.len() >= MOST_POOLS && !self.pools.contains_key(&pool) {
            return None;
        }
        Some(self.pools.entry(pool).or_default())
    }
}
