//! Chunk files of a snapshot: written one after the other, and joined again.
//!
//! Where a snapshot is cut, and whether files are the chunks of one, is decided by [`snapshot_format`].

mod write;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use snapshot_format::{
    ChunkError, ChunkPosition, ChunkSet, Decoder, EncodeError, Encoder, Event, Header,
    SealedHeader, Sink,
};

use crate::create::{CreateError, WriteSink, write_error};
use crate::progress::Progress;
use crate::read_back::ReadBackError;
use crate::summary::SnapshotSummary;
use crate::verify::{ReadBuffer, VerifyError, decode_file, open_file};

pub use self::write::{ChunkFile, ChunkOptions, ChunkWriter, WrittenChunks, chunks_beside};

/// Why chunks could not be written or joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkFileError {
    /// A file cannot be read, or is not sound.
    #[error(transparent)]
    Read(#[from] VerifyError),
    /// A file is not a chunk that is needed, or cannot be made.
    #[error("{}: {source}", path.display())]
    Chunk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ChunkError,
    },
    /// The output cannot be written.
    #[error(transparent)]
    Write(#[from] CreateError),
    /// A chunk was written, and does not read back as that.
    #[error("{}: {source}", path.display())]
    ReadBack {
        /// The chunk, which is not in place.
        path: PathBuf,
        /// Why.
        source: ReadBackError,
    },
    /// A file was replaced by another while the set was read, which is then of two times.
    #[error("{} was replaced while the chunks were read; run again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// No file is named.
    #[error("no chunk is given")]
    NoChunk,
}

impl ChunkFileError {
    /// Whether the files were read and found not to be what is needed.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        match self {
            Self::Read(error) => error.is_verdict(),
            Self::Chunk { .. } => true,
            _ => false,
        }
    }
}

/// Why an event cannot be joined to those before.
#[derive(Debug)]
pub(crate) enum JoinError<E> {
    /// The chunk or entry does not follow.
    Chunk(ChunkError),
    /// The whole snapshot cannot be encoded.
    Encode(EncodeError<E>),
}

/// Chunks joined to the snapshot they are of: the set, and the same entries in one file.
pub(crate) struct Joined<S> {
    set: ChunkSet,
    /// Where the bytes will go, until the header is there.
    sink: Option<S>,
    encoder: Option<Encoder<S>>,
}

impl<S: Sink> Joined<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self {
            set: ChunkSet::new(),
            sink: Some(sink),
            encoder: None,
        }
    }

    pub(crate) fn take(&mut self, event: &Event<'_>) -> Result<(), JoinError<S::Error>> {
        self.set.admit(event).map_err(JoinError::Chunk)?;
        match (event, &mut self.encoder) {
            (Event::Header(Header::Sealed(header)), None) => {
                let header = SealedHeader {
                    chunk: ChunkPosition::WHOLE,
                    ..*header
                };
                if let Some(sink) = self.sink.take() {
                    let encoder = Encoder::sealed(sink, &header).map_err(JoinError::Encode)?;
                    self.encoder = Some(encoder);
                }
                Ok(())
            }
            (Event::Entry(entry), Some(encoder)) => encoder
                .entry(entry.table, entry.key.as_bytes(), entry.value)
                .map_err(JoinError::Encode),
            _ => Ok(()),
        }
    }

    /// The whole snapshot, and the sink.
    pub(crate) fn end(self) -> Result<(SnapshotSummary, S), JoinError<S::Error>> {
        let header = self.set.end().map_err(JoinError::Chunk)?;
        let missing = ChunkError::Missing {
            expected: 1,
            got: 0,
        };
        let encoder = self.encoder.ok_or(JoinError::Chunk(missing))?;
        let encoded = encoder.finish().map_err(JoinError::Encode)?;
        let summary = SnapshotSummary {
            header: Header::Sealed(header),
            digest: encoded.digest,
            size: encoded.size,
            counts: encoded.counts,
        };
        Ok((summary, encoded.sink))
    }
}

/// Joins the chunks in `files`, in any order, to the snapshot they are of, and writes it to `out`.
///
/// Each file is verified while it is read; what `out` has after an error is no snapshot. `progress` advances
/// in bytes and starts over with each file.
///
/// # Errors
///
/// If a file cannot be read or is not sound, the files are not all chunks of one snapshot, or `out` fails.
pub fn join(
    files: &[PathBuf],
    out: impl Write,
    progress: &Progress,
) -> Result<SnapshotSummary, ChunkFileError> {
    let seen = Identities::of(files);
    let files = in_order(files)?;
    let last = files.last().ok_or(ChunkFileError::NoChunk)?;
    let mut joined = Joined::new(WriteSink(out));
    for path in &files {
        let mut failure = None;
        decode_file(path, progress, |event| {
            if failure.is_none() {
                failure = joined.take(&event).err();
            }
        })?;
        if let Some(failure) = failure {
            return Err(join_error(path, failure));
        }
    }
    let (summary, mut sink) = joined.end().map_err(|error| join_error(last, error))?;
    seen.require_same()?;
    sink.0.flush().map_err(write_error)?;
    Ok(summary)
}

/// Which files some names stood for, so that a set that is replaced while it is read is not taken for one.
///
/// Names that stand for the same files before the first is opened and after the last was read stood for them
/// all the time in between.
pub(crate) struct Identities(Vec<(PathBuf, Option<(u64, u64)>)>);

impl Identities {
    /// Looks before any file is opened.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        let look = |path: &PathBuf| (path.clone(), identity(path));
        Self(files.iter().map(look).collect())
    }

    /// Looks again, after all have been read.
    pub(crate) fn require_same(&self) -> Result<(), ChunkFileError> {
        match self.0.iter().find(|(path, seen)| identity(path) != *seen) {
            Some((path, _)) => Err(ChunkFileError::Replaced { path: path.clone() }),
            None => Ok(()),
        }
    }
}

/// The file behind a name; `None` if it is none, or not there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// The chunks in `files` by their index.
pub(crate) fn in_order(files: &[PathBuf]) -> Result<Vec<PathBuf>, VerifyError> {
    let mut indexed = Vec::new();
    for path in files {
        indexed.push((peek_chunk(path)?.index, path.clone()));
    }
    indexed.sort_by_key(|(index, _)| *index);
    Ok(indexed.into_iter().map(|(_, path)| path).collect())
}

/// Which chunk a file is, from its first bytes.
fn peek_chunk(path: &Path) -> Result<ChunkPosition, VerifyError> {
    /// A header is shorter, whatever it holds.
    const BEGINNING: u64 = 4096;

    let (mut file, _) = open_file(path)?;
    let mut chunk = None;
    let mut decoder = Decoder::new();
    ReadBuffer::new()
        .feed(
            &mut file,
            &mut decoder,
            BEGINNING,
            &Progress::new(),
            |event| {
                if let Event::Header(header) = event {
                    chunk = Some(header.chunk());
                }
            },
        )
        .map_err(VerifyError::reading(path))?;
    // A file that ends before its header is refused when it is read whole.
    Ok(chunk.unwrap_or(ChunkPosition::WHOLE))
}

fn join_error(path: &Path, error: JoinError<io::Error>) -> ChunkFileError {
    match error {
        JoinError::Chunk(source) => ChunkFileError::Chunk {
            path: path.to_path_buf(),
            source,
        },
        JoinError::Encode(error) => encode_error(error),
    }
}

fn encode_error(error: EncodeError<io::Error>) -> ChunkFileError {
    ChunkFileError::Write(match error {
        EncodeError::Sink(error) => write_error(error),
        error => CreateError::Encode(error.to_string()),
    })
}
