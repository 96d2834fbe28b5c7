//! How a finished directory takes the name of another one, by one rename or two, and how that is brought to
//! an end when it was interrupted.
//!
//! Once the file [`READY`] is there, nothing is removed before the names are durable: each directory may have no
//! other name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{CloneError, io_error};
use crate::publish;

/// The file that says that the new directory is complete and durable, and which one it replaces.
const READY: &str = "READY";

/// The new directory, and what the old one is called between two renames.
const NEW: &str = "db";
const OLD: &str = "old";

/// What a directory that was replaced is called if it is kept.
const KEPT_SUFFIX: &str = ".old";

/// A directory that is to be replaced, and the one beside it in which its successor is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swap<'a> {
    pub(crate) scratch: &'a Path,
    pub(crate) target: &'a Path,
}

/// A path beside `path`: its name, and `suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(suffix);
    publish::parent(path).join(name)
}

/// Where the directory that was at `target` is kept.
pub(crate) fn kept(target: &Path) -> PathBuf {
    beside(target, KEPT_SUFFIX)
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

impl Swap<'_> {
    /// Where the successor is made.
    pub(crate) fn successor(&self) -> PathBuf {
        self.scratch.join(NEW)
    }

    /// Where the directory lies: at its name, or, if a run was killed between two renames, where the next one
    /// takes it from.
    pub(crate) fn current(&self) -> PathBuf {
        let (new, old) = (self.successor(), self.scratch.join(OLD));
        let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        let between = self.replaced().is_some() && new.is_dir() && old.is_dir();
        if between && inode(self.target).is_err_and(missing) {
            new
        } else {
            self.target.to_path_buf()
        }
    }

    /// The inode of the directory that is replaced, once its successor is complete.
    fn replaced(&self) -> Option<u64> {
        fs::read_to_string(self.scratch.join(READY))
            .ok()?
            .parse()
            .ok()
    }

    /// Whether names may have changed and not be durable.
    pub(crate) fn is_begun(&self) -> bool {
        let replaced = self.replaced();
        replaced.is_some() && replaced != inode(self.target).ok()
    }

    /// Gives the successor, which is durable, the name of the directory, and takes that in; with an error in
    /// `first` as if the rename that does both had failed so.
    ///
    /// # Errors
    ///
    /// Nothing has changed unless [`is_begun`](Self::is_begun) says so.
    pub(crate) fn exchange(&self, first: io::Result<()>) -> Result<(), CloneError> {
        let ready = self.scratch.join(READY);
        let replaced = inode(self.target).map_err(io_error("read", self.target))?;
        File::create_new(&ready)
            .and_then(|mut file| write!(file, "{replaced}").and_then(|()| file.sync_all()))
            .and_then(|()| self.sync_names())
            .map_err(io_error("sync", &ready))?;
        match first.and_then(|()| publish::exchange(&self.successor(), self.target)) {
            Err(error) if publish::is_unsupported(&error) => self.rename_both(),
            other => other,
        }
        .map_err(|source| CloneError::Exchange {
            path: self.target.to_path_buf(),
            source,
        })
    }

    /// The exchange where the file system has none.
    fn rename_both(&self) -> io::Result<()> {
        let old = self.scratch.join(OLD);
        fs::rename(self.target, &old)?;
        fs::rename(self.successor(), self.target).inspect_err(|_| {
            // If that fails too, the next run goes on.
            let _ = fs::rename(&old, self.target);
        })
    }

    /// Does the second of two renames if a run was killed before it, and makes all names durable. Then the old
    /// directory, if it is there, gets a name of its own if it is to be kept; otherwise it may be removed.
    pub(crate) fn settle(&self, keep_old: bool) -> Result<(), CloneError> {
        let current = self.current();
        if current != self.target {
            fs::rename(&current, self.target).map_err(io_error("rename", &current))?;
        }
        self.sync_names()
            .map_err(io_error("sync the names in", self.scratch))?;
        for old in [self.successor(), self.scratch.join(OLD)] {
            if keep_old
                && self
                    .replaced()
                    .is_some_and(|it| inode(&old).is_ok_and(|old| old == it))
            {
                publish::publish_dir(&old, &kept(self.target))?;
            }
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        publish::sync_dir(self.scratch)?;
        publish::sync_dir(publish::parent(self.target))
    }
}
