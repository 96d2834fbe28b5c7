//! An opened source: it can be read, often more than once, on any thread and without an `Output`.
//!
//! How it was named is for `source`. Nothing here prints.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use snapshot_format::{
    CountingSink, Decoder, Digest, EncodeError, Encoder, Event, Framing, Header, PerTable, Sink,
    Table,
};
use snapshot_store::create::{CreateOptions, WriteSink, create};
use snapshot_store::open::Database;
use snapshot_store::transport::{self, Foreign, Transport};
use snapshot_store::verify::{ReadError, VerifyError, decode, decode_file};
use snapshot_store::{Progress, SnapshotSummary};
use snapshot_tools::header::{Origin, reframed};
use snapshot_tools::rows::passes;

use crate::error::CliError;
use crate::progress::Unit;

/// Something that was opened to be read.
pub(crate) struct Input {
    medium: Medium,
    framing: Framing,
}

enum Medium {
    /// A file that can be read from its start again and again.
    File(PathBuf),
    /// Standard input, a pipe or the like: the path, if it has one, and what is yet to be read.
    Stream(Option<PathBuf>, Box<dyn Read + Send>),
    /// What a stream held, in a temporary file that has no name, so that nothing of it can be left.
    Kept(Option<PathBuf>, File),
    /// A database, and what the header says.
    Database(Box<Database>, Header, CreateOptions),
}

impl Input {
    /// The file at `path`. One that cannot be opened fails when it is read.
    pub(crate) fn file(path: &Path) -> Self {
        let begin = transport::open(path).map(begin).unwrap_or_default();
        Self {
            framing: framing_of(&begin),
            medium: Medium::File(path.to_path_buf()),
        }
    }

    /// The named pipe or device at `path`, which can be read once.
    pub(crate) fn special(path: &Path) -> Result<Self, CliError> {
        let path = path.to_path_buf();
        match transport::open(&path) {
            Ok(reader) => Ok(Self::decompressed(Some(path), reader)),
            Err(source) => Err(VerifyError::Open { path, source }.into()),
        }
    }

    /// Standard input, which can be read once.
    pub(crate) fn stdin() -> Result<Self, CliError> {
        let stdin = Transport::new(io::stdin())
            .map_err(|source| stream_error(&None, ReadError::new(0, source)))?;
        Ok(Self::decompressed(None, stdin))
    }

    fn decompressed(path: Option<PathBuf>, mut reader: impl Read + Send + 'static) -> Self {
        let begin = begin(&mut reader);
        Self {
            framing: framing_of(&begin),
            medium: Medium::Stream(path, Box::new(Cursor::new(begin).chain(reader))),
        }
    }

    /// A database, serialized with `header` when it is read.
    pub(crate) fn database(database: Database, header: Header, options: CreateOptions) -> Self {
        Self {
            framing: header.framing(),
            medium: Medium::Database(Box::new(database), header, options),
        }
    }

