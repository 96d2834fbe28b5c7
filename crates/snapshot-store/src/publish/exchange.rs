//! Two directories that change names, and what takes the place of something else: owner, group and mode.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::staging::parent;

/// Gives each of two directories the name of the other, by one rename.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(
        CWD,
        one,
        CWD,
        other,
        RenameFlags::EXCHANGE,
    )?)
}

/// Whether an error says that the file system has no such rename.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}

/// Whether the directory `path` is where a file system is mounted, so that no other can take its place. A
/// bind mount has the device of what it shows, so that alone does not tell.
pub(crate) fn is_mount_point(path: &Path) -> io::Result<bool> {
    let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let root = StatxAttributes::MOUNT_ROOT;
    match rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, flags) {
        Ok(found) if found.stx_attributes_mask.contains(root) => {
            return Ok(found.stx_attributes.contains(root));
        }
        // A kernel older than 5.8.
        Ok(_) | Err(Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(fs::symlink_metadata(path)?.dev() != fs::metadata(parent(path))?.dev())
}

/// Owner, group and modes of what appears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    uid: u32,
    gid: u32,
    /// Mode of directories, and of files.
    modes: (u32, u32),
}

impl Owner {
    /// As what had the name before, whose files are like `file`.
    pub(crate) fn of_replaced(directory: &Metadata, file: &Metadata) -> Self {
        Self {
            uid: directory.uid(),
            gid: directory.gid(),
            modes: (directory.mode() & 0o7777, file.mode() & 0o777),
        }
    }

    /// As the directory in which it appears, but not writable for all.
    pub(crate) fn of_parent(parent: &Metadata) -> Self {
        let mode = parent.mode() & 0o775;
        Self {
            uid: parent.uid(),
            gid: parent.gid(),
            modes: (mode, mode & 0o664),
        }
    }

    /// Makes `path` so; `false` if this user may not give it to that owner.
    pub(crate) fn give(&self, path: &Path) -> io::Result<bool> {
        let found = fs::symlink_metadata(path)?;
        let mut given = true;
        if (found.uid(), found.gid()) != (self.uid, self.gid) {
            match lchown(path, Some(self.uid), Some(self.gid)) {
                // EINVAL: an owner that this user namespace does not know.
                Err(error)
                    if error.kind() == io::ErrorKind::PermissionDenied
                        || error.kind() == io::ErrorKind::InvalidInput =>
                {
                    given = false;
                }
                other => other?,
            }
        }
        let mode = if found.is_dir() {
            self.modes.0
        } else {
            self.modes.1
        };
        if found.mode() & 0o7777 != mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(given)
    }
}
