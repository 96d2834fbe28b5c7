//! A file or stream to its verdict: the decoder fed from a reader, in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use snapshot_format::{DecodeError, Decoder, Event, Status};

use crate::progress::Progress;
use crate::summary::SnapshotSummary;

/// Bytes read at a time: large enough that system calls vanish, small enough to stay in the cache
/// between reading, decoding and hashing.
const READ_BUFFER: usize = 256 * 1024;

/// What the read buffer is aligned to in memory, a page. The page cache is copied three times as slowly
/// (AMD Zen 3) to where a large vector usually begins, 16 bytes into a page.
const READ_ALIGNMENT: usize = 4096;

/// Why a stream is not a sound snapshot, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream could not be read.
    #[error("cannot read at byte {offset}")]
    Io {
        /// Bytes read before.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// What was read is not a snapshot.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Why a file is not a sound snapshot, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The file could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path names a directory.
    #[error(
        "{} is a directory, not a snapshot file; to get the digest of a checkpoint use `digest`",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file could not be read to its end, or is not a snapshot.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
}

impl VerifyError {
    /// Whether the file was read and found not to be a sound snapshot, as against not read.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::Read {
                source: ReadError::Decode(_),
                ..
            }
        )
    }
}

/// Decodes a snapshot from `reader` to its end, handing each event to `on_event`.
///
/// `progress` advances in bytes. One chunk of several is decoded like any file; see
/// [`snapshot_format::Header::require_whole`].
///
/// # Errors
///
/// If `reader` fails, or its bytes are not a snapshot.
pub fn decode(
    mut reader: impl Read,
    progress: &Progress,
    on_event: impl FnMut(Event<'_>),
) -> Result<SnapshotSummary, ReadError> {
    let mut decoder = Decoder::new();
    let mut buffer = ReadBuffer::new();
    buffer.feed(&mut reader, &mut decoder, u64::MAX, progress, on_event)?;
    Ok(decoder.end()?.into())
}

/// What readers of snapshots read into.
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; READ_BUFFER + READ_ALIGNMENT];
        let start = bytes.as_ptr().align_offset(READ_ALIGNMENT);
        Self {
            start: start.min(READ_ALIGNMENT),
            bytes,
        }
    }

    /// Feeds `decoder` from `reader` until that ends, or `limit` bytes are read, and returns how many
    /// were.
    ///
    /// # Errors
    ///
    /// If `reader` fails, or its bytes are not those of a snapshot.
    pub(crate) fn feed(
        &mut self,
        reader: &mut impl Read,
        decoder: &mut Decoder,
        limit: u64,
        progress: &Progress,
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<u64, ReadError> {
        let buffer = self
            .bytes
            .get_mut(self.start..)
            .expect("the buffer is longer than its alignment");
        let mut fed = 0;
        while fed < limit {
            let wanted = usize::try_from(limit - fed).map_or(buffer.len(), |n| n.min(buffer.len()));
            let (space, _) = buffer.split_at_mut(wanted);
            let read = match reader.read(space) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let offset = decoder.received();
                    return Err(ReadError::Io { offset, source });
                }
            };
            let bytes = space.get(..read).unwrap_or_default();
            let (Status::NeedMore | Status::Complete) = decoder.push(bytes, &mut on_event)?;
            fed += read as u64;
            progress.advance(read as u64);
        }
        Ok(fed)
    }
}

/// Verifies the snapshot file at `path`: structure, strict values, order, counts and checksum.
///
/// # Errors
///
/// If the file cannot be read or is not a snapshot ([`VerifyError::is_verdict`] tells which).
pub fn verify_file(path: &Path, progress: &Progress) -> Result<SnapshotSummary, VerifyError> {
    decode_file(path, progress, |_| {})
}

/// As [`verify_file`], handing each event to `on_event`.
///
/// # Errors
///
/// As [`verify_file`].
pub fn decode_file(
    path: &Path,
    progress: &Progress,
    on_event: impl FnMut(Event<'_>),
) -> Result<SnapshotSummary, VerifyError> {
    let (file, length) = open_file(path)?;
    progress.begin(length);
    decode(file, progress, on_event).map_err(|source| VerifyError::Read {
        path: path.to_path_buf(),
        source,
    })
}

/// Opens a snapshot file, and tells its length in bytes.
pub(crate) fn open_file(path: &Path) -> Result<(File, u64), VerifyError> {
    let open_error = |source| VerifyError::Open {
        path: path.to_path_buf(),
        source,
    };
    let file = File::open(path).map_err(open_error)?;
    let metadata = file.metadata().map_err(open_error)?;
    if metadata.is_dir() {
        return Err(VerifyError::Directory {
            path: path.to_path_buf(),
        });
    }
    Ok((file, metadata.len()))
}
