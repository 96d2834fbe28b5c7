//! What can be wrong with a log file, where, and what the operator can do about it.
//!
//! Only types and their messages live here; the rules that produce them are in the sibling modules.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Which of RocksDB's two users of the log format a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// `NNNNNN.log`: write batches that may not be in a table file yet.
    Wal,
    /// `MANIFEST-NNNNNN`: the list of table files.
    Manifest,
}

impl LogKind {
    /// What to do about a damaged file of this kind.
    const fn advice(self) -> &'static str {
        match self {
            Self::Wal => "copy the database again, with all its .log files",
            Self::Manifest => "copy the database again: no table can be trusted without it",
        }
    }
}

/// Why the log files of a database were refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// The file or directory cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The bytes of a log file are not what RocksDB wrote.
    #[error("{path} is damaged at byte {offset}: {fault}; {}", kind.advice())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which kind of log it is.
        kind: LogKind,
        /// Offset of the first byte of the offending record, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        fault: Fault,
    },

    /// The last log ends within its last record, and all before that is sound: a writer was killed there, or
    /// the copy was cut.
    #[error(
        "{path} ends within its last record, which starts at byte {offset}: {fault}; copy the database \
         again, with all its .log files"
    )]
    TornTail {
        /// The file.
        path: PathBuf,
        /// Offset of the physical record that is incomplete, in bytes.
        offset: u64,
        /// How it ends.
        fault: Fault,
    },

    /// A database that was open for writing has no log at all.
    #[error(
        "{dir} has no .log file, but {witness}, so a node has written to it, and then there is always \
         one: its last writes are missing; copy the database again with all its .log files, also those \
         in its wal_dir if the node has one"
    )]
    NoLog {
        /// The database directory.
        dir: PathBuf,
        /// The name of a file that no checkpoint has.
        witness: &'static str,
    },

    /// A log that the manifest needs is not there.
    #[error(
        "{path} is missing, or a later .log file, as {manifest} tells: writes are missing; copy the \
         database again with all its .log files, also those in its wal_dir if the node has one"
    )]
    MissingLog {
        /// The log.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },

    /// A log is shorter than the manifest knows it to be.
    #[error(
        "{path} has {got} bytes, but had {expected} when {manifest} was written: writes are missing; \
         copy the database again with all its .log files"
    )]
    ShortLog {
        /// The log.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Bytes that were synced.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },

    /// Each file may be whole, but write batches are missing between two of them.
    #[error(
        "writes are missing: {path} continues at byte {offset} with sequence number {got}, but \
         {previous} ends before {expected}; copy the database again with all its .log files"
    )]
    SequenceGap {
        /// The file whose batch comes too late.
        path: PathBuf,
        /// Offset of that batch, in bytes.
        offset: u64,
        /// The sequence number that had to come next.
        expected: u64,
        /// The sequence number found.
        got: u64,
        /// The file with the batch before; the same file if the hole is inside it.
        previous: PathBuf,
    },

    /// A write batch starts before the previous one ended: a file or block is there twice, or files
    /// of two databases or of two moments are mixed.
    #[error(
        "{path} repeats writes: its batch at byte {offset} has sequence number {got}, but \
         {previous} already reaches {expected}; its .log files are not of one database at one \
         moment, so copy the database again"
    )]
    SequenceOverlap {
        /// The file whose batch comes too early.
        path: PathBuf,
        /// Offset of that batch, in bytes.
        offset: u64,
        /// The sequence number that had to come next.
        expected: u64,
        /// The sequence number found.
        got: u64,
        /// The file with the batch before.
        previous: PathBuf,
    },

    /// A `.log` file whose name is all digits but not the one RocksDB gives that number.
    #[error(
        "{path} is not named as RocksDB names a log file, which would be {expected}; give it that \
         name if it belongs to this database, otherwise move it away"
    )]
    FileName {
        /// The file.
        path: PathBuf,
        /// The name RocksDB gives a file of that number, or a pattern if the number is too large.
        expected: String,
    },

    /// `CURRENT` does not name a manifest.
    #[error(
        "{path} must hold `MANIFEST-` and a file number on one line, got {got:?}; copy the \
         database again"
    )]
    Current {
        /// The file.
        path: PathBuf,
        /// Its first bytes, as text.
        got: String,
    },

    /// The manifest has a field of a newer RocksDB, so what it says is not known.
    #[error("{path} has a field {tag}, perhaps of a newer RocksDB than 8.10")]
    UnknownField {
        /// The file.
        path: PathBuf,
        /// The tag of the field.
        tag: u32,
    },

    /// The manifest is empty.
    #[error("{path} holds no record, so no table file is known; copy the database again")]
    EmptyManifest {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a record of a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The file ends inside a record header or inside the padding of a block.
    TruncatedHeader {
        /// Bytes of it that are there.
        got: usize,
    },
    /// The file ends inside a record.
    TruncatedPayload {
        /// Payload length in bytes, as the header gives it.
        expected: usize,
        /// Payload bytes that are there.
        got: usize,
    },
    /// The record claims to be longer than the file, which holds intact records behind its header.
    WrongLength {
        /// Payload length in bytes, as the header gives it.
        expected: usize,
        /// Payload bytes that are there.
        got: usize,
    },
    /// The record is longer than the rest of its block.
    LengthPastBlock {
        /// Payload length in bytes, as the header gives it.
        length: usize,
        /// Bytes left in the block after the header.
        room: usize,
    },
    /// The checksum of type, log number and payload does not match.
    Checksum {
        /// The CRC-32C that the header gives, unmasked.
        expected: u32,
        /// The CRC-32C of the bytes found.
        got: u32,
    },
    /// The header is all zero: a hole, or space that was reserved and never written.
    Zeroed,
    /// The padding at the end of a block is not zero.
    Padding,
    /// The file ends with the padding of a block, which RocksDB writes only in front of a record.
    EndsAfterPadding,
    /// An intact record of a type that is not known, or not allowed in this kind of file.
    UnknownType {
        /// The type byte.
        got: u8,
    },
    /// A record with a log number in a file of records without, or the reverse.
    MixedHeaders,
    /// An intact record that belongs to another log file.
    ForeignRecord {
        /// The low 32 bits of this file's number.
        expected: u32,
        /// The log number in the record.
        got: u32,
    },
    /// A middle or last fragment without a first one.
    OrphanFragment,
    /// A record begins while the fragments of another are incomplete.
    Interrupted {
        /// Offset of that other record, in bytes.
        started: u64,
    },
    /// The file ends while the fragments of a record are incomplete.
    Unfinished {
        /// Offset of that record, in bytes.
        started: u64,
    },
    /// A compression record that is not the first record of its file.
    LateCompression,
    /// A record too short for a write batch.
    ShortBatch {
        /// The shortest possible length in bytes.
        expected: usize,
        /// The length found.
        got: u64,
    },
    /// A sequence number beyond the 56 bits that RocksDB keeps.
    SequenceTooLarge {
        /// The sequence number.
        got: u64,
    },
    /// An intact record of the manifest that does not decode.
    VersionEdit {
        /// The tag of the field that does not end, or 0 if it is a tag.
        tag: u32,
    },
}

