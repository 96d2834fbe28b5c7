//! Why encoding or decoding fails: one enum per operation. No I/O errors; those belong to the sink
//! and to whoever reads.

use crate::digest::Digest;
use crate::framing::Framing;
use crate::id::ObjectId;
use crate::limits::{MAGIC, VERSION};
use crate::location::Location;
use crate::table::Table;
use crate::value::ValueError;

/// Why bytes are not a snapshot. Source: `docs/format.md`, "Rules of the decoder".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file does not begin with the magic number.
    #[error("{at}: not a blob info snapshot: magic is {got:#010x}, expected {MAGIC:#010x}")]
    WrongMagic {
        /// Where it stands.
        at: Location,
        /// The first four bytes.
        got: u32,
    },
    /// The file is of a version this crate does not know.
    #[error(
        "{at}: unknown format version {got}, expected {VERSION}: written by newer software; use a \
         newer version of this program"
    )]
    UnknownVersion {
        /// Where it stands.
        at: Location,
        /// The version in the file.
        got: u32,
    },
    /// The file is of the other framing than the caller requires.
    #[error("{at}: framing is {got}, expected {expected}")]
    WrongFraming {
        /// Where the framing shows.
        at: Location,
        /// The framing required.
        expected: Framing,
        /// The framing found.
        got: Framing,
    },
    /// The header is not the canonical BCS of a header.
    #[error("{at}: header is not canonical: {source}")]
    InvalidHeader {
        /// Where the header begins.
        at: Location,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A section begins with another tag than its place demands.
    #[error("{at}: section tag is {got}, expected {expected}")]
    WrongTag {
        /// Where the tag stands.
        at: Location,
        /// The tag of the section that must follow.
        expected: u8,
        /// The byte there.
        got: u8,
    },
    /// The byte in front of an entry is neither "entry" nor "end of section".
    #[error("{at}: unknown entry marker {got:#04x}, expected 0x00 or 0x01")]
    UnknownMarker {
        /// Where the marker stands.
        at: Location,
        /// The byte there.
        got: u8,
    },
    /// The count behind a section is not the number of its entries.
    #[error("{at}: section says {got} entries, but has {expected}")]
    CountMismatch {
        /// Where the count stands.
        at: Location,
        /// The number of entries there were.
        expected: u64,
        /// The number the file says.
        got: u64,
    },
    /// A key is not above the one before it.
    #[error("{at}: keys must strictly increase, but {key} follows {previous}")]
    KeysNotIncreasing {
        /// Where the key stands.
        at: Location,
        /// The key before it.
        previous: ObjectId,
        /// The key.
        key: ObjectId,
    },
    /// A key is not 32 bytes long.
    #[error("{at}: key length is {got}, expected 32")]
    KeyLength {
        /// Where the length stands.
        at: Location,
        /// The length.
        got: u32,
    },
    /// A length is beyond what any snapshot holds.
    #[error("{at}: {what} length is {got} bytes, the limit is {limit}")]
    LengthLimit {
        /// Where the length stands.
        at: Location,
        /// Of what it is the length.
        what: &'static str,
        /// The length.
        got: u32,
        /// The limit.
        limit: usize,
    },
    /// A value is not the canonical BCS of a known variant.
    #[error("{at}: value of {key} is not canonical: {source}")]
    InvalidValue {
        /// Where the value begins.
        at: Location,
        /// Its key.
        key: ObjectId,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A value is of a variant this crate does not know.
    #[error(
        "{at}: value of {key} has unknown variant {variant}: written by newer software; use a newer \
         version of this program"
    )]
    UnknownVariant {
        /// Where the value begins.
        at: Location,
        /// Its key.
        key: ObjectId,
        /// The variant index.
        variant: u32,
    },
    /// A ULEB128 number has superfluous bytes.
    #[error("{at}: length is not a minimal ULEB128 number")]
    NonMinimalUleb128 {
        /// Where the number begins.
        at: Location,
    },
    /// A ULEB128 number does not fit into 32 bits.
    #[error("{at}: length is a ULEB128 number of more than 32 bits")]
    OversizedUleb128 {
        /// Where the number begins.
        at: Location,
    },
    /// The input ends before the snapshot does.
    #[error("{at}: file ends early: it is truncated or still being written")]
    UnexpectedEnd {
        /// Where the input ended.
        at: Location,
    },
    /// Bytes follow the snapshot.
    #[error("{at}: bytes follow the end of the snapshot")]
    TrailingBytes {
        /// Where the snapshot ended.
        at: Location,
    },
    /// The checksum is not that of the bytes.
    #[error("{at}: checksum is {got}, but the bytes have {expected}: the file is damaged")]
    ChecksumMismatch {
        /// Where the checksum stands.
        at: Location,
        /// The digest of the bytes.
        expected: Digest,
        /// The digest in the file.
        got: Digest,
    },
}

