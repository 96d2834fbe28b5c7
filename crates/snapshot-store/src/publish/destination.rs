//! What a path names as an output, asked before anything is read or written.
//!
//! A path may name standard output (`/dev/stdout`, `/dev/fd/1`, a link to either, the very file that standard
//! output was redirected to), a device or pipe, or a file. This decides it in one place, so that no command
//! writes its results into a snapshot, or a snapshot over its own input.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

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
    /// Nothing yet; a link that leads nowhere is followed, and the file made where it leads.
    New,
}

impl Destination {
    /// Looks at what `path` names.
    ///
    /// # Errors
    ///
    /// [`PublishError::IsDirectory`] for a directory, [`PublishError::Descriptor`] for a file that is named by a
    /// descriptor other than standard output, [`PublishError::NotOpen`] for a descriptor that is not open, or
    /// another if it cannot be told.
    pub fn of(path: &Path) -> Result<Self, PublishError> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // Nothing may be opened under that number by the time it is written.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && leads_through_descriptor(path) =>
            {
                return Err(PublishError::NotOpen {
                    path: path.to_path_buf(),
                });
            }
            // As in `new/`.
            Err(_) if path.as_os_str().as_bytes().ends_with(b"/") => {
                return Err(PublishError::IsDirectory {
                    path: path.to_path_buf(),
                });
            }
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

/// The directory in which the file that `path` leads to lies, or would be made, without links.
///
/// # Errors
///
/// An I/O error if there is no such directory.
pub fn real_directory(path: &Path) -> io::Result<PathBuf> {
    parent(&end_of_links(path)?).canonicalize()
}

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// Whether `path` is a name in `/proc` such as `/dev/fd/5`, or a link to one, whether or not that is open.
pub(super) fn leads_through_descriptor(path: &Path) -> bool {
    links(path)
        .any(|path| is_in_proc(parent(&path)) || path.ancestors().skip(2).any(is_descriptors))
}

/// Where `path` leads, by links of its last name: the last that is no link, whether or not it exists.
pub(super) fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    match links(path).enumerate().last() {
        Some((LINKS, _)) | None => Err(rustix::io::Errno::LOOP.into()),
        Some((_, end)) => Ok(end),
    }
}

/// `path`, and what it links to, one after the other.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| {
        let target = fs::read_link(path).ok()?;
        Some(parent(path).join(target))
    };
    std::iter::successors(Some(path.to_path_buf()), next).take(LINKS + 1)
}

fn is_in_proc(dir: &Path) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;

    // Nothing is opened for it: that would make a descriptor.
    statfs(dir).is_ok_and(|found| u64::try_from(found.f_type) == Ok(PROC_SUPER_MAGIC))
}

/// Whether `dir` names the open descriptors of a process.
fn is_descriptors(dir: &Path) -> bool {
    is_in_proc(dir) && fs::canonicalize(dir).is_ok_and(|dir| dir.ends_with("fd"))
}