    /// In which framing it is read.
    pub(crate) const fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether it can be read once only.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.medium, Medium::Stream(..))
    }

    /// Whether its header was found, or made up by options.
    pub(crate) const fn origin(&self) -> Origin {
        match self.medium {
            Medium::Database(..) => Origin::Assumed,
            _ => Origin::Found,
        }
    }

    /// What reading it is called while it lasts.
    pub(crate) const fn what(&self) -> &'static str {
        match self.medium {
            Medium::Database(..) => "serializing",
            _ => "reading",
        }
    }

    /// What reading it counts.
    pub(crate) const fn unit(&self) -> Unit {
        match self.medium {
            Medium::Database(..) => Unit::Rows,
            _ => Unit::Bytes,
        }
    }

    /// Header, digest, size and counts.
    pub(crate) fn summarize(&mut self, progress: &Progress) -> Result<SnapshotSummary, CliError> {
        match &self.medium {
            Medium::Database(database, header, options) => {
                Ok(create(database, header, io::sink(), options, progress)?)
            }
            _ => self.read(progress, |_| {}),
        }
    }

    /// As [`Self::summarize`], handing each event to `on_event`.
    pub(crate) fn read(
        &mut self,
        progress: &Progress,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<SnapshotSummary, CliError> {
        match &mut self.medium {
            Medium::File(path) => Ok(decode_file(path, progress, on_event)?),
            Medium::Stream(path, reader) => {
                decode(reader, progress, on_event).map_err(|source| stream_error(path, source))
            }
            Medium::Kept(path, file) => (file.rewind())
                .map_err(|source| ReadError::new(0, source))
                .and_then(|()| decode(file, progress, on_event))
                .map_err(|source| stream_error(path, source)),
            Medium::Database(database, header, options) => {
                let sink = DecodingWriter {
                    decoder: Decoder::new(),
                    on_event,
                };
                Ok(create(database, header, sink, options, progress)?)
            }
        }
    }

    /// As [`Self::read`], so that it can be read again: what can be read once only is kept in a temporary file.
    pub(crate) fn read_first(
        &mut self,
        progress: &Progress,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<SnapshotSummary, CliError> {
        let Medium::Stream(path, reader) = &mut self.medium else {
            return self.read(progress, on_event);
        };
        let scratch = |source| CliError::Scratch {
            action: "create a temporary file in",
            path: std::env::temp_dir(),
            source,
        };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        let tee = Tee(reader, &mut file);
        let summary =
            decode(tee, progress, on_event).map_err(|source| stream_error(path, source))?;
        self.medium = Medium::Kept(path.take(), file);
        Ok(summary)
    }

    /// Writes the same content with `header`, of either framing, to `out`. `summary` is what was read before.
    pub(crate) fn write_as(
        &mut self,
        header: &Header,
        summary: &SnapshotSummary,
        out: &mut dyn Write,
        progress: &Progress,
    ) -> Result<SnapshotSummary, CliError> {
        if let Medium::Database(database, _, options) = &self.medium {
            return Ok(create(database, header, out, options, progress)?);
        }
        self.reencode(header, summary, WriteSink(out), progress)
    }

    /// The database, if it is one, to look rows up in.
    pub(crate) fn as_database(&self) -> Option<&Database> {
        match &self.medium {
            Medium::Database(database, ..) => Some(database),
            _ => None,
        }
    }

    /// The first bytes of what is no database, at most `limit`, to be read as something else than a snapshot.
    pub(crate) fn bytes(self, limit: u64) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        match self.medium {
            Medium::File(path) => match transport::open(&path) {
                Ok(file) => (file.take(limit).read_to_end(&mut bytes))
                    .map_err(|source| stream_error(&Some(path), ReadError::new(0, source))),
                Err(source) => Err(VerifyError::Open { path, source }.into()),
            },
            Medium::Kept(path, file) => (file.take(limit).read_to_end(&mut bytes))
                .map_err(|source| stream_error(&path, ReadError::new(0, source))),
            Medium::Stream(path, reader) => reader
                .take(limit)
                .read_to_end(&mut bytes)
                .map_err(|source| stream_error(&path, ReadError::new(0, source))),
            Medium::Database(..) => Ok(0),
        }
        .map(|_| bytes)
    }

    /// Whether it begins as a JSON object does, which no snapshot does.
    pub(crate) fn is_json(&mut self) -> bool {
        let begin = match &mut self.medium {
            Medium::File(path) => transport::open(path).map(begin).unwrap_or_default(),
            Medium::Stream(_, reader) => {
                let peeked = begin(&mut *reader);
                let rest = std::mem::replace(reader, Box::new(io::empty()));
                *reader = Box::new(Cursor::new(peeked.clone()).chain(rest));
                peeked
            }
            Medium::Kept(..) | Medium::Database(..) => Vec::new(),
        };
        begin.trim_ascii_start().starts_with(b"{")
    }

    /// The digest of the same content in the other framing: absent where its header cannot be told, or what
    /// is read cannot be read again.
    pub(crate) fn other_digest(
        &mut self,
        summary: &SnapshotSummary,
        progress: &Progress,
    ) -> Result<Option<Digest>, CliError> {
        let Some(header) = reframed(&summary.header) else {
            return Ok(None);
        };
        match &self.medium {
            Medium::Stream(..) => Ok(None),
            Medium::Database(database, _, options) => Ok(Some(
                create(database, &header, io::sink(), options, progress)?.digest,
            )),
            Medium::File(_) | Medium::Kept(..) => self
                .reencode(&header, summary, CountingSink::default(), progress)
                .map(|other| Some(other.digest)),
        }
    }

    /// Reads a file as often as it takes to have its tables in the order of `header`'s framing.
    fn reencode<S: Sink<Error: Into<CliError> + std::fmt::Display>>(
        &mut self,
        header: &Header,
        summary: &SnapshotSummary,
        sink: S,
        progress: &Progress,
    ) -> Result<SnapshotSummary, CliError> {
        let begun = match header {
            Header::Sealed(header) => Encoder::sealed(sink, header),
            Header::Counted(header) => Encoder::counted(sink, header, summary.counts),
        };
        let mut encoder = begun.map_err(|error| self.not_encoded(error))?;
        for pass in passes(self.framing, header.framing()) {
            if is_empty(&pass, &summary.counts) {
                continue;
            }
            let mut result = Ok(());
            let again = self.read(progress, |event| {
                if let (Event::Entry(entry), Ok(())) = (event, &result)
                    && pass.contains(&entry.table)
                {
                    result = encoder.entry(entry.table, entry.key.as_bytes(), entry.value);
                }
            })?;
            result.map_err(|error| self.not_encoded(error))?;
            self.require_same(summary, &again)?;
        }
        let encoded = encoder.finish().map_err(|error| self.not_encoded(error))?;
        Ok(SnapshotSummary {
            header: *header,
            digest: encoded.digest,
            size: encoded.size,
            counts: encoded.counts,
        })
    }

    /// Why what was sound when it was read cannot be encoded: the output fails, or it is not the same any more.
    fn not_encoded<E: Into<CliError> + std::fmt::Display>(
        &self,
        error: EncodeError<E>,
    ) -> CliError {
        match error {
            EncodeError::Sink(error) => error.into(),
            error => self.changed(&error),
        }
    }

    /// Refuses a file that is another one when it is read again.
    pub(crate) fn require_same(
        &self,
        before: &SnapshotSummary,
        again: &SnapshotSummary,
    ) -> Result<(), CliError> {
        if before == again {
            return Ok(());
        }
        Err(self.changed(&"another digest"))
    }

    fn changed(&self, what: &dyn std::fmt::Display) -> CliError {
        let name = match &self.medium {
            Medium::File(path) | Medium::Stream(Some(path), _) | Medium::Kept(Some(path), _) => {
                path.display().to_string()
            }
            Medium::Stream(None, _) | Medium::Kept(None, _) => "-".to_owned(),
            Medium::Database(database, ..) => database.path().display().to_string(),
        };
        CliError::Changed {
            name,
            what: what.to_string(),
        }
    }
}

