//! Whether the tables of a database agree with each other (`docs/tables.md`, `docs/recovery.md`).
//!
//! Each object's row is looked at by itself, then the objects of each blob ID are counted and compared
//! with its aggregate row. Memory is bounded: objects are sorted on disk. Nothing is written into the
//! database, and nothing is repaired.

mod aggregate;
mod error;
mod objects;

use std::path::PathBuf;

use serde::Serialize;
use snapshot_format::{Epoch, PerTable};

pub use self::error::{CheckError, Problem, Violation};
use crate::cursor::EventCursor;
use crate::open::Database;
use crate::plan::KeyRange;
use crate::progress::Progress;
use crate::scan::{RangeScan, ScanError};
use crate::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};

/// How a database is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The epoch at whose beginning the tables stand; without it, nothing is said of rows that have
    /// ended.
    pub epoch: Option<Epoch>,
    /// An existing directory for temporary files: about as many bytes as the object tables have.
    pub scratch: PathBuf,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Rows of the three tables of a snapshot.
    pub rows: PerTable<u64>,
    /// Rows of `aggregate_blob_info`.
    pub aggregate_rows: u64,
    /// Those of blob IDs marked invalid, which count nothing.
    pub invalid_rows: u64,
    /// Those that count no object: garbage collection has yet to delete them, which does no harm.
    pub awaiting_collection: u64,
    /// The index of the next event in `event_cursor`, if it is there.
    pub next_event_index: Option<u64>,
    /// The index in `latest_handled_event_index`, if it is there.
    pub latest_handled_event_index: Option<u64>,
    /// What was found wrong.
    pub violations: u64,
}

/// Checks the tables of `database`, which was opened with all of [`ColumnFamily::ALL`], and hands each
/// violation to `on_violation` when it is found. `progress` advances in rows.
///
/// # Errors
///
/// If a table cannot be read, or objects cannot be sorted. Violations are no errors.
pub fn check(
    database: &Database,
    options: &CheckOptions,
    progress: &Progress,
    on_violation: impl FnMut(&Violation),
) -> Result<CheckReport, CheckError> {
    progress.begin(database.estimated_counts().total());
    let mut run = Run {
        database,
        options,
        progress,
        report: CheckReport::default(),
        on_violation,
    };
    let sorted = run.objects()?;
    run.aggregate(&sorted)?;
    run.cursors()?;
    Ok(run.report)
}

/// Whether `family` has the row `wanted` and no other.
pub(crate) fn has_only(
    database: &Database,
    family: ColumnFamily,
    wanted: Option<(&[u8], &[u8])>,
) -> bool {
    let rows = || -> Result<bool, ScanError> {
        let mut scan = RangeScan::new(database, family, &KeyRange::default())?;
        let first = match scan.next()? {
            Some(row) => wanted == Some(row),
            None => return Ok(wanted.is_none()),
        };
        Ok(first && scan.next()?.is_none())
    };
    rows().unwrap_or(false)
}

/// A check under way.
struct Run<'a, F> {
    database: &'a Database,
    options: &'a CheckOptions,
    progress: &'a Progress,
    report: CheckReport,
    on_violation: F,
}

impl<F: FnMut(&Violation)> Run<'_, F> {
    fn found(&mut self, family: ColumnFamily, key: &[u8], problem: Problem) {
        self.report.violations += 1;
        (self.on_violation)(&Violation {
            family,
            key: key.to_vec(),
            problem,
        });
    }

    fn unreadable(&self) -> impl Fn(ScanError) -> CheckError + use<F> {
        let path = self.database.path().to_path_buf();
        move |source| CheckError::Scan {
            path: path.clone(),
            source,
        }
    }

    /// The two tables of one row each.
    fn cursors(&mut self) -> Result<(), CheckError> {
        let cursor = self.single(ColumnFamily::EventCursor, EVENT_CURSOR_KEY)?;
        if let Some(value) = cursor {
            match EventCursor::decode(&value) {
                Ok(cursor) => self.report.next_event_index = Some(cursor.next_event_index()),
                Err(error) => self.found(
                    ColumnFamily::EventCursor,
                    EVENT_CURSOR_KEY,
                    Problem::Value(error),
                ),
            }
        }
        let (family, key) = (
            ColumnFamily::LatestHandledEventIndex,
            LATEST_HANDLED_EVENT_INDEX_KEY,
        );
        if let Some(value) = self.single(family, key)? {
            match <[u8; 8]>::try_from(value.as_slice()) {
                Ok(bytes) => {
                    self.report.latest_handled_event_index = Some(u64::from_le_bytes(bytes));
                }
                Err(_) => self.found(family, key, Problem::IndexLength { got: value.len() }),
            }
        }
        if let (Some(next), Some(latest)) = (
            self.report.next_event_index,
            self.report.latest_handled_event_index,
        ) && latest >= next
        {
            self.found(family, key, Problem::HandledBeyondCursor { latest, next });
        }
        Ok(())
    }

    /// The value of the only key that a table should have.
    fn single(&mut self, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, CheckError> {
        let unreadable = self.unreadable();
        let database = self.database;
        let mut scan =
            RangeScan::new(database, family, &KeyRange::default()).map_err(&unreadable)?;
        let mut value = None;
        while let Some((found, row)) = scan.next().map_err(&unreadable)? {
            if found == key {
                value = Some(row.to_vec());
            } else {
                let found = found.to_vec();
                self.found(family, &found, Problem::UnknownKey);
            }
        }
        Ok(value)
    }
}
