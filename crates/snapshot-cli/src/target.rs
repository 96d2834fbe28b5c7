//! Where a command writes a snapshot: what is refused before, and the proof afterwards.
//!
//! The writing itself, whole or not at all, is the library's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use snapshot_store::{SnapshotSummary, verify_file};

use crate::error::{CliError, ReadBackError, UsageError};
use crate::output::Output;
use crate::progress::Unit;

/// Keeps the output out of the database's directory, where the current directory may well be.
pub(crate) fn require_outside(output: &Path, database: &Path) -> Result<(), UsageError> {
    match (directory_of(output).canonicalize(), database.canonicalize()) {
        (Ok(parent), Ok(database)) if parent.starts_with(&database) => {
            Err(UsageError::InsideDatabase {
                path: output.to_path_buf(),
            })
        }
        // What does not exist is found out, and said, by whoever opens it.
        _ => Ok(()),
    }
}

/// Verifies a file just written, and removes it if it is not what was written.
pub(crate) fn read_back(
    path: &Path,
    written: &SnapshotSummary,
    out: &Output,
) -> Result<Duration, CliError> {
    let start = Instant::now();
    let read = out.meter().during("verifying", Unit::Bytes, |progress| {
        verify_file(path, progress)
    });
    let time = start.elapsed();
    let source = match read {
        Ok(read) if read == *written => return Ok(time),
        Ok(read) => ReadBackError::Digest {
            expected: written.digest,
            got: read.digest,
        },
        Err(error) => error.into(),
    };
    // If even that fails, the message still says not to use it.
    let _ = fs::remove_file(path);
    Err(CliError::ReadBack {
        path: path.to_path_buf(),
        source: Box::new(source),
    })
}

/// The directory that an output lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
