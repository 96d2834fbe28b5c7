//! A snapshot's three tables to a new database, and nothing else: what a restore takes at the least.
//!
//! For measuring. A node cannot go on from such a database; that is what [`mod@crate::restore`] is for.

use std::path::Path;

use snapshot_format::PerTable;

use crate::progress::Progress;
use crate::restore::{FamilySummary, Plan, RestoreError, RestoreOptions, VerifiedSnapshot};
use crate::summary::SnapshotSummary;

/// What was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSummary {
    /// The snapshot.
    pub snapshot: SnapshotSummary,
    /// SST files of each table. An empty table has none.
    pub files: PerTable<u64>,
    /// Bytes of the SST files of each table.
    pub bytes: PerTable<u64>,
}

/// Loads the snapshot file `snapshot` into a new database in the directory `dir`, which must not exist.
///
/// `progress` starts over with each stage.
///
/// # Errors
///
/// If the snapshot is not whole and sound, `dir` exists, or something cannot be written. `dir` is then
/// as it was.
pub fn bulk_load(
    snapshot: &Path,
    dir: &Path,
    progress: &Progress,
) -> Result<LoadSummary, RestoreError> {
    let snapshot = VerifiedSnapshot::read(&[snapshot.to_path_buf()], progress)?;
    let report = Plan::new(snapshot, dir, &RestoreOptions::default())?
        .build_tables_only(progress)?
        .install(progress)?;
    let families = PerTable::from_fn(|table| {
        let mut families = report.families.iter();
        families.find(|family| family.name == table.name())
    });
    let of = |value: fn(&FamilySummary) -> u64| {
        PerTable::from_fn(|table| families[table].map_or(0, value))
    };
    Ok(LoadSummary {
        snapshot: report.snapshot,
        files: of(|family| family.files),
        bytes: of(|family| family.bytes),
    })
}
