//! Finished SST files to a database: a new one that appears under its name whole, or a clone of one that
//! exists, which then takes its place (ADR 0007).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, IngestExternalFileOptions, Options};
use snapshot_format::Digest;

use super::build::Built;
use super::clone;
use super::error::{RestoreError, io_error, rocksdb_error};
use super::preflight::Action;
use super::report::{self, RestoreReport, RestoreWarning};
use crate::create::{CreateOptions, create};
use crate::limits;
use crate::merge::MergeFailures;
use crate::open::{Database, OpenError, OpenOptions, WalRecovery};
use crate::progress::Progress;
use crate::publish::{self, PublishStep, publish_dir_watched};
use crate::schema::{self, ColumnFamily};
use crate::summary::SnapshotSummary;
use crate::wal;

/// A step that changes the target, or what is to become it. They are taken in this order, those of a
/// column family once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreStep {
    /// The database whose tables are replaced is cloned. Not for a new database.
    Clone,
    /// The clone is opened for writing, or a new database made.
    Open,
    /// A column family is dropped with its rows, and created anew. Not for a new database.
    Clear(ColumnFamily),
    /// It takes over its files.
    Ingest(ColumnFamily),
    /// The database is read back from the disk, and the digest derived from its tables.
    ReadBack,
    /// What is not durable yet is synced.
    Sync,
    /// A new database gets its name.
    Publish(PublishStep),
    /// The finished clone and the database exchange their names. An error that says that the file system has
    /// no such rename leads to two renames. Not for a new database.
    Exchange,
    /// The names are made durable, and what was built in is removed.
    CleanUp,
}

type Before<'a> = &'a mut dyn FnMut(RestoreStep) -> io::Result<()>;

impl Built {
    /// Installs the tables, and checks what was installed. `progress` advances in rows.
    ///
    /// # Errors
    ///
    /// If something cannot be written, or the installed tables are not those of the snapshot. A new
    /// database then does not appear, and an existing one is as it was. After
    /// [`RestoreError::NotDurable`] the tables are there.
    pub fn install(self, progress: &Progress) -> Result<RestoreReport, RestoreError> {
        self.install_watched(progress, |_| Ok(()))
    }

    /// As [`install`](Self::install), telling `before` each step before it is taken.
    ///
    /// # Errors
    ///
    /// As [`install`](Self::install). An error of `before` stands for one of the step, which is not
    /// taken.
    pub fn install_watched(
        self,
        progress: &Progress,
        mut before: impl FnMut(RestoreStep) -> io::Result<()>,
    ) -> Result<RestoreReport, RestoreError> {
        let before: Before<'_> = &mut before;
        let target = self.preflight.target.clone();
        let dir = self.staging.successor();
        let original = (self.preflight.action == Action::Replace).then_some(target.as_path());
        let failures = MergeFailures::new();
        let db = match original {
            Some(original) => self.clone_of(original, &dir, &failures, before)?,
            None => new_database(&dir, &failures, before)?,
        };
        self.ingest(&db, &dir, before)?;
        // RocksDB works with paths: it must be gone before they change.
        drop(db);
        if let Some(original) = original {
            clone::restore_options(original, &dir)?;
        }
        if self.whole {
            step(before, RestoreStep::ReadBack, &dir)?;
            self.read_back(&dir, progress)?;
        }
        if let Some(original) = original {
            clone::require_same_others(original, &dir)?;
        }
        step(before, RestoreStep::Sync, &dir)?;
        let refused = clone::seal(&dir, original, publish::parent(&target))?;
        let mut warnings = self.preflight.warnings;
        warnings.extend(refused.map(|path| RestoreWarning::Owner { path }));
        if original.is_some() {
            let lock = self.preflight.lock.as_ref();
            if !lock.is_some_and(|lock| lock.is_held(&target)) {
                return Err(RestoreError::Started { path: target });
            }
            self.staging
                .exchange(self.options.keep_old, before(RestoreStep::Exchange))?;
        } else {
            match fs::remove_dir(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // An empty directory of that name was to be used.
                other => other.map_err(io_error("replace", &target))?,
            }
            publish_dir_watched(&dir, &target, |step| before(RestoreStep::Publish(step)))?;
        }
        step(before, RestoreStep::CleanUp, self.staging.path())
            .and_then(|()| self.staging.finish(self.options.keep_old))
            .map_err(|source| RestoreError::NotDurable {
                path: target.clone(),
                source: Box::new(source),
            })?;
        Ok(RestoreReport {
            action: self.preflight.action,
            families: report::families(&self.files),
            aggregate: self.aggregate,
            ended_objects: self.facts.ended,
            deleted_objects: self.facts.deleted,
            warnings,
            ..RestoreReport::untouched(&self.summary, self.preflight.resume, target)
        })
    }

