//! Opening a node's database read-only, and refusing what is not one, not whole, or in use.
//!
//! Nothing is written, not even a lock or log file.

mod error;
mod examine;
mod stamp;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, Options};
use rustix::process::{Resource, getrlimit};
use snapshot_format::{PerTable, Table};

use crate::limits;
use crate::lock::{self, LockState};
use crate::merge::MergeFailures;
use crate::schema::{self, ColumnFamily};

pub use self::error::{OpenError, OpenWarning};
pub(crate) use self::examine::require_family_files;
use self::examine::{Damage, known_manifest, require_files, require_own_logs, verify_logs};
use self::stamp::Stamp;

/// How a write-ahead log that does not read whole is treated (`docs/tables.md`, "The WAL").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WalRecovery {
    /// It is an error. The only mode whose rows are certain.
    #[default]
    Absolute,
    /// An incomplete last record of the last log is dropped. All other damage is an error.
    TolerateTornTail,
    /// All from the first damaged record on is dropped.
    PointInTime,
}

/// Where opening a database is.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenStep {
    /// All files were checked, and RocksDB has not seen any.
    Examined,
    /// RocksDB has opened the database, and the second look comes.
    Opened,
}

/// How a database is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// What to do with a damaged write-ahead log.
    pub wal_recovery: WalRecovery,
    /// Whether to open a database that a running process holds. What is read of it is undefined.
    pub allow_live: bool,
}

/// How many column families an error lists.
const LISTED: usize = 12;

/// A node's database, opened read-only. What it shows does not change while it is open.
pub struct Database {
    db: DB,
    path: PathBuf,
    failures: MergeFailures,
    warnings: Vec<OpenWarning>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the three snapshot tables of the database in the directory `path`.
    ///
    /// Any number of other column families may be there; they are not opened.
    ///
    /// # Errors
    ///
    /// If the directory is not a node's database, is in use, or does not read whole.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        Self::open_column_families(path, &Table::ALL.map(ColumnFamily::from), options)
    }

    /// As [`Self::open`], for the column families given.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_column_families(
        path: &Path,
        column_families: &[ColumnFamily],
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        Self::open_observed(path, column_families, options, |_| {})
    }

    /// As [`Self::open_column_families`], telling `observe` how far it is: for tests in which a node starts
    /// meanwhile.
    #[doc(hidden)]
    pub fn open_observed(
        path: &Path,
        column_families: &[ColumnFamily],
        options: &OpenOptions,
        mut observe: impl FnMut(OpenStep),
    ) -> Result<Self, OpenError> {
        require_database(path)?;
        let stamp = Stamp::take(path).map_err(unreadable(path))?;
        Self::open_stamped(path, column_families, options, &stamp, &mut observe).map_err(|error| {
            // What a node that starts does to its files looks like damage.
            match Stamp::take(path) {
                Ok(now) if now == stamp || options.allow_live => error,
                Err(_) => error,
                Ok(_) => OpenError::Changed {
                    path: path.to_path_buf(),
                },
            }
        })
    }

    fn open_stamped(
        path: &Path,
        column_families: &[ColumnFamily],
        options: &OpenOptions,
        stamp: &Stamp,
        observe: &mut dyn FnMut(OpenStep),
    ) -> Result<Self, OpenError> {
        let Examined {
            mut warnings,
            damage,
        } = examine_files(path, options)?;
        require_column_families(path, column_families)?;
        require_files(path, column_families)?;
        limits::require_for_reading()?;
        observe(OpenStep::Examined);

        let failures = MergeFailures::new();
        let descriptors = column_families
            .iter()
            .map(|family| {
                let options = schema::reader_options(*family, &failures);
                ColumnFamilyDescriptor::new(family.name(), options)
            })
            // RocksDB insists on the default column family.
            .chain([ColumnFamilyDescriptor::new("default", Options::default())]);
        let db =
            DB::open_cf_descriptors_read_only(&database_options(damage), path, descriptors, false)
                .map_err(|source| explain(path, damage, source))?;
        observe(OpenStep::Opened);
        require_unchanged(path, stamp, options, &mut warnings)?;
        Ok(Self {
            db,
            path: path.to_path_buf(),
            failures,
            warnings,
        })
    }

    /// The database's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its user should be told.
    #[must_use]
    pub fn warnings(&self) -> &[OpenWarning] {
        &self.warnings
    }

    /// RocksDB's estimates of the number of rows, for progress and disk space; never for bytes.
    #[must_use]
    pub fn estimated_counts(&self) -> PerTable<u64> {
        PerTable::from_fn(|table| self.int_property(table, "rocksdb.estimate-num-keys"))
    }

    pub(crate) const fn rocksdb(&self) -> &DB {
        &self.db
    }

    pub(crate) const fn merge_failures(&self) -> &MergeFailures {
        &self.failures
    }

    /// The handle of a column family that was opened.
    pub(crate) fn handle(&self, family: ColumnFamily) -> Option<&rocksdb::ColumnFamily> {
        self.db.cf_handle(family.name())
    }

    /// An integer property of a table, 0 if RocksDB has none.
    pub(crate) fn int_property(&self, table: Table, name: &str) -> u64 {
        self.handle(table.into())
            .and_then(|handle| self.db.property_int_value_cf(handle, name).ok().flatten())
            .unwrap_or(0)
    }
}

/// What is known of a database before RocksDB sees it.
struct Examined {
    warnings: Vec<OpenWarning>,
    damage: Damage,
}

