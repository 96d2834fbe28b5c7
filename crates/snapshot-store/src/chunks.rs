//! Chunk files of a snapshot: written one after the other, and joined again.
//!
//! Where a snapshot is cut, and whether files are the chunks of one, is decided by [`snapshot_format`].

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use snapshot_format::{
    ChunkError, ChunkPlan, ChunkPosition, ChunkSet, Decoder, EncodeError, Encoder, Entry, Event,
    Header, SealedHeader, Sink,
};

use crate::create::{CreateError, WriteSink, write_error};
use crate::naming::chunk_path;
use crate::progress::Progress;
use crate::publish::{PublishError, Replace};
use crate::summary::SnapshotSummary;
use crate::transport::OutputFile;
use crate::verify::{ReadBuffer, ReadError, VerifyError, decode_file, open_file};

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
    sink.0.flush().map_err(write_error)?;
    Ok(summary)
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
        .map_err(|source: ReadError| VerifyError::Read {
            path: path.to_path_buf(),
            source,
        })?;
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

/// A chunk that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub summary: SnapshotSummary,
}

/// Writes the entries of a snapshot to chunk files. Each appears whole and durable; dropped without
/// [`finish`](Self::finish), it removes those that did.
pub struct ChunkWriter {
    header: SealedHeader,
    plan: ChunkPlan,
    count: u32,
    whole: PathBuf,
    replace: Replace,
    open: Option<(PathBuf, SealedHeader, Encoder<WriteSink<OutputFile>>)>,
    written: Vec<ChunkFile>,
    finished: bool,
}

impl ChunkWriter {
    /// Begins the `count` chunks, of at most `limit` bytes each, of the snapshot with `header`, which would lie
    /// at `whole`. How many chunks it takes, a [`ChunkPlan`] tells.
    ///
    /// # Errors
    ///
    /// If the limit is too small, or the first file cannot be made.
    pub fn new(
        header: &SealedHeader,
        limit: u64,
        count: u32,
        whole: &Path,
        replace: Replace,
    ) -> Result<Self, ChunkFileError> {
        let plan = ChunkPlan::new(header, limit).map_err(|source| ChunkFileError::Chunk {
            path: whole.to_path_buf(),
            source,
        })?;
        let mut writer = Self {
            header: *header,
            plan,
            count,
            whole: whole.to_path_buf(),
            replace,
            open: None,
            written: Vec::new(),
            finished: false,
        };
        writer.begin(0)?;
        Ok(writer)
    }

    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// If it cannot stand in a chunk, or a file cannot be written.
    pub fn entry(&mut self, entry: &Entry<'_>) -> Result<(), ChunkFileError> {
        let begins = self.plan.admit(entry.value.len());
        if begins.map_err(|source| self.chunk_error(source))? {
            self.end()?;
            self.begin(self.plan.chunks() - 1)?;
        }
        match &mut self.open {
            Some((_, _, encoder)) => encoder
                .entry(entry.table, entry.key.as_bytes(), entry.value)
                .map_err(encode_error),
            None => Ok(()),
        }
    }

    /// Ends the last chunk, and returns all of them.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or there are not as many chunks as were announced.
    pub fn finish(mut self) -> Result<Vec<ChunkFile>, ChunkFileError> {
        self.end()?;
        if self.plan.chunks() != self.count {
            return Err(self.chunk_error(ChunkError::Missing {
                expected: self.count,
                got: self.plan.chunks(),
            }));
        }
        self.finished = true;
        Ok(std::mem::take(&mut self.written))
    }

    fn begin(&mut self, index: u32) -> Result<(), ChunkFileError> {
        let chunk = ChunkPosition {
            index,
            count: self.count,
        };
        let header = SealedHeader {
            chunk,
            ..self.header
        };
        let path = chunk_path(&self.whole, chunk);
        let file = OutputFile::create(&path, self.replace).map_err(publish_error)?;
        let encoder = Encoder::sealed(WriteSink(file), &header).map_err(encode_error)?;
        self.open = Some((path, header, encoder));
        Ok(())
    }

    fn end(&mut self) -> Result<(), ChunkFileError> {
        let Some((path, header, encoder)) = self.open.take() else {
            return Ok(());
        };
        let encoded = encoder.finish().map_err(encode_error)?;
        encoded.sink.0.commit().map_err(publish_error)?;
        self.written.push(ChunkFile {
            path,
            summary: SnapshotSummary {
                header: Header::Sealed(header),
                digest: encoded.digest,
                size: encoded.size,
                counts: encoded.counts,
            },
        });
        Ok(())
    }

    fn chunk_error(&self, source: ChunkError) -> ChunkFileError {
        ChunkFileError::Chunk {
            path: self.whole.clone(),
            source,
        }
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        if !self.finished {
            for chunk in &self.written {
                // Best effort: what stays says itself that the set is not whole.
                let _ = fs::remove_file(&chunk.path);
            }
        }
    }
}

fn publish_error(error: PublishError) -> ChunkFileError {
    ChunkFileError::Write(error.into())
}
