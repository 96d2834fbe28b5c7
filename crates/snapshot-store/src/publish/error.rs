//! Why a file could not be published, and what the operator can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::space;

/// Why an output was not written, or not made visible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The output exists and was not to be replaced.
    #[error("{path} already exists; choose another path")]
    Exists {
        /// The output.
        path: PathBuf,
    },

    /// The output is to be a file, but a directory has its name.
    #[error("{path} names a directory; name a file inside it")]
    IsDirectory {
        /// The output.
        path: PathBuf,
    },

    /// The output is a file that this process has open under a number.
    #[error(
        "{path} is an open descriptor, and a file behind it cannot be replaced: name the file itself, or \
         redirect standard output"
    )]
    Descriptor {
        /// The output.
        path: PathBuf,
    },

    /// The output is a number under which nothing is open.
    #[error("{path} is a descriptor that is not open: name a file, or redirect standard output")]
    NotOpen {
        /// The output.
        path: PathBuf,
    },

    /// The directory of the output does not exist.
    #[error("cannot write {path}: there is no directory {dir}; create it first")]
    NoDirectory {
        /// The output.
        path: PathBuf,
        /// The directory.
        dir: PathBuf,
    },

    /// Another run is writing the same output.
    #[error(
        "another run is writing {path}, as it holds {tmp}; wait until it is done, or choose \
         another path"
    )]
    Busy {
        /// The output.
        path: PathBuf,
        /// The unfinished file of the other run.
        tmp: PathBuf,
    },

    /// The name for the unfinished file is taken by something other than a file.
    #[error("cannot write {path}: {tmp} is in the way and is no regular file; move it away")]
    Occupied {
        /// The output.
        path: PathBuf,
        /// The name that is taken.
        tmp: PathBuf,
    },

    /// The name of the directory in which chunks are made is taken by something else.
    #[error(
        "cannot write the chunks of {path}: {stage} is in the way, which no run made to hold them: look at what it \
         is, and move it away"
    )]
    NotStage {
        /// The output.
        path: PathBuf,
        /// The name that is taken.
        stage: PathBuf,
    },

    /// The room that the output needs is not there, found before anything was written.
    #[error(
        "{path} needs {needed} bytes, but its file system has {free} free; free some, or choose a \
         path on another file system"
    )]
    NoSpace {
        /// The output.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },

    /// The file system, or this user's share of it, filled up.
    #[error(
        "no space left for {path} after {written} bytes, with {free} free on its file system; free \
         some, or choose a path on another file system"
    )]
    DiskFull {
        /// The output.
        path: PathBuf,
        /// Bytes written before.
        written: u64,
        /// Bytes free now.
        free: u64,
        /// The cause.
        source: io::Error,
    },

    /// This process may not make a file so large.
    #[error(
        "cannot write {path}: it is larger than {limit} bytes, the most that a file of this process may have \
         (ulimit -f); raise that"
    )]
    FileSizeLimit {
        /// The output.
        path: PathBuf,
        /// Bytes that it may have.
        limit: u64,
    },

    /// The user may not write there.
    #[error("no permission to write {path}: {source}; change it, or choose another path")]
    Permission {
        /// The output.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// Another error of the system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was done.
        action: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The output did not reach the disk for certain. It is discarded, since a second attempt
    /// could succeed without the lost pages.
    #[error(
        "{path} could not be made durable and is discarded: {source}; check the disk and retry"
    )]
    Sync {
        /// The output.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The output is in place, but the directory that names it may not be on the disk.
    #[error(
        "{path} is in place, but its name could not be made durable: {source}; check the disk and \
         write it again"
    )]
    SyncDirectory {
        /// The output.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The unfinished file was removed or replaced by somebody else.
    #[error("{tmp} was taken away while it was written; {path} is not written, so run again")]
    Lost {
        /// The output.
        path: PathBuf,
        /// The unfinished file.
        tmp: PathBuf,
    },

    /// What a killed run began can be neither finished nor taken back.
    #[error(
        "{path} is not of the run that was interrupted and left its files in {stage}; move it away and run \
         again, or take the previous files from {stage}/old and remove {stage}"
    )]
    Foreign {
        /// What is in the way.
        path: PathBuf,
        /// Where the files of the interrupted run are.
        stage: PathBuf,
    },

    /// Files were moved aside for others to take their place, and could not be moved back.
    #[error(
        "{source}; the previous files could not be put back either and are in {stage}/old: run again, which \
         puts them back"
    )]
    NotPutBack {
        /// Where the files are.
        stage: PathBuf,
        /// Why the new ones did not take their place.
        source: Box<PublishError>,
    },

    /// An earlier write failed, so the output is not complete.
    #[error("{path} is not complete, since writing to it failed before")]
    Incomplete {
        /// The output.
        path: PathBuf,
    },
}

/// What an output lacks that is there and complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishWarning {
    /// The file that was replaced had another owner or mode.
    #[error(
        "{path} does not have the owner and mode of the file that it replaced: {source}; change them, if \
         other programs read it"
    )]
    Owner {
        /// The output.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// Names cannot be made durable there.
    #[error(
        "the file system of {path} cannot sync directories: after a crash of the machine the name may be \
         missing"
    )]
    Directory {
        /// The output.
        path: PathBuf,
    },
}

impl PublishError {
    /// Sorts an error of creating or writing `path`, of which `written` bytes are there.
    pub(super) fn classify(
        action: &'static str,
        path: &Path,
        written: u64,
        source: io::Error,
    ) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                // Where even that cannot be told, nothing is free for us.
                let free = space::available(&path).unwrap_or(0);
                Self::DiskFull {
                    path,
                    written,
                    free,
                    source,
                }
            }
            io::ErrorKind::PermissionDenied => Self::Permission { path, source },
            io::ErrorKind::NotFound => Self::NoDirectory {
                dir: super::parent(&path).to_path_buf(),
                path,
            },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// The kind for [`io::Write`], whose callers see nothing but an I/O error.
    pub(super) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::DiskFull { source, .. }
            | Self::Permission { source, .. }
            | Self::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        }
    }
}