/// Refuses what is no database, in use, or not whole, and tells what its user should know.
pub(crate) fn examine(path: &Path, options: &OpenOptions) -> Result<Vec<OpenWarning>, OpenError> {
    examine_files(path, options).map(|examined| examined.warnings)
}

fn examine_files(path: &Path, options: &OpenOptions) -> Result<Examined, OpenError> {
    require_database(path)?;
    let mut warnings = Vec::new();
    if let LockState::Held { pid } = lock::holder(path)? {
        if !options.allow_live {
            return Err(OpenError::InUse {
                path: path.to_path_buf(),
                pid,
            });
        }
        warnings.push(OpenWarning::Live { pid });
    }
    require_own_logs(path)?;
    let live = !warnings.is_empty();
    let damage = verify_logs(path, options.wal_recovery, live, &mut warnings)?;
    Ok(Examined { warnings, damage })
}

fn database_options(damage: Damage) -> Options {
    let mut options = Options::default();
    options.set_wal_recovery_mode(damage.mode());
    limits::spare_threads(&mut options);
    options.set_paranoid_checks(true);
    // All files are opened at once: a file that is missing shows now, not half-way.
    options.set_max_open_files(-1);
    options
}

/// Tells a database from what operators take for one.
fn require_database(path: &Path) -> Result<(), OpenError> {
    if path.to_str().is_none() {
        return Err(OpenError::NotUtf8 {
            path: path.to_path_buf(),
        });
    }
    let entries = fs::read_dir(path).map_err(unreadable(path))?;
    if path.join("CURRENT").exists() {
        return Ok(());
    }
    let is_dir = |name: &str| path.join(name).is_dir();
    if is_dir("meta") && (is_dir("private") || is_dir("shared") || is_dir("shared_checksum")) {
        return Err(OpenError::BackupRepository {
            path: path.to_path_buf(),
        });
    }
    let mut below: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|entry| entry.join("CURRENT").exists())
        .collect();
    below.sort();
    Err(OpenError::NotADatabase {
        path: path.to_path_buf(),
        found: below.pop(),
    })
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    |source| OpenError::Unreadable {
        path: path.to_path_buf(),
        source,
    }
}

/// Looks again at what a node changes first, now that RocksDB has all logs in memory and all tables
/// open. A node that starts later cannot change what is read: it can only make reading fail.
fn require_unchanged(
    path: &Path,
    stamp: &Stamp,
    options: &OpenOptions,
    warnings: &mut Vec<OpenWarning>,
) -> Result<(), OpenError> {
    if options.allow_live && matches!(warnings.first(), Some(OpenWarning::Live { .. })) {
        return Ok(());
    }
    // First the files, then the lock, so that no moment lies between in which a node can start unseen.
    let unchanged = Stamp::take(path).is_ok_and(|now| now == *stamp);
    let holder = lock::holder(path)?;
    let live = |pid| OpenWarning::Live { pid };
    match (holder, unchanged) {
        (LockState::Held { pid }, _) if options.allow_live => warnings.insert(0, live(pid)),
        (_, false) if options.allow_live => warnings.insert(0, live(None)),
        (LockState::Held { .. }, _) | (_, false) => {
            return Err(OpenError::Changed {
                path: path.to_path_buf(),
            });
        }
        _ => {}
    }
    Ok(())
}

/// Files that a process has open beside those of a database.
const OTHER_FILES: u64 = 64;

/// What an error of RocksDB that opened a database for writing means.
pub(crate) fn explain_writing(path: &Path, source: rocksdb::Error) -> OpenError {
    explain(path, Damage::None, source)
}

/// Refuses a limit on open files under which `files` of the database in `path` cannot be.
pub(crate) fn require_open_files(path: &Path, files: u64) -> Result<(), OpenError> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = files.saturating_add(OTHER_FILES);
    if limit < needed {
        return Err(OpenError::TooManyFiles {
            path: path.to_path_buf(),
            limit,
            needed,
        });
    }
    Ok(())
}

/// What an error of RocksDB means, where that is known.
fn explain(path: &Path, damage: Damage, source: rocksdb::Error) -> OpenError {
    let path = path.to_path_buf();
    let text = source.to_string();
    if text.contains("Too many open files") {
        let tables = known_manifest(&path).ok().flatten();
        let tables = tables.into_iter().flat_map(|manifest| {
            let families = manifest.families.into_values();
            families.map(|family| family.tables.len() as u64)
        });
        return OpenError::TooManyFiles {
            needed: tables.sum::<u64>() + OTHER_FILES,
            limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            path,
        };
    }
    if text.contains("ahead of WALs") {
        return OpenError::AheadOfLogs {
            path,
            torn: damage.is_torn_tail(),
            source,
        };
    }
    OpenError::RocksDb { path, source }
}

fn require_column_families(path: &Path, wanted: &[ColumnFamily]) -> Result<(), OpenError> {
    let present = DB::list_cf(&Options::default(), path).map_err(|source| OpenError::RocksDb {
        path: path.to_path_buf(),
        source,
    })?;
    let missing: Vec<&'static str> = wanted
        .iter()
        .map(|family| family.name())
        .filter(|name| !present.iter().any(|present| present == name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = path.to_path_buf();
    Err(OpenError::MissingColumnFamily {
        path,
        missing,
        present: present.into_iter().take(LISTED).collect(),
    })
}
