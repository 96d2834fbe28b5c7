//! Why a restore failed.
//!
//! What stands in the way before anything is written is a [`Finding`]; the parent module collects those.

use std::io;
use std::path::{Path, PathBuf};

use snapshot_format::{BlobId, ChunkError, Digest, EncodeError, NotWhole};

use super::aggregate::TooManyObjects;
use super::preflight::Finding;
use crate::create::CreateError;
use crate::limits::LimitError;
use crate::lock::LockError;
use crate::open::OpenError;
use crate::publish::PublishError;
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
    /// A lock cannot be asked about.
    #[error(transparent)]
    Lock(#[from] LockError),
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
    /// Objects could not be sorted on disk.
    #[error("cannot sort objects in temporary files in {}: {source}", dir.display())]
    Spill {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
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
        "cannot exchange {} for the finished database: {source}; if it lies on a lower layer of an overlay, \
         copy it to a volume first", path.display()
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
