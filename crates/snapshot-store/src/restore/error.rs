//! Why a restore failed.
//!
//! What stands in the way before anything is written is a [`Finding`]; `preflight` collects those.

use std::io;
use std::path::{Path, PathBuf};

use snapshot_format::{BlobId, ChunkError, Digest, EncodeError, Epoch, NotWhole};

use super::aggregate::TooManyObjects;
use super::cursor::CursorError;
use crate::create::CreateError;
use crate::limits::LimitError;
use crate::open::OpenError;
use crate::publish::PublishError;
use crate::space::SpaceError;
use crate::verify::VerifyError;

/// Why a snapshot could not be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot cannot be read, or is not sound. The target is untouched.
    #[error(transparent)]
    Snapshot(#[from] VerifyError),
    /// The snapshot can be read once only.
    #[error(
        "{} can be read only once, and a restore reads a snapshot twice: to verify it before anything \
         is written, and to restore it; save it to a file first", path.display()
    )]
    NotAFile {
        /// The pipe, device or `-`.
        path: PathBuf,
    },
    /// No snapshot is named.
    #[error("no snapshot is given")]
    NoSnapshot,
    /// The snapshot is one chunk of several.
    #[error("{}: {source}", path.display())]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// Which chunk it is.
        source: NotWhole,
    },
    /// Files are not the chunks of one snapshot.
    #[error("{}: {source}", path.display())]
    Chunk {
        /// The file at which that shows.
        path: PathBuf,
        /// Why.
        source: ChunkError,
    },
    /// The digest of a set of chunks cannot be derived.
    #[error("cannot derive the digest of the whole snapshot: {0}")]
    Encode(#[source] EncodeError<std::convert::Infallible>),
    /// The snapshot or the target cannot be used. The target is untouched.
    #[error("not restored, and nothing was touched:{}", listed(findings))]
    Refused {
        /// All that is in the way.
        findings: Vec<Finding>,
    },
    /// The snapshot changed between the two times it was read. The target is untouched.
    #[error("{} changed while it was restored; keep it as it is and restore again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The target cannot be examined.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another run restores to the same target.
    #[error("another restore is running, as it holds {}; wait until it is done", path.display())]
    Busy {
        /// Its temporary directory.
        path: PathBuf,
    },
    /// The name for temporary files is taken.
    #[error("{} is in the way and was not made by a restore; move it away", path.display())]
    Occupied {
        /// The name.
        path: PathBuf,
    },
    /// A file or directory cannot be made, synced or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// RocksDB cannot write or take over a file.
    #[error("RocksDB cannot {action} {}: {source}", path.display())]
    RocksDb {
        /// What was done.
        action: &'static str,
        /// The file, or the database.
        path: PathBuf,
        /// Why.
        source: rocksdb::Error,
    },
    /// More objects stand for a blob ID than a node can count.
    #[error("blob {blob_id}: {source}")]
    TooManyObjects {
        /// The blob ID.
        blob_id: BlobId,
        /// How many.
        source: TooManyObjects,
    },
    /// The system grants too little.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A thread panicked, which is a bug.
    #[error("a thread panicked; this is a bug, please report it")]
    Thread,
    /// The tables that were installed cannot be read back.
    #[error("the restored tables cannot be read back")]
    ReadBack(#[source] CreateError),
    /// The tables that were installed are not those of the snapshot.
    #[error(
        "the restored tables have digest {got}, but the snapshot has {expected}; do not trust this \
         disk or memory"
    )]
    InstalledDiffers {
        /// The snapshot's digest.
        expected: Digest,
        /// The digest derived from the installed tables.
        got: Digest,
    },
    /// The clone differs from its original where it should not.
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
        "cannot exchange {} for the finished database ({source}): {}", path.display(), elsewhere(source,
            "run as root or as its owner, and see whether it may be renamed (`lsattr`, or a sticky directory)")
    )]
    Exchange {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database was opened for writing while its clone was made. The target is untouched.
    #[error("a node started on {} while it was restored; stop it, and restore again", path.display())]
    Started {
        /// The database.
        path: PathBuf,
    },
    /// The tables are restored, but perhaps not durable, so nothing else was removed.
    #[error(
        "{} has the restored tables, but they may be lost in a power failure; restore again, which makes \
         sure of them: {source}", path.display()
    )]
    NotDurable {
        /// The database.
        path: PathBuf,
        /// Why.
        source: Box<Self>,
    },
    /// The finished database, or the old one that is kept, could not get its name.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl RestoreError {
    /// Whether the snapshot was read, and found unsound or not the one expected.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        match self {
            Self::Snapshot(error) => error.is_verdict(),
            Self::NotWhole { .. } | Self::Chunk { .. } => true,
            Self::Refused { findings } => findings.iter().any(Finding::is_verdict),
            _ => false,
        }
    }
}