impl DecodeError {
    /// The section and byte offset of the error.
    #[must_use]
    pub const fn location(&self) -> Location {
        match self {
            Self::WrongMagic { at, .. }
            | Self::UnknownVersion { at, .. }
            | Self::WrongFraming { at, .. }
            | Self::InvalidHeader { at, .. }
            | Self::WrongTag { at, .. }
            | Self::UnknownMarker { at, .. }
            | Self::CountMismatch { at, .. }
            | Self::KeysNotIncreasing { at, .. }
            | Self::KeyLength { at, .. }
            | Self::LengthLimit { at, .. }
            | Self::InvalidValue { at, .. }
            | Self::UnknownVariant { at, .. }
            | Self::NonMinimalUleb128 { at }
            | Self::OversizedUleb128 { at }
            | Self::UnexpectedEnd { at }
            | Self::TrailingBytes { at }
            | Self::ChecksumMismatch { at, .. } => *at,
        }
    }
}

/// Why an entry cannot stand in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The key is not 32 bytes long.
    #[error("table {table}: key {} has {} bytes, expected 32", hex::encode(key), key.len())]
    KeyLength {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// The key is not above the one before it.
    #[error("table {table}: keys must strictly increase, but {key} follows {previous}")]
    KeysNotIncreasing {
        /// The table.
        table: Table,
        /// The key before it.
        previous: ObjectId,
        /// The key.
        key: ObjectId,
    },
    /// The value is not the canonical BCS of a known variant.
    #[error("table {table}: value of {key} is not canonical: {source}")]
    InvalidValue {
        /// The table.
        table: Table,
        /// The key.
        key: ObjectId,
        /// What is wrong with the value.
        source: ValueError,
    },
}

/// Why a snapshot cannot be encoded. `E` is the error of the sink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError<E> {
    /// The header contradicts itself.
    #[error("header cannot be encoded: {0}")]
    InvalidHeader(#[source] ValueError),
    /// An entry cannot stand in a snapshot.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Entries of a table came after its section was closed.
    #[error("entries of {table} came after those of {current}")]
    TableOrder {
        /// The table that came late.
        table: Table,
        /// The table whose section is open.
        current: Table,
    },
    /// A block was made for the other framing.
    #[error("block of entries is framed as {got}, expected {expected}")]
    BlockFraming {
        /// The encoder's framing.
        expected: Framing,
        /// The block's framing.
        got: Framing,
    },
    /// The count given in advance is not the number of entries that came.
    #[error("table {table}: {expected} entries were announced, but {got} came")]
    CountMismatch {
        /// The table.
        table: Table,
        /// The count given in advance.
        expected: u64,
        /// The number of entries that came.
        got: u64,
    },
    /// The sink failed.
    #[error("the sink failed")]
    Sink(#[source] E),
    /// An earlier call failed, so the bytes so far are no beginning of a snapshot.
    #[error("an earlier call failed; the snapshot must be begun again")]
    Poisoned,
}
