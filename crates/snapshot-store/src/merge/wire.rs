//! Strict reading of BCS in place, for what only a node's database holds: merge operands, rows of
//! `aggregate_blob_info`, and the event cursor.
//!
//! The values of the three snapshot tables are not read here but by `snapshot-format`, whose
//! [`ValueError`] serves here too. What the fields mean stands with each type.

use snapshot_format::{BlobId, Epoch, EventId, ObjectId, TransactionDigest, ValueError};

/// Length prefix of a transaction digest, which is a byte string in BCS.
const DIGEST_LEN: u8 = 32;

/// Reads BCS field by field and knows how far it is.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    const fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], ValueError> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(ValueError::TooShort {
                field,
                offset: self.offset(),
                needed: N,
                left: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(array)
    }

    #[inline]
    fn byte(&mut self, field: &'static str) -> Result<u8, ValueError> {
        self.array::<1>(field).map(|&[byte]| byte)
    }

    /// Reads an enum's variant index. An index the caller does not know is its
    /// [`ValueError::UnknownVariant`].
    #[inline]
    pub(crate) fn variant(&mut self) -> Result<u32, ValueError> {
        let first = self.byte("variant")?;
        if first < 0x80 {
            Ok(first.into())
        } else {
            self.long_variant(first)
        }
    }

    /// The rest of a variant index of more than one byte: minimal, and of at most 32 bits.
    #[cold]
    fn long_variant(&mut self, first: u8) -> Result<u32, ValueError> {
        let mut index = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let byte = self.byte("variant")?;
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

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ValueError> {
        self.array(field).map(|bytes| u32::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, ValueError> {
        self.array(field).map(|bytes| u64::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, ValueError> {
        let offset = self.offset();
        match self.byte(field)? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(ValueError::InvalidBool { field, offset, got }),
        }
    }

    #[inline]
    pub(crate) fn option<T>(
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

    #[inline]
    pub(crate) fn epoch(&mut self, field: &'static str) -> Result<Epoch, ValueError> {
        self.u32(field).map(Epoch)
    }

    #[inline]
    pub(crate) fn blob_id(&mut self, field: &'static str) -> Result<BlobId, ValueError> {
        self.array(field).map(|bytes| BlobId::new(*bytes))
    }

    #[inline]
    pub(crate) fn object_id(&mut self, field: &'static str) -> Result<ObjectId, ValueError> {
        self.array(field).map(|bytes| ObjectId::new(*bytes))
    }

    #[inline]
    pub(crate) fn event_id(&mut self, field: &'static str) -> Result<EventId, ValueError> {
        let offset = self.offset();
        match self.byte(field)? {
            DIGEST_LEN => {}
            got => return Err(ValueError::InvalidDigestLength { field, offset, got }),
        }
        Ok(EventId {
            tx_digest: TransactionDigest::new(*self.array(field)?),
            event_seq: self.u64(field)?,
        })
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`ValueError::TrailingBytes`] if anything is left.
    #[inline]
    pub(crate) fn end(self) -> Result<(), ValueError> {
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

/// Reads all of `bytes` with `read`.
///
/// # Errors
///
/// Those of `read`, and [`ValueError::TrailingBytes`] if it leaves anything.
#[inline]
pub(crate) fn read_all<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, ValueError>,
) -> Result<T, ValueError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}
