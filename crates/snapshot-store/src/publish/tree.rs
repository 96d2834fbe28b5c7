//! The removal of a directory with all that is in it, and with nothing that is only mounted there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exchange::is_mount_point;

/// Removes the directory `path` with all that is in it. What a link leads to stays, and so does everything if
/// anything below is a mount point, be it a bind mount of the same file system: that is somebody's, and would be
/// removed through its other name.
///
/// # Errors
///
/// An I/O error, which names the mount point if there is one.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    require_no_mounts(path)?;
    fs::remove_dir_all(path)
}

/// Fails if `path` or anything below is a mount point.
pub(crate) fn require_no_mounts(path: &Path) -> io::Result<()> {
    mount_point(path)?.map_or(Ok(()), |mounted| {
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{} is a mount point; unmount it first", mounted.display()),
        ))
    })
}

/// The first mount point among `path` and all that is below it.
pub(crate) fn mount_point(path: &Path) -> io::Result<Option<PathBuf>> {
    if is_mount_point(path)? {
        return Ok(Some(path.to_path_buf()));
    }
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            if let Some(found) = mount_point(&entry?.path())? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let (tree, other) = (dir.path().join("tree"), dir.path().join("other"));
        fs::create_dir_all(tree.join("below")).expect("mkdir");
        fs::create_dir(&other).expect("mkdir");
        fs::write(other.join("file"), "").expect("write");
        symlink(&other, tree.join("below/link")).expect("link");
        remove_tree(&tree).expect("removed");
        assert!(!tree.exists() && other.join("file").exists());
    }

    #[test]
    fn nothing_is_removed_through_a_mount_point() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let (tree, other) = (dir.path().join("tree"), dir.path().join("other"));
        fs::create_dir_all(tree.join("below/mount")).expect("mkdir");
        fs::create_dir(&other).expect("mkdir");
        for file in [tree.join("a"), tree.join("below/z"), other.join("file")] {
            fs::write(file, "").expect("write");
        }
        // Of the same file system, with the same device.
        for (from, to) in [("other", "tree/below/mount"), ("other/file", "tree/a")] {
            let (from, to) = (dir.path().join(from), dir.path().join(to));
            let mounted = Command::new("mount").arg("-B").args([&from, &to]).status();
            if !mounted.is_ok_and(|status| status.success()) {
                return eprintln!("skipped: mounting is not permitted here");
            }
            let removed = remove_tree(&tree).map_err(|error| error.to_string());
            let unmounted = Command::new("umount").arg(&to).status();
            assert!(unmounted.is_ok_and(|status| status.success()));
            let said = removed.expect_err("refused");
            assert!(said.contains(&to.display().to_string()), "{said}");
            assert!(other.join("file").exists() && tree.join("a").exists());
            assert!(tree.join("below/z").exists());
        }
        remove_tree(&tree).expect("nothing is mounted any more");
        assert!(!tree.exists());
    }
}
