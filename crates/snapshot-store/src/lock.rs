//! Whether a running process holds a RocksDB database.
//!
//! RocksDB holds a POSIX record lock on the file `LOCK` for as long as a database is open for
//! writing. The lock is only asked about here, never taken, and nothing is created, so a database
//! on a read-only file system or of another user can be asked about too.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Flock, FlockType, fcntl_getlk};

/// Who holds a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// There is no `LOCK` file, as in a checkpoint.
    Absent,
    /// Nobody holds the lock: the database was closed, or copied.
    Free,
    /// A running process has the database open for writing.
    Held {
        /// Its process ID, unless it runs in another container or on another machine.
        pid: Option<u32>,
    },
}

/// Why the lock of a database cannot be asked about.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot tell from {path} whether a node is running: {source}; make it readable, or copy the \
     database while the node is stopped"
)]
#[non_exhaustive]
pub struct LockError {
    /// The lock file, or its directory if that is what cannot be read.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// Tells who holds the RocksDB database in `db_dir`.
///
/// A process that has the database open itself is told so too, if `/proc` is mounted: the kernel
/// would not report its own lock, and would drop it when the file is closed here.
///
/// # Errors
///
/// [`LockError`] if the directory does not exist or the lock file cannot be read.
pub fn holder(db_dir: &Path) -> Result<LockState, LockError> {
    /// Keeps a second caller from taking the first one's file for the database's own.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let path = db_dir.join("LOCK");
    let fail = |path: &Path, source| LockError {
        path: path.to_path_buf(),
        source,
    };
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    match open_in_this_process(&path) {
        Ok(true) => {
            return Ok(LockState::Held {
                pid: Some(std::process::id()),
            });
        }
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::metadata(db_dir).map_err(|source| fail(db_dir, source))?;
            return Ok(LockState::Absent);
        }
        Err(source) => return Err(fail(&path, source)),
    }
    let file = open(&path).map_err(|source| fail(&path, source))?;
    match fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)) {
        Ok(None) => Ok(LockState::Free),
        Ok(Some(lock)) => {
            // The kernel gives 0 or -1 for a process that has no ID here.
            let pid = lock
                .pid
                .and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
            Ok(LockState::Held { pid })
        }
        Err(errno) => Err(fail(&path, errno.into())),
    }
}

/// Opens the lock file without ever waiting, whatever kind of file it is.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
}

/// Whether this process has the file at `path` open.
fn open_in_this_process(path: &Path) -> io::Result<bool> {
    let wanted = fs::metadata(path)?;
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return Ok(false);
    };
    Ok(descriptors
        .filter_map(|entry| fs::metadata(entry.ok()?.path()).ok())
        .any(|open| open.dev() == wanted.dev() && open.ino() == wanted.ino()))
}
