//! Strict reading of one BCS value in place: a cursor that knows its offset, and the errors of it.
//!
//! Used for table values and headers alike. What the fields mean stands with each record; nothing
//! here allocates.

use crate::id::{BlobId, Epoch, EventId, ObjectId, TransactionDigest};

/// Why bytes are not the canonical BCS of a value.
///
/// Offsets count from the first byte of the value. Source: `docs/format.md`, "Values".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value ends before its last field.
    #[error("value ends early: {field} at offset {offset} needs {needed} bytes, {left} are left")]
    TooShort {
        /// The field that is cut.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// Bytes the field takes.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the end of the value at offset {offset}")]
    TrailingBytes {
        /// Where the value should have ended.
        offset: usize,
        /// Bytes after it.
        count: usize,
    },
    /// A boolean is neither 0 nor 1.
    #[error("{field} at offset {offset} must be 0 or 1, got {got}")]
    InvalidBool {
        /// The field.
        field: &'static str,
        /// Where it stands.
        offset: usize,
        /// The byte there.
        got: u8,
    },
    /// An option tag is neither 0 nor 1.
    #[error("option tag of {field} at offset {offset} must be 0 or 1, got {got}")]
    InvalidOptionTag {
        /// The field.
        field: &'static str,
        /// Where its tag stands.
        offset: usize,
        /// The byte there.
        got: u8,
    },
    /// A transaction digest's length byte is not `0x20`.
    #[error("length of {field} at offset {offset} must be 0x20, got {got:#04x}")]
    InvalidDigestLength {
        /// The field.
        field: &'static str,
        /// Where the length byte stands.
        offset: usize,
        /// The byte there.
        got: u8,
    },
    /// The variant index is a canonical one, but none this version knows.
    #[error(
        "unknown variant {got}: written by newer software; use a newer version of this program"
    )]
    UnknownVariant {
        /// The variant index.
        got: u32,
    },
    /// The variant index is not a minimal ULEB128 of 32 bits.
    #[error("variant index is not a canonical ULEB128 number")]
    InvalidVariantIndex,
    /// The fields are canonical, but contradict each other or the format.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads BCS strictly and in place, field by field, without allocating.
///
/// For values of tables, and for what else a node keeps in BCS. The name of a field is for errors.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    len: usize,
}

/// Always inlined, errors aside: a value takes a few nanoseconds, and only so does the place in it
/// stay in a register.
impl<'a> Fields<'a> {
    /// Reads all of `value` with `read`.
    ///
    /// # Errors
    ///
    /// Those of `read`, and [`ValueError::TrailingBytes`] if it leaves anything.
    #[inline(always)]
    pub fn read_all<T>(
        value: &'a [u8],
        read: impl FnOnce(&mut Self) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        let mut fields = Self::new(value);
        let read = read(&mut fields)?;
        fields.end()?;
        Ok(read)
    }

    /// Starts at the first byte of `value`.
    #[must_use]
    pub const fn new(value: &'a [u8]) -> Self {
        Self {
            rest: value,
            len: value.len(),
        }
    }

