//! How much room a file system has left.
//!
//! Only the question lives here; what to do about too little is for those who write.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is not enough room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The file system has fewer bytes free than needed.
    #[error(
        "{needed} bytes are needed for {path}, but its file system has {available} free; free \
         some, or choose a path on another file system"
    )]
    TooLittle {
        /// What the room is for.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free for this user.
        available: u64,
    },

    /// The file system cannot be asked.
    #[error("cannot tell the free space at {path}: {source}")]
    Io {
        /// What the room is for.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Returns the bytes that this user can still write to the file system of `path`.
///
/// `path` may be a file yet to be made: then its directory answers.
///
/// # Errors
///
/// An I/O error if neither exists or the file system cannot be asked.
pub fn available(path: &Path) -> io::Result<u64> {
    let stat = match rustix::fs::statvfs(path) {
        Err(rustix::io::Errno::NOENT) => rustix::fs::statvfs(crate::publish::parent(path))?,
        other => other?,
    };
    // Not `f_bfree`, which counts blocks kept back for root.
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks that `needed` bytes can still be written to the file system of `path`.
///
/// This is a look, not a reservation: see [`AtomicFile::reserve`](crate::publish::AtomicFile).
///
/// # Errors
///
/// [`SpaceError::TooLittle`], or [`SpaceError::Io`] if the file system cannot be asked.
pub fn require(path: &Path, needed: u64) -> Result<(), SpaceError> {
    let available = available(path).map_err(|source| SpaceError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    if available < needed {
        return Err(SpaceError::TooLittle {
            path: path.to_path_buf(),
            needed,
            available,
        });
    }
    Ok(())
}
