//! The two framings, and how to tell them apart. What differs between them stands in their modules.

pub(crate) mod counted;
pub(crate) mod sealed;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::ParseIdError;
use crate::limits::KEY_LEN;
use crate::table::Table;

/// How header, sections and entries are laid out in a file (`docs/format.md`, "Two framings").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// The canonical framing: fixed-width lengths, a count after each section, a checksum trailer.
    Sealed,
    /// What nodes write since v1.51: ULEB128 lengths, a count before each section, no trailer.
    Counted,
}

impl Framing {
    /// Number of bytes from the start of a file that tell its framing.
    pub const DETECTION_LEN: usize = 9;

    /// Tells the framing from byte 8 of a file.
    #[must_use]
    pub const fn from_byte_8(byte: u8) -> Self {
        if byte == 0 {
            Self::Sealed
        } else {
            Self::Counted
        }
    }

    /// The tables in the order of their sections.
    #[must_use]
    pub const fn tables(self) -> [Table; 3] {
        match self {
            Self::Sealed => sealed::TABLES,
            Self::Counted => counted::TABLES,
        }
    }

    /// The tag that opens the section of `table`: its place in [`Self::tables`], from 1.
    #[must_use]
    pub const fn tag(self, table: Table) -> u8 {
        match (self, table) {
            (_, Table::PerObjectBlobInfo) => 1,
            (Self::Sealed, Table::PerObjectPooledBlobInfo)
            | (Self::Counted, Table::StoragePoolInfo) => 2,
            (Self::Sealed, Table::StoragePoolInfo)
            | (Self::Counted, Table::PerObjectPooledBlobInfo) => 3,
        }
    }

    /// Appends the length that stands in front of the header.
    pub(crate) fn put_header_len(self, out: &mut Vec<u8>, len: u32) {
        match self {
            Self::Sealed => sealed::put_header_len(out, len),
            Self::Counted => counted::put_header_len(out, len),
        }
    }

    /// Appends an entry whose value has at most [`crate::limits::MAX_FIELD_LEN`] bytes.
    #[inline]
    pub(crate) fn put_entry(self, out: &mut Vec<u8>, key: &[u8; KEY_LEN], value: &[u8]) {
        match self {
            Self::Sealed => sealed::put_entry(out, key, value),
            Self::Counted => counted::put_entry(out, key, value),
        }
    }

    /// The framing's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Counted => "counted",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Framing {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "sealed" => Ok(Self::Sealed),
            "counted" => Ok(Self::Counted),
            _ => Err(ParseIdError {
                input: text.chars().take(100).collect(),
                expected: "a framing: expected sealed or counted",
            }),
        }
    }
}
