//! Finished SST files to a database: a new one that appears under its name whole, or the tables of one
//! that exists, guarded by a marker as long as they are not complete (ADR 0005).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, DBRecoveryMode, IngestExternalFileOptions, Options};
use snapshot_format::Digest;

use super::build::Built;
use super::error::{RestoreError, io_error, rocksdb_error};
use super::marker;
use super::preflight::Action;
use super::report::{self, RestoreReport};
use super::sst::SstFile;
use super::staging::Staging;
use crate::create::{CreateOptions, create};
use crate::merge::MergeFailures;
use crate::open::Database;
use crate::progress::Progress;
use crate::publish::{PublishStep, publish_dir_watched};
use crate::schema::{self, ColumnFamily};
use crate::summary::SnapshotSummary;

/// A step that changes the target, or what is to become it. They are taken in this order, those of a
/// column family once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreStep {
    /// The database is opened for writing, or a new one made.
    Open,
    /// The marker of an unfinished restore is put into its directory.
    Mark,
    /// The column family that keeps others from opening it is created. Not for a new database.
    Guard,
    /// A column family is dropped with its rows, and created anew. Not for a new database.
    Clear(ColumnFamily),
    /// It takes over its files.
    Ingest(ColumnFamily),
    /// The digest is derived from the installed tables.
    ReadBack,
    /// The guarding column family is dropped. Not for a new database.
    Unguard,
    /// The marker is removed.
    Unmark,
    /// A new database gets its name.
    Publish(PublishStep),
    /// What was built in is removed.
    CleanUp,
}

/// Files that are open at once in a database whose other column families may have many thousands.
const MAX_OPEN_FILES: i32 = 256;

/// The new database's directory in the temporary one.
const NEW_DATABASE: &str = "db";

type Before<'a> = &'a mut dyn FnMut(RestoreStep) -> io::Result<()>;

impl Built {
    /// Installs the tables, and checks what was installed. `progress` advances in rows.
    ///
    /// # Errors
    ///
    /// If something cannot be written, or the installed tables are not those of the snapshot. A new
    /// database then does not appear. An existing one is left half-done and marked so; restoring again
    /// finishes it.
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
        let Self {
            staging,
            files,
            summary,
            facts,
            aggregate,
            resume,
            preflight,
            read_back,
        } = self;
        let install = Install {
            files: &files,
            summary: &summary,
            read_back,
            progress,
        };
        let (target, action) = (preflight.target, preflight.action);
        match action {
            Action::Replace | Action::Finish => {
                install.replace(&staging, &target, &mut before)?;
            }
            Action::Create | Action::Nothing => install.make(&staging, &target, &mut before)?,
        }
        step(&mut before, RestoreStep::CleanUp, staging.path())?;
        staging.remove()?;
        let (event_id, next_event_index) = resume.parts();
        Ok(RestoreReport {
            target,
            action,
            snapshot: summary,
            families: report::families(&files),
            aggregate,
            next_event_index,
            event_id,
            ended_objects: facts.ended,
            deleted_objects: facts.deleted,
        })
    }
}

/// What is installed.
struct Install<'a> {
    files: &'a [SstFile],
    summary: &'a SnapshotSummary,
    read_back: bool,
    progress: &'a Progress,
}

