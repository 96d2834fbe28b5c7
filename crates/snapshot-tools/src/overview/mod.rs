//! What a person wants to see of snapshots at a glance: counts, when storage ends, the largest pools, rows
//! that should not be there, where several snapshots differ, and what to think of it.
//!
//! [`Collector`] looks at the rows of one snapshot as they pass, in memory that grows neither with rows nor
//! with pools; `checks` judges one, [`divergence`](compare::divergence) and [`growth`](series::growth) look at
//! several. How it is shown is for whoever asks.

pub mod checks;
pub mod compare;
mod pools;
mod ranges;
pub mod series;
mod suspects;

pub use pools::{MOST_POOLS, PoolUse, Pools};
pub use ranges::{KeyRange, KeyRanges, RANGES};
pub use suspects::{Suspect, Suspects};

use serde::Serialize;
use snapshot_format::{
    Entry, Epoch, Event, Header, PerObjectBlobInfo, PerTable, Record, StoragePoolInfo, Table,
};

use crate::header::Origin;
use crate::statistics::{Statistics, TableStatistics};
use pools::PoolTally;
use ranges::RangeHasher;

/// So many epochs ahead the ends of storage are told apart; those behind are counted together. A node keeps
/// no more than about a year.
pub const EPOCHS_AHEAD: usize = 64;

/// What there is to see of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The header.
    #[serde(skip)]
    pub header: Header,
    /// Whether the header was found, or made up for a database.
    #[serde(skip)]
    pub origin: Origin,
    /// Counts of each table.
    pub tables: PerTable<TableStatistics>,
    /// When the storage of each table's rows ends; that of pooled blobs is their pool's.
    pub ends: PerTable<Ends>,
    /// The pools.
    pub pools: Pools,
    /// Rows that should not be there.
    pub suspects: Suspects,
    /// Rows and digests by ranges of keys.
    #[serde(skip)]
    pub ranges: PerTable<KeyRanges>,
}

/// When storage ends, in rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// It has ended by the snapshot's epoch.
    pub ended: u64,
    /// It ends in the 1st, 2nd, ... epoch behind that of the snapshot.
    pub ahead: Vec<u64>,
    /// It ends later than that.
    pub later: u64,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            ended: 0,
            ahead: vec![0; EPOCHS_AHEAD],
            later: 0,
        }
    }
}

impl Ends {
    fn count(&mut self, epoch: Epoch, end: Epoch, rows: u64) {
        let ahead = u64::from(end.0).checked_sub(u64::from(epoch.0) + 1);
        let index = ahead.map(|ahead| usize::try_from(ahead).unwrap_or(usize::MAX));
        match index.map(|index| self.ahead.get_mut(index)) {
            None => self.ended += rows,
            Some(Some(count)) => *count += rows,
            Some(None) => self.later += rows,
        }
    }
}

impl Overview {
    /// The epoch; `None` if a database's is not known.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        let epoch = self.header.epoch();
        (self.origin == Origin::Found || epoch != Epoch(0)).then_some(epoch)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, table)| table.rows).sum()
    }

    /// Rows of blobs, and how many of them are certified.
    #[must_use]
    pub fn certified(&self) -> (u64, u64) {
        self.tables
            .iter()
            .fold((0, 0), |(rows, certified), (_, table)| {
                match table.certified {
                    Some(more) => (rows + table.rows, certified + more),
                    None => (rows, certified),
                }
            })
    }
}

/// Collects an overview from a snapshot's events.
#[derive(Clone, Debug)]
pub struct Collector {
    origin: Origin,
    header: Option<Header>,
    statistics: Statistics,
    ends: PerTable<Ends>,
    pools: PoolTally,
    suspects: Suspects,
    ranges: PerTable<RangeHasher>,
}

impl Collector {
    /// A collector for a snapshot whose header comes from `origin`.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            header: None,
            statistics: Statistics::default(),
            ends: PerTable::default(),
            pools: PoolTally::default(),
            suspects: Suspects::default(),
            ranges: PerTable::from_fn(RangeHasher::new),
        }
    }

    /// Takes in the next event of a snapshot.
    pub fn event(&mut self, event: &Event<'_>) {
        self.statistics.event(event);
        match event {
            Event::Header(header) => self.header = Some(**header),
            Event::Entry(entry) => self.entry(entry),
            Event::SectionStart(_) | Event::SectionEnd(_) => {}
        }
    }

    /// The overview, once the snapshot has ended; `None` if there was no header.
    #[must_use]
    pub fn finish(self) -> Option<Overview> {
        let header = self.header?;
        let mut ends = self.ends;
        let pooled = &mut ends[Table::PerObjectPooledBlobInfo];
        for (end, rows) in self.pools.ends() {
            pooled.count(header.epoch(), end, rows);
        }
        let PerTable {
            per_object_blob_info,
            per_object_pooled_blob_info,
            storage_pool_info,
        } = self.ranges;
        Some(Overview {
            header,
            origin: self.origin,
            tables: self.statistics.finish(),
            ends,
            pools: self.pools.finish(),
            suspects: self.suspects,
            ranges: PerTable {
                per_object_blob_info: per_object_blob_info.finish(),
                per_object_pooled_blob_info: per_object_pooled_blob_info.finish(),
                storage_pool_info: storage_pool_info.finish(),
            },
        })
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.ranges[entry.table].row(&entry.key, entry.value);
        // The decoder has validated the value.
        let Ok(record) = entry.record() else {
            return;
        };
        let epoch = self.header.map(|header| header.epoch()).unwrap_or_default();
        match &record {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => {
                self.ends[entry.table].count(epoch, row.end_epoch, 1);
            }
            Record::PerObjectPooledBlobInfo(row) => self.pools.blob(row),
            Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => {
                self.ends[entry.table].count(epoch, row.end_epoch, 1);
                self.pools.pool(entry.key, row.end_epoch);
            }
        }
        self.suspects.row(&entry.key, &record, epoch);
    }
}
