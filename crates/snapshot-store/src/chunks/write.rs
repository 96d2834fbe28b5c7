//! Chunk files written: all of a snapshot's appear together, or none.

use std::fs;
use std::path::{Path, PathBuf};

use snapshot_format::{ChunkError, ChunkPlan, ChunkPosition, Encoder, Entry, Header, SealedHeader};

use super::{ChunkFileError, encode_error};
use crate::create::WriteSink;
use crate::naming::{chunk_of, chunk_path};
use crate::progress::Progress;
use crate::publish::{AtomicFile, FileSet, PublishError, PublishWarning, Replace, parent};
use crate::read_back::read_back;
use crate::summary::SnapshotSummary;
use crate::transport::{OutputFile, is_named_compressed};

/// A chunk that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub summary: SnapshotSummary,
}

/// Chunk files that are in place.
#[derive(Debug)]
pub struct WrittenChunks {
    /// What they are, in order.
    pub chunks: Vec<ChunkFile>,
    /// What they lack.
    pub warnings: Vec<PublishWarning>,
}

/// How chunks are written.
#[derive(Clone, Copy, Debug)]
pub struct ChunkOptions {
    /// Most bytes of a chunk, before compression.
    pub limit: u64,
    /// What to do about chunks that exist.
    pub replace: Replace,
    /// Whether to read each back before it is published.
    pub read_back: bool,
}

/// Writes the entries of a snapshot to chunk files. They appear together, each whole and durable; dropped
/// without [`finish`](Self::finish), none of them does, and those that were there stay.
pub struct ChunkWriter {
    header: SealedHeader,
    options: ChunkOptions,
    plan: ChunkPlan,
    count: u32,
    whole: PathBuf,
    place: Place,
    open: Option<(SealedHeader, Encoder<WriteSink<OutputFile>>)>,
    written: Vec<ChunkFile>,
}

/// The chunks in place of the snapshot that would lie at `whole`, but for those of `count` chunks. Where the
/// directory cannot be read, none.
#[must_use]
pub fn chunks_beside(whole: &Path, count: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent(whole)) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| chunk_of(whole, name).is_some_and(|chunk| chunk.count != count))
        .map(|name| whole.with_file_name(name))
        .collect();
    found.sort();
    found
}

/// What the chunks become.
enum Place {
    /// A file, once it is complete.
    One(Option<AtomicFile>),
    /// Several.
    Set(FileSet),
}

impl ChunkWriter {
    /// Begins the `count` chunks of the snapshot with `header`, which would lie at `whole`. How many it
    /// takes, a [`ChunkPlan`] tells.
    ///
    /// # Errors
    ///
    /// If the limit is too small, a chunk exists and must not be replaced, or the first file cannot be made.
    pub fn new(
        header: &SealedHeader,
        count: u32,
        whole: &Path,
        options: ChunkOptions,
    ) -> Result<Self, ChunkFileError> {
        let plan =
            ChunkPlan::new(header, options.limit).map_err(|source| ChunkFileError::Chunk {
                path: whole.to_path_buf(),
                source,
            })?;
        if count > 1 && options.replace == Replace::Refuse {
            let mut paths =
                (0..count).map(|index| chunk_path(whole, ChunkPosition { index, count }));
            if let Some(path) = paths.find(|path| path.symlink_metadata().is_ok()) {
                return Err(publish_error(PublishError::Exists { path }));
            }
        }
        let place = match count {
            1 => Place::One(None),
            _ => {
                let mut set = FileSet::begin(whole, options.replace).map_err(publish_error)?;
                if options.replace == Replace::Allow {
                    for path in chunks_beside(whole, count) {
                        set.replace_too(&path).map_err(publish_error)?;
                    }
                }
                Place::Set(set)
            }
        };
        let mut writer = Self {
            header: *header,
            options,
            plan,
            count,
            whole: whole.to_path_buf(),
            place,
            open: None,
            written: Vec::new(),
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
            Some((_, encoder)) => encoder
                .entry(entry.table, entry.key.as_bytes(), entry.value)
                .map_err(encode_error),
            None => Ok(()),
        }
    }

    /// Ends the last chunk, and publishes all of them.
    ///
    /// # Errors
    ///
    /// If they cannot be written, or are not as many as were announced.
    pub fn finish(mut self) -> Result<WrittenChunks, ChunkFileError> {
        self.end()?;
        if self.plan.chunks() != self.count {
            return Err(self.chunk_error(ChunkError::Missing {
                expected: self.count,
                got: self.plan.chunks(),
            }));
        }
        let warnings = match self.place {
            Place::One(None) => Ok(Vec::new()),
            Place::One(Some(file)) => file.commit(),
            Place::Set(set) => set.publish(),
        };
        Ok(WrittenChunks {
            chunks: self.written,
            warnings: warnings.map_err(publish_error)?,
        })
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
        let file = match &self.place {
            Place::One(_) => AtomicFile::create(&path, self.options.replace),
            Place::Set(set) => set.file(&path),
        };
        let compressed = is_named_compressed(&path);
        let file = file.and_then(|file| OutputFile::over(file, compressed));
        let file = file.map_err(publish_error)?;
        let encoder = Encoder::sealed(WriteSink(file), &header).map_err(encode_error)?;
        self.open = Some((header, encoder));
        Ok(())
    }

    fn end(&mut self) -> Result<(), ChunkFileError> {
        let Some((header, encoder)) = self.open.take() else {
            return Ok(());
        };
        let encoded = encoder.finish().map_err(encode_error)?;
        let mut file = encoded.sink.0.finish().map_err(publish_error)?;
        let path = chunk_path(&self.whole, header.chunk);
        let summary = SnapshotSummary {
            header: Header::Sealed(header),
            digest: encoded.digest,
            size: encoded.size,
            counts: encoded.counts,
        };
        if self.options.read_back && file.is_file() {
            read_back(&mut file, &summary, &Progress::new()).map_err(|source| {
                let path = path.clone();
                ChunkFileError::ReadBack { path, source }
            })?;
        }
        match &mut self.place {
            Place::One(one) => *one = Some(file),
            Place::Set(set) => set.add(file).map_err(publish_error)?,
        }
        self.written.push(ChunkFile { path, summary });
        Ok(())
    }

    fn chunk_error(&self, source: ChunkError) -> ChunkFileError {
        ChunkFileError::Chunk {
            path: self.whole.clone(),
            source,
        }
    }
}

fn publish_error(error: PublishError) -> ChunkFileError {
    ChunkFileError::Write(error.into())
}
