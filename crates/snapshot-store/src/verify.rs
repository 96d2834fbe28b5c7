//! A file or stream to its verdict: the decoder fed from a reader, in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use snapshot_format::{DecodeError, Decoder, Event, Status};

use crate::progress::Progress;
use crate::summary::SnapshotSummary;
use crate::transport::{Foreign, Transport, ZstdError};

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
    /// What was read is compressed, and cannot be decompressed.
    #[error(transparent)]
    Zstd(#[from] ZstdError),
    /// What was read is compressed with something else than Zstandard.
    #[error(
        "this is compressed with {}, and only Zstandard is decompressed while it is read: decompress it first, \
         `{} FILE` into a file or a pipe", .0.name(), .0.decompressor()
    )]
    Foreign(Foreign),
    /// What was read is not a snapshot.
    #[error(transparent)]
    Decode(DecodeError),
}

impl From<DecodeError> for ReadError {
    fn from(error: DecodeError) -> Self {
        let foreign = match error {
            DecodeError::WrongMagic { got, .. } => Foreign::of_magic(got.to_be_bytes()),
            _ => None,
        };
        foreign.map_or(Self::Decode(error), Self::Foreign)
    }
}

impl ReadError {
    /// What an error of a reader means after `offset` bytes.
    #[must_use]
    pub fn new(offset: u64, source: io::Error) -> Self {
        source
            .downcast::<ZstdError>()
            .map_or_else(|source| Self::Io { offset, source }, Self::Zstd)
    }

    /// Whether what was read is not a sound snapshot, as against not read.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        match self {
            Self::Decode(_) | Self::Foreign(_) => true,
            Self::Zstd(error) => error.is_verdict(),
            Self::Io { .. } => false,
        }
    }
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
    /// That the file at `path` cannot be read, or is not sound.
    pub(crate) fn reading(path: &Path) -> impl Fn(ReadError) -> Self {
        move |source| Self::Read {
            path: path.to_path_buf(),
            source,
        }
    }

    /// Whether the file was read and found not to be a sound snapshot, as against not read.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.is_verdict())
    }
}

/// Decodes a snapshot from `reader` to its end, handing each event to `on_event`. Compressed input is for a
/// [`Transport`] in between.
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
                    return Err(ReadError::new(decoder.received(), source));
                }
            };
            let bytes = space.get(..read).unwrap_or_default();
            let (Status::NeedMore | Status::Complete) = decoder.push(bytes, &mut on_event)?;
            fed += read as u64;
            progress.advance(read as u64);
        }
        Ok(fed)
    }

    /// Reads `count` bytes for nothing, and returns how many there were.
    ///
    /// # Errors
    ///
    /// If `reader` fails.
    pub(crate) fn skip(&mut self, reader: &mut impl Read, count: u64) -> io::Result<u64> {
        let mut skipped = 0;
        while skipped < count {
            let length = self.bytes.len();
            let wanted = usize::try_from(count - skipped).map_or(length, |n| n.min(length));
            let (space, _) = self.bytes.split_at_mut(wanted);
            match reader.read(space) {
                Ok(0) => break,
                Ok(read) => skipped += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(skipped)
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
    // How much a compressed file holds shows at its end.
    progress.begin(if file.is_compressed() { 0 } else { length });
    decode(file, progress, on_event).map_err(VerifyError::reading(path))
}

/// Opens a snapshot file, compressed or not, and tells its length on disk in bytes.
pub(crate) fn open_file(path: &Path) -> Result<(Transport<File>, u64), VerifyError> {
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
    let reader = Transport::file(file).map_err(open_error)?;
    Ok((reader, metadata.len()))
}