    const fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], ValueError> {
        match self.rest.split_first_chunk() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(array)
            }
            None => Err(too_short(field, self.len, self.rest.len(), N)),
        }
    }

    #[inline(always)]
    fn byte(&mut self, field: &'static str) -> Result<u8, ValueError> {
        self.array::<1>(field).map(|&[byte]| byte)
    }

    /// Reads an enum's variant index. An index the caller does not know is its
    /// [`ValueError::UnknownVariant`].
    ///
    /// # Errors
    ///
    /// If it is not minimal ULEB128 of 32 bits, or the value ends in it.
    #[inline(always)]
    pub fn variant(&mut self) -> Result<u32, ValueError> {
        match self.byte("variant")? {
            first @ 0..0x80 => Ok(u32::from(first)),
            first => self.long_variant(first),
        }
    }

    /// The rest of a variant index of more than one byte.
    #[cold]
    #[inline(never)]
    fn long_variant(&mut self, first: u8) -> Result<u32, ValueError> {
        let mut index = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let byte = self.byte("variant")?;
            // A fifth byte may hold the top four of 32 bits; a last byte of 0 is not minimal.
            if shift == 28 && byte > 0x0f {
                break;
            }
            index |= u32::from(byte & 0x7f) << shift;
            match byte {
                0 => break,
                1..0x80 => return Ok(index),
                0x80.. => {}
            }
        }
        Err(ValueError::InvalidVariantIndex)
    }

    /// Reads an enum's variant index, of which only 0 is known.
    ///
    /// # Errors
    ///
    /// [`ValueError::UnknownVariant`] for any other canonical index.
    #[inline(always)]
    pub(crate) fn variant_v1(&mut self) -> Result<(), ValueError> {
        match self.variant()? {
            0 => Ok(()),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }

    /// Reads a little-endian u32.
    ///
    /// # Errors
    ///
    /// If the value ends in it.
    #[inline(always)]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, ValueError> {
        self.array(field).map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Reads a little-endian u64.
    ///
    /// # Errors
    ///
    /// If the value ends in it.
    #[inline(always)]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, ValueError> {
        self.array(field).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Reads a boolean.
    ///
    /// # Errors
    ///
    /// If the value ends in it, or it is neither 0 nor 1.
    #[inline(always)]
    pub fn bool(&mut self, field: &'static str) -> Result<bool, ValueError> {
        let offset = self.offset();
        match self.byte(field)? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(ValueError::InvalidBool { field, offset, got }),
        }
    }

    /// Reads an option, its content with `read`.
    ///
    /// # Errors
    ///
    /// If the value ends in it, its tag is neither 0 nor 1, or `read` fails.
    #[inline(always)]
    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ValueError> {
        let offset = self.offset();
        match self.byte(field)? {
            0 => Ok(None),
            1 => read(self, field).map(Some),
            got => Err(ValueError::InvalidOptionTag { field, offset, got }),
        }
    }

    /// Reads an epoch.
    ///
    /// # Errors
    ///
    /// If the value ends in it.
    #[inline(always)]
    pub fn epoch(&mut self, field: &'static str) -> Result<Epoch, ValueError> {
        self.u32(field).map(Epoch)
    }

    /// Reads a blob ID.
    ///
    /// # Errors
    ///
    /// If the value ends in it.
    #[inline(always)]
    pub fn blob_id(&mut self, field: &'static str) -> Result<BlobId, ValueError> {
        self.array(field).map(|bytes| BlobId::new(*bytes))
    }

    /// Reads an object ID.
    ///
    /// # Errors
    ///
    /// If the value ends in it.
    #[inline(always)]
    pub fn object_id(&mut self, field: &'static str) -> Result<ObjectId, ValueError> {
        self.array(field).map(|bytes| ObjectId::new(*bytes))
    }

    /// Reads an event ID.
    ///
    /// # Errors
    ///
    /// If the value ends in it, or the digest's length byte is not `0x20`.
    #[inline(always)]
    pub fn event_id(&mut self, field: &'static str) -> Result<EventId, ValueError> {
        let offset = self.offset();
        match self.byte(field)? {
            0x20 => {}
            got => return Err(ValueError::InvalidDigestLength { field, offset, got }),
        }
        Ok(EventId {
            tx_digest: TransactionDigest::new(*self.array(field)?),
            event_seq: self.u64(field)?,
        })
    }

    /// Ends the value.
    ///
    /// # Errors
    ///
    /// [`ValueError::TrailingBytes`] if anything is left.
    #[inline(always)]
    pub fn end(self) -> Result<(), ValueError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(ValueError::TrailingBytes {
                offset: self.offset(),
                count: self.rest.len(),
            })
        }
    }
}

#[cold]
#[inline(never)]
fn too_short(field: &'static str, len: usize, left: usize, needed: usize) -> ValueError {
    ValueError::TooShort {
        field,
        offset: len - left,
        needed,
        left,
    }
}
