//! A database to a snapshot: threads scan key ranges and fill blocks, one writer joins them.
//!
//! One row's way: RocksDB block, validated in place, copied once into a block of entries, digest
//! and sink. The bytes depend on the rows alone, not on the number of threads. Memory is bounded by
//! [`BUFFER_BUDGET`] however large the database is. `pipeline` is the machinery; nothing here knows a
//! byte of the framing.

mod pipeline;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use snapshot_format::{
    CountedHeader, EncodeError, Encoded, Encoder, EntryError, Header, ObjectId, PerTable, Record,
    Sink, Table,
};

use crate::limits::LimitError;
use crate::open::Database;
use crate::progress::Progress;
use crate::publish::{PublishError, Replace};
use crate::scan::ScanError;
use crate::summary::SnapshotSummary;
use crate::transport::OutputFile;

/// Why a snapshot could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The database could not be read.
    #[error("{}: {source}", path.display())]
    Scan {
        /// The database's directory.
        path: PathBuf,
        /// Why.
        source: ScanError,
    },
    /// A row cannot stand in a snapshot.
    #[error("{}: {source}; the database is damaged, or newer software wrote it", path.display())]
    Entry {
        /// The database's directory.
        path: PathBuf,
        /// Why.
        source: EntryError,
    },
    /// The snapshot could not be written.
    #[error("cannot write the snapshot")]
    Write(#[source] io::Error),
    /// The output file could not be made or published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The system grants too little.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A scanning thread panicked, which is a bug.
    #[error("a scanning thread panicked; this is a bug, please report it")]
    Thread,
    /// The header contradicts itself, or rows changed while they were read.
    #[error("cannot encode the snapshot: {0}")]
    Encode(String),
}

/// How a snapshot is created.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// Threads that scan; by default the machine's, up to [`MAX_THREADS`].
    pub threads: Option<NonZeroUsize>,
}

/// Most threads that scan unless told otherwise: beyond, the writer is the bottleneck.
pub const MAX_THREADS: usize = 4;

/// Bytes of entries that wait for the writer, over all threads.
pub const BUFFER_BUDGET: usize = 16 * 1024 * 1024;

impl CreateOptions {
    fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS)),
            NonZeroUsize::get,
        )
    }
}

/// The value of one row, if it is there. No other row is read.
///
/// # Errors
///
/// If the row cannot be read, or its value could not stand in a snapshot.
pub fn row(
    database: &Database,
    table: Table,
    key: &ObjectId,
) -> Result<Option<Record>, CreateError> {
    let value = crate::scan::get(database, table.into(), key.as_bytes()).map_err(scan(database))?;
    value
        .map(|value| Record::decode(table, &value))
        .transpose()
        .map_err(|source| CreateError::Entry {
            path: database.path().to_path_buf(),
            source: EntryError::InvalidValue {
                table,
                key: *key,
                source,
            },
        })
}

/// Writes a snapshot of `database` to `out`, which gets its bytes in order.
///
/// `progress` advances in rows; its total is an estimate. For the counted framing the rows are read
/// twice, as their counts come first.
///
/// # Errors
///
/// If a row cannot be read or cannot stand in a snapshot, or `out` fails. What `out` has then is no
/// snapshot.
pub fn create(
    database: &Database,
    header: &Header,
    out: impl Write,
    options: &CreateOptions,
    progress: &Progress,
) -> Result<SnapshotSummary, CreateError> {
    let threads = options.threads();
    let rows = database.estimated_counts().total();
    let sink = WriteSink(out);
    let encoded = match header {
        Header::Sealed(sealed) => {
            progress.begin(rows);
            let encoder = Encoder::sealed(sink, sealed).map_err(encode_error(database))?;
            fill(database, encoder, threads, progress)?
        }
        Header::Counted(counted) => {
            progress.begin(rows * 2);
            let counts = pipeline::count(database, threads, progress).map_err(scan(database))?;
            let encoder = begin_counted(database, sink, counted, counts)?;
            fill(database, encoder, threads, progress)?
        }
    };
    let Encoded {
        sink: mut out,
        digest,
        size,
        counts,
    } = encoded;
    out.0.flush().map_err(write_error)?;
    Ok(SnapshotSummary {
        header: *header,
        digest,
        size,
        counts,
    })
}

/// Creates the snapshot file `path` of `database`. It appears whole and durable, or not at all.
///
/// A special file such as `/dev/null` or a pipe is written to directly. A file whose name ends in `.zst` is
/// compressed; digest and size are of the snapshot inside.
///
/// # Errors
///
/// As [`create`], or if the file cannot be made, finds no room, exists (with [`Replace::Refuse`]), or
/// cannot be made durable.
pub fn create_file(
    database: &Database,
    header: &Header,
    path: &Path,
    replace: Replace,
    options: &CreateOptions,
    progress: &Progress,
) -> Result<SnapshotSummary, CreateError> {
    let mut file = OutputFile::create(path, replace)?;
    let summary = create(database, header, &mut file, options, progress)?;
    file.commit()?;
    Ok(summary)
}

fn fill<W: Write>(
    database: &Database,
    mut encoder: Encoder<WriteSink<W>>,
    threads: usize,
    progress: &Progress,
) -> Result<Encoded<WriteSink<W>>, CreateError> {
    pipeline::blocks(database, encoder.framing(), threads, |block| {
        encoder.append(block).map_err(encode_error(database))?;
        progress.advance(block.count());
        Ok(())
    })?;
    encoder.finish().map_err(encode_error(database))
}

fn begin_counted<W: Write>(
    database: &Database,
    sink: WriteSink<W>,
    header: &CountedHeader,
    counts: PerTable<u64>,
) -> Result<Encoder<WriteSink<W>>, CreateError> {
    Encoder::counted(sink, header, counts).map_err(encode_error(database))
}

/// Where to look for what went wrong: an I/O error is the output's, an entry's is the database's.
fn encode_error(database: &Database) -> impl Fn(EncodeError<io::Error>) -> CreateError + '_ {
    |error| match error {
        EncodeError::Sink(error) => write_error(error),
        EncodeError::Entry(source) => CreateError::Entry {
            path: database.path().to_path_buf(),
            source,
        },
        error => CreateError::Encode(error.to_string()),
    }
}

/// What an error of writing a snapshot means: an output file says itself what went wrong with it.
pub fn write_error(error: io::Error) -> CreateError {
    error
        .downcast::<PublishError>()
        .map_or_else(CreateError::Write, CreateError::Publish)
}

fn scan(database: &Database) -> impl Fn(ScanError) -> CreateError + '_ {
    |source| CreateError::Scan {
        path: database.path().to_path_buf(),
        source,
    }
}

/// A [`Sink`] over a writer: all bytes or an error.
#[derive(Debug)]
pub struct WriteSink<W>(pub W);

impl<W: Write> Sink for WriteSink<W> {
    type Error = io::Error;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}
