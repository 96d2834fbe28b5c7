//! Rows in the formats that other programs query. One row at a time; memory does not grow with rows.

mod parquet;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::ValueEnum;
use snapshot_store::transport::EXTENSION;
use snapshot_tools::columns::{Columns, NAMES};

/// What rows are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object on each line, without the columns that its table does not have
    Jsonl,
    /// Comma-separated, with a header line (RFC 4180, but for line ends)
    Csv,
    /// Apache Parquet, compressed with Snappy
    Parquet,
}

impl Format {
    /// The format that a file's name tells, JSON lines if it tells none.
    pub(crate) fn of(path: &Path) -> Self {
        let inner = match path.extension() {
            Some(end) if end == EXTENSION => path.with_extension(""),
            _ => path.to_path_buf(),
        };
        match inner.extension().and_then(|end| end.to_str()) {
            Some("csv") => Self::Csv,
            Some("parquet") => Self::Parquet,
            _ => Self::Jsonl,
        }
    }

    /// Whether it is not for terminals.
    pub(crate) const fn is_binary(self) -> bool {
        matches!(self, Self::Parquet)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Bytes of text that are written at once.
const BUFFER: usize = 64 * 1024;

/// Writes rows.
pub(crate) enum Writer<W: Write + Send> {
    Jsonl(BufWriter<W>),
    Csv(BufWriter<W>),
    Parquet(Box<parquet::Rows<W>>),
}

impl<W: Write + Send> Writer<W> {
    /// Begins to write to `sink`.
    pub(crate) fn new(format: Format, sink: W) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(BufWriter::with_capacity(BUFFER, sink)),
            Format::Csv => {
                let mut sink = BufWriter::with_capacity(BUFFER, sink);
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                writeln!(sink, "{}", names.join(","))?;
                Self::Csv(sink)
            }
            Format::Parquet => Self::Parquet(Box::new(parquet::Rows::new(sink)?)),
        })
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &Columns) -> io::Result<()> {
        match self {
            Self::Jsonl(sink) => {
                serde_json::to_writer(&mut *sink, row)?;
                sink.write_all(b"\n")
            }
            Self::Csv(sink) => {
                // No value needs quotes: names, hex, base64, base58, numbers.
                for (index, cell) in row.cells().iter().enumerate() {
                    let separator = if index > 0 { "," } else { "" };
                    write!(sink, "{separator}{cell}")?;
                }
                sink.write_all(b"\n")
            }
            Self::Parquet(rows) => rows.push(row),
        }
    }

    /// Writes what is left, and returns the sink.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Jsonl(sink) | Self::Csv(sink) => {
                sink.into_inner().map_err(io::IntoInnerError::into_error)
            }
            Self::Parquet(rows) => rows.finish(),
        }
    }
}
