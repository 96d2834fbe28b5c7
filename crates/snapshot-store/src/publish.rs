//! How files and directories appear: complete, durable, or not at all.
//!
//! An output is written without a name or under one of its own beside the final one, synced, read back by
//! whoever wants to, given its final name, and its directory synced. Several files appear together by way of
//! [`FileSet`]. This is the only place of the project that does so; what the bytes are is none of its business.

mod destination;
mod directory;
mod error;
mod exchange;
mod owner;
mod rename;
mod set;
mod staging;
mod tree;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

pub use self::destination::{Destination, is_same_file, real_directory};
pub use self::directory::sync_dir;
pub use self::error::{PublishError, PublishWarning};
pub(crate) use self::exchange::{exchange, is_unsupported};
pub(crate) use self::owner::Owner;
pub use self::rename::{publish_dir, publish_dir_watched};
pub use self::set::{FileSet, SetStep};
use self::staging::Unfinished;
pub use self::staging::is_special;
pub(crate) use self::staging::{parent, unnamed_file};
pub use self::tree::remove_tree;
pub(crate) use self::tree::{mount_point, require_no_mounts};
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
/// Until it is complete it has no name where the file system can do that, so that a killed run leaves nothing;
/// else a hidden one beside the final path, which the next run removes. A file that takes the place of another
/// gets its mode, and its owner where that is permitted. A device or a pipe is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    /// The final path, or the device or pipe.
    path: PathBuf,
    place: Place,
    written: u64,
    /// Bytes that the kernel was told to start writing.
    pushed: u64,
    reserved: u64,
    /// Bytes that a file of this process may have.
    limit: Option<u64>,
    failed: bool,
    synced: bool,
    warnings: Vec<PublishWarning>,
}

/// Where the bytes go.
#[derive(Debug)]
enum Place {
    /// To a device or pipe.
    Direct,
    /// To a file of a [`FileSet`], which names it.
    Member(Replace),
    /// To a file that gets its final name in the end.
    Staged(Staged),
}

#[derive(Debug)]
struct Staged {
    /// The directory that names the output.
    dir: File,
    unfinished: Unfinished,
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
    /// [`PublishError`] if it exists and must not be replaced, or if its directory is missing or may not be
    /// written.
    pub fn create(path: &Path, replace: Replace) -> Result<Self, PublishError> {
        Self::start(path, replace, |path, dir| {
            staging::remove_leftovers(path);
            Unfinished::create(path, dir)
                .map_err(|source| PublishError::classify("create", path, 0, source))
        })
    }

    /// As [`create`](Self::create), under the name `tmp` in the same directory until it is complete. A run that
    /// is still writing holds a lock on it, so that no other interferes; what a killed run left is replaced.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), or if another run is writing it.
    pub fn create_as(path: &Path, tmp: &Path, replace: Replace) -> Result<Self, PublishError> {
        Self::start(path, replace, |path, _| {
            let file = staging::stage(path, tmp)?;
            Ok((file, Unfinished::Named(tmp.to_path_buf())))
        })
    }

    fn start(
        path: &Path,
        replace: Replace,
        unfinished: impl FnOnce(&Path, &File) -> Result<(File, Unfinished), PublishError>,
    ) -> Result<Self, PublishError> {
        let fail = |source| PublishError::classify("create", path, 0, source);
        if is_special(path).map_err(fail)? {
            let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
            return Ok(Self::new(file, path.to_path_buf(), Place::Direct));
        }
        let path = staging::final_path(path, replace)?;
        staging::file_name(&path)?;
        let dir = directory::open_parent(&path)
            .map_err(|source| PublishError::classify("create", &path, 0, source))?;
        let (file, unfinished) = unfinished(&path, &dir)?;
        let staged = Staged {
            dir,
            unfinished,
            replace,
            published: false,
            left: false,
        };
        Ok(Self::new(file, path, Place::Staged(staged)))
    }

    fn new(file: File, path: PathBuf, place: Place) -> Self {
        Self {
            file,
            path,
            place,
            written: 0,
            pushed: 0,
            reserved: 0,
            limit: getrlimit(Resource::Fsize).current,
            failed: false,
            synced: false,
            warnings: Vec::new(),
        }
    }

