//! Owner, group and mode, passed on to what takes the place of something else.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

/// Owner, group and mode of what appears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Owner {
    /// Those of what is replaced.
    pub(crate) fn of(replaced: &Metadata) -> Self {
        let kept = if replaced.is_dir() { 0o7777 } else { 0o777 };
        Self::masked(replaced, kept)
    }

    /// Those of the directory in which it appears, but not writable for all.
    pub(crate) fn of_parent(parent: &Metadata, is_dir: bool) -> Self {
        Self::masked(parent, if is_dir { 0o775 } else { 0o664 })
    }

    fn masked(like: &Metadata, kept: u32) -> Self {
        Self {
            uid: like.uid(),
            gid: like.gid(),
            mode: like.mode() & kept,
        }
    }

    /// Gives them to `file`. Where the group may not be given, the mode's rights for it are not given to
    /// another one.
    ///
    /// # Errors
    ///
    /// What could not be passed on. The file can be used all the same.
    pub(crate) fn give(self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        let mut mode = self.mode;
        let mut owned = Ok(());
        if (self.uid, self.gid) != (found.uid(), found.gid()) {
            owned = fchown(file, Some(self.uid), Some(self.gid));
            let has_group = owned.is_ok()
                || self.gid == found.gid()
                || fchown(file, None, Some(self.gid)).is_ok();
            if !has_group {
                mode = mode & !0o70 | (mode & 0o7) << 3;
            }
        }
        if file.metadata()?.mode() & 0o7777 != mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        owned
    }
}
