//! Mode and owner of a file that is replaced, passed on to the one that takes its place.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Gives the unfinished `file` the mode, owner and group of the file at `path`, if there is one.
///
/// Where the group may not be given, the mode's rights for the old group are not given to another one.
///
/// # Errors
///
/// What could not be passed on. The file can be used all the same.
pub(super) fn pass_on(path: &Path, file: &File) -> io::Result<()> {
    let Ok(old) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !old.is_file() {
        return Ok(());
    }
    let new = file.metadata()?;
    let mut mode = old.mode() & 0o777;
    let mut owned = Ok(());
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        owned = fchown(file, Some(old.uid()), Some(old.gid()));
        let has_group =
            owned.is_ok() || old.gid() == new.gid() || fchown(file, None, Some(old.gid())).is_ok();
        if !has_group {
            mode = mode & 0o707 | (mode & 0o7) << 3;
        }
    }
    if file.metadata()?.mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    owned
}
