//! The directory in which a restore builds, beside its target: nobody else's, gone when it is done, and
//! recognised by the next run when a killed one left it behind.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{RestoreError, io_error};
use crate::clone::swap::{self, Swap};

/// What the directory is called: the target's name, and this.
const SUFFIX: &str = ".restore.tmp";

/// The file that says that a directory is a restore's, locked as long as a run uses it.
const MARKER: &str = "RESTORE-UNFINISHED";

/// A temporary directory of a restore. Dropping it removes it, unless names are being changed.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    target: PathBuf,
    _lock: File,
}

/// The temporary directory of a restore to `target`.
fn beside(target: &Path) -> PathBuf {
    swap::beside(target, SUFFIX)
}

/// Where the database `target` lies: see [`Swap::current`].
pub(super) fn current(target: &Path) -> PathBuf {
    let scratch = &beside(target);
    Swap { scratch, target }.current()
}

impl Staging {
    /// Makes the directory for `target`, and ends first what a killed run began there.
    ///
    /// # Errors
    ///
    /// If another run uses it, or something has the name that no restore made.
    pub(super) fn make(target: &Path, keep_old: bool) -> Result<Self, RestoreError> {
        end_leftover(target, keep_old)?;
        Self::create(target)?.ok_or_else(|| RestoreError::Busy {
            path: beside(target),
        })
    }

    /// Makes the directory for `target`; none if there is one.
    pub(super) fn create(target: &Path) -> Result<Option<Self>, RestoreError> {
        let path = beside(target);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            made => made.map_err(io_error("create", &path))?,
        }
        let marker = path.join(MARKER);
        let lock = File::create_new(&marker).map_err(io_error("create", &marker))?;
        try_lock(&lock, &path)?;
        Ok(Some(Self {
            path,
            target: target.to_path_buf(),
            _lock: lock,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The new database, and the one that it replaces.
    pub(super) fn swap(&self) -> Swap<'_> {
        Swap {
            scratch: &self.path,
            target: &self.target,
        }
    }

    /// Makes the names that were exchanged durable, and then removes the directory and the old database, or
    /// keeps that.
    pub(super) fn finish(self, keep_old: bool) -> Result<(), RestoreError> {
        self.swap().settle(keep_old)?;
        remove_tree(&self.path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.swap().is_begun() {
            // Best effort: the next run removes what stays.
            let _ = remove_tree(&self.path);
        }
    }
}

/// Ends what a killed run began at `target`: the second of two renames, if it was killed between them. Then
/// what it left is removed.
///
/// # Errors
///
/// If another run uses it, it is none of ours, or it cannot be synced or removed.
pub(super) fn end_leftover(target: &Path, keep_old: bool) -> Result<(), RestoreError> {
    let path = &beside(target);
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io_error("read", path))?,
    };
    let occupied = || RestoreError::Occupied { path: path.clone() };
    if !metadata.is_dir() {
        return Err(occupied());
    }
    match File::open(path.join(MARKER)) {
        Ok(lock) => {
            try_lock(&lock, path)?;
            let scratch = path;
            Swap { scratch, target }.settle(keep_old)?;
            remove_tree(path)
        }
        // Killed before it made the marker, or after it removed it: nothing is lost with an empty
        // directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::remove_dir(path).map_err(|_| occupied())
        }
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Removes the directory `path`, its marker last: one that is killed here is recognised too.
fn remove_tree(path: &Path) -> Result<(), RestoreError> {
    let failed = io_error("remove", path);
    for entry in fs::read_dir(path).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry.file_name() == MARKER {
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
    fs::remove_file(path.join(MARKER))
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
