//! Where a file is until it is complete.
//!
//! Best it has no name at all (`O_TMPFILE`): then a run that is killed leaves nothing, whatever killed it. A
//! name is given in one step, unless it is that of a file that is to be replaced: the system can only rename
//! over one, so the complete file is first linked as `.<name>.<inode>-<random>.tmp`. Where the file system
//! cannot make files without a name, it is written under such a name. No user has files of such names, since
//! the number in it is the file's own; that, and a lock that a living run holds, tells a leftover, which the
//! next run with the same output removes.
//!
//! An unfinished name that is fixed by whoever writes the file is taken only if it is free or a leftover.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::destination::{end_of_links, leads_through_descriptor};
use super::error::PublishError;
use super::{Replace, rename};

/// Names that somebody else takes at the same time are tried anew this often.
const ROUNDS: u32 = 8;

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
    // The number may have come to name a file that was opened to be read.
    if leads_through_descriptor(path) {
        return Err(PublishError::Descriptor {
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
        // Nothing is there: a link that leads nowhere stays, and the file is made where it leads.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            end_of_links(path).map_err(|source| PublishError::classify("create", path, 0, source))
        }
        other => other.map_err(|source| PublishError::classify("create", path, 0, source)),
    }
}

/// The name of `path` in its directory.
pub(super) fn file_name(path: &Path) -> Result<&OsStr, PublishError> {
    path.file_name().ok_or_else(|| PublishError::NoDirectory {
        path: path.to_path_buf(),
        dir: parent(path).to_path_buf(),
    })
}

/// What an unfinished file is called.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// Nothing.
    Anonymous,
    /// A name beside the final one.
    Named(PathBuf),
}

impl Unfinished {
    /// Creates the unfinished file of `path`, in `dir`, the directory that names it.
    pub(super) fn create(path: &Path, dir: &File) -> io::Result<(File, Self)> {
        // Without a lock, which some file systems do not have, a leftover is never taken for one.
        if let Some(file) = anonymous(dir)? {
            let _ = try_lock(&file);
            return Ok((file, Self::Anonymous));
        }
        Self::hidden(path)
    }

    /// Creates it under a name that nobody has.
    fn hidden(path: &Path) -> io::Result<(File, Self)> {
        let (file, first) = taken(path, |tmp| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(tmp)
        })?;
        let _ = try_lock(&file);
        // Its own number is known now. Where it cannot be renamed, a kill leaves a file that nobody removes.
        let number = file.metadata()?.ino();
        let named = taken_as(path, number, |tmp| {
            rename::rename_new(&first, tmp, rename::link_new)
        });
        Ok((file, Self::Named(named.map_or(first, |((), tmp)| tmp))))
    }

    /// Whether `file` can still be published.
    pub(super) fn is_there(&self, file: &File) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Named(tmp) => names(tmp, file),
        }
    }

    /// Gives `file` its final name.
    pub(super) fn publish(&self, file: &File, path: &Path, replace: Replace) -> io::Result<()> {
        match (self, replace) {
            (Self::Anonymous, Replace::Refuse) => link_open(file, path),
            (Self::Anonymous, Replace::Allow) => {
                let number = file.metadata()?.ino();
                let ((), tmp) = taken_as(path, number, |tmp| link_open(file, tmp))?;
                fs::rename(&tmp, path).inspect_err(|_| remove(&tmp, file))
            }
            (Self::Named(tmp), Replace::Refuse) => rename::rename_new(tmp, path, rename::link_new),
            (Self::Named(tmp), Replace::Allow) => fs::rename(tmp, path),
        }
    }

    /// Removes the file unless it was taken away.
    pub(super) fn discard(&self, file: &File) {
        if let Self::Named(tmp) = self {
            remove(tmp, file);
        }
    }
}

/// A file that is in the directory `dir` and gone when it is closed, even if the process is killed.
pub(crate) fn unnamed_file(dir: &Path) -> io::Result<File> {
    let (file, unfinished) = Unfinished::create(&dir.join("unnamed"), &File::open(dir)?)?;
    unfinished.discard(&file);
    Ok(file)
}

/// Removes `tmp` if it is `file`. Best effort: the next run removes what stays.
fn remove(tmp: &Path, file: &File) {
    if names(tmp, file) {
        let _ = fs::remove_file(tmp);
    }
}

