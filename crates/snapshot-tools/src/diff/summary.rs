//! What two snapshots differ in as a whole: counts, in bounded memory. What they mean is for `cause`.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshot_format::{Epoch, ObjectId, PerTable, Table};

use crate::header::HeaderDifference;
use crate::side::Sides;

/// What two snapshots differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiffSummary {
    /// The epoch of both, if they agree and it is known.
    pub epoch: Option<Epoch>,
    /// In what the headers contradict each other.
    pub header: Vec<HeaderDifference>,
    /// What each table differs in.
    pub tables: PerTable<TableSummary>,
    /// How many differences look like what.
    #[serde(skip)]
    pub patterns: Patterns,
}

/// What a table differs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Rows.
    pub rows: Sides<u64>,
    /// Rows that one side alone has.
    pub only: Sides<u64>,
    /// Rows that both have and that differ.
    pub differ: u64,
    /// In how many of them each field differs.
    pub fields: BTreeMap<&'static str, u64>,
    /// The longest run of rows that one side alone has, rows that have ended or came later aside: with no row
    /// of both sides in between.
    pub longest_run: Sides<Option<KeyRun>>,
}

/// Rows side by side in key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRun {
    /// How many.
    pub rows: u64,
    /// The key of the first.
    pub first: ObjectId,
    /// The key of the last.
    pub last: ObjectId,
}

/// How many differing rows look like what; each counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Only this side has them, and garbage collection at the boundary deletes them.
    pub ended: Sides<u64>,
    /// Only this side has them, by an event of the epoch that begins.
    pub later: Sides<u64>,
    /// This side lacks them, and nothing in them says why.
    pub missing: PerTable<Sides<u64>>,
    /// This side lacks them, and the pool they are in as well.
    pub rows_of_missing_pools: Sides<u64>,
    /// Both have them, and this side has seen an event more.
    pub further: Sides<u64>,
    /// Of those, where the event was in the epoch that begins.
    pub further_later: Sides<u64>,
    /// Both have them, in the same state by another event.
    pub event_only: u64,
    /// Both have them, and no event makes one of the other.
    pub odd: u64,
    /// Of those, where a single bit differs.
    pub one_bit: u64,
    /// The first of those.
    pub first_odd: Option<(Table, ObjectId)>,
}

impl TableSummary {
    /// Rows that differ in any way.
    #[must_use]
    pub const fn differences(&self) -> u64 {
        self.only.total() + self.differ
    }
}

impl DiffSummary {
    /// Rows that differ in any way.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.tables
            .iter()
            .map(|(_, table)| table.differences())
            .sum()
    }

    /// Whether neither rows nor headers differ.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences() == 0 && self.header.is_empty()
    }
}
