//! How files and directories appear: complete, durable, or not at all.
//!
//! An output is written under a name of its own beside the final one, synced, renamed, and its
//! directory synced. This is the only place of the project that does so; what the bytes are is none
//! of its business.

mod destination;
mod error;
mod rename;
mod staging;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

pub use self::destination::{Destination, is_same_file};
pub use self::error::PublishError;
pub use self::rename::{publish_dir, publish_dir_watched, sync_dir};
pub use self::staging::is_special;
pub(crate) use self::staging::parent;
use crate::space;

/// The kernel is told to start writing after this many bytes. On the 2-core machine of the
/// measurements, writing and syncing 256 MiB takes 0.15 s this way and 0.25 s if the sync has to
/// write all of it; a second thread that syncs takes 0.19 s, and other strides from 4 to 32 MiB gain
/// nothing.
const WRITEBACK_STRIDE: u64 = 8 << 20;

/// What to do about an output that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Fail, even if it appears while the new one is written.
    Refuse,
    /// Put the new one in its place, at once.
    Allow,
}

/// A step that makes an output durable and visible. They are taken in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublishStep {
    /// What was written is synced.
    Sync,
    /// It gets its final name.
    Rename,
    /// The directory that names it is synced.
    SyncDirectory,
}

/// An output in the making; dropped without [`commit`](Self::commit), it leaves nothing behind unless
/// [told to](Self::leave_unfinished).
///
/// It is written as `<name>.tmp` beside the final path. A killed run leaves that file, and the next
/// run replaces it; a run that is still writing holds a lock on it, so that no other interferes. A
/// device or a pipe is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    /// The final path, or the device or pipe.
    path: PathBuf,
    /// How to get there; `None` for a device or pipe.
    staged: Option<Staged>,
    written: u64,
    /// Bytes that the kernel was told to start writing.
    pushed: u64,
    reserved: u64,
    failed: bool,
}

/// The file under its unfinished name.
#[derive(Debug)]
struct Staged {
    tmp: PathBuf,
    replace: Replace,
    published: bool,
    /// Whether a drop leaves the unfinished file.
    left: bool,
}

impl AtomicFile {
    /// Starts to write the file at `path`; if that is a link to a file, the file is meant.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it exists and must not be replaced, if its directory is missing or may
    /// not be written, or if another run is writing it.
    pub fn create(path: &Path, replace: Replace) -> Result<Self, PublishError> {
        let fail = |source| PublishError::classify("create", path, 0, source);
        if is_special(path).map_err(fail)? {
            let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
            return Ok(Self::new(file, path.to_path_buf(), None));
        }
        let path = staging::final_path(path, replace)?;
        let tmp = staging::tmp_path(&path)?;
        let file = staging::stage(&path, &tmp)?;
        let staged = Staged {
            tmp,
            replace,
            published: false,
            left: false,
        };
        Ok(Self::new(file, path, Some(staged)))
    }

    fn new(file: File, path: PathBuf, staged: Option<Staged>) -> Self {
        Self {
            file,
            path,
            staged,
            written: 0,
            pushed: 0,
            reserved: 0,
            failed: false,
        }
    }

    /// The unfinished file, to read back what was written; bytes written through it do not count.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes a drop without [`commit`](Self::commit) leave the unfinished file to the caller, as a
    /// crash does.
    pub fn leave_unfinished(&mut self) {
        if let Some(staged) = &mut self.staged {
            staged.left = true;
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Sets `bytes` of disk space aside for the whole output, where the file system can do that;
    /// where it cannot, only checks that they are free.
    ///
    /// # Errors
    ///
    /// [`PublishError::NoSpace`] if they are not there.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), PublishError> {
        if self.staged.is_none() || bytes == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::KEEP_SIZE;
        let full = match rustix::fs::fallocate(&self.file, flags, 0, bytes) {
            Ok(()) => false,
            Err(Errno::NOSPC | Errno::DQUOT) => true,
            Err(_) => space::available(&self.path).is_ok_and(|free| free < bytes),
        };
        // What a failed reservation did take is given back too.
        self.reserved = bytes;
        if full {
            let free = self
                .release()
                .and_then(|()| space::available(&self.path))
                .unwrap_or(0);
            return Err(PublishError::NoSpace {
                path: self.path.clone(),
                needed: bytes,
                free,
            });
        }
        Ok(())
    }

    /// Appends `bytes`, all of them.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if that fails, after which nothing can be written or committed any more.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), PublishError> {
        if self.failed {
            return Err(PublishError::Incomplete {
                path: self.path.clone(),
            });
        }
        if let Err(source) = self.file.write_all(bytes) {
            self.failed = true;
            return Err(PublishError::classify(
                "write",
                &self.path,
                self.written,
                source,
            ));
        }
        self.written += bytes.len() as u64;
        self.push();
        Ok(())
    }

    /// Lets the disk work while the rest is still being made. To drop pages from the cache, the
    /// kernel first starts to write those that are dirty, and does not wait for them.
    fn push(&mut self) {
        let length = self.written - self.pushed;
        if self.staged.is_some() && length >= WRITEBACK_STRIDE {
            // Only advice: the sync reports what cannot be written.
            let length = NonZeroU64::new(length);
            let _ = rustix::fs::fadvise(&self.file, self.pushed, length, Advice::DontNeed);
            self.pushed = self.written;
        }
    }

    /// Gives back what was set aside and not used.
    fn release(&mut self) -> io::Result<()> {
        if self.reserved > self.written {
            self.file.set_len(self.written)?;
        }
        self.reserved = 0;
        Ok(())
    }

    /// Makes the output durable and visible under its final name.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if anything failed, now or before. Nothing is retried, and except after
    /// [`PublishError::SyncDirectory`] nothing of the output remains.
    pub fn commit(self) -> Result<(), PublishError> {
        self.commit_watched(|_| Ok(()))
    }

    /// As [`commit`](Self::commit), telling `before` each step before it is taken.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit). An error of `before` stands for one of the step, which is not
    /// taken.
    pub fn commit_watched(
        mut self,
        mut before: impl FnMut(PublishStep) -> io::Result<()>,
    ) -> Result<(), PublishError> {
        let path = self.path.clone();
        if self.failed {
            return Err(PublishError::Incomplete { path });
        }
        let released = self.release();
        let synced = released
            .and_then(|()| before(PublishStep::Sync))
            .and_then(|()| self.file.sync_all());
        let Some(staged) = &mut self.staged else {
            return match synced {
                // A pipe or a terminal has nothing to sync.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
                other => other.map_err(|source| PublishError::Sync { path, source }),
            };
        };
        if let Err(source) = synced {
            return Err(PublishError::Sync { path, source });
        }
        if !staging::names(&staged.tmp, &self.file) {
            return Err(PublishError::Lost {
                path,
                tmp: staged.tmp.clone(),
            });
        }
        before(PublishStep::Rename)
            .and_then(|()| match staged.replace {
                Replace::Refuse => rename::rename_new(&staged.tmp, &path, rename::link_new),
                Replace::Allow => fs::rename(&staged.tmp, &path),
            })
            .map_err(|source| rename::rename_error(&path, source))?;
        staged.published = true;
        rename::sync_parent(&path, before)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.append(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => Err(io::Error::new(error.kind(), error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(staged) = self
            .staged
            .as_ref()
            .filter(|staged| !staged.published && !staged.left)
            && staging::names(&staged.tmp, &self.file)
        {
            // Best effort: the next run replaces what stays.
            let _ = fs::remove_file(&staged.tmp);
        }
    }
}
