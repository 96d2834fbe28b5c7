//! What the opener of a database is told: errors and warnings, and their messages.
//!
//! What leads to them is in the parent module.

use std::io;
use std::path::PathBuf;

use crate::limits::LimitError;
use crate::lock::LockError;
use crate::options_file::OptionsFileError;
use crate::wal::WalError;

/// Something the opener of a database should tell its user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenWarning {
    /// A running process holds the database.
    Live {
        /// Its process ID, if known.
        pid: Option<u32>,
    },
    /// Rows may be missing, because a damaged write-ahead log is tolerated.
    DamagedWal {
        /// What is wrong with it.
        cause: String,
    },
    /// Table files lie there that the manifest does not know. A node that was killed may leave some;
    /// a manifest that was cut looks the same.
    UnreferencedFiles {
        /// The manifest.
        manifest: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// Whether the manifest was cut could not be checked.
    UncheckedManifest {
        /// The manifest.
        manifest: PathBuf,
        /// The tag of a field it has that is not known.
        tag: u32,
    },
}

impl std::fmt::Display for OpenWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Live { pid } => write!(
                f,
                "the database is in use{}: what is read of it is undefined, so its digest proves nothing",
                pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
            ),
            Self::DamagedWal { cause } => {
                write!(
                    f,
                    "rows may be missing, as the write-ahead log is damaged: {cause}"
                )
            }
            Self::UnreferencedFiles { manifest, files } => write!(
                f,
                "rows may be missing if {} was cut: it does not know {}; a node that was killed \
                 leaves such files too, so compare the digest with another node's or use a checkpoint",
                manifest.display(),
                listed(files)
            ),
            Self::UncheckedManifest { manifest, tag } => write!(
                f,
                "whether {} was cut could not be checked: it has a field {tag}, perhaps of a newer \
                 RocksDB than 8.10",
                manifest.display()
            ),
        }
    }
}

