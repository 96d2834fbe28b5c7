//! Single elements of a snapshot, read from contiguous bytes.
//!
//! Elements are read front to back and judged byte by byte, so that a longer input never changes
//! what a shorter one was told. What depends on earlier elements is judged in `state`.

use crate::error::DecodeError;
use crate::framing::{Framing, sealed};
use crate::header::{CountedHeader, Header, SealedHeader};
use crate::limits::{KEY_LEN, MAGIC, MAX_FIELD_LEN, MAX_HEADER_LEN, VERSION};
use crate::location::Location;
use crate::wire::{Reader, Stop};

/// Magic and version.
pub(super) fn preamble(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let at = reader.location();
    let got = reader.u32_be()?;
    if got != MAGIC {
        return Err(DecodeError::WrongMagic { at, got }.into());
    }
    let at = reader.location();
    let got = reader.u32_be()?;
    if got != VERSION {
        return Err(DecodeError::UnknownVersion { at, got }.into());
    }
    Ok(())
}

/// The header with its length, of the framing that shows in the first byte.
pub(super) fn header(reader: &mut Reader<'_>, expected: Option<Framing>) -> Result<Header, Stop> {
    let at = reader.location();
    let framing = Framing::from_byte_8(reader.clone().u8()?);
    if let Some(expected) = expected
        && expected != framing
    {
        return Err(DecodeError::WrongFraming {
            at,
            expected,
            got: framing,
        }
        .into());
    }
    let len = match framing {
        Framing::Sealed => reader.u32_be()?,
        Framing::Counted => reader.uleb128()?,
    };
    let len = bounded(at, "header", len, MAX_HEADER_LEN)?;
    let at = reader.location();
    let bytes = reader.bytes(len)?;
    let header = match framing {
        Framing::Sealed => SealedHeader::decode(bytes).map(Header::Sealed),
        Framing::Counted => CountedHeader::decode(bytes).map(Header::Counted),
    };
    header.map_err(|source| DecodeError::InvalidHeader { at, source }.into())
}

/// The tag that must open the next section.
pub(super) fn tag(reader: &mut Reader<'_>, expected: u8) -> Result<(), Stop> {
    let at = reader.location();
    let got = reader.u8()?;
    if got == expected {
        Ok(())
    } else {
        Err(DecodeError::WrongTag { at, expected, got }.into())
    }
}

/// An entry whose value is not yet judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEntry<'a> {
    /// Bytes that the reader had consumed before the key.
    pub(super) key_at: usize,
    pub(super) key: &'a [u8; KEY_LEN],
    /// Likewise before the value.
    pub(super) value_at: usize,
    pub(super) value: &'a [u8],
}

/// An entry, or the end of its section.
#[derive(Clone, Copy, Debug)]
pub(super) enum EntryOrEnd<'a> {
    Entry(RawEntry<'a>),
    End { at: Location, count: u64 },
}

/// An entry of the sealed framing, or the end of the section.
#[inline]
pub(super) fn sealed_entry<'a>(reader: &mut Reader<'a>) -> Result<EntryOrEnd<'a>, Stop> {
    let at = reader.location();
    match reader.u8()? {
        sealed::ENTRY_MARKER => entry(reader, Reader::u32_be).map(EntryOrEnd::Entry),
        sealed::END_MARKER => {
            let at = reader.location();
            Ok(EntryOrEnd::End {
                at,
                count: reader.u64_be()?,
            })
        }
        got => Err(DecodeError::UnknownMarker { at, got }.into()),
    }
}

/// An entry of the counted framing.
#[inline]
pub(super) fn counted_entry<'a>(reader: &mut Reader<'a>) -> Result<RawEntry<'a>, Stop> {
    entry(reader, Reader::uleb128)
}

#[inline]
fn entry<'a>(
    reader: &mut Reader<'a>,
    length: impl Fn(&mut Reader<'a>) -> Result<u32, Stop>,
) -> Result<RawEntry<'a>, Stop> {
    let at = reader.location();
    let got = length(reader)?;
    if got as usize != KEY_LEN {
        bounded(at, "key", got, MAX_FIELD_LEN)?;
        return Err(DecodeError::KeyLength { at, got }.into());
    }
    let key_at = reader.consumed();
    let key = reader.array()?;
    let at = reader.location();
    let len = bounded(at, "value", length(reader)?, MAX_FIELD_LEN)?;
    let value_at = reader.consumed();
    let value = reader.bytes(len)?;
    Ok(RawEntry {
        key_at,
        key,
        value_at,
        value,
    })
}

#[inline]
fn bounded(at: Location, what: &'static str, got: u32, limit: usize) -> Result<usize, Stop> {
    let len = got as usize;
    if len <= limit {
        Ok(len)
    } else {
        Err(DecodeError::LengthLimit {
            at,
            what,
            got,
            limit,
        }
        .into())
    }
}
