//! Proof that an output is what was written, before anybody sees it.
//!
//! An unfinished file is read by its descriptor: no name can lead to another file, no descriptor can be
//! missing, and a bad file takes nobody's place. Only a verdict about its bytes speaks against it; a failed read
//! is another thing, and is tried once more.

use std::io::{self, Seek as _};

use crate::progress::Progress;
use crate::publish::{AtomicFile, PublishError};
use crate::summary::SnapshotSummary;
use crate::transport::Transport;
use crate::verify::{ReadError, decode};

use snapshot_format::Digest;

/// Why an output was not proven to be what was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadBackError {
    /// It could not be made durable.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It cannot be read, or is not sound.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is sound, but another snapshot.
    #[error("its digest is {got}, but {expected} was written")]
    Digest {
        /// The digest that was written.
        expected: Digest,
        /// The digest that was read.
        got: Digest,
    },
}

impl ReadBackError {
    /// Whether the bytes were read and found to be others than were written.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        match self {
            Self::Publish(_) => false,
            Self::Read(error) => error.is_verdict(),
            Self::Digest { .. } => true,
        }
    }
}

/// Makes the unfinished `file` durable, reads it back and compares it with what was `written` to it.
///
/// `progress` advances in bytes.
///
/// # Errors
///
/// If it cannot be made durable or read, or is not what was written ([`ReadBackError::is_verdict`] tells).
pub fn read_back(
    file: &mut AtomicFile,
    written: &SnapshotSummary,
    progress: &Progress,
) -> Result<(), ReadBackError> {
    file.sync()?;
    let read = match read(file, progress) {
        Err(ReadError::Io { .. }) => read(file, progress),
        other => other,
    }?;
    if read == *written {
        return Ok(());
    }
    Err(ReadBackError::Digest {
        expected: written.digest,
        got: read.digest,
    })
}

fn read(file: &AtomicFile, progress: &Progress) -> Result<SnapshotSummary, ReadError> {
    let failed = |source: io::Error| ReadError::new(0, source);
    let mut reader = file.file();
    reader.rewind().map_err(failed)?;
    let reader = Transport::new(reader).map_err(failed)?;
    // How much a compressed file holds shows at its end.
    progress.begin(if reader.is_compressed() {
        0
    } else {
        file.written()
    });
    decode(reader, progress, |_| {})
}
