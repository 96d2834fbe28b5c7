//! The directory in which a restore builds, beside its target: nobody else's, gone when it is done, and
//! recognised by the next run when a killed one left it behind. From there the finished database takes the
//! target's name, by one rename or two.
//!
//! Once the file [`READY`] is there, nothing is removed before the names are durable: each directory may have no
//! other name.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{RestoreError, io_error};
use crate::publish;

/// What the directory is called: the target's name, and this.
const SUFFIX: &str = ".restore.tmp";

/// The file that says that a directory is a restore's, locked as long as a run uses it.
const MARKER: &str = "RESTORE-UNFINISHED";

/// The file that says that the new database is complete and durable, and which inode it replaces.
const READY: &str = "READY";

/// The new database, and what the old one is called between two renames.
const NEW: &str = "db";
const OLD: &str = "old";

/// A temporary directory of a restore. Dropping it removes it, unless names are being changed.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    target: PathBuf,
    lock: File,
}

/// A path beside `path`: its name, and `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(suffix);
    publish::parent(path).join(name)
}

/// Where the database that was at `target` is kept.
pub(super) fn kept(target: &Path) -> PathBuf {
    beside(target, ".old")
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

/// The inode of the database that is replaced, once its successor in the temporary directory `dir` is complete.
fn replaced(dir: &Path) -> Option<u64> {
    fs::read_to_string(dir.join(READY)).ok()?.parse().ok()
}

/// Where the database `target` lies: at its name, or, if a run was killed between two renames, where the next one
/// takes it from.
pub(super) fn current(target: &Path) -> PathBuf {
    let dir = beside(target, SUFFIX);
    let new = dir.join(NEW);
    let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    let between = replaced(&dir).is_some() && new.is_dir() && dir.join(OLD).is_dir();
    if between && inode(target).is_err_and(missing) {
        new
    } else {
        target.to_path_buf()
    }
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
            path: beside(target, SUFFIX),
        })
    }

    /// Makes the directory for `target`; none if there is one.
    pub(super) fn create(target: &Path) -> Result<Option<Self>, RestoreError> {
        let path = beside(target, SUFFIX);
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
            lock,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the new database is made.
    pub(super) fn successor(&self) -> PathBuf {
        self.path.join(NEW)
    }

    /// Gives the new database, which is durable, the name of the one at the target, and takes that in; with an
    /// error in `first` as if the rename that does both had failed so.
    pub(super) fn exchange(&self, first: io::Result<()>) -> Result<(), RestoreError> {
        let ready = self.path.join(READY);
        let replaced = inode(&self.target).map_err(io_error("read", &self.target))?;
        File::create_new(&ready)
            .and_then(|mut file| write!(file, "{replaced}").and_then(|()| file.sync_all()))
            .and_then(|()| sync_names(&self.path, &self.target))
            .map_err(io_error("sync", &ready))?;
        let exchanged = first.and_then(|()| publish::exchange(&self.successor(), &self.target));
        match exchanged {
            Err(error) if publish::is_unsupported(&error) => self.rename_both(),
            other => other,
        }
        .map_err(|source| RestoreError::Exchange {
            path: self.target.clone(),
            source,
        })
    }

    /// The exchange where the file system has none.
    fn rename_both(&self) -> io::Result<()> {
        let old = self.path.join(OLD);
        fs::rename(&self.target, &old)?;
        fs::rename(self.successor(), &self.target).inspect_err(|_| {
            // If that fails too, the next run goes on.
            let _ = fs::rename(&old, &self.target);
        })
    }

    /// Makes the new names durable, and then removes the directory, and the old database or keeps that.
    pub(super) fn finish(self, keep_old: bool) -> Result<(), RestoreError> {
        settle(&self.path, &self.target, keep_old)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let replaced = replaced(&self.path);
        let has_begun = replaced.is_some() && replaced != inode(&self.target).ok();
        // Once it is removed, another run may have made its own.
        let marker = inode(&self.path.join(MARKER));
        let is_own = marker.is_ok_and(|it| self.lock.metadata().is_ok_and(|own| own.ino() == it));
        if is_own && !has_begun {
            // Best effort: the next run removes what stays.
            let _ = remove_tree(&self.path);
        }
    }
}

/// Ends what a killed run began at `target`, and removes what it left.
///
/// # Errors
///
/// If another run uses it, it is none of ours, or it cannot be synced or removed.
pub(super) fn end_leftover(target: &Path, keep_old: bool) -> Result<(), RestoreError> {
    let path = &beside(target, SUFFIX);
    let occupied = || RestoreError::Occupied { path: path.clone() };
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
        return Err(occupied());
    }
    match File::open(path.join(MARKER)) {
        Ok(lock) => {
            try_lock(&lock, path)?;
            settle(path, target, keep_old)
        }
        // Killed before it made the marker, or after it removed it: nothing is lost with an empty
        // directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(occupied()),
            _ => Ok(()),
        },
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Does the second of two renames if a run was killed before it, and makes all names durable. Then the old
/// database, if it is there, gets a name of its own if it is to be kept, and the directory `dir` is removed.
fn settle(dir: &Path, target: &Path, keep_old: bool) -> Result<(), RestoreError> {
    let current = current(target);
    if current != target {
        fs::rename(&current, target).map_err(io_error("rename", &current))?;
    }
    sync_names(dir, target).map_err(io_error("sync the names in", dir))?;
    if let (true, Some(replaced)) = (keep_old, replaced(dir)) {
        let mut places = [NEW, OLD].map(|name| dir.join(name)).into_iter();
        if let Some(old) = places.find(|old| inode(old).is_ok_and(|it| it == replaced)) {
            publish::publish_dir(&old, &kept(target))?;
        }
    }
    remove_tree(dir)
}

fn sync_names(dir: &Path, target: &Path) -> io::Result<()> {
    publish::sync_dir(dir)?;
    publish::sync_dir(publish::parent(target))
}

/// Removes the directory `path`, its marker last: one that is killed here is recognised too.
fn remove_tree(path: &Path) -> Result<(), RestoreError> {
    let remove = || -> io::Result<()> {
        publish::require_no_mounts(path)?;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != MARKER {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_file(path.join(MARKER))?;
        fs::remove_dir(path)
    };
    remove().map_err(io_error("remove", path))
}

fn try_lock(lock: &File, path: &Path) -> Result<(), RestoreError> {
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => RestoreError::Busy {
            path: path.to_path_buf(),
        },
        TryLockError::Error(source) => io_error("lock", path)(source),
    })
}
