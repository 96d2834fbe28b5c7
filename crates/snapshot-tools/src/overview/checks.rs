//! What to think of a snapshot: plain checks, each with a verdict and a sentence for whoever is on duty.

use std::fmt;

use serde::Serialize;
use snapshot_format::{Framing, ObjectId, Table};

use super::{MOST_POOLS, Overview, Suspect};
use crate::header::Origin;

/// Fewer certified blobs than this share of all are doubtful.
const CERTIFIED_PERCENT: u64 = 10;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It may be so, but somebody should know.
    Doubt,
    /// A sound node does not have this.
    Bad,
}

/// A check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How.
    pub level: Level,
    /// What was found, and what to do if that is not good.
    pub text: String,
}

impl Check {
    /// A check that ended so.
    pub fn new(level: Level, text: impl fmt::Display) -> Self {
        Self {
            level,
            text: text.to_string(),
        }
    }
}

/// The worst of several checks.
#[must_use]
pub fn worst<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Level {
    let levels = checks.into_iter().map(|check| check.level);
    levels.max().unwrap_or(Level::Good)
}

/// Judges one snapshot, which was read to its end and decoded.
#[must_use]
pub fn checks(overview: &Overview) -> Vec<Check> {
    vec![
        whole(overview),
        epoch(overview),
        rows(overview),
        gone(overview),
        later(&overview.suspects.later),
        pools(overview),
        certified(overview),
        odd(overview),
    ]
}

fn whole(overview: &Overview) -> Check {
    let header = &overview.header;
    let chunk = header.chunk();
    if chunk.is_whole() {
        let framing = header.framing();
        let sound = match (overview.origin, framing) {
            (Origin::Found, Framing::Counted) => {
                "follows the rules of the format, without a checksum"
            }
            _ => "sound",
        };
        Check::new(Level::Good, format_args!("whole and {sound}, {framing}"))
    } else {
        let text = format_args!(
            "chunk {chunk}, counting from 0: one part of a snapshot; join the parts and look again"
        );
        Check::new(Level::Bad, text)
    }
}

fn epoch(overview: &Overview) -> Check {
    match overview.epoch() {
        Some(epoch) => Check::new(
            Level::Good,
            format_args!("taken at the boundary of epoch {epoch}"),
        ),
        None => Check::new(
            Level::Doubt,
            "the epoch is not known, so no row can be called expired",
        ),
    }
}

fn rows(overview: &Overview) -> Check {
    let empty = |table: Table| overview.tables[table].rows == 0;
    let text = match overview.rows() {
        0 => {
            return Check::new(
                Level::Bad,
                "no rows: a node that serves has some; wrong database?",
            );
        }
        _ if empty(Table::PerObjectBlobInfo) => {
            let text = "per_object_blob_info has no rows: compare with another node";
            return Check::new(Level::Doubt, text);
        }
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    Check::new(Level::Good, text)
}

fn gone(overview: &Overview) -> Check {
    let sum = |of: fn(&crate::statistics::TableStatistics) -> Option<u64>| -> u64 {
        let tables = overview.tables.iter();
        tables.filter_map(|(_, table)| of(table)).sum()
    };
    let (expired, deleted) = (sum(|table| table.expired), sum(|table| table.deleted));
    if overview.epoch().is_none() && deleted == 0 {
        return Check::new(Level::Good, "no deleted rows");
    }
    match (expired, deleted) {
        (0, 0) => Check::new(Level::Good, "no expired and no deleted rows"),
        _ => Check::new(
            Level::Bad,
            format_args!(
                "{expired} expired and {deleted} deleted rows: garbage collection had not run when this \
                 was taken, so it is not the boundary's"
            ),
        ),
    }
}

fn later(later: &Suspect) -> Check {
    match later.rows {
        0 => Check::new(Level::Good, "no rows of the epoch that begins"),
        rows => Check::new(
            Level::Bad,
            format_args!(
                "{rows} rows are of the epoch that begins{}: taken after the boundary",
                first(later.first)
            ),
        ),
    }
}

fn pools(overview: &Overview) -> Check {
    let pools = &overview.pools;
    match (pools.blobs_without_pool, pools.first_missing) {
        (None, _) => Check::new(
            Level::Doubt,
            format_args!(
                "more than {MOST_POOLS} pools: whether each blob's pool exists was not checked"
            ),
        ),
        (Some(0), _) => Check::new(Level::Good, "the pool of every pooled blob exists"),
        (Some(blobs), pool) => {
            let pool = pool.map_or_else(String::new, |pool| format!(", the first {pool}"));
            Check::new(
                Level::Bad,
                format_args!(
                    "{blobs} pooled blobs are in pools that do not exist{pool}: rows are missing, or \
                     garbage collection stopped half-way"
                ),
            )
        }
    }
}

fn certified(overview: &Overview) -> Check {
    let (rows, certified) = overview.certified();
    if rows == 0 {
        return Check::new(Level::Good, "no blobs to certify");
    }
    let percent = certified * 100 / rows;
    let level = if percent < CERTIFIED_PERCENT {
        Level::Doubt
    } else {
        Level::Good
    };
    Check::new(level, format_args!("{percent}% of the blobs are certified"))
}

fn odd(overview: &Overview) -> Check {
    let (odd, zero) = (
        &overview.suspects.contradictory,
        &overview.suspects.no_event,
    );
    match (odd.rows, zero.rows) {
        (0, 0) => Check::new(Level::Good, "no suspicious epochs or events"),
        (0, rows) => Check::new(
            Level::Doubt,
            format_args!("{rows} rows name an event of zeros{}", first(zero.first)),
        ),
        (rows, _) => Check::new(
            Level::Bad,
            format_args!(
                "{rows} rows contradict themselves{}: damage, or a defect; compare with other nodes",
                first(odd.first)
            ),
        ),
    }
}

fn first(row: Option<(Table, ObjectId)>) -> String {
    row.map_or_else(String::new, |(table, key)| {
        format!(", the first {key} of {table}")
    })
}
