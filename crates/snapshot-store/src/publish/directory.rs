//! Directories made durable.
//!
//! A file system that cannot sync a directory answers EINVAL or ENOTSUP: nothing is lost there that could be
//! kept, so that is told and tolerated. Any other error means that names may be lost.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::staging::parent;

/// Makes the names in the directory `path` durable, where its file system can do that.
///
/// # Errors
///
/// An I/O error, after which they are in doubt and it is of no use to try again.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    sync_open(&File::open(path)?).map(drop)
}

/// As [`sync_dir`]; tells whether the file system can do that.
pub(super) fn sync_open(dir: &File) -> io::Result<bool> {
    tolerated(dir.sync_all())
}

/// Whether a directory was synced, if its file system can do that.
pub(super) fn tolerated(synced: io::Result<()>) -> io::Result<bool> {
    match synced {
        Ok(()) => Ok(true),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Opens the directory that names `path`, before anything is written: what is missing for that later, a
/// permission or a descriptor, is missing now.
pub(super) fn open_parent(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(parent(path))
}
