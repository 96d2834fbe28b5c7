//! What the makers of databases share: the directory they fill, and why they fail.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::NodeError;

/// The database within the directory that was asked for.
pub const DATABASE: &str = "db";

/// Why a database was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// There is something in the directory.
    #[error("{} is not empty; choose another directory, or empty this one", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// What was asked for cannot be made.
    #[error("{what} must be at least {least}, got {got}")]
    TooSmall {
        /// The number.
        what: &'static str,
        /// Its least value.
        least: u64,
        /// Its value.
        got: u64,
    },
    /// A share is a number from 0 to 1.
    #[error("the share of unmerged rows must be from 0 to 1, got {got}")]
    BadShare {
        /// Its value.
        got: f64,
    },
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl MakeError {
    /// For `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Checks a number of a plan.
pub(crate) fn at_least(what: &'static str, got: u64, least: u64) -> Result<(), MakeError> {
    if got >= least {
        Ok(())
    } else {
        Err(MakeError::TooSmall { what, least, got })
    }
}

/// Makes `dir`, or takes it if it is empty. Hidden files are none of our business: whoever calls may
/// mark the directory with one.
///
/// # Errors
///
/// If something is in it, or it cannot be made.
pub fn take_empty_dir(dir: &Path) -> Result<(), MakeError> {
    fs::create_dir_all(dir).map_err(MakeError::io("make", dir))?;
    for entry in fs::read_dir(dir).map_err(MakeError::io("list", dir))? {
        let entry = entry.map_err(MakeError::io("list", dir))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            return Err(MakeError::NotEmpty {
                path: dir.to_path_buf(),
            });
        }
    }
    Ok(())
}

/// A directory that is removed when it has served, also on errors.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn create(path: PathBuf) -> Result<Self, MakeError> {
        fs::create_dir(&path).map_err(MakeError::io("make", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about it here, and the leftover is in plain sight.
        let _ = fs::remove_dir_all(&self.0);
    }
}