    /// A clone of the database in `original`, with its six tables empty.
    fn clone_of(
        &self,
        original: &Path,
        dir: &Path,
        failures: &MergeFailures,
        before: Before<'_>,
    ) -> Result<DB, RestoreError> {
        step(before, RestoreStep::Clone, dir)?;
        clone::make(original, dir)?;
        if self.options.wal_recovery != WalRecovery::Absolute {
            // Otherwise whoever reads the new database meets the damage again.
            wal::cut_torn_tail(dir).map_err(OpenError::from)?;
        }
        step(before, RestoreStep::Open, dir)?;
        let mut db = clone::open(original, dir, self.staging.path(), &self.options, failures)?;
        for family in ColumnFamily::ALL {
            step(before, RestoreStep::Clear(family), dir)?;
            if db.cf_handle(family.name()).is_some() {
                db.drop_cf(family.name())
                    .map_err(rocksdb_error("drop a table of", dir))?;
            }
            db.create_cf(family.name(), &schema::reader_options(family, failures))
                .map_err(rocksdb_error("create a table of", dir))?;
        }
        Ok(db)
    }

    /// Has the database take over the files by their names. Each table is then complete and durable.
    fn ingest(&self, db: &DB, dir: &Path, before: Before<'_>) -> Result<(), RestoreError> {
        let mut by_name = IngestExternalFileOptions::default();
        by_name.set_move_files(true);
        for family in ColumnFamily::ALL {
            step(before, RestoreStep::Ingest(family), dir)?;
            let files = self.files.iter().filter(|file| file.family == family);
            let paths: Vec<PathBuf> = files.map(|file| file.path.clone()).collect();
            // It was just created.
            if let (false, Some(handle)) = (paths.is_empty(), db.cf_handle(family.name())) {
                db.ingest_external_file_cf_opts(handle, &by_name, paths)
                    .map_err(rocksdb_error("take over files into", dir))?;
            }
        }
        Ok(())
    }

    /// Opens the database in `dir` anew, from the disk, and derives the digest again from what is there.
    fn read_back(&self, dir: &Path, progress: &Progress) -> Result<(), RestoreError> {
        let options = OpenOptions {
            wal_recovery: match self.options.wal_recovery {
                WalRecovery::Absolute => WalRecovery::Absolute,
                // The torn log stays, and is no longer the last one.
                _ => WalRecovery::PointInTime,
            },
            ..OpenOptions::default()
        };
        let database = Database::open_column_families(dir, &ColumnFamily::ALL, &options)?;
        let got = digest(&database, &self.summary, progress)?;
        let expected = self.summary.digest;
        if got == expected {
            Ok(())
        } else {
            Err(RestoreError::InstalledDiffers { expected, got })
        }
    }
}

/// A new database in `dir` with the tables as a reader opens them: all that is written here are finished files.
/// A writer would load their Bloom filters, which take a byte and more of memory for each row.
fn new_database(
    dir: &Path,
    failures: &MergeFailures,
    before: Before<'_>,
) -> Result<DB, RestoreError> {
    fs::create_dir(dir).map_err(io_error("create", dir))?;
    step(before, RestoreStep::Open, dir)?;
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    limits::spare_threads(&mut options);
    options.set_error_if_exists(true);
    let families = ColumnFamily::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::reader_options(family, failures))
    });
    DB::open_cf_descriptors(&options, dir, families).map_err(rocksdb_error("create", dir))
}

/// The digest of the snapshot of `database` that has the header of `summary`.
pub(super) fn digest(
    database: &Database,
    summary: &SnapshotSummary,
    progress: &Progress,
) -> Result<Digest, RestoreError> {
    let options = CreateOptions::default();
    create(database, &summary.header, io::sink(), &options, progress)
        .map(|again| again.digest)
        .map_err(RestoreError::ReadBack)
}

fn step(before: Before<'_>, step: RestoreStep, path: &Path) -> Result<(), RestoreError> {
    before(step).map_err(io_error("take the next step in", path))
}
