//! A clone of a stopped node's database: table and blob files by hard links, everything else copied. The
//! original is never written to, and what of the clone is not replaced is neither flushed nor compacted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, Env, Options};

use super::RestoreOptions;
use super::error::{RestoreError, io_error, rocksdb_error};
use crate::limits;
use crate::merge::MergeFailures;
use crate::open::{self, OpenError, WalRecovery};
use crate::options_file::OptionsFile;
use crate::publish::{self, Owner};
use crate::schema::{self, ColumnFamily};
use crate::wal::{self, LiveFile};

/// The node's own options of column families that a restore leaves alone, by name; those of which it gives
/// none are opened with stand-ins. Only a family with a comparator of its own needs them.
#[derive(Clone, Default)]
pub struct OtherFamilies(Option<Arc<OptionsOf>>);

/// The options of a column family, if they are known.
type OptionsOf = dyn Fn(&str) -> Option<Options> + Send + Sync;

impl OtherFamilies {
    /// Options as `of` gives them.
    pub fn new(of: impl Fn(&str) -> Option<Options> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(of)))
    }

    pub(super) fn of(&self, name: &str) -> Option<Options> {
        self.0.as_ref().and_then(|of| of(name))
    }
}

impl fmt::Debug for OtherFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherFamilies")
    }
}

/// RocksDB's own orders of keys that need nothing but a name and bytes.
pub(super) const BYTEWISE: &str = "leveldb.BytewiseComparator";
pub(super) const REVERSE: &str = "rocksdb.ReverseBytewiseComparator";

/// A memtable that never fills: one that does is flushed while logs are replayed, and all others with it.
const MEMTABLE: usize = 64 << 30;

/// Files that are open at once, as there may be many thousands.
pub(super) const MAX_OPEN_FILES: u16 = 256;

/// What the Rust bindings have no setter for. RocksDB reads it from a file.
const OPTIONS_FILE: &str = "[Version]\n  rocksdb_version=8.10.0\n  options_file_version=1.1\n[DBOptions]\n  \
    avoid_flush_during_recovery=true\n  avoid_flush_during_shutdown=true\n[CFOptions \"default\"]\n";

/// Visits all that is below `dir`, a directory before what is in it; nothing that RocksDB makes anew.
pub(super) fn walk(
    dir: &Path,
    visit: &mut dyn FnMut(&Path, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        let extension = path.extension();
        if path.ends_with("LOCK") || extension.is_some_and(|it| it == "trash" || it == "dbtmp") {
            continue;
        }
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            walk(&path, visit)?;
        }
    }
    Ok(())
}

/// Whether a file is never written again once it is there. Logs are: the last is truncated at an open.
pub(super) fn is_linked(path: &Path) -> bool {
    path.extension()
        .is_some_and(|it| it == "sst" || it == "blob")
}

/// Makes the clone `to` of the database in `from`.
pub(super) fn make(from: &Path, to: &Path) -> Result<(), RestoreError> {
    fs::create_dir(to).map_err(io_error("create", to))?;
    walk(from, &mut |path, metadata| {
        let new = to.join(path.strip_prefix(from).unwrap_or(path));
        if metadata.is_dir() {
            fs::create_dir(new)
        } else if is_linked(path) {
            fs::hard_link(path, new)
        } else {
            fs::copy(path, new).map(drop)
        }
    })
    .map_err(io_error("clone", from))
}

/// Opens the clone `dir` of the database `original` for writing, all of its column families: RocksDB insists.
/// `scratch` is a directory for its log.
pub(super) fn open(
    original: &Path,
    dir: &Path,
    scratch: &Path,
    restore: &RestoreOptions,
    failures: &MergeFailures,
) -> Result<DB, RestoreError> {
    let file = OptionsFile::newest(dir)
        .map_err(OpenError::from)?
        .unwrap_or_default();
    let mut options = database_options(scratch)?;
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(match restore.wal_recovery {
        WalRecovery::Absolute => DBRecoveryMode::AbsoluteConsistency,
        // As a node recovers; what may be dropped was found out before.
        _ => DBRecoveryMode::PointInTime,
    });
    options.set_max_open_files(MAX_OPEN_FILES.into());
    limits::spare_threads(&mut options);
    options.set_max_total_wal_size(u64::MAX);
    options.set_db_log_dir(scratch);
    let manifest = wal::read_manifest(dir).map_err(OpenError::from)?;
    let descriptors = manifest.families.into_values().map(|family| {
        let mut options = match ColumnFamily::from_name(&family.name) {
            Some(own) => schema::reader_options(own, failures),
            None => (restore.other_families.of(&family.name))
                .unwrap_or_else(|| stand_in(&family.name, &family.comparator, &file)),
        };
        options.set_disable_auto_compactions(true);
        options.set_write_buffer_size(MEMTABLE);
        ColumnFamilyDescriptor::new(family.name, options)
    });
    DB::open_cf_descriptors(&options, dir, descriptors)
        .map_err(|source| open::explain_writing(original, source).into())
}

