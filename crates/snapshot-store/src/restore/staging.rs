//! The directory in which a restore builds: nobody else's, gone when it is done, and recognised by the
//! next run when a killed one left it behind.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{RestoreError, io_error};
use super::marker;

/// What the directory beside a new database is called: its name, and this.
pub(super) const BESIDE_SUFFIX: &str = ".restore.tmp";

/// What the directory in an existing database is called. RocksDB leaves it alone, as it does the
/// marker.
pub(super) const IN_DATABASE: &str = "restore.tmp";

/// A temporary directory of a restore. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    /// The marker in it, locked as long as a run uses the directory.
    _lock: File,
}

impl Staging {
    /// Makes the directory `path`, and removes first what a killed run left there.
    ///
    /// # Errors
    ///
    /// If another run uses it, or something has the name that no restore made.
    pub(super) fn make(path: &Path) -> Result<Self, RestoreError> {
        remove_leftover(path)?;
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(RestoreError::Busy {
                    path: path.to_path_buf(),
                });
            }
            made => made.map_err(io_error("create", path))?,
        }
        let marker = path.join(marker::FILE);
        let lock = File::create_new(&marker).map_err(io_error("create", &marker))?;
        try_lock(&lock, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory, and says if that fails.
    pub(super) fn remove(self) -> Result<(), RestoreError> {
        remove_tree(&self.path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Best effort: the next run removes what stays.
        let _ = remove_tree(&self.path);
    }
}

/// Removes the directory `path` if a killed run left it.
///
/// # Errors
///
/// If another run uses it, it is none of ours, or it cannot be removed.
pub(super) fn remove_leftover(path: &Path) -> Result<(), RestoreError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io_error("read", path))?,
    };
    let occupied = || RestoreError::Occupied {
        path: path.to_path_buf(),
    };
    if !metadata.is_dir() {
        return Err(occupied());
    }
    match File::open(path.join(marker::FILE)) {
        Ok(lock) => {
            try_lock(&lock, path)?;
            remove_tree(path)
        }
        // Killed before it made the marker, or after it removed it: nothing is lost with an empty
        // directory.
        Err(_) => fs::remove_dir(path).map_err(|_| occupied()),
    }
}

/// Removes the directory `path`, its marker last: one that is killed here is recognised too.
fn remove_tree(path: &Path) -> Result<(), RestoreError> {
    let failed = io_error("remove", path);
    for entry in fs::read_dir(path).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry.file_name() == marker::FILE {
            continue;
        }
        let is_dir = entry.file_type().map_err(&failed)?.is_dir();
        let removed = if is_dir {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        };
        removed.map_err(&failed)?;
    }
    fs::remove_file(path.join(marker::FILE))
        .and_then(|()| fs::remove_dir(path))
        .map_err(&failed)
}

fn try_lock(lock: &File, path: &Path) -> Result<(), RestoreError> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(RestoreError::Busy {
            path: path.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", path)(source)),
    }
}