/// Whether none of `tables` has a row.
fn is_empty(tables: &[Table], counts: &PerTable<u64>) -> bool {
    tables.iter().all(|table| counts[*table] == 0)
}

/// The bytes that tell a framing, or fewer where there are no more or they cannot be read. What is wrong with
/// them is said when they are read for good.
fn begin(reader: impl Read) -> Vec<u8> {
    let mut begin = Vec::new();
    // What was read before an error is in the vector.
    let _ = reader
        .take(Framing::DETECTION_LEN as u64)
        .read_to_end(&mut begin);
    begin
}

fn framing_of(begin: &[u8]) -> Framing {
    // What is compressed otherwise has no framing, and is refused when it is read.
    let is_foreign = begin
        .first_chunk()
        .is_some_and(|magic| Foreign::of_magic(*magic).is_some());
    match begin.last() {
        _ if is_foreign => Framing::Sealed,
        Some(byte) if begin.len() == Framing::DETECTION_LEN => Framing::from_byte_8(*byte),
        _ => Framing::Sealed,
    }
}

fn stream_error(path: &Option<PathBuf>, source: ReadError) -> CliError {
    match path {
        Some(path) => VerifyError::Read {
            path: path.clone(),
            source,
        }
        .into(),
        None => CliError::Stdin { source },
    }
}

/// Reads, and writes what was read to another place.
struct Tee<R, W>(R, W);

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.1.write_all(bytes).map_err(|error| {
            let dir = std::env::temp_dir();
            io::Error::other(format!("cannot keep it in {}: {error}", dir.display()))
        })?;
        Ok(read)
    }
}

/// Decodes a snapshot while it is written.
struct DecodingWriter<F> {
    decoder: Decoder,
    on_event: F,
}

impl<F: FnMut(Event<'_>)> Write for DecodingWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.decoder
            .push(bytes, &mut self.on_event)
            .map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
