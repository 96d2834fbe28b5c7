//! Two snapshots walked over at once: each row that differs, field by field, a summary, and what it
//! probably means.
//!
//! `merge` joins the rows, `class` says what kind of difference one is, `summary` counts them in bounded
//! memory, `pools` watches the pools that differing rows are in, `cause` reads the counts.

mod cause;
mod class;
mod merge;
mod pools;
mod summary;

pub use cause::{Cause, Reading};
pub use merge::{DiffError, RowDifference, diff};
pub use summary::{DiffSummary, KeyRun, Patterns, TableSummary};

use snapshot_format::{Epoch, Framing, Header, ObjectId, Table};

use crate::fields::FieldChange;
use crate::header::{HeaderDifference, HeaderFacts, Origin};
use crate::side::{Side, Sides};

use class::{Change, Only};
use pools::{Fate, PoolWatch};

/// Takes in what a merge of two snapshots finds, in bounded memory.
#[derive(Clone, Debug)]
pub struct Collector {
    headers: Sides<HeaderFacts>,
    summary: DiffSummary,
    /// The runs of rows that go on: rows of one side, side by side, that the other does not have.
    runs: Sides<Option<KeyRun>>,
    pools: PoolWatch,
}

impl Collector {
    /// A collector for two snapshots whose tables come in the order of `order`.
    #[must_use]
    pub fn new(headers: Sides<(Header, Origin)>, order: Framing) -> Self {
        let of = |(header, origin): (Header, Origin)| HeaderFacts::new(&header, origin);
        let pools_come_last =
            order.tag(Table::StoragePoolInfo) > order.tag(Table::PerObjectPooledBlobInfo);
        Self {
            headers: Sides {
                a: of(headers.a),
                b: of(headers.b),
            },
            summary: DiffSummary::default(),
            runs: Sides::default(),
            pools: PoolWatch::new(pools_come_last),
        }
    }

    /// In what the headers contradict each other.
    #[must_use]
    pub fn header_differences(&self) -> Vec<HeaderDifference> {
        self.headers.a.differences(&self.headers.b)
    }

    /// What was found, once both snapshots have ended.
    #[must_use]
    pub fn finish(mut self) -> DiffSummary {
        self.summary.header = self.header_differences();
        self.summary.epoch = self.boundary();
        self.pools.settle(&mut self.summary.patterns);
        self.summary
    }

    /// The epoch that decides what has ended and what came later: unknown where the sides disagree.
    fn boundary(&self) -> Option<Epoch> {
        let (a, b) = (self.headers.a.epoch(), self.headers.b.epoch());
        match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => a.or(b),
        }
    }

    /// A row that both sides have and that says the same on both.
    fn same(&mut self, table: Table, key: &ObjectId) {
        self.count_rows(table, Sides { a: 1, b: 1 });
        self.end_runs(table);
        if table == Table::StoragePoolInfo {
            self.pools.pool_in_both(key);
        }
    }

    /// A row that only `side` has.
    fn only(&mut self, side: Side, difference: &RowDifference) {
        let (table, key) = (difference.table, difference.key);
        let mut count = Sides::default();
        count[side] = 1;
        self.count_rows(table, count);
        self.summary.tables[table].only[side] += 1;
        let Some(record) = difference.row(side) else {
            return;
        };
        let kind = class::only(record, self.boundary());
        let patterns = &mut self.summary.patterns;
        match kind {
            Only::Ended => patterns.ended[side] += 1,
            Only::Later => patterns.later[side] += 1,
            Only::Pooled(pool) => {
                if !self.pools.row(side, pool) {
                    patterns.missing[table][side.other()] += 1;
                }
            }
            Only::Plain => patterns.missing[table][side.other()] += 1,
        }
        if table == Table::StoragePoolInfo {
            self.pools.pool_in_one(key, Fate::of(side, kind));
        } else if matches!(kind, Only::Plain | Only::Pooled(_)) {
            let run = self.runs[side].get_or_insert(KeyRun {
                rows: 0,
                first: key,
                last: key,
            });
            run.rows += 1;
            run.last = key;
        }
    }

    /// A row that says different things.
    fn differs(&mut self, difference: &RowDifference, changes: &[FieldChange], bits: u32) {
        let table = difference.table;
        self.count_rows(table, Sides { a: 1, b: 1 });
        self.end_runs(table);
        if table == Table::StoragePoolInfo {
            self.pools.pool_in_both(&difference.key);
        }
        let of_table = &mut self.summary.tables[table];
        of_table.differ += 1;
        for change in changes {
            *of_table.fields.entry(change.field).or_default() += 1;
        }
        let (Some(a), Some(b)) = (&difference.a, &difference.b) else {
            return;
        };
        let epoch = self.boundary();
        let patterns = &mut self.summary.patterns;
        match class::change(a, b, changes, epoch) {
            Change::EventOnly => patterns.event_only += 1,
            Change::Further { side, later } => {
                patterns.further[side] += 1;
                patterns.further_later[side] += u64::from(later);
            }
            Change::Odd => {
                patterns.odd += 1;
                patterns.one_bit += u64::from(bits == 1);
                patterns.first_odd.get_or_insert((table, difference.key));
            }
        }
    }

    fn count_rows(&mut self, table: Table, more: Sides<u64>) {
        let rows = &mut self.summary.tables[table].rows;
        rows.a += more.a;
        rows.b += more.b;
    }

    /// Ends the runs of `table`: at a row of both sides, or behind its last row.
    fn end_runs(&mut self, table: Table) {
        for side in Side::ALL {
            if let Some(run) = self.runs[side].take() {
                let longest = &mut self.summary.tables[table].longest_run[side];
                if longest.is_none_or(|longest| longest.rows < run.rows) {
                    *longest = Some(run);
                }
            }
        }
    }
}
