//! Two directories that change names.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
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
