//! A fingerprint as a JSON document (`docs/fingerprint.md`, "The document"): written small, read strictly.
//!
//! A [`Fingerprint`] that exists does not contradict itself. It may still be wrong: whoever makes one can
//! say anything.

mod raw;

use serde::{Deserialize, Serialize};
use snapshot_format::{Digest, Header, PerTable, Table, ValueError};

use super::Focus;
use super::RowPrints;
use super::digest::RangeDigest;
use super::prefix::Prefix;
use super::tree::{self, RowPrint, SubRange};

/// The version of documents that this software writes and reads.
pub const VERSION: u32 = 1;

/// Bytes of a document at most. One of three full tables of a billion rows has 20 KiB.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// A small document about one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "raw::Document", try_from = "raw::Document")]
pub struct Fingerprint {
    /// What it was taken of, as it was named there.
    pub input: String,
    /// What kind of thing that is.
    pub kind: InputKind,
    /// The header of the snapshot; made up by options if it is a database.
    pub header: Header,
    /// The digests that operators compare.
    pub digests: Digests,
    /// The digest of all rows of all tables: equal exactly if all rows are, whatever framing and header.
    pub content: RangeDigest,
    /// What is to be said of each table.
    pub tables: PerTable<TablePrint>,
}

/// What a fingerprint was taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A snapshot file.
    File,
    /// Standard input.
    Stdin,
    /// A checkpoint or another database.
    Database,
}

/// The digest of the content in either framing, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// Framed as sealed.
    pub sealed: Option<Digest>,
    /// Framed as counted.
    pub counted: Option<Digest>,
}

/// What a fingerprint says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePrint {
    /// Rows.
    pub rows: u64,
    /// The digest of all rows.
    pub digest: RangeDigest,
    /// The range that is looked at closely.
    pub range: Option<RangePrint>,
}

/// What a fingerprint says of a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePrint {
    /// What the keys begin with.
    pub prefix: Prefix,
    /// Rows.
    pub rows: u64,
    /// Their digest.
    pub digest: RangeDigest,
    /// The digests of its parts.
    pub part: Part,
}

/// What a range is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Ranges of keys that are one byte longer; those without rows are left out.
    Ranges(Vec<SubRange>),
    /// All keys: they are few.
    Keys(Vec<RowPrint>),
    /// The value of the one row there is: the prefix is its key.
    Row(Vec<u8>),
}

/// Why a document is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is too long.
    #[error("it has more than {MAX_DOCUMENT} bytes, which no fingerprint has")]
    TooLong,
    /// It is not the JSON of a fingerprint.
    #[error("it is not a fingerprint: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of a version that is not known.
    #[error(
        "it is a fingerprint of version {got}, and only version {VERSION} is known: use newer software"
    )]
    Version {
        /// Its version.
        got: u64,
    },
}

/// How a document contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Contradiction {
    #[error("version {0} is not known")]
    Version(u32),
    #[error("rows: the tables have {tables}, the document says {document}")]
    Rows { tables: u64, document: u64 },
    #[error("content: it is not the digest of the tables")]
    Content,
    #[error("{0}: the range is not a part of the table")]
    Range(Table),
    #[error("{0}: exactly one of counts with digests, keys, and value describes a range")]
    Parts(Table),
    #[error("{0}: there are 256 counts, and 4 bytes of digests for each that is not 0")]
    Counts(Table),
    #[error("{0}: the counts do not add up to the rows of the range")]
    Sum(Table),
    #[error("{table}: `{text}` is not a key and a digest")]
    Key { table: Table, text: String },
    #[error("{0}: keys ascend and begin with the prefix")]
    KeyOrder(Table),
    #[error("{0}: a value belongs to one row whose whole key is the prefix, and has its digest")]
    Row(Table),
    #[error("{table}: the value of a row: {source}")]
    Value { table: Table, source: ValueError },
    #[error("only one range of one table, or all keys of all tables, are looked at closely")]
    Focus,
}

/// The digest of all rows of `tables`.
pub(super) fn content_of(tables: &PerTable<TablePrint>) -> RangeDigest {
    tree::content(&PerTable::from_fn(|table| {
        let of = &tables[table];
        (of.rows, of.digest)
    }))
}

impl Fingerprint {
    /// Puts together what a [`super::Fingerprinter`] found.
    #[must_use]
    pub fn new(
        input: String,
        kind: InputKind,
        header: Header,
        digests: Digests,
        rows: RowPrints,
    ) -> Self {
        Self {
            input,
            kind,
            header,
            digests,
            content: rows.content,
            tables: rows.tables,
        }
    }

    /// Reads a document strictly.
    ///
    /// # Errors
    ///
    /// If it is too long, not a fingerprint, of a version not known, or contradicts itself.
    pub fn parse(document: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Probe {
            fingerprint: u64,
        }
        if document.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLong);
        }
        let Probe { fingerprint } = serde_json::from_slice(document)?;
        if fingerprint != u64::from(VERSION) {
            return Err(DocumentError::Version { got: fingerprint });
        }
        Ok(serde_json::from_slice(document)?)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, table)| table.rows).sum()
    }

    /// What the document looks at closely.
    #[must_use]
    pub fn focus(&self) -> Focus {
        let ranges = self.tables.iter().filter_map(|(table, print)| {
            let range = print.range.as_ref()?;
            Some((table, range.prefix))
        });
        let mut ranges: Vec<(Table, Prefix)> = ranges.collect();
        match (ranges.pop(), ranges.is_empty()) {
            (Some((table, prefix)), true) => Focus::Range(table, prefix),
            _ => Focus::All,
        }
    }
}

impl TablePrint {
    /// What a table without rows would say.
    fn check(&self, table: Table) -> Result<(), Contradiction> {
        let Some(range) = &self.range else {
            return Ok(());
        };
        let is_part = if range.prefix == Prefix::EMPTY {
            range.rows == self.rows && range.digest == self.digest
        } else {
            range.rows <= self.rows
        };
        if !is_part {
            return Err(Contradiction::Range(table));
        }
        match &range.part {
            Part::Ranges(ranges) => {
                let sum = ranges
                    .iter()
                    .try_fold(0_u64, |sum, part| sum.checked_add(part.rows));
                if sum == Some(range.rows) && range.prefix.as_key().is_none() {
                    Ok(())
                } else {
                    Err(Contradiction::Sum(table))
                }
            }
            Part::Keys(keys) => {
                let ascend = keys.is_sorted_by(|a, b| a.key < b.key);
                let within = keys.iter().all(|row| range.prefix.contains(&row.key));
                if !ascend || !within {
                    Err(Contradiction::KeyOrder(table))
                } else if keys.len() as u64 == range.rows {
                    Ok(())
                } else {
                    Err(Contradiction::Sum(table))
                }
            }
            Part::Row(value) => {
                let key = range.prefix.as_key().ok_or(Contradiction::Row(table))?;
                let digest = tree::range(table, &range.prefix, [(&key, value.as_slice())]);
                if range.rows != 1 || digest != range.digest {
                    return Err(Contradiction::Row(table));
                }
                snapshot_format::validate(table, value)
                    .map_err(|source| Contradiction::Value { table, source })
            }
        }
    }
}
