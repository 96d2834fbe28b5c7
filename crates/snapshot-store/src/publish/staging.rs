//! The name under which a file is written until it is complete, and the lock that guards it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Replace;
use super::error::PublishError;

/// Whether `path` is a device, pipe or socket, which is written directly.
///
/// # Errors
///
/// An I/O error if it cannot be told; a path that does not exist is no error.
pub fn is_special(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(!metadata.is_file() && !metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The directory that names `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// The path to rename to, if that is allowed.
pub(super) fn final_path(path: &Path, replace: Replace) -> Result<PathBuf, PublishError> {
    if path.is_dir() {
        return Err(PublishError::IsDirectory {
            path: path.to_path_buf(),
        });
    }
    let resolved = match (fs::symlink_metadata(path), replace) {
        (Ok(_), Replace::Refuse) => {
            return Err(PublishError::Exists {
                path: path.to_path_buf(),
            });
        }
        (Ok(_), Replace::Allow) => path.canonicalize(),
        (Err(error), _) => Err(error),
    };
    match resolved {
        // Nothing is there, or a link that leads nowhere and is replaced itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        other => other.map_err(|source| PublishError::classify("create", path, 0, source)),
    }
}

/// The unfinished name of `path`.
pub(super) fn tmp_path(path: &Path) -> Result<PathBuf, PublishError> {
    let Some(name) = path.file_name() else {
        return Err(PublishError::NoDirectory {
            path: path.to_path_buf(),
            dir: parent(path).to_path_buf(),
        });
    };
    let mut name = OsString::from(name);
    name.push(".tmp");
    Ok(path.with_file_name(name))
}

/// Creates the unfinished file, new and locked.
pub(super) fn stage(path: &Path, tmp: &Path) -> Result<File, PublishError> {
    /// More rounds are lost only to other runs that do the same right now.
    const ROUNDS: u32 = 8;

    let busy = || PublishError::Busy {
        path: path.to_path_buf(),
        tmp: tmp.to_path_buf(),
    };
    let fail = |source| PublishError::classify("create", path, 0, source);
    for _ in 0..ROUNDS {
        match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(tmp)
        {
            // Until it is locked, another run may have taken it for a leftover.
            Ok(file) if !try_lock(&file).map_err(fail)? => return Err(busy()),
            Ok(file) if names(tmp, &file) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_leftover(path, tmp)?;
            }
            Err(source) => return Err(fail(source)),
        }
    }
    Err(busy())
}

/// Removes the unfinished file of a run that is no more.
///
/// Its inode is not written again: it may be one whose sync failed.
fn remove_leftover(path: &Path, tmp: &Path) -> Result<(), PublishError> {
    let fail = |source| PublishError::Io {
        action: "replace",
        path: tmp.to_path_buf(),
        source,
    };
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let occupied = || PublishError::Occupied {
        path: path.to_path_buf(),
        tmp: tmp.to_path_buf(),
    };
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(tmp) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) if fs::symlink_metadata(tmp).is_ok_and(|meta| !meta.is_file()) => {
            return Err(occupied());
        }
        Err(source) => return Err(fail(source)),
    };
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(occupied());
    }
    if !try_lock(&file).map_err(fail)? {
        return Err(PublishError::Busy {
            path: path.to_path_buf(),
            tmp: tmp.to_path_buf(),
        });
    }
    // Whoever removes or renames this file holds the lock that is held here now.
    if names(tmp, &file) {
        fs::remove_file(tmp).map_err(fail)?;
    }
    Ok(())
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `path` still names the open `file`.
pub(super) fn names(path: &Path, file: &File) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => named.dev() == open.dev() && named.ino() == open.ino(),
        _ => false,
    }
}
