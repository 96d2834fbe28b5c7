//! Places in a snapshot file, as errors name them.

use std::fmt;

use crate::table::Table;

/// A part of a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Magic and version.
    Preamble,
    /// The header and its length.
    Header,
    /// The section of a table.
    Table(Table),
    /// The checksum of the sealed framing.
    Trailer,
    /// Behind the last byte of the snapshot.
    End,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preamble => f.write_str("preamble"),
            Self::Header => f.write_str("header"),
            Self::Table(table) => write!(f, "section {table}"),
            Self::Trailer => f.write_str("trailer"),
            Self::End => f.write_str("end"),
        }
    }
}

/// A place in a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The part of the file.
    pub section: Section,
    /// Byte offset from the start of the file.
    pub offset: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.section, self.offset)
    }
}