impl Fault {
    /// Whether the file is sound as far as it goes, and ends within a record.
    pub(super) const fn is_end_of_file(&self) -> bool {
        matches!(
            self,
            Self::TruncatedHeader { .. }
                | Self::TruncatedPayload { .. }
                | Self::Unfinished { .. }
                | Self::EndsAfterPadding
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TruncatedHeader { got } => {
                write!(f, "the file ends after {got} bytes of a record header")
            }
            Self::TruncatedPayload { expected, got } => {
                write!(
                    f,
                    "the file ends after {got} of a record's {expected} bytes"
                )
            }
            Self::WrongLength { expected, got } => {
                write!(
                    f,
                    "a record of {expected} bytes where {got} are left, and an intact one among these"
                )
            }
            Self::LengthPastBlock { length, room } => {
                write!(
                    f,
                    "a record of {length} bytes where its block has room for {room}"
                )
            }
            Self::Checksum { expected, got } => {
                write!(
                    f,
                    "checksum mismatch, expected {expected:08x}, got {got:08x}"
                )
            }
            Self::Zeroed => f.write_str("zeroes instead of a record"),
            Self::Padding => f.write_str("the padding of a block is not zero"),
            Self::EndsAfterPadding => {
                f.write_str("the file ends where a block was padded to make way for a record")
            }
            Self::UnknownType { got } => write!(
                f,
                "an intact record of unexpected type {got}, perhaps of a newer RocksDB than 8.10"
            ),
            Self::MixedHeaders => {
                f.write_str("records with and without a log number in the same file")
            }
            Self::ForeignRecord { expected, got } => {
                write!(
                    f,
                    "a record of log {got} where log {expected} must continue"
                )
            }
            Self::OrphanFragment => f.write_str("a fragment without the start of its record"),
            Self::Interrupted { started } => {
                write!(
                    f,
                    "a record begins before the one that started at byte {started} ends"
                )
            }
            Self::Unfinished { started } => {
                write!(
                    f,
                    "the file ends before the record that started at byte {started} does"
                )
            }
            Self::LateCompression => {
                f.write_str("a compression record that is not the first of its file")
            }
            Self::ShortBatch { expected, got } => {
                write!(
                    f,
                    "a record of {got} bytes, but a write batch has at least {expected}"
                )
            }
            Self::SequenceTooLarge { got } => {
                write!(f, "sequence number {got}, beyond RocksDB's 56 bits")
            }
            Self::VersionEdit { tag } => {
                write!(
                    f,
                    "a change of the file list whose field {tag} does not end"
                )
            }
        }
    }
}