impl Install<'_> {
    /// Makes a new database in the temporary directory, and gives it its name.
    fn make(
        &self,
        staging: &Staging,
        target: &Path,
        before: Before<'_>,
    ) -> Result<(), RestoreError> {
        let dir = staging.path().join(NEW_DATABASE);
        fs::create_dir(&dir).map_err(io_error("create", &dir))?;
        self.mark(&dir, before)?;
        step(before, RestoreStep::Open, &dir)?;
        let failures = MergeFailures::new();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        let db = DB::open_cf_descriptors(&options, &dir, new_families(&failures))
            .map_err(rocksdb_error("create", &dir))?;
        self.ingest(&db, &dir, before)?;
        drop(self.read_back(db, &dir, failures, before)?);
        sync_files(&dir)?;
        step(before, RestoreStep::Unmark, &dir)?;
        marker::remove(&dir).map_err(io_error("remove the marker of", &dir))?;
        match fs::remove_dir(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // An empty directory of that name was to be used.
            other => other.map_err(io_error("replace", target))?,
        }
        publish_dir_watched(&dir, target, |publish| {
            before(RestoreStep::Publish(publish))
        })?;
        Ok(())
    }

    /// Replaces the six tables of the database in `target`.
    fn replace(
        &self,
        staging: &Staging,
        target: &Path,
        before: Before<'_>,
    ) -> Result<(), RestoreError> {
        debug_assert!(staging.path().starts_with(target));
        step(before, RestoreStep::Open, target)?;
        let failures = MergeFailures::new();
        // From here on RocksDB's own lock keeps others away.
        let mut db = open_existing(target, &failures)?;
        self.mark(target, before)?;
        step(before, RestoreStep::Guard, target)?;
        if db.cf_handle(marker::GUARD).is_none() {
            db.create_cf(marker::GUARD, &marker::guard_options())
                .map_err(rocksdb_error("guard", target))?;
        }
        for family in ColumnFamily::ALL {
            step(before, RestoreStep::Clear(family), target)?;
            if db.cf_handle(family.name()).is_some() {
                db.drop_cf(family.name())
                    .map_err(rocksdb_error("drop a table of", target))?;
            }
            db.create_cf(family.name(), &schema::reader_options(family, &failures))
                .map_err(rocksdb_error("create a table of", target))?;
        }
        self.ingest(&db, target, before)?;
        let mut db = self.read_back(db, target, failures, before)?;
        step(before, RestoreStep::Unguard, target)?;
        db.drop_cf(marker::GUARD)
            .map_err(rocksdb_error("unguard", target))?;
        drop(db);
        step(before, RestoreStep::Unmark, target)?;
        marker::remove(target).map_err(io_error("remove the marker of", target))
    }

    fn mark(&self, db: &Path, before: Before<'_>) -> Result<(), RestoreError> {
        step(before, RestoreStep::Mark, db)?;
        marker::set(db, self.summary.digest).map_err(io_error("mark", db))
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

    /// Derives the digest again from what is installed.
    fn read_back(
        &self,
        db: DB,
        dir: &Path,
        failures: MergeFailures,
        before: Before<'_>,
    ) -> Result<DB, RestoreError> {
        if !self.read_back {
            return Ok(db);
        }
        step(before, RestoreStep::ReadBack, dir)?;
        let database = Database::over(db, dir.to_path_buf(), failures);
        let got = digest(&database, self.summary, self.progress)?;
        let expected = self.summary.digest;
        if got != expected || !report::same_counts(self.files, self.summary) {
            return Err(RestoreError::InstalledDiffers { expected, got });
        }
        Ok(database.into_rocksdb())
    }
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

/// The tables, as a reader opens them: all that is written here are finished files. A writer would load
/// their Bloom filters, which take a byte and more of memory for each row.
fn new_families(failures: &MergeFailures) -> Vec<ColumnFamilyDescriptor> {
    let new = |family: ColumnFamily| {
        ColumnFamilyDescriptor::new(family.name(), schema::reader_options(family, failures))
    };
    ColumnFamily::ALL.into_iter().map(new).collect()
}

/// Opens a database for writing, all of its column families: RocksDB insists. Those that are not
/// replaced are left as they are, compaction included.
fn open_existing(path: &Path, failures: &MergeFailures) -> Result<DB, RestoreError> {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
    options.set_max_open_files(MAX_OPEN_FILES);
    let names = DB::list_cf(&options, path).map_err(rocksdb_error("read", path))?;
    let descriptors = names.into_iter().map(|name| {
        if name == marker::GUARD {
            return marker::guard_descriptor();
        }
        let mut options = match ColumnFamily::from_name(&name) {
            Some(family) => schema::reader_options(family, failures),
            None => Options::default(),
        };
        options.set_disable_auto_compactions(true);
        ColumnFamilyDescriptor::new(name, options)
    });
    DB::open_cf_descriptors(&options, path, descriptors).map_err(rocksdb_error("open", path))
}

/// Syncs the small files of a new database. RocksDB synced those that matter; this leaves no doubt.
fn sync_files(dir: &Path) -> Result<(), RestoreError> {
    for entry in fs::read_dir(dir).map_err(io_error("read", dir))? {
        let path = entry.map_err(io_error("read", dir))?.path();
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(io_error("sync", &path))?;
    }
    Ok(())
}