fn database_options(scratch: &Path) -> Result<Options, RestoreError> {
    let dir = scratch.join("options");
    fs::create_dir(&dir).map_err(io_error("create", &dir))?;
    let file = dir.join("OPTIONS-000001");
    fs::write(&file, OPTIONS_FILE).map_err(io_error("write", &file))?;
    let failed = rocksdb_error("read the options in", &dir);
    let env = Env::new().map_err(&failed)?;
    let loaded = Options::load_latest(&dir, env, false, Cache::new_lru_cache(0));
    loaded.map(|(options, _)| options).map_err(failed)
}

/// Options of a column family that is opened, and never read or written.
fn stand_in(name: &str, comparator: &str, file: &OptionsFile) -> Options {
    let mut options = Options::default();
    options.set_level_compaction_dynamic_level_bytes(false);
    // Never called; without one, operands in the log are refused, or taken for damage.
    options.set_merge_operator("stand-in", |_, _, _| None, |_, _, _| None);
    if comparator == REVERSE {
        options.set_comparator(REVERSE, Box::new(|a, b| b.cmp(a)));
    }
    if let Some(family) = file.family(name) {
        options.set_num_levels(family.num_levels);
    }
    options
}

/// Puts the node's own options file back, and removes those that RocksDB wrote into the clone.
pub(super) fn restore_options(original: &Path, clone: &Path) -> Result<(), RestoreError> {
    let kept = OptionsFile::newest(original).map_err(OpenError::from)?;
    let kept = kept.as_ref().and_then(|file| file.path.file_name());
    let put_back = || -> io::Result<()> {
        for entry in fs::read_dir(clone)? {
            let entry = entry?;
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(b"OPTIONS-")
            {
                fs::remove_file(entry.path())?;
            }
        }
        kept.map_or(Ok(()), |name| {
            fs::copy(original.join(name), clone.join(name)).map(drop)
        })
    };
    put_back().map_err(io_error("put the options file back into", clone))
}

/// Checks that the clone has the same files as the original in all column families that are not replaced.
pub(super) fn require_same_others(original: &Path, clone: &Path) -> Result<(), RestoreError> {
    let (before, after) = (others(original)?, others(clone)?);
    if before == after {
        return Ok(());
    }
    let families = before.into_iter();
    let differ = families.filter(|(name, files)| after.get(name) != Some(files));
    Err(RestoreError::Differs {
        path: clone.to_path_buf(),
        families: differ.map(|(name, _)| name).collect(),
    })
}

/// Table and blob files of each column family that is not replaced.
type Others = BTreeMap<String, (BTreeMap<u64, LiveFile>, Vec<u64>)>;

fn others(dir: &Path) -> Result<Others, RestoreError> {
    let manifest = wal::read_manifest(dir).map_err(OpenError::from)?;
    let families = manifest.families.into_values();
    let others = families.filter(|family| ColumnFamily::from_name(&family.name).is_none());
    Ok(others
        .map(|family| {
            let blobs = family.blob_files().collect();
            (family.name, (family.tables, blobs))
        })
        .collect())
}

/// Gives all that is new in `dir` its owner and mode, and syncs it: those of what `original` has of the same name,
/// or of its `CURRENT`; without one, those that fit into the directory `parent`. A file that has another name
/// elsewhere is the node's. Tells the first that this user may not give its owner.
pub(super) fn seal(
    dir: &Path,
    original: Option<&Path>,
    parent: &Path,
) -> Result<Option<PathBuf>, RestoreError> {
    let mut paths = vec![dir.to_path_buf(), dir.join("LOCK")];
    walk(dir, &mut |path, metadata| {
        if metadata.is_dir() || metadata.nlink() == 1 {
            paths.push(path.to_path_buf());
        }
        Ok(())
    })
    .map_err(io_error("read", dir))?;
    let mut refused = None;
    // What is in a directory, before the directory.
    for path in paths.into_iter().rev() {
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let is_dir = file.metadata().map_err(io_error("read", &path))?.is_dir();
        let owner = match original {
            Some(original) => {
                fs::symlink_metadata(original.join(path.strip_prefix(dir).unwrap_or(&path)))
                    .or_else(|error| match error.kind() {
                        io::ErrorKind::NotFound => fs::metadata(original.join("CURRENT")),
                        _ => Err(error),
                    })
                    .map(|old| Owner::of(&old))
            }
            None => fs::metadata(parent).map(|parent| Owner::of_parent(&parent, is_dir)),
        };
        match owner.and_then(|owner| owner.give(&file)) {
            // An owner that this user may not give to a file, or its user namespace does not know.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    || error.kind() == io::ErrorKind::InvalidInput =>
            {
                refused.get_or_insert(path.clone());
            }
            other => other.map_err(io_error("give its owner and mode to", &path))?,
        }
        let synced = if is_dir {
            publish::sync_dir(&path)
        } else {
            file.sync_all()
        };
        synced.map_err(io_error("sync", &path))?;
    }
    Ok(refused)
}
