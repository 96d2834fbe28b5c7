//! Rows in the formats that other programs query. One row at a time; memory does not grow with rows.

mod parquet;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::ValueEnum;
use snapshot_store::transport::is_named_compressed;
use snapshot_tools::columns::{Columns, NAMES};

use crate::outlet::OutletError;

/// What rows are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object on each line with all columns, null where there is none
    Jsonl,
    /// Comma-separated, with a header line (RFC 4180, but for line ends)
    Csv,
    /// Apache Parquet, compressed with Snappy
    Parquet,
}

impl Format {
    /// The format to write to `path`: what its name tells, which `asked` must not contradict, or `asked`, or JSON
    /// lines. Case does not matter.
    pub(crate) fn of(path: &Path, asked: Option<Self>) -> Result<Self, OutletError> {
        let compressed = is_named_compressed(path);
        let inner = if compressed {
            path.with_extension("")
        } else {
            path.to_path_buf()
        };
        let end = inner.extension().and_then(|end| end.to_str());
        let end = end.unwrap_or_default().to_ascii_lowercase();
        let told = match end.as_str() {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        };
        let path = path.to_path_buf();
        match (told.or(asked), asked) {
            (Some(told), Some(asked)) if told != asked => Err(OutletError::FormatName {
                path,
                told: told.name(),
                asked: asked.name(),
            }),
            (Some(Self::Parquet), _) if compressed => Err(OutletError::CompressedParquet { path }),
            (Some(format), _) => Ok(format),
            (None, _) if FOREIGN.contains(&end.as_str()) => {
                Err(OutletError::ForeignFormat { path, end })
            }
            (None, _) => Ok(Self::Jsonl),
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

/// What names of other formats of rows end in.
const FOREIGN: [&str; 10] = [
    "arrow", "avro", "db", "duckdb", "feather", "orc", "sqlite", "tsv", "xlsx", "xml",
];

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
