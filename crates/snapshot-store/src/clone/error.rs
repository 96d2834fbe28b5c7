//! Why a database cannot be cloned, or a clone not take its place.

use std::io;
use std::path::{Path, PathBuf};

use crate::open::{OpenError, OpenWarning};
use crate::options_file::OptionsFileError;
use crate::publish::PublishError;
use crate::wal::WalError;

/// Why a clone failed. The database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloneError {
    /// A file or directory cannot be made, read, synced or renamed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// RocksDB cannot open the clone.
    #[error("RocksDB cannot open the clone {}: {source}", path.display())]
    RocksDb {
        /// The clone.
        path: PathBuf,
        /// Why.
        source: rocksdb::Error,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] WalError),
    /// An options file cannot be read.
    #[error(transparent)]
    Options(#[from] OptionsFileError),
    /// The clone cannot be opened again.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A clone differs from its original where it should not.
    #[error(
        "the clone {} has other files than the database in {}; the database was not touched, and this is a \
         bug, please report it", path.display(), families.join(", ")
    )]
    Differs {
        /// The clone.
        path: PathBuf,
        /// The column families.
        families: Vec<String>,
    },
    /// The clone could not take the place of the database.
    #[error(
        "cannot exchange {} for the finished database: {source}; if it lies on a lower layer of an overlay, \
         copy it to a volume first", path.display()
    )]
    Exchange {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The old database could not get the name under which it is kept.
    #[error(transparent)]
    Kept(#[from] PublishError),
}

/// What should be known of a database that appeared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloneWarning {
    /// This user may not give a file the owner and group that it should have.
    Owner {
        /// The first such file.
        path: PathBuf,
    },
    /// Something about the database that was there.
    Database(OpenWarning),
}

/// Something that stands in the way of a clone, or of its taking the place of the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// No other directory can take the place of a mount point.
    #[error(
        "{} is a mount point, so no other directory can take its place: restore to a new directory below \
         it and point the node there; or move the database into a directory below it first",
        path.display()
    )]
    MountPoint {
        /// The directory.
        path: PathBuf,
    },
    /// Something in the directory is neither a file nor a directory.
    #[error(
        "{} is neither a file nor a directory, so the database cannot be cloned: move it away, or in place \
         of the link what it leads to", path.display()
    )]
    NotPlain {
        /// What it is.
        path: PathBuf,
    },
    /// Files of the database cannot get another name beside it.
    #[error(
        "files of {} cannot be hard-linked beside it ({source}): run as root or as their owner; if it is a \
         subvolume or a directory with a quota of its own, copy the database to a plain directory first",
        path.display()
    )]
    CannotLink {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A column family has an order of keys that only the node knows.
    #[error(
        "column family {family} of {} has the comparator {comparator}, which only the node has",
        path.display()
    )]
    Comparator {
        /// The database.
        path: PathBuf,
        /// The column family.
        family: String,
        /// The name of the order.
        comparator: String,
    },
    /// What is only in the write-ahead logs does not fit into memory.
    #[error(
        "the write-ahead logs of {} have {needed} bytes, which are held in memory, and {available} are \
         free: start the node and stop it, which empties them", path.display()
    )]
    TooLittleMemory {
        /// The database.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// Files are missing, or not in the directory.
    #[error(transparent)]
    Files(Box<OpenError>),
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] WalError),
    /// The options file is damaged.
    #[error(transparent)]
    Options(#[from] OptionsFileError),
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> CloneError {
    move |source| CloneError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
