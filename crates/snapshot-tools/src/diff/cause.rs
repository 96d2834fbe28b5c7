//! What the counts of a comparison probably mean, in plain words (`docs/fingerprint.md`, "What a difference
//! means"): pure functions of a [`DiffSummary`].
//!
//! Each cause explains some of the differing rows, and no row is explained twice. What is left is said to
//! be unexplained.

use std::fmt;

use serde::Serialize;
use snapshot_format::{Epoch, ObjectId, Table};

use super::summary::{DiffSummary, KeyRun};
use crate::side::{Side, Sides};
use crate::text::Count;

/// Rows side by side that cannot be missing by chance.
const SHORTEST_RUN: u64 = 4;

/// What differences probably mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The likely causes, the ones that explain the others first.
    pub causes: Vec<Cause>,
    /// Differing rows that none of them explains.
    pub unexplained: u64,
}

/// Why two snapshots probably differ. `rows` counts the differing rows that it explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// They are of two boundaries.
    DifferentEpochs {
        /// All rows that differ.
        rows: u64,
    },
    /// No row of one is a row of the other.
    NothingInCommon {
        /// All rows that differ.
        rows: u64,
    },
    /// All rows agree.
    HeaderOnly {
        /// The fields that differ.
        fields: Vec<&'static str>,
    },
    /// The cursors say that they were taken at different events.
    DifferentCursors,
    /// A side holds rows that garbage collection deletes at the boundary.
    GarbageNotCollected {
        /// The side.
        side: Side,
        /// The epoch of the boundary.
        epoch: Option<Epoch>,
        /// Rows explained.
        rows: u64,
    },
    /// A side has seen events of the epoch that begins.
    TakenAfterBoundary {
        /// The side.
        side: Side,
        /// The epoch that begins.
        epoch: Option<Epoch>,
        /// Rows that show it.
        evidence: u64,
        /// Rows explained: those, and such as later events may have changed or deleted.
        rows: u64,
    },
    /// Rows agree but for the event.
    OtherEventOrder {
        /// Rows explained.
        rows: u64,
    },
    /// A side has no row of a table.
    TableEmpty {
        /// The side.
        side: Side,
        /// The table.
        table: Table,
        /// Rows explained.
        rows: u64,
    },
    /// A side lacks all rows of a range of keys.
    RangeMissing {
        /// The side.
        side: Side,
        /// The table.
        table: Table,
        /// The range.
        #[serde(flatten)]
        run: KeyRun,
    },
    /// A side lacks storage pools, and what is in them.
    PoolsMissing {
        /// The side.
        side: Side,
        /// Pools.
        pools: u64,
        /// Rows explained: the pools, and the rows in them.
        rows: u64,
    },
    /// A side lacks events.
    EventsMissing {
        /// The side.
        side: Side,
        /// Rows that are further on the other side.
        evidence: u64,
        /// Rows explained: those, and rows registered or deleted by such events.
        rows: u64,
    },
    /// Rows say what no event says.
    Damaged {
        /// Rows explained.
        rows: u64,
        /// Of those, where a single bit differs.
        one_bit: u64,
        /// The table of the first.
        table: Table,
        /// The key of the first.
        key: ObjectId,
    },
}

impl Cause {
    /// Differing rows that the cause explains.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        match self {
            Self::HeaderOnly { .. } | Self::DifferentCursors => 0,
            Self::DifferentEpochs { rows }
            | Self::NothingInCommon { rows }
            | Self::GarbageNotCollected { rows, .. }
            | Self::TakenAfterBoundary { rows, .. }
            | Self::OtherEventOrder { rows }
            | Self::TableEmpty { rows, .. }
            | Self::PoolsMissing { rows, .. }
            | Self::EventsMissing { rows, .. }
            | Self::Damaged { rows, .. } => *rows,
            Self::RangeMissing { run, .. } => run.rows,
        }
    }
}