/// Why a directory cannot be opened as a node's database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is no RocksDB database.
    #[error(
        "{} is not a RocksDB database: it has no file CURRENT{}",
        path.display(),
        found.as_ref().map_or_else(
            || "; give the checkpoint's or database's own directory".to_owned(),
            |found| format!("; did you mean {}?", found.display())
        )
    )]
    NotADatabase {
        /// The directory.
        path: PathBuf,
        /// A database below it.
        found: Option<PathBuf>,
    },
    /// The directory is a repository of periodic backups.
    #[error(
        "{} is a RocksDB backup repository (meta, shared_checksum, private), not a database: restore \
         a backup from it first, then give the restored directory",
        path.display()
    )]
    BackupRepository {
        /// The directory.
        path: PathBuf,
    },
    /// A running process holds the database.
    #[error(
        "{} is in use{}: stop the node, or give a checkpoint of it",
        path.display(), pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process ID of the holder, if known.
        pid: Option<u32>,
    },
    /// The lock could not be examined.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The write-ahead log or the manifest is damaged.
    #[error(transparent)]
    Log(#[from] WalError),
    /// Table files lie there that the manifest does not know, and no write-ahead log explains them.
    #[error(
        "{} ends before {} were added: it was cut, or is older than they are; take another \
         checkpoint, or copy the database again",
        manifest.display(), listed(files)
    )]
    UnreferencedFiles {
        /// The manifest.
        manifest: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// Column families of a node's database are not there.
    #[error(
        "{} has no column family {}: it is not a storage node's database, or one of an older node \
         (it has: {})",
        path.display(), missing.join(", "), present.join(", ")
    )]
    MissingColumnFamily {
        /// The directory.
        path: PathBuf,
        /// The names that are not there.
        missing: Vec<&'static str>,
        /// The names that are, the first few.
        present: Vec<String>,
    },
    /// The logs lie in another directory.
    #[error(
        "{} has its write-ahead logs in {}, as {} says (wal_dir): they cannot be followed there; stop the \
         node and copy both into one directory, without the OPTIONS files, or give a checkpoint",
        path.display(), wal_dir.display(), options.display()
    )]
    LogsElsewhere {
        /// The directory.
        path: PathBuf,
        /// Where the logs lie.
        wal_dir: PathBuf,
        /// The file that says so.
        options: PathBuf,
    },
    /// Table files lie in another directory.
    #[error(
        "{} has files of {family} in another directory (number {path_id} of its db_paths or cf_paths): a \
         database over several directories cannot be read",
        path.display()
    )]
    OtherPath {
        /// The directory.
        path: PathBuf,
        /// The column family.
        family: String,
        /// The number of the other directory in the node's options.
        path_id: u32,
    },
    /// A file that holds rows is not there.
    #[error(
        "{} is missing, which holds rows of {family}: take another checkpoint, or copy the database again \
         with all its files",
        file.display()
    )]
    MissingFile {
        /// The file.
        file: PathBuf,
        /// The column family.
        family: String,
    },
    /// A file that holds rows was cut, or is another one.
    #[error(
        "{} has {got} bytes, and the manifest says {expected}: it was cut or is another file, and holds rows of \
         {family}; take another checkpoint, or copy the database again",
        file.display()
    )]
    WrongSize {
        /// The file.
        file: PathBuf,
        /// The column family.
        family: String,
        /// Bytes that the manifest says.
        expected: u64,
        /// Bytes that it has.
        got: u64,
    },
    /// RocksDB cannot be given the path: its Rust bindings would open another one.
    #[error(
        "{} is no path for RocksDB, since it is not UTF-8: rename it, or give a link to it by another name",
        path.display()
    )]
    NotUtf8 {
        /// The directory.
        path: PathBuf,
    },
    /// A node opened the database while it was being opened here.
    #[error(
        "{} changed while it was opened: a node started meanwhile, so what was read is no database of one \
         moment; stop the node, or give a checkpoint of it",
        path.display()
    )]
    Changed {
        /// The directory.
        path: PathBuf,
    },
    /// The options file cannot be read.
    #[error(transparent)]
    OptionsFile(#[from] OptionsFileError),
    /// The system grants too little.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// This process may not have so many files open.
    #[error(
        "RocksDB cannot open all files of {}: this process may have {limit} open, as `ulimit -n` says; \
         raise that, to {needed} at the least",
        path.display()
    )]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// How many may be open.
        limit: u64,
        /// How many are needed.
        needed: u64,
    },
    /// The log is damaged at a place from where on other tables already hold rows.
    #[error(
        "{} cannot be recovered to the damage of its write-ahead log, as tables hold later rows than those \
         before it ({source}): copy the database again with all its .log files, or give a checkpoint",
        path.display()
    )]
    AheadOfLogs {
        /// The directory.
        path: PathBuf,
        /// Whether the damage is an incomplete last record and nothing else.
        torn: bool,
        /// Why.
        source: rocksdb::Error,
    },
    /// RocksDB could not open the database.
    #[error("RocksDB cannot open {}: {source}", path.display())]
    RocksDb {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: rocksdb::Error,
    },
}

impl OpenError {
    /// Whether the files were read and found not to be a whole database, as against not read, or not opened
    /// for another reason.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        match self {
            Self::NotADatabase { .. }
            | Self::BackupRepository { .. }
            | Self::UnreferencedFiles { .. }
            | Self::MissingColumnFamily { .. }
            | Self::OtherPath { .. }
            | Self::MissingFile { .. }
            | Self::WrongSize { .. } => true,
            // A file that is named and not there is missing.
            Self::Log(WalError::Io { source, .. }) => source.kind() == io::ErrorKind::NotFound,
            Self::Log(_) => true,
            Self::RocksDb { source, .. } => source.kind() == rocksdb::ErrorKind::Corruption,
            _ => false,
        }
    }
}

/// The names of the first files, and how many more there are.
fn listed(files: &[PathBuf]) -> String {
    /// Enough to find them.
    const NAMES: usize = 3;

    let names = files.iter().take(NAMES).filter_map(|file| file.file_name());
    let mut text = names
        .map(|name| name.to_string_lossy())
        .collect::<Vec<_>>()
        .join(", ");
    if files.len() > NAMES {
        text.push_str(&format!(" and {} more", files.len() - NAMES));
    }
    text
}