/// Something that stands in the way of a restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The snapshot is another one than expected.
    #[error("the snapshot's digest is {got}, expected {expected}: get the one that is vouched for")]
    WrongDigest {
        /// As told.
        expected: Digest,
        /// As found.
        got: Digest,
    },
    /// The snapshot is of another epoch.
    #[error("the snapshot's epoch is {got}, expected {expected}: get the one that is vouched for")]
    WrongEpoch {
        /// As told.
        expected: Epoch,
        /// As found.
        got: Epoch,
    },
    /// What was told of the event cursor does not fit the snapshot.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Events that must be replayed are gone.
    #[error(
        "the snapshot ends before event {next}, but the first event that is still there is {first}: \
         get the snapshot of a later epoch"
    )]
    EventsGone {
        /// The first event that is still there.
        first: u64,
        /// The event to go on with.
        next: u64,
    },
    /// A database is there.
    #[error(
        "{} already holds a database: name a directory that does not exist", path.display()
    )]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is {what}: name a directory that does not exist", path.display())]
    InTheWay {
        /// The target.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// There is no database whose tables could be replaced.
    #[error(
        "{} holds no database, so there are no tables to replace: check the path", path.display()
    )]
    NothingToReplace {
        /// The target.
        path: PathBuf,
    },
    /// The directory above the target is missing.
    #[error("there is no directory {}: create it first, or check the path", path.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// This user may not write.
    #[error("no permission to write in {}: run as the user that the node runs as", path.display())]
    NoPermission {
        /// The directory.
        path: PathBuf,
    },
    /// The target is in the directory of a database, where RocksDB removes what it does not know.
    #[error("{} is inside the database {}: choose a path outside of it", path.display(), database.display())]
    InsideDatabase {
        /// The target.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The database is in use, damaged, or lies in several directories.
    #[error(transparent)]
    Database(Box<OpenError>),
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
    /// A run was killed while it replaced the database, and then something else got its name.
    #[error(
        "{} is neither a database that an interrupted restore replaced, nor what it put in its place; the \
         former is {}: move {} away, if it is there, and restore again; if that is refused too, give the former \
         its name back", path.display(), old.display(), path.display()
    )]
    Displaced {
        /// The target.
        path: PathBuf,
        /// The database that was there.
        old: PathBuf,
    },
    /// The name for temporary files is taken.
    #[error("{} is in the way and was not made by a restore: move it away", path.display())]
    Occupied {
        /// The name.
        path: PathBuf,
    },
    /// The snapshot would be removed with what an interrupted restore left.
    #[error("{} is in the temporary directory of a restore, which is removed: move it away", path.display())]
    Temporary {
        /// The file.
        path: PathBuf,
    },
    /// Something is mounted inside the database's directory.
    #[error(
        "{} is a mount point, which is no part of the database, and would go with the old one: unmount it first",
        path.display()
    )]
    MountBelow {
        /// The mount point.
        path: PathBuf,
    },
    /// Something in the database's directory is neither a file nor a directory.
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
        "files of {} cannot be hard-linked beside it ({source}): {}", path.display(), elsewhere(source,
            "run as root or as their owner, and make those that are immutable or append-only (`lsattr`) plain \
             files first")
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
    /// What is made beside the target cannot have its names.
    #[error(
        "{} is so long that names made of it are too long: choose a shorter path, by a mount or a rename",
        path.display()
    )]
    LongName {
        /// The target.
        path: PathBuf,
    },
    /// The system grants too little.
    #[error(transparent)]
    Limit(LimitError),
    /// There is too little room.
    #[error(transparent)]
    Space(SpaceError),
}

impl From<OpenError> for Finding {
    fn from(error: OpenError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl Finding {
    /// Whether the snapshot is not the one expected, as against a target that cannot be used.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(self, Self::WrongDigest { .. } | Self::WrongEpoch { .. })
    }
}

/// What to do about a name that cannot be made: `otherwise`, unless it would be on another file system.
fn elsewhere<'a>(source: &io::Error, otherwise: &'a str) -> &'a str {
    if source.kind() == io::ErrorKind::CrossesDevices {
        return "it is a subvolume, has a quota of its own, or lies on a lower layer of an overlay: copy the \
                database to a plain directory first";
    }
    otherwise
}

fn listed(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("\n  - {finding}"))
        .collect()
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> RestoreError {
    move |source| RestoreError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}

pub(super) fn rocksdb_error(
    action: &'static str,
    path: &Path,
) -> impl Fn(rocksdb::Error) -> RestoreError {
    move |source| RestoreError::RocksDb {
        action,
        path: path.to_path_buf(),
        source,
    }
}