impl DiffSummary {
    /// What the differences probably mean.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let causes = self.causes();
        let explained: u64 = causes.iter().map(Cause::rows).sum();
        Reading {
            unexplained: self.differences().saturating_sub(explained),
            causes,
        }
    }

    fn causes(&self) -> Vec<Cause> {
        let fields: Vec<&'static str> = self.header.iter().map(|field| field.field).collect();
        let rows = self.differences();
        if fields.contains(&"epoch") {
            return vec![Cause::DifferentEpochs { rows }];
        }
        if rows == 0 {
            let header = (!fields.is_empty()).then_some(Cause::HeaderOnly { fields });
            return header.into_iter().collect();
        }
        if self.has_nothing_in_common() {
            return vec![Cause::NothingInCommon { rows }];
        }
        let mut causes = Vec::new();
        if fields.contains(&"next event index") || fields.contains(&"event_id") {
            causes.push(Cause::DifferentCursors);
        }
        causes.extend(Side::ALL.into_iter().filter_map(|side| self.garbage(side)));
        if self.patterns.event_only > 0 {
            causes.push(Cause::OtherEventOrder {
                rows: self.patterns.event_only,
            });
        }
        // What is taken from here is explained.
        let mut missing = Sides::default();
        for side in Side::ALL {
            causes.extend(self.lost(side, &mut missing[side]));
        }
        for side in Side::ALL {
            let cause = self.after_boundary(side, &mut missing);
            causes.extend(cause.or_else(|| self.behind(side.other(), &mut missing)));
        }
        if let Some((table, key)) = self.patterns.first_odd {
            causes.push(Cause::Damaged {
                rows: self.patterns.odd,
                one_bit: self.patterns.one_bit,
                table,
                key,
            });
        }
        causes
    }

    /// Whether both sides have rows enough, and none has a key that the other has too.
    fn has_nothing_in_common(&self) -> bool {
        Side::ALL.into_iter().all(|side| {
            let tables = self.tables.iter();
            let (rows, only) = tables.fold((0, 0), |(rows, only), (_, table)| {
                (rows + table.rows[side], only + table.only[side])
            });
            rows >= SHORTEST_RUN && rows == only
        })
    }

    fn garbage(&self, side: Side) -> Option<Cause> {
        let rows = self.patterns.ended[side];
        (rows > 0).then_some(Cause::GarbageNotCollected {
            side,
            epoch: self.epoch,
            rows,
        })
    }

    /// What `side` has lost at one place; `rest` becomes the rows that it lacks besides.
    fn lost(&self, side: Side, rest: &mut u64) -> Vec<Cause> {
        let mut causes = Vec::new();
        for (table, summary) in self.tables.iter() {
            let mut missing = self.patterns.missing[table][side];
            // The rows in a pool count with it, as its loss is the simpler reason.
            let rows = match table {
                Table::StoragePoolInfo => missing + self.patterns.rows_of_missing_pools[side],
                Table::PerObjectBlobInfo | Table::PerObjectPooledBlobInfo => missing,
            };
            let lacks_some = summary.only[side.other()] > 0;
            if rows > 0 && lacks_some && summary.rows[side] == 0 {
                causes.push(Cause::TableEmpty { side, table, rows });
                missing = 0;
            } else if table == Table::StoragePoolInfo {
                if let pools @ 1.. = missing {
                    causes.push(Cause::PoolsMissing { side, pools, rows });
                    missing = 0;
                }
            } else if let Some(run) = summary.longest_run[side.other()]
                && run.rows >= SHORTEST_RUN
                && run.rows <= missing
                && run.rows * 2 >= missing
            {
                causes.push(Cause::RangeMissing { side, table, run });
                missing -= run.rows;
            }
            *rest += missing;
        }
        causes
    }

    /// Whether `side` has seen events of the epoch that begins. Then it may also have deleted rows, and
    /// changed others.
    fn after_boundary(&self, side: Side, missing: &mut Sides<u64>) -> Option<Cause> {
        let evidence = self.patterns.later[side] + self.patterns.further_later[side];
        (evidence > 0).then(|| Cause::TakenAfterBoundary {
            side,
            epoch: self.epoch,
            evidence,
            rows: self.patterns.later[side]
                + self.patterns.further[side]
                + std::mem::take(&mut missing[side]),
        })
    }

    /// Whether `side` lacks events that the other has seen.
    fn behind(&self, side: Side, missing: &mut Sides<u64>) -> Option<Cause> {
        let evidence = self.patterns.further[side.other()];
        // Where each side is further in some rows, nobody can say whose event a missing row is.
        let one_way = self.patterns.further[side] == 0;
        (evidence > 0).then(|| {
            let besides = if one_way {
                std::mem::take(missing).total()
            } else {
                0
            };
            Cause::EventsMissing {
                side,
                evidence,
                rows: evidence + besides,
            }
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |number: &u64| Count(*number, "row");
        match self {
            Self::DifferentEpochs { .. } => f.write_str(
                "the epochs differ, so rows differ by nature; compare two snapshots of one epoch",
            ),
            Self::NothingInCommon { .. } => f.write_str(
                "no key of one is a key of the other: they are of different networks, or one is not what \
                 it is taken for",
            ),
            Self::HeaderOnly { fields } => write!(
                f,
                "all rows agree and the headers do not ({}): the tables are the same, the snapshots were \
                 made with different cursors or options",
                fields.join(", ")
            ),
            Self::DifferentCursors => f.write_str(
                "the event cursors differ: the snapshots were taken at different events, or one was \
                 made with a wrong cursor",
            ),
            Self::GarbageNotCollected { side, epoch, rows: n } => write!(
                f,
                "{} that only {side} has ended with the boundary{}: garbage collection had not run, or \
                 not to its end, when {side} was taken",
                rows(n),
                of_epoch(*epoch)
            ),
            Self::TakenAfterBoundary {
                side,
                epoch,
                evidence,
                ..
            } => write!(
                f,
                "{} of {side} by events behind the boundary{}: {side} was taken too late, and may lack \
                 rows that were deleted by then",
                rows(evidence),
                of_epoch(*epoch)
            ),
            Self::OtherEventOrder { rows: n } => write!(
                f,
                "{} in the same state by another last `event`: the events were applied in another order",
                rows(n)
            ),
            Self::TableEmpty { side, table, .. } => write!(
                f,
                "{side} has no row of {table}: the table was lost or never filled, or this is the wrong \
                 database"
            ),
            Self::RangeMissing { side, table, run } => write!(
                f,
                "{side} lacks {} of {table} side by side, from {} to {}: as when a file of the database \
                 (SST) is lost",
                rows(&run.rows),
                run.first,
                run.last
            ),
            Self::PoolsMissing { side, pools, rows: n } => write!(
                f,
                "{side} lacks {} that had not ended, and {} in them: it missed the events that made \
                 them, or deleted them too early",
                Count(*pools, "storage pool"),
                rows(&n.saturating_sub(*pools))
            ),
            Self::EventsMissing { side, evidence, .. } => write!(
                f,
                "{} further on {} (certified, extended or deleted): {side} lacks events, as when the \
                 end of its log was lost, or it was taken before all were applied",
                rows(evidence),
                side.other()
            ),
            Self::Damaged {
                rows: n,
                one_bit,
                table,
                key,
            } => {
                let how = if one_bit == n {
                    "by a single bit each, as damage to memory or disk leaves behind"
                } else {
                    "as damage or other software may leave behind"
                };
                write!(
                    f,
                    "{} in a state that no event leads to, {how}, the first {key} of {table}; a third \
                     node tells which side is right",
                    rows(n)
                )
            }
        }
    }
}

fn of_epoch(epoch: Option<Epoch>) -> String {
    epoch.map_or_else(String::new, |epoch| format!(" of epoch {epoch}"))
}
