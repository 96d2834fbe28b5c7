//! Giving finished files and directories their final names, durably.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::PublishStep;
use super::directory::sync_dir;
use super::error::PublishError;
use super::staging::parent;

/// Gives the complete directory `tmp` its final name, and makes the name durable.
///
/// The directory's own list of names is synced here; the files in it must be already.
///
/// # Errors
///
/// [`PublishError`] if `path` exists, or if `tmp` cannot be renamed or synced. `tmp` then remains,
/// to be removed by the caller; after [`PublishError::SyncDirectory`], `path` does.
pub fn publish_dir(tmp: &Path, path: &Path) -> Result<(), PublishError> {
    publish_dir_watched(tmp, path, |_| Ok(()))
}

/// As [`publish_dir`], telling `before` each step before it is taken.
///
/// # Errors
///
/// As [`publish_dir`]. An error of `before` stands for one of the step, which is not taken.
pub fn publish_dir_watched(
    tmp: &Path,
    path: &Path,
    mut before: impl FnMut(PublishStep) -> io::Result<()>,
) -> Result<(), PublishError> {
    let discarded = |source| PublishError::Sync {
        path: path.to_path_buf(),
        source,
    };
    before(PublishStep::Sync)
        .and_then(|()| sync_dir(tmp))
        .map_err(discarded)?;
    before(PublishStep::Rename)
        .and_then(|()| rename_new(tmp, path, rename_if_absent))
        .map_err(|source| rename_error(path, source))?;
    before(PublishStep::SyncDirectory)
        .and_then(|()| sync_dir(parent(path)))
        .map_err(|source| PublishError::SyncDirectory {
            path: path.to_path_buf(),
            source,
        })
}

/// Renames `from` to `to` unless `to` exists; by `fallback` where the file system cannot do that.
pub(super) fn rename_new(
    from: &Path,
    to: &Path,
    fallback: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fallback(from, to),
        other => Ok(other?),
    }
}

/// A rename of a file that fails if `to` exists, in two steps: between them it has both names.
pub(super) fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    // Published it is; if the unfinished name stays, the next run removes it.
    let _ = fs::remove_file(from);
    Ok(())
}

/// A rename of a directory, which may replace nothing but an empty one that appears just now.
fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

pub(super) fn rename_error(path: &Path, source: io::Error) -> PublishError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => PublishError::Exists {
            path: path.to_path_buf(),
        },
        _ => PublishError::Io {
            action: "rename the finished file to",
            path: path.into(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallbacks_replace_nothing() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a"), "a").expect("write");
        fs::write(path("b"), "b").expect("write");
        assert_eq!(
            link_new(&path("a"), &path("b")).map_err(|e| e.kind()),
            taken()
        );
        assert_eq!(fs::read(path("b")).ok().as_deref(), Some(&b"b"[..]));
        assert!(link_new(&path("a"), &path("c")).is_ok());
        assert_eq!(fs::read(path("c")).ok().as_deref(), Some(&b"a"[..]));
        assert!(!path("a").exists());

        fs::create_dir(path("d")).expect("mkdir");
        fs::create_dir(path("e")).expect("mkdir");
        assert_eq!(
            rename_if_absent(&path("d"), &path("e")).map_err(|e| e.kind()),
            taken()
        );
        assert!(rename_if_absent(&path("d"), &path("f")).is_ok());
        assert!(path("f").is_dir() && !path("d").exists());
    }

    fn taken() -> Result<(), io::ErrorKind> {
        Err(io::ErrorKind::AlreadyExists)
    }
}