    /// The path that it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be read back, as a device or pipe cannot.
    #[must_use]
    pub fn is_file(&self) -> bool {
        !matches!(self.place, Place::Direct)
    }

    /// The unfinished file, to read back what was written; bytes written through it do not count.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes a drop without [`commit`](Self::commit) leave the unfinished file to the caller, as a
    /// crash does.
    pub fn leave_unfinished(&mut self) {
        if let Place::Staged(staged) = &mut self.place {
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
        // Beyond the limit of this process, setting aside would kill it.
        if !self.is_file() || bytes == 0 || self.limit.is_some_and(|limit| bytes > limit) {
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
        if let Some(limit) = self.limit
            && self.is_file()
            && self.written.saturating_add(bytes.len() as u64) > limit
        {
            // The system would end the process, which could not say why.
            self.failed = true;
            return Err(PublishError::FileSizeLimit {
                path: self.path.clone(),
                limit,
            });
        }
        // What is synced is settled.
        self.synced = false;
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
        if self.is_file() && length >= WRITEBACK_STRIDE {
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

    /// Makes what was written durable, with the mode and owner of the file that it will replace. Afterwards it
    /// can be read back through [`file`](Self::file); [`commit`](Self::commit) does this too.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if that fails, after which it cannot be committed any more.
    pub fn sync(&mut self) -> Result<(), PublishError> {
        let path = self.path.clone();
        if self.failed {
            return Err(PublishError::Incomplete { path });
        }
        if self.synced {
            return Ok(());
        }
        if let Place::Member(Replace::Allow)
        | Place::Staged(Staged {
            replace: Replace::Allow,
            ..
        }) = &self.place
            && let Ok(old) = fs::symlink_metadata(&path)
            && old.is_file()
            && let Err(source) = Owner::of(&old).give(&self.file)
        {
            let path = path.clone();
            self.warnings.push(PublishWarning::Owner { path, source });
        }
        let synced = self.release().and_then(|()| self.file.sync_all());
        match synced {
            // A pipe or a terminal has nothing to sync.
            Err(error) if !self.is_file() && error.kind() == io::ErrorKind::InvalidInput => {}
            Err(source) => {
                self.failed = true;
                return Err(PublishError::Sync { path, source });
            }
            Ok(()) => {}
        }
        self.synced = true;
        Ok(())
    }

    /// Makes the output durable and visible under its final name.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if anything failed, now or before. Nothing is retried, and except after
    /// [`PublishError::SyncDirectory`] nothing of the output remains.
    pub fn commit(self) -> Result<Vec<PublishWarning>, PublishError> {
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
    ) -> Result<Vec<PublishWarning>, PublishError> {
        let path = self.path.clone();
        if self.failed {
            return Err(PublishError::Incomplete { path });
        }
        if let Err(source) = before(PublishStep::Sync) {
            return Err(PublishError::Sync { path, source });
        }
        self.sync()?;
        if let Place::Staged(staged) = &mut self.place {
            if let Unfinished::Named(tmp) = &staged.unfinished
                && !staged.unfinished.is_there(&self.file)
            {
                let tmp = tmp.clone();
                return Err(PublishError::Lost { path, tmp });
            }
            before(PublishStep::Rename)
                .and_then(|()| staged.unfinished.publish(&self.file, &path, staged.replace))
                .map_err(|source| rename::rename_error(&path, source))?;
            staged.published = true;
            let synced = before(PublishStep::SyncDirectory).and_then(|()| staged.dir.sync_all());
            match directory::tolerated(synced) {
                Ok(true) => {}
                Ok(false) => self.warnings.push(PublishWarning::Directory { path }),
                Err(source) => return Err(PublishError::SyncDirectory { path, source }),
            }
        }
        Ok(std::mem::take(&mut self.warnings))
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
        if let Place::Staged(staged) = &self.place
            && !staged.published
            && !staged.left
        {
            staged.unfinished.discard(&self.file);
        }
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> PublishError {
    PublishError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
