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

use super::error::{Finding, RestoreError, io_error};
use crate::publish;

/// What the directory is called: the target's name, and this.
const SUFFIX: &str = ".restore.tmp";

/// The file that says that a directory is a restore's, locked as long as a run uses it.
const MARKER: &str = "RESTORE-UNFINISHED";

/// The file that says that the new database is complete and durable: the inode of what it replaces, its own, and
/// what is to become of the old one.
const READY: &str = "READY";

/// The new database, and what the old one is called between two renames.
const NEW: &str = "db";
const OLD: &str = "old";

/// What the old one is called once its removal may have begun.
const REMOVING: &str = "removing";

/// What READY says of an old database that is kept.
const KEEP: &str = "keep";

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

/// The temporary directory for `target`.
pub(super) fn temporary(target: &Path) -> PathBuf {
    beside(target, SUFFIX)
}

/// Where the database that was at `target` is kept.
fn kept(target: &Path) -> PathBuf {
    beside(target, ".old")
}

/// The inode that has this name, if one has.
fn inode(path: &Path) -> io::Result<Option<u64>> {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | InvalidFilename) => {
            Ok(None)
        }
        found => found.map(|found| Some(found.ino())),
    }
}

/// What READY says.
struct Ready {
    replaced: u64,
    successor: u64,
    keep_old: bool,
}

/// None if the new database was not complete, or its file is not.
fn ready(dir: &Path) -> io::Result<Option<Ready>> {
    let text = match fs::read_to_string(dir.join(READY)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let parse = || {
        let mut words = text.strip_suffix('\n')?.split(' ');
        Some(Ready {
            replaced: words.next()?.parse().ok()?,
            successor: words.next()?.parse().ok()?,
            keep_old: words.next()? == KEEP,
        })
    };
    Ok(parse())
}

/// What a run that was killed left to be ended.
#[derive(Debug)]
pub(super) enum Left {
    /// At most what it was building.
    Nothing,
    /// The database that it replaced is `old`, and has its successor in its place, or `unnamed` if that has no
    /// name yet.
    Old {
        old: PathBuf,
        unnamed: Option<PathBuf>,
        keep: bool,
    },
    /// The database that it was to replace is `old`, and in its place is something else.
    Displaced { old: PathBuf },
}

/// Looks at what was left for `target`.
pub(super) fn left(target: &Path) -> Result<Left, RestoreError> {
    let dir = temporary(target);
    left_in(&dir, target).map_err(io_error("read", &dir))
}

fn left_in(dir: &Path, target: &Path) -> io::Result<Left> {
    let (new, old) = (dir.join(NEW), dir.join(OLD));
    if inode(&dir.join(MARKER))?.is_none() {
        return Ok(Left::Nothing);
    }
    let (is_new, is_old) = (inode(&new)?, inode(&old)?);
    let Some(ready) = ready(dir)? else {
        // Nothing gets that name before READY is durable.
        return Ok(is_old.map_or(Left::Nothing, |_| Left::Displaced { old }));
    };
    let replaced = Some(ready.replaced);
    let old = match () {
        () if is_old == replaced => old,
        () if is_new == replaced => new.clone(),
        () => return Ok(Left::Nothing),
    };
    let successor = Some(ready.successor);
    let at = inode(target)?;
    let unnamed = (at.is_none() && is_new == successor).then_some(new);
    if at != successor && unnamed.is_none() {
        return Ok(Left::Displaced { old });
    }
    let keep = ready.keep_old;
    Ok(Left::Old { old, unnamed, keep })
}

/// Whether what has the name of the temporary directory was not made by a restore.
pub(super) fn is_occupied(target: &Path) -> io::Result<bool> {
    let path = temporary(target);
    let is_there = inode(&path)?.is_some();
    let is_dir = || fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    let is_own = || -> io::Result<bool> {
        Ok(inode(&path.join(MARKER))?.is_some() || fs::read_dir(&path)?.next().is_none())
    };
    Ok(is_there && !(is_dir() && is_own()?))
}

/// Whether `file` is in the temporary directory, which is removed.
pub(super) fn has(target: &Path, file: &Path) -> bool {
    file.canonicalize()
        .is_ok_and(|file| file.starts_with(temporary(target)))
}

/// Whether something has the name for the old database.
pub(super) fn kept_exists(target: &Path) -> bool {
    fs::symlink_metadata(kept(target)).is_ok()
}

/// That something has that name.
pub(super) fn kept_finding(target: &Path) -> Finding {
    Finding::InTheWay {
        path: kept(target),
        what: "the name under which the old database is to be kept; move it away",
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
            path: temporary(target),
        })
    }

    /// Makes the directory for `target`; none if there is one.
    pub(super) fn create(target: &Path) -> Result<Option<Self>, RestoreError> {
        let path = temporary(target);
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
    pub(super) fn exchange(
        &self,
        keep_old: bool,
        first: io::Result<()>,
    ) -> Result<(), RestoreError> {
        let path = self.path.join(READY);
        let write = || -> io::Result<()> {
            let replaced = fs::symlink_metadata(&self.target)?.ino();
            let successor = fs::symlink_metadata(self.successor())?.ino();
            let what = if keep_old { KEEP } else { "remove" };
            let mut file = File::create_new(&path)?;
            file.write_all(format!("{replaced} {successor} {what}\n").as_bytes())?;
            file.sync_all()?;
            sync_names(&self.path, &self.target)
        };
        write().map_err(io_error("write", &path))?;
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
        let has_begun = match (ready(&self.path), inode(&self.target)) {
            (Ok(None), _) => false,
            (Ok(Some(ready)), Ok(at)) => at != Some(ready.replaced),
            _ => true,
        };
        // Once it is removed, another run may have made its own.
        let marker = inode(&self.path.join(MARKER));
        let own = self.lock.metadata().map(|own| Some(own.ino()));
        let is_own = matches!((marker, own), (Ok(it), Ok(own)) if it == own);
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
    let path = &temporary(target);
    let occupied = || RestoreError::Occupied { path: path.clone() };
    if is_occupied(target).map_err(io_error("read", path))? {
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
    let refused = |finding| RestoreError::Refused {
        findings: vec![finding],
    };
    let left = left(target)?;
    if let Left::Displaced { old } = left {
        let path = target.to_path_buf();
        return Err(refused(Finding::Displaced { path, old }));
    }
    if let Left::Old {
        unnamed: Some(new), ..
    } = &left
    {
        fs::rename(new, target).map_err(io_error("rename", new))?;
    }
    sync_names(dir, target).map_err(io_error("sync the names in", dir))?;
    match left {
        Left::Old { old, keep, .. } if keep || keep_old => {
            if kept_exists(target) {
                return Err(refused(kept_finding(target)));
            }
            publish::publish_dir(&old, &kept(target))?;
        }
        Left::Old { old, .. } => {
            // What has another name than this was never begun to be removed.
            publish::require_no_mounts(&old)
                .and_then(|()| fs::rename(&old, dir.join(REMOVING)))
                .and_then(|()| publish::sync_dir(dir))
                .map_err(io_error("remove", &old))?;
        }
        _ => {}
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