/// A file without a name, if the file system has such and they can be named later.
fn anonymous(dir: &File) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, ".", flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => {
            let file = File::from(file);
            Ok(names_open(&open_name(&file), &file).then_some(file))
        }
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The name that the system gives an open file.
fn open_name(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Names `file`, which has no name, unless `path` is taken.
fn link_open(file: &File, path: &Path) -> io::Result<()> {
    let from = open_name(file);
    Ok(rustix::fs::linkat(
        CWD,
        from,
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

/// Does `make` with an unfinished name of `path` that is free.
fn taken<T>(path: &Path, make: impl FnMut(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    taken_as(path, 0, make)
}

/// The same with a name that says the file's own number.
fn taken_as<T>(
    path: &Path,
    number: u64,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    let mut round = 0;
    loop {
        round += 1;
        let random = RandomState::new().hash_one(round);
        let mut name = hidden_prefix(path);
        name.push(format!("{number:x}-{random:016x}.tmp"));
        let tmp = path.with_file_name(name);
        match make(&tmp) {
            Ok(made) => return Ok((made, tmp)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && round < ROUNDS => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the unfinished names of `path` begin with.
fn hidden_prefix(path: &Path) -> OsString {
    /// Bytes of the name: what comes before and behind must have room in 255.
    const KEPT: usize = 200;

    let name = path.file_name().unwrap_or_default().as_bytes();
    let kept = name.get(..KEPT).unwrap_or(name);
    let mut prefix = OsString::from(".");
    prefix.push(OsStr::from_bytes(kept));
    prefix.push(".");
    prefix
}

/// Removes the unfinished files that killed runs with the output `path` left. Best effort.
pub(super) fn remove_leftovers(path: &Path) {
    let prefix = hidden_prefix(path);
    let Ok(entries) = fs::read_dir(parent(path)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name
            .as_bytes()
            .strip_prefix(prefix.as_bytes())
            .and_then(|rest| rest.strip_suffix(b".tmp"))
            .and_then(|rest| str::from_utf8(rest).ok())
            .and_then(|rest| rest.split_once('-'))
            .filter(|(_, random)| random.len() == 16)
            .and_then(|(number, _)| u64::from_str_radix(number, 16).ok());
        let is_its_own = |number| entry.metadata().is_ok_and(|meta| meta.ino() == number);
        if number.is_some_and(is_its_own) {
            let _ = remove_leftover(path, &entry.path());
        }
    }
}

/// Creates the unfinished file under the fixed name `tmp`, new and locked.
pub(super) fn stage(path: &Path, tmp: &Path) -> Result<File, PublishError> {
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

pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `path` still names the open `file`.
pub(super) fn names(path: &Path, file: &File) -> bool {
    is_file_of(fs::symlink_metadata(path), file)
}

/// The same where `path` may be a link.
fn names_open(path: &str, file: &File) -> bool {
    is_file_of(fs::metadata(path), file)
}

fn is_file_of(named: io::Result<fs::Metadata>, file: &File) -> bool {
    match (named, file.metadata()) {
        (Ok(named), Ok(open)) => named.dev() == open.dev() && named.ino() == open.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in `dir`.
    fn names_in(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.into_string().expect("a name of ours"))
            .collect()
    }

    #[test]
    fn without_nameless_files_a_hidden_name_serves_and_is_cleaned_up() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let long = "x".repeat(255);
        for name in ["out.bin", long.as_str()] {
            let path = dir.path().join(name);
            let (file, unfinished) = Unfinished::hidden(&path).expect("it can be made");
            let names = names_in(dir.path());
            assert!(names.len() == 1 && names[0].starts_with('.'), "{names:?}");
            // The run lives.
            remove_leftovers(&path);
            assert!(unfinished.is_there(&file));
            let publish = |replace| unfinished.publish(&file, &path, replace);
            fs::write(&path, "old").expect("write");
            let refused = publish(Replace::Refuse).map_err(|error| error.kind());
            assert_eq!(refused, Err(io::ErrorKind::AlreadyExists));
            publish(Replace::Allow).expect("it may be replaced");
            assert_eq!(names_in(dir.path()), [name]);
            fs::remove_file(&path).expect("remove");

            // A run that was killed.
            drop(Unfinished::hidden(&path).expect("it can be made"));
            assert_eq!(names_in(dir.path()).len(), 1);
            remove_leftovers(&path);
            assert!(names_in(dir.path()).is_empty());

            let (file, unfinished) = Unfinished::hidden(&path).expect("it can be made");
            unfinished.discard(&file);
            assert!(names_in(dir.path()).is_empty());
        }
    }
}
