//! The snapshot to restore: read once to verify all of it, and a second time in parts, side by side,
//! with proof that the bytes are those of the first time.
//!
//! A part begins with a decoder that stands there; nothing here knows a byte of the framing.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use snapshot_format::{CountingSink, Decoded, Decoder, Digest, Entry, Event, PerTable};

use super::error::RestoreError;
use crate::chunks::{self, JoinError, Joined};
use crate::progress::Progress;
use crate::publish;
use crate::summary::SnapshotSummary;
use crate::transport::Transport;
use crate::verify::{ReadBuffer, ReadError, VerifyError, open_file};

/// Longest part in bytes: half a node's SST file, so that what RocksDB keeps in memory for each file
/// that is written stays small.
const MAX_PART: u64 = 32 << 20;

/// Shortest part in bytes: a smaller file is not worth a thread.
const MIN_PART: u64 = 2 << 20;

/// Parts for each thread, so that threads end at about the same time.
const PARTS_PER_THREAD: u64 = 4;

/// A snapshot that was read whole and found sound: one file of either framing, or all chunks of one.
#[derive(Clone, Debug)]
pub struct VerifiedSnapshot {
    files: Vec<PathBuf>,
    summary: SnapshotSummary,
    parts: Vec<Part>,
}

/// Some bytes of one of the files.
#[derive(Clone, Debug)]
struct Part {
    file: usize,
    /// A decoder that stands where the part begins.
    start: Decoder,
    /// What the decoder has received and derived where the part ends.
    end: (u64, Digest),
    /// Whether that is the end of the file.
    is_last: bool,
}

impl VerifiedSnapshot {
    /// Verifies the snapshot in `files`: one file, or all chunks of one snapshot in any order.
    ///
    /// Nothing is written. `progress` advances in bytes.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, is not sound, or the files are not one whole snapshot.
    pub fn read(files: &[PathBuf], progress: &Progress) -> Result<Self, RestoreError> {
        let (mut total, mut all_plain) = (0, true);
        for path in files {
            // Where it cannot be told, opening it fails too.
            if path.as_os_str() == "-" || publish::is_special(path).unwrap_or(false) {
                return Err(RestoreError::NotAFile { path: path.clone() });
            }
            let (reader, length) = open_file(path)?;
            all_plain &= !reader.is_compressed();
            total += length;
        }
        // How much a compressed file holds shows at its end.
        progress.begin(if all_plain { total } else { 0 });
        let threads = super::default_threads() as u64;
        let part = (total / (threads * PARTS_PER_THREAD)).clamp(MIN_PART, MAX_PART);
        match files {
            [] => Err(RestoreError::NoSnapshot),
            [file] => Self::read_one(file, part, progress),
            several => Self::read_chunks(several, part, progress),
        }
    }

    /// Header, digest, size and counts of the snapshot; of a set of chunks, those of the same snapshot
    /// in one file.
    #[must_use]
    pub const fn summary(&self) -> &SnapshotSummary {
        &self.summary
    }

    /// Its files.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Reads a part again, handing each entry to `on_entry`. An entry belongs to the part it ends in. The bytes
    /// must be those of the first time.
    pub(super) fn read_part(
        &self,
        number: usize,
        reader: &mut PartReader,
        progress: &Progress,
        mut on_entry: impl FnMut(&Entry<'_>) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let Some(part) = self.parts.get(number) else {
            return Ok(());
        };
        let Some(path) = self.files.get(part.file) else {
            return Ok(());
        };
        let mut decoder = part.start.clone();
        let start = decoder.received();
        let changed = || RestoreError::Changed { path: path.clone() };
        let Some(mut file) = reader.stand(part.file, path, start)? else {
            return Err(changed());
        };
        let limit = if part.is_last {
            u64::MAX
        } else {
            part.end.0 - start
        };
        let mut failure = None;
        let fed = reader
            .buffer
            .feed(&mut file, &mut decoder, limit, progress, |event| {
                if let (Event::Entry(entry), None) = (event, &failure) {
                    failure = on_entry(&entry).err();
                }
            });
        match (failure, fed) {
            (Some(failure), _) => return Err(failure),
            (None, Ok(fed)) => reader.open = Some((part.file, file, start + fed)),
            // It was sound the first time.
            (None, Err(error)) if error.is_verdict() => return Err(changed()),
            (None, Err(error)) => return Err(VerifyError::reading(path)(error).into()),
        }
        let same = (decoder.received(), decoder.digest_so_far()) == part.end
            && (!part.is_last || decoder.end().is_ok());
        if same { Ok(()) } else { Err(changed()) }
    }

