//! Integers of the framings, over input that may end anywhere.
//!
//! A reader is asked for an element and says that it is there, that more bytes are needed, or that it
//! can be none. Asked again with more bytes it never changes its mind about the ones it had.

use crate::error::DecodeError;
use crate::location::{Location, Section};

/// Why an element was not read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The input ends before the element does.
    NeedMore,
    /// No continuation makes it an element.
    Error(DecodeError),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Error(error)
    }
}

/// Appends `value` as minimal ULEB128.
#[inline]
pub(crate) fn put_uleb128(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads elements from the front of a slice whose place in the file is known.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes there were at the start, and where they begin in the file. The place of the next byte
    /// follows, and is worked out when somebody asks.
    len: usize,
    start: u64,
    section: Section,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, the first of which stands at `offset` in the file.
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], offset: u64, section: Section) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
            start: offset,
            section,
        }
    }

    /// Where the next byte stands.
    #[inline]
    pub(crate) const fn location(&self) -> Location {
        self.location_of(self.consumed())
    }

    /// Where the byte behind the first `consumed` ones stands.
    #[inline]
    pub(crate) const fn location_of(&self, consumed: usize) -> Location {
        Location {
            section: self.section,
            offset: self.start + consumed as u64,
        }
    }

    /// Bytes read so far.
    #[inline]
    pub(crate) const fn consumed(&self) -> usize {
        self.len - self.rest.len()
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Stop::NeedMore)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Stop> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Stop::NeedMore)?;
        self.rest = rest;
        Ok(array)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Stop> {
        self.array::<1>().map(|&[byte]| byte)
    }

    #[inline]
    pub(crate) fn u32_be(&mut self) -> Result<u32, Stop> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn u64_be(&mut self) -> Result<u64, Stop> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Reads a minimal ULEB128 number of at most 32 bits.
    #[inline]
    pub(crate) fn uleb128(&mut self) -> Result<u32, Stop> {
        let at = self.location();
        let first = self.u8()?;
        if first < 0x80 {
            Ok(u32::from(first))
        } else {
            self.long_uleb128(at, first)
        }
    }

    fn long_uleb128(&mut self, at: Location, first: u8) -> Result<u32, Stop> {
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let byte = self.u8()?;
            let low = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::OversizedUleb128 { at }.into());
            }
            value |= low << shift;
            if byte < 0x80 {
                return if byte == 0 {
                    Err(DecodeError::NonMinimalUleb128 { at }.into())
                } else {
                    Ok(value)
                };
            }
        }
        // The fifth byte is at most 0x0f, so the loop has returned.
        Err(DecodeError::OversizedUleb128 { at }.into())
    }
}
