//! What a snapshot needs of a running node's store, and the adapter for its RocksDB database.
//!
//! Where checkpoints go, what they are called and when they are taken is for the caller.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    ColumnFamilyDescriptor, DB, DBWithThreadMode, MultiThreaded, OptimisticTransactionDB, Options,
    SingleThreaded,
};

use crate::open::{self, Database, OpenError};
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
                require_same_file_system(self.0.path(), publish::parent(path))?;
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

/// Checks that the checkpoint at `path` is whole, as far as that can be told without reading all of it:
/// the manifest reads to its end, every SST file of every column family has the size it should have,
/// and those of the three tables open.
///
/// Nothing is written.
///
/// # Errors
///
/// [`OpenError`] with what is missing.
pub fn check_checkpoint(path: &Path) -> Result<(), OpenError> {
    let options = open::OpenOptions {
        wal_recovery: CHECKPOINT_WAL,
        ..open::OpenOptions::default()
    };
    Database::open(path, &options)?;
    let failed = |source| OpenError::RocksDb {
        path: path.to_path_buf(),
        source,
    };
    let mut options = Options::default();
    // Sizes are compared with the manifest's.
    options.set_paranoid_checks(true);
    // Of files to open at once; a node has thousands, and none has to be opened for that.
    options.set_max_open_files(16);
    // Where no thread can be had, RocksDB ends the process.
    options.set_max_file_opening_threads(1);
    let families = DB::list_cf(&options, path).map_err(failed)?;
    let families = families
        .into_iter()
        .map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    DB::open_cf_descriptors_read_only(&options, path, families, false).map_err(failed)?;
    Ok(())
}

/// How to treat the write-ahead log of a checkpoint that was taken of a running node.
///
/// RocksDB copies the log in use while other threads write to it, so its last record may be cut off.
/// That costs no row: the checkpoint flushed all that was written before, and whatever the tables
/// consist of was.
pub const CHECKPOINT_WAL: open::WalRecovery = open::WalRecovery::TolerateTornTail;

const CREATE_CHECKPOINT: &str = "create a checkpoint";

const READ_INDEX: &str = "read the latest handled event index";

/// Elsewhere RocksDB would not link its files but copy them, all terabytes of them.
fn require_same_file_system(database: &Path, dir: &Path) -> Result<(), StoreError> {
    let device = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| metadata.dev())
            .map_err(|source| {
                let cause = format!("{}: {source}", path.display());
                StoreError::new(CREATE_CHECKPOINT, cause)
            })
    };
    if device(database)? == device(dir)? {
        return Ok(());
    }
    let cause = format!(
        "{} is not on the file system of the database in {}, so all of it would be copied; give a \
         storage path on that file system",
        dir.display(),
        database.display()
    );
    Err(StoreError::new(CREATE_CHECKPOINT, cause))
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