    fn read_one(path: &Path, part: u64, progress: &Progress) -> Result<Self, RestoreError> {
        let mut parts = Vec::new();
        let decoded = verify_file(path, 0, part, progress, &mut parts, |_| {})?;
        decoded
            .header
            .require_whole()
            .map_err(|source| RestoreError::NotWhole {
                path: path.to_path_buf(),
                source,
            })?;
        Ok(Self {
            files: vec![path.to_path_buf()],
            summary: decoded.into(),
            parts,
        })
    }

    fn read_chunks(
        paths: &[PathBuf],
        part: u64,
        progress: &Progress,
    ) -> Result<Self, RestoreError> {
        let files = chunks::in_order(paths)?;
        let mut parts = Vec::new();
        let mut joined = Joined::new(CountingSink::default());
        for (number, path) in files.iter().enumerate() {
            let mut failure = None;
            verify_file(path, number, part, progress, &mut parts, |event| {
                if failure.is_none() {
                    failure = joined.take(&event).err();
                }
            })?;
            if let Some(failure) = failure {
                return Err(join_error(path, failure));
            }
        }
        let last = files.last().map_or(Path::new(""), PathBuf::as_path);
        let (summary, _) = joined.end().map_err(|error| join_error(last, error))?;
        Ok(Self {
            files,
            summary,
            parts,
        })
    }
}

/// Reads the parts that one thread takes, which come in order.
pub(super) struct PartReader {
    buffer: ReadBuffer,
    /// The file that was read last, and where in its content the reader stands.
    open: Option<(usize, Transport<File>, u64)>,
}

impl PartReader {
    pub(super) fn new() -> Self {
        Self {
            buffer: ReadBuffer::new(),
            open: None,
        }
    }

    /// A reader of the file at `path` that stands at byte `start` of its content; none if there is no such
    /// place. A compressed file has no places to go to: what lies before is decompressed again, but once only for
    /// each thread, as parts come in order.
    fn stand(
        &mut self,
        file: usize,
        path: &Path,
        start: u64,
    ) -> Result<Option<Transport<File>>, VerifyError> {
        let error = |source| VerifyError::reading(path)(ReadError::new(start, source));
        let (mut reader, at) = match self.open.take() {
            Some((same, reader, at)) if same == file && at <= start => (reader, at),
            _ => (open_file(path)?.0, 0),
        };
        if let Some(plain) = reader.as_plain_mut() {
            plain.seek(SeekFrom::Start(start)).map_err(error)?;
            return Ok(Some(reader));
        }
        let skipped = self.buffer.skip(&mut reader, start - at).map_err(error)?;
        Ok((skipped == start - at).then_some(reader))
    }
}

/// Reads a whole file, and notes its parts.
fn verify_file(
    path: &Path,
    file: usize,
    part: u64,
    progress: &Progress,
    parts: &mut Vec<Part>,
    mut on_event: impl FnMut(Event<'_>),
) -> Result<Decoded, RestoreError> {
    let (mut reader, _) = open_file(path)?;
    let mut buffer = ReadBuffer::new();
    let mut decoder = Decoder::new();
    loop {
        let start = decoder.clone();
        let fed = buffer
            .feed(&mut reader, &mut decoder, part, progress, &mut on_event)
            .map_err(VerifyError::reading(path))?;
        parts.push(Part {
            file,
            start,
            end: (decoder.received(), decoder.digest_so_far()),
            is_last: fed < part,
        });
        if fed < part {
            return decoder
                .end()
                .map_err(|error| VerifyError::reading(path)(error.into()).into());
        }
    }
}

fn join_error(path: &Path, error: JoinError<std::convert::Infallible>) -> RestoreError {
    match error {
        JoinError::Chunk(source) => RestoreError::Chunk {
            path: path.to_path_buf(),
            source,
        },
        JoinError::Encode(error) => RestoreError::Encode(error),
    }
}

/// The number of blob objects among the rows.
pub(super) const fn objects(counts: &PerTable<u64>) -> u64 {
    counts.per_object_blob_info + counts.per_object_pooled_blob_info
}
