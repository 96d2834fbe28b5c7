//! What a path names as an output, asked before anything is read or written.
//!
//! A path may name standard output (`/dev/stdout`, `/dev/fd/1`, a link to either, the very file that standard
//! output was redirected to), a device or pipe, or a file. This decides it in one place, so that no command
//! writes its results into a snapshot, or a snapshot over its own input.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::fstatfs;

use super::error::PublishError;
use super::staging::parent;

/// What an output path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output: `-`, or whatever else leads to it.
    Stdout,
    /// A device, pipe or socket, which is written directly and cannot be read back.
    Special,
    /// A file that exists.
    File,
    /// Nothing yet, or a link that leads nowhere.
    New,
}

impl Destination {
    /// Looks at what `path` names.
    ///
    /// # Errors
    ///
    /// [`PublishError::IsDirectory`] for a directory, [`PublishError::Descriptor`] for a file that is named by a
    /// descriptor of this process other than standard output, or another if it cannot be told.
    pub fn of(path: &Path) -> Result<Self, PublishError> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::New),
            Err(source) => return Err(PublishError::classify("look at", path, 0, source)),
        };
        let stdout = rustix::fs::fstat(io::stdout().as_fd());
        let same =
            stdout.is_ok_and(|out| (out.st_dev, out.st_ino) == (metadata.dev(), metadata.ino()));
        // Where both are /dev/null, results need not be kept away from it.
        let is_null = metadata.file_type().is_char_device() && !io::stdout().is_terminal();
        if same && !is_null {
            return Ok(Self::Stdout);
        }
        if metadata.is_dir() {
            return Err(PublishError::IsDirectory {
                path: path.to_path_buf(),
            });
        }
        if !metadata.is_file() {
            return Ok(Self::Special);
        }
        if leads_through_descriptor(path) {
            return Err(PublishError::Descriptor {
                path: path.to_path_buf(),
            });
        }
        Ok(Self::File)
    }
}

/// Whether both paths exist and name the same file, by whatever links.
#[must_use]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether `path` is a name in `/proc` such as `/dev/fd/5`, or a link to one.
fn leads_through_descriptor(path: &Path) -> bool {
    /// As many links as the kernel follows.
    const LINKS: u32 = 40;
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;

    let mut path: PathBuf = path.to_path_buf();
    for _ in 0..LINKS {
        let dir = parent(&path).to_path_buf();
        let magic = fs::File::open(&dir)
            .map_err(|_| rustix::io::Errno::NOENT)
            .and_then(|dir| fstatfs(&dir))
            .map(|file_system| u64::try_from(file_system.f_type).unwrap_or(0));
        if magic == Ok(PROC_SUPER_MAGIC) {
            return true;
        }
        match fs::read_link(&path) {
            Ok(target) => path = dir.join(target),
            Err(_) => return false,
        }
    }
    false
}
