//! A snapshot to the tables of a node: verified, built beside the target, and installed whole
//! (`docs/recovery.md`).
//!
//! [`restore`] does all of it. Whoever wants to show its stages, or to stop at one, takes them one by
//! one: [`VerifiedSnapshot::read`], [`Plan::new`], [`Plan::build`], [`Tables::build_aggregate`],
//! [`Built::install`]. Nothing of the target changes before the last of them.
//!
//! Nothing here knows a byte of the framing, prints, or asks for the time.

pub(crate) mod aggregate;
mod already;
mod build;
mod clone;
mod cursor;
mod error;
mod install;
mod preflight;
mod report;
mod source;
pub(crate) mod sst;
mod staging;
mod workers;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use snapshot_format::{Digest, Epoch};

use self::staging::Left;
use crate::open::WalRecovery;
use crate::progress::Progress;
use crate::publish;

pub use self::aggregate::{
    AggregateSummary, BlobObject, Doubts, PermanentObject, Tally, TooManyObjects,
};
pub use self::build::{Built, Tables};
pub use self::clone::OtherFamilies;
pub use self::cursor::{CursorError, ToldCursor};
pub use self::error::{Finding, RestoreError};
pub use self::install::RestoreStep;
pub use self::preflight::{Action, Preflight};
pub use self::report::{FamilySummary, RestoreReport, RestoreWarning};
pub use self::source::VerifiedSnapshot;

/// How a snapshot is restored, and what is expected of it.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// The digest that is vouched for.
    pub expect_digest: Option<Digest>,
    /// The epoch that is expected.
    pub expect_epoch: Option<Epoch>,
    /// Replace the blob info tables of the stopped node's database that is the target. Its other column
    /// families stay as they are.
    pub replace_tables: bool,
    /// Keep the database whose tables were replaced, as `<name>.old`.
    pub keep_old: bool,
    /// What to do with a damaged write-ahead log of that database.
    pub wal_recovery: WalRecovery,
    /// The node's own options of its other column families.
    pub other_families: OtherFamilies,
    /// The event cursor, for a snapshot that does not know it.
    pub cursor: ToldCursor,
    /// The index of the first event that the node can still get.
    pub first_available_event: Option<u64>,
    /// Threads that build; by default one more than processors, up to [`MAX_THREADS`].
    pub threads: Option<NonZeroUsize>,
}

/// Most threads that build unless told otherwise: each takes some MiB of memory.
pub const MAX_THREADS: usize = 4;

impl RestoreOptions {
    fn threads(&self) -> usize {
        self.threads.map_or_else(default_threads, NonZeroUsize::get)
    }
}

/// One more than processors: a thread that finishes a file waits for the disk.
fn default_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors + 1).min(MAX_THREADS)
}

/// Restores the snapshot in `files`, one file or all chunks of one, to the database directory `target`.
///
/// A directory that does not exist, or is empty, becomes a new database. With
/// [`RestoreOptions::replace_tables`] the blob info tables of the database there are replaced; the
/// database must be closed. If the target holds exactly these tables already, nothing is done.
///
/// `progress` starts over with each stage.
///
/// # Errors
///
/// If the snapshot is not sound or not the one expected, something stands in the way, or something
/// cannot be written. The target is then as it was, except after [`RestoreError::NotDurable`]. Called again,
/// this ends what was interrupted.
pub fn restore(
    files: &[PathBuf],
    target: &Path,
    options: &RestoreOptions,
    progress: &Progress,
) -> Result<RestoreReport, RestoreError> {
    recover(files, target, options)?;
    let snapshot = VerifiedSnapshot::read(files, progress)?;
    let plan = Plan::new(snapshot, target, options)?;
    if plan.preflight().action == Action::Nothing {
        return plan.nothing_to_do();
    }
    plan.build(progress)?
        .build_aggregate(progress)?
        .install(progress)
}

/// Ends what a run that was killed while `target` changed its database began, before anything else is looked at: the
/// new database gets its name, and the old one is removed, or kept if either run was told to. Whoever takes the
/// stages one by one calls this first. Nothing is done if one of `files` would be removed.
///
/// # Errors
///
/// If another run is at it, or something cannot be renamed, synced or removed.
pub fn recover(
    files: &[PathBuf],
    target: &Path,
    options: &RestoreOptions,
) -> Result<(), RestoreError> {
    let target = preflight::resolve(target)?;
    match staging::left(&target)? {
        Left::Old { .. } if !files.iter().any(|file| staging::has(&target, file)) => {
            staging::end_leftover(&target, options.keep_old)
        }
        // What else is there is found by the preflight.
        _ => Ok(()),
    }
}

/// A verified snapshot, a target, and what stands in the way.
#[derive(Debug)]
pub struct Plan {
    snapshot: VerifiedSnapshot,
    options: RestoreOptions,
    preflight: Preflight,
}

impl Plan {
    /// Looks at snapshot and target. Nothing is written.
    ///
    /// # Errors
    ///
    /// If something cannot be examined. What was found to stand in the way is no error yet: see
    /// [`Preflight::findings`].
    pub fn new(
        snapshot: VerifiedSnapshot,
        target: &Path,
        options: &RestoreOptions,
    ) -> Result<Self, RestoreError> {
        let mut preflight = preflight::look(&snapshot, target, options)?;
        already::forgive(&snapshot, &mut preflight);
        preflight.look_beside(options)?;
        Ok(Self {
            snapshot,
            options: options.clone(),
            preflight,
        })
    }

    /// The snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &VerifiedSnapshot {
        &self.snapshot
    }

    /// What was found.
    #[must_use]
    pub const fn preflight(&self) -> &Preflight {
        &self.preflight
    }

    /// The report of a restore that had nothing to do ([`Action::Nothing`]), of which a killed run may
    /// have left its temporary directory: that is removed.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Refused`] if something stands in the way, or another if it cannot be made sure that
    /// the tables are durable.
    pub fn nothing_to_do(self) -> Result<RestoreReport, RestoreError> {
        let plan = self.clear()?;
        let resume = plan.preflight.resume;
        let target = &plan.preflight.target;
        match staging::end_leftover(target, plan.options.keep_old) {
            // What is in the way there is not in the way of doing nothing.
            Ok(()) | Err(RestoreError::Occupied { .. }) => {}
            Err(error) => return Err(error),
        }
        // The run that made them may have failed to.
        let parent = publish::parent(target);
        publish::sync_dir(parent).map_err(error::io_error("sync", parent))?;
        Ok(RestoreReport::untouched(
            plan.snapshot.summary(),
            resume,
            plan.preflight.target,
        ))
    }

    /// Builds the three tables of the snapshot as SST files beside the target, and sorts the objects.
    /// `progress` advances in bytes of the snapshot.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Refused`] if something stands in the way, or another if something cannot be
    /// written. The target is untouched.
    pub fn build(self, progress: &Progress) -> Result<Tables, RestoreError> {
        Tables::build(self.clear()?, true, progress)
    }

    /// As [`build`](Self::build), for a database of the three tables alone.
    pub(crate) fn build_tables_only(self, progress: &Progress) -> Result<Built, RestoreError> {
        Tables::build(self.clear()?, false, progress).map(Tables::alone)
    }

    fn clear(mut self) -> Result<Self, RestoreError> {
        let findings = std::mem::take(&mut self.preflight.findings);
        if findings.is_empty() {
            Ok(self)
        } else {
            Err(RestoreError::Refused { findings })
        }
    }
}
