//! The message of every error, as an operator reads it.

use std::error::Error as _;
use std::fmt::Write as _;

use snapshot_format::{
    ChunkPosition, DecodeError, Digest, EncodeError, EntryError, Framing, Location, NotWhole,
    ObjectId, Section, Table, ValueError,
};

const TABLE: Table = Table::PerObjectBlobInfo;

fn at(section: Section, offset: u64) -> Location {
    Location { section, offset }
}

fn key(byte: u8) -> ObjectId {
    ObjectId::new([byte; 32])
}

fn bad_bool() -> ValueError {
    ValueError::InvalidBool {
        field: "deletable",
        offset: 46,
        got: 2,
    }
}

/// One line for each error: its variant and its message.
fn lines<E: std::error::Error>(errors: &[E]) -> String {
    let mut text = String::new();
    for error in errors {
        let debug = format!("{error:?}");
        let variant = debug.split([' ', '(']).next().unwrap();
        writeln!(text, "{variant}: {error}").unwrap();
    }
    text
}

#[test]
fn decode_errors() {
    let section = |offset| at(Section::Table(TABLE), offset);
    let errors = [
        DecodeError::WrongMagic {
            at: at(Section::Preamble, 0),
            got: 0x7f45_4c46,
        },
        DecodeError::UnknownVersion {
            at: at(Section::Preamble, 4),
            got: 2,
        },
        DecodeError::WrongFraming {
            at: at(Section::Header, 8),
            expected: Framing::Sealed,
            got: Framing::Counted,
        },
        DecodeError::InvalidHeader {
            at: at(Section::Header, 12),
            source: ValueError::Invalid {
                what: "chunk_index must be below chunk_count",
            },
        },
        DecodeError::WrongTag {
            at: section(65),
            expected: 1,
            got: 2,
        },
        DecodeError::UnknownMarker {
            at: section(66),
            got: 7,
        },
        DecodeError::CountMismatch {
            at: section(323),
            expected: 2,
            got: 3,
        },
        DecodeError::KeysNotIncreasing {
            at: section(201),
            previous: key(0x22),
            key: key(0x11),
        },
        DecodeError::KeyLength {
            at: section(67),
            got: 31,
        },
        DecodeError::LengthLimit {
            at: section(103),
            what: "value",
            got: u32::MAX,
            limit: 1024,
        },
        DecodeError::InvalidValue {
            at: section(107),
            key: key(0x11),
            source: bad_bool(),
        },
        DecodeError::UnknownVariant {
            at: section(107),
            key: key(0x11),
            variant: 1,
        },
        DecodeError::NonMinimalUleb128 { at: section(72) },
        DecodeError::OversizedUleb128 { at: section(72) },
        DecodeError::UnexpectedEnd {
            at: at(Section::Trailer, 761),
        },
        DecodeError::TrailingBytes {
            at: at(Section::End, 767),
        },
        DecodeError::ChecksumMismatch {
            at: at(Section::Trailer, 759),
            expected: Digest(0x0123_4567_89ab_cdef),
            got: Digest(0),
        },
    ];
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn value_errors() {
    let errors = [
        ValueError::TooShort {
            field: "blob_id",
            offset: 1,
            needed: 32,
            left: 8,
        },
        ValueError::TrailingBytes {
            offset: 9,
            count: 1,
        },
        bad_bool(),
        ValueError::InvalidOptionTag {
            field: "certified_epoch",
            offset: 37,
            got: 2,
        },
        ValueError::InvalidDigestLength {
            field: "event",
            offset: 43,
            got: 0x1f,
        },
        ValueError::UnknownVariant { got: 1 },
        ValueError::InvalidVariantIndex,
        ValueError::Invalid {
            what: "chunk_index must be below chunk_count",
        },
    ];
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn entry_errors() {
    let errors = [
        EntryError::KeyLength {
            table: TABLE,
            key: vec![0x11; 3],
        },
        EntryError::KeysNotIncreasing {
            table: TABLE,
            previous: key(0x22),
            key: key(0x11),
        },
        EntryError::InvalidValue {
            table: TABLE,
            key: key(0x11),
            source: bad_bool(),
        },
    ];
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn encode_errors() {
    let errors: [EncodeError<std::io::Error>; 7] = [
        EncodeError::InvalidHeader(ValueError::Invalid {
            what: "chunk_index must be below chunk_count",
        }),
        EncodeError::Entry(EntryError::KeyLength {
            table: TABLE,
            key: Vec::new(),
        }),
        EncodeError::TableOrder {
            table: TABLE,
            current: Table::StoragePoolInfo,
        },
        EncodeError::BlockFraming {
            expected: Framing::Sealed,
            got: Framing::Counted,
        },
        EncodeError::CountMismatch {
            table: TABLE,
            expected: 2,
            got: 1,
        },
        EncodeError::Sink(std::io::Error::other("disk full")),
        EncodeError::Poisoned,
    ];
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn causes_are_reachable() {
    fn cause(error: &impl std::error::Error) -> String {
        error.source().map(ToString::to_string).unwrap_or_default()
    }
    let decode = DecodeError::InvalidValue {
        at: at(Section::Table(TABLE), 107),
        key: key(0x11),
        source: bad_bool(),
    };
    let sink = EncodeError::Sink(std::io::Error::other("disk full"));
    assert_eq!(cause(&decode), bad_bool().to_string());
    assert_eq!(cause(&sink), "disk full");
    assert!(EncodeError::<std::io::Error>::Poisoned.source().is_none());
}

#[test]
fn one_chunk_of_several() {
    let error = NotWhole {
        chunk: ChunkPosition { index: 1, count: 3 },
    };
    insta::assert_snapshot!(lines(&[error]));
}
