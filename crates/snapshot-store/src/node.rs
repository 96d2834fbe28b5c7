//! What a snapshot needs of a running node's store, and the adapter for its RocksDB database.
//!
//! Where checkpoints go, what they are called and when they are taken is for the caller.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    ColumnFamilyDescriptor, DB, DBWithThreadMode, MultiThreaded, OptimisticTransactionDB, Options,
    SingleThreaded,
};

use crate::limits;
use crate::open::{self, Database, OpenError, OpenWarning};
use crate::publish;
use crate::schema::{ColumnFamily, LATEST_HANDLED_EVENT_INDEX_KEY};

/// Why the node's store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct StoreError {
    action: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// A failure of the store to do something, named by a verb phrase.
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            action,
            source: source.into(),
        }
    }
}

/// What a snapshot needs of a running node's store. Both calls may block, and are made on threads
/// that may.
pub trait NodeStore: Send + Sync + 'static {
    /// Makes a checkpoint of the whole database, as the directory `path`, which does not exist, on
    /// the database's own file system. What is in it must be durable when this returns.
    ///
    /// The directory that `path` is in holds nothing else, so names beside it are free too: RocksDB
    /// builds a checkpoint as `<path>.tmp`.
    ///
    /// # Errors
    ///
    /// If it cannot be made. What is left of it is removed by the caller.
    fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError>;

    /// The index of the latest event that changed the tables, if there was any.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError>;
}

/// A node's open RocksDB database as a [`NodeStore`]: plain, multi-threaded, or with optimistic
/// transactions.
#[derive(Debug)]
pub struct RocksDbStore<D>(Arc<D>);

impl<D> RocksDbStore<D> {
    /// The store over the node's own handle.
    #[must_use]
    pub const fn new(database: Arc<D>) -> Self {
        Self(database)
    }
}

/// Implements [`NodeStore`] for one type of database; they share no trait that gives column families.
macro_rules! node_store {
    ($($database:ty),+ $(,)?) => {$(
        impl NodeStore for RocksDbStore<$database> {
            fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError> {
                require_hard_links(self.0.path(), path)?;
                Checkpoint::new(&self.0)
                    .and_then(|checkpoint| checkpoint.create_checkpoint(path))
                    .map_err(|source| StoreError::new(CREATE_CHECKPOINT, source))
            }

            fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError> {
                let name = ColumnFamily::LatestHandledEventIndex.name();
                let family = self.0.cf_handle(name).ok_or_else(|| {
                    StoreError::new(READ_INDEX, format!("column family {name} is not open"))
                })?;
                let value = self
                    .0
                    .get_cf(&family, LATEST_HANDLED_EVENT_INDEX_KEY)
                    .map_err(|source| StoreError::new(READ_INDEX, source))?;
                value.map(|bytes| event_index(&bytes)).transpose()
            }
        }
    )+};
}

node_store! {
    DBWithThreadMode<SingleThreaded>,
    DBWithThreadMode<MultiThreaded>,
    OptimisticTransactionDB<SingleThreaded>,
    OptimisticTransactionDB<MultiThreaded>,
}

/// Opens the three tables of the checkpoint at `path`, which a running node's database made.
///
/// RocksDB copies the log in use as long as it is at that moment, while other threads write to it, so its
/// last record may be cut off. That costs no row: all that was written before the checkpoint began is in
/// its table files. This, and no other damage of a log, is tolerated, and the warnings of the database
/// say so.
///
/// # Errors
///
/// [`OpenError`] if it is not whole. That includes table files that its manifest does not know: a
/// checkpoint has only files that it needs.
pub fn open_checkpoint(path: &Path) -> Result<Database, OpenError> {
    let options = open::OpenOptions {
        wal_recovery: open::WalRecovery::TolerateTornTail,
        ..open::OpenOptions::default()
    };
    let database = Database::open(path, &options)?;
    for warning in database.warnings() {
        if let OpenWarning::UnreferencedFiles { manifest, files } = warning {
            return Err(OpenError::UnreferencedFiles {
                manifest: manifest.clone(),
                files: files.clone(),
            });
        }
    }
    Ok(database)
}

/// Checks that the checkpoint at `path` is whole, as far as that can be told without reading all of it:
/// the manifest reads to its end, every SST file of every column family has the size it should have,
/// and those of the three tables open. Returns what its user should be told.
///
/// Nothing is written.
///
/// # Errors
///
/// [`OpenError`] with what is missing.
pub fn check_checkpoint(path: &Path) -> Result<Vec<OpenWarning>, OpenError> {
    let warnings = open_checkpoint(path)?.warnings().to_vec();
    let failed = |source| OpenError::RocksDb {
        path: path.to_path_buf(),
        source,
    };
    let mut options = Options::default();
    // Sizes are compared with the manifest's.
    options.set_paranoid_checks(true);
    // Of files to open at once; a node has thousands, and none has to be opened for that.
    options.set_max_open_files(16);
    limits::spare_threads(&mut options);
    let families = DB::list_cf(&options, path).map_err(failed)?;
    let families = families
        .into_iter()
        .map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    DB::open_cf_descriptors_read_only(&options, path, families, false).map_err(failed)?;
    Ok(warnings)
}

const CREATE_CHECKPOINT: &str = "create a checkpoint";

const READ_INDEX: &str = "read the latest handled event index";

/// Where no hard link can be made, RocksDB would not fail but copy all files, terabytes of them, while the
/// node waits. Only a link that is made proves that one can be: two mounts of one file system have the same
/// device number, and no links between them.
fn require_hard_links(database: &Path, checkpoint: &Path) -> Result<(), StoreError> {
    let dir = publish::parent(checkpoint);
    let mut name = checkpoint.file_name().unwrap_or_default().to_owned();
    name.push(".link");
    let link = dir.join(name);
    // A file that every database has.
    let linked = fs::hard_link(database.join("CURRENT"), &link);
    let removed = linked.and_then(|()| fs::remove_file(&link));
    removed.map_err(|source| {
        let cause = format!(
            "no hard link to the database's files can be made in {} ({source}), so all of them would \
             be copied: the database in {} is on the mount {}, the directory on the mount {}; give a \
             storage path on the database's own mount, with a file system that has hard links",
            dir.display(),
            database.display(),
            mount_of(database),
            mount_of(dir),
        );
        StoreError::new(CREATE_CHECKPOINT, cause)
    })
}

/// The mount point that `path` is below, for a message.
fn mount_of(path: &Path) -> String {
    let path = path.canonicalize();
    let mounts = fs::read_to_string("/proc/self/mountinfo");
    let (Ok(path), Ok(mounts)) = (path, mounts) else {
        return "unknown".to_owned();
    };
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points
        // The kernel writes what would end a field in octal.
        .map(|point| point.replace("\\040", " ").replace("\\011", "\t"))
        .filter(|point| path.starts_with(point))
        // Of mounts at one point, the last is seen.
        .max_by_key(String::len)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The BCS of a u64: 8 bytes, little-endian.
fn event_index(bytes: &[u8]) -> Result<u64, StoreError> {
    <[u8; 8]>::try_from(bytes)
        .map(u64::from_le_bytes)
        .map_err(|_| {
            let cause = format!("its value has {} bytes, expected 8", bytes.len());
            StoreError::new(READ_INDEX, cause)
        })
}
