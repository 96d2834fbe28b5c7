//! One record of the manifest: which table files a change of the database added and removed.
//!
//! Bytes in, an [`Edit`] out. Only what decides whether a table file belongs to the database is kept;
//! all else is checked for its length and passed over. The tags are those of RocksDB 8.10.

/// Bit of the tags that a reader which does not know them may pass over.
const SAFE_TO_IGNORE: u32 = 1 << 13;

mod tag {
    pub(super) const COMPARATOR: u32 = 1;
    pub(super) const LOG_NUMBER: u32 = 2;
    pub(super) const NEXT_FILE_NUMBER: u32 = 3;
    pub(super) const LAST_SEQUENCE: u32 = 4;
    pub(super) const COMPACT_CURSOR: u32 = 5;
    pub(super) const DELETED_FILE: u32 = 6;
    pub(super) const NEW_FILE: u32 = 7;
    pub(super) const PREV_LOG_NUMBER: u32 = 9;
    pub(super) const MIN_LOG_NUMBER_TO_KEEP: u32 = 10;
    pub(super) const NEW_FILE_2: u32 = 100;
    pub(super) const NEW_FILE_3: u32 = 102;
    pub(super) const NEW_FILE_4: u32 = 103;
    pub(super) const COLUMN_FAMILY: u32 = 200;
    pub(super) const COLUMN_FAMILY_ADD: u32 = 201;
    pub(super) const COLUMN_FAMILY_DROP: u32 = 202;
    pub(super) const MAX_COLUMN_FAMILY: u32 = 203;
    pub(super) const IN_ATOMIC_GROUP: u32 = 300;
    pub(super) const BLOB_FILE_ADDITION: u32 = 400;
    pub(super) const BLOB_FILE_GARBAGE: u32 = 401;
    // Four tags of older versions that say they may be passed over, but carry no length.
    pub(super) const OLD_BLOB_FILE_ADDITION: u32 = super::SAFE_TO_IGNORE + 2;
    pub(super) const OLD_BLOB_FILE_GARBAGE: u32 = super::SAFE_TO_IGNORE + 3;
    pub(super) const OLD_WAL_ADDITION: u32 = super::SAFE_TO_IGNORE + 4;
    pub(super) const OLD_WAL_DELETION: u32 = super::SAFE_TO_IGNORE + 5;
}

/// Ends the custom fields of a new file.
const FILE_FIELDS_END: u32 = 1;
/// Ends the custom fields of a blob file.
const BLOB_FIELDS_END: u32 = 0;

/// What one record changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) column_family: u32,
    pub(super) drops_column_family: bool,
    /// Numbers of the table files.
    pub(super) deleted: Vec<u64>,
    pub(super) added: Vec<u64>,
    /// How many edits of the same atomic group follow, if it is in one.
    pub(super) remaining: Option<u32>,
}

/// Why a record could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EditError {
    /// The tag is not known, and its length neither.
    UnknownTag(u32),
    /// The field of this tag does not end, or the tag itself (0).
    Malformed(u32),
}

impl Edit {
    pub(super) fn decode(record: &[u8]) -> Result<Self, EditError> {
        let mut fields = Fields(record);
        let mut edit = Self::default();
        while !fields.0.is_empty() {
            let tag = fields.u32().ok_or(EditError::Malformed(0))?;
            if !is_known(tag) {
                return Err(EditError::UnknownTag(tag));
            }
            edit.field(tag, &mut fields)
                .ok_or(EditError::Malformed(tag))?;
        }
        Ok(edit)
    }

    /// Takes the field of a known tag; `None` if it does not end.
    fn field(&mut self, tag: u32, fields: &mut Fields<'_>) -> Option<()> {
        match tag {
            tag::DELETED_FILE => {
                fields.u32()?;
                self.deleted.push(fields.u64()?);
            }
            tag::NEW_FILE | tag::NEW_FILE_2 | tag::NEW_FILE_3 | tag::NEW_FILE_4 => {
                self.added.push(fields.new_file(tag)?);
            }
            tag::COLUMN_FAMILY => self.column_family = fields.u32()?,
            tag::COLUMN_FAMILY_DROP => self.drops_column_family = true,
            tag::IN_ATOMIC_GROUP => self.remaining = Some(fields.u32()?),
            tag::COMPACT_CURSOR => {
                fields.u32()?;
                fields.slice()?;
            }
            tag::MAX_COLUMN_FAMILY => {
                fields.u32()?;
            }
            tag::LOG_NUMBER
            | tag::NEXT_FILE_NUMBER
            | tag::LAST_SEQUENCE
            | tag::PREV_LOG_NUMBER
            | tag::MIN_LOG_NUMBER_TO_KEEP => {
                fields.u64()?;
            }
            tag::BLOB_FILE_ADDITION | tag::OLD_BLOB_FILE_ADDITION => {
                fields.integers(3)?;
                fields.slice()?;
                fields.slice()?;
                fields.custom(BLOB_FIELDS_END)?;
            }
            tag::BLOB_FILE_GARBAGE | tag::OLD_BLOB_FILE_GARBAGE => {
                fields.integers(3)?;
                fields.custom(BLOB_FIELDS_END)?;
            }
            // The comparator, a new column family's name, and all that may be passed over.
            _ => {
                fields.slice()?;
            }
        }
        Some(())
    }
}

/// Whether the shape of a tag's field is known.
const fn is_known(tag: u32) -> bool {
    match tag {
        // Superseded by tags with a length; not worth a decoder.
        tag::OLD_WAL_ADDITION | tag::OLD_WAL_DELETION => false,
        tag::COMPARATOR..=tag::NEW_FILE
        | tag::PREV_LOG_NUMBER
        | tag::MIN_LOG_NUMBER_TO_KEEP
        | tag::NEW_FILE_2
        | tag::NEW_FILE_3
        | tag::NEW_FILE_4
        | tag::COLUMN_FAMILY
        | tag::COLUMN_FAMILY_ADD
        | tag::COLUMN_FAMILY_DROP
        | tag::MAX_COLUMN_FAMILY
        | tag::IN_ATOMIC_GROUP
        | tag::BLOB_FILE_ADDITION
        | tag::BLOB_FILE_GARBAGE => true,
        _ => tag & SAFE_TO_IGNORE != 0,
    }
}

/// The rest of a record. Nothing is taken where too little is left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// A variable-length integer: seven bits a byte, the lowest first.
    fn u64(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    fn integers(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.u64().map(|_| ()))
    }

    /// Bytes preceded by their number.
    fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (slice, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(slice)
    }

    /// Tags and slices, up to the tag `end`.
    fn custom(&mut self, end: u32) -> Option<()> {
        while self.u32()? != end {
            self.slice()?;
        }
        Some(())
    }

    /// The number of a new file.
    fn new_file(&mut self, tag: u32) -> Option<u64> {
        self.u32()?;
        let number = self.u64()?;
        if tag == tag::NEW_FILE_3 {
            self.u32()?;
        }
        self.u64()?;
        self.slice()?;
        self.slice()?;
        if tag != tag::NEW_FILE {
            self.integers(2)?;
        }
        if tag == tag::NEW_FILE_4 {
            self.custom(FILE_FIELDS_END)?;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as each tag writes it: level 2, number 300, size 5, keys "ab" and "c".
    const NEW_FILES: [(u32, &[u8]); 4] = [
        (tag::NEW_FILE, b"\x07\x02\xac\x02\x05\x02ab\x01c"),
        (tag::NEW_FILE_2, b"\x64\x02\xac\x02\x05\x02ab\x01c\x08\x09"),
        (
            tag::NEW_FILE_3,
            b"\x66\x02\xac\x02\x00\x05\x02ab\x01c\x08\x09",
        ),
        (
            tag::NEW_FILE_4,
            // Fields 13 and 6, then the end.
            b"\x67\x02\xac\x02\x05\x02ab\x01c\x08\x09\x0d\x01\x07\x06\x02\x80\x01\x01",
        ),
    ];

    /// All other tags with their fields.
    const OTHERS: [(u32, &[u8]); 20] = [
        (tag::COMPARATOR, b"\x01\x03cmp"),
        (tag::LOG_NUMBER, b"\x02\x80\x01"),
        (tag::NEXT_FILE_NUMBER, b"\x03\x80\x01"),
        (
            tag::LAST_SEQUENCE,
            b"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ),
        (tag::COMPACT_CURSOR, b"\x05\x01\x02xy"),
        (tag::DELETED_FILE, b"\x06\x00\xac\x02"),
        (tag::PREV_LOG_NUMBER, b"\x09\x00"),
        (tag::MIN_LOG_NUMBER_TO_KEEP, b"\x0a\x05"),
        (tag::COLUMN_FAMILY, b"\xc8\x01\x03"),
        (tag::COLUMN_FAMILY_ADD, b"\xc9\x01\x04name"),
        (tag::COLUMN_FAMILY_DROP, b"\xca\x01"),
        (tag::MAX_COLUMN_FAMILY, b"\xcb\x01\x09"),
        (tag::IN_ATOMIC_GROUP, b"\xac\x02\x01"),
        (
            tag::BLOB_FILE_ADDITION,
            b"\x90\x03\x01\x02\x03\x01m\x02vv\x05\x01z\x00",
        ),
        (tag::BLOB_FILE_GARBAGE, b"\x91\x03\x01\x02\x03\x05\x01z\x00"),
        (
            tag::OLD_BLOB_FILE_ADDITION,
            b"\x82\x40\x01\x02\x03\x00\x00\x00",
        ),
        (tag::OLD_BLOB_FILE_GARBAGE, b"\x83\x40\x01\x02\x03\x00"),
        (SAFE_TO_IGNORE + 1, b"\x81\x40\x02id"),
        (SAFE_TO_IGNORE + 6, b"\x86\x40\x01t"),
        (SAFE_TO_IGNORE + 999, b"\xe7\x47\x00"),
    ];

    #[test]
    fn every_new_file_gives_its_number() {
        for (_, bytes) in NEW_FILES {
            let expected = Edit {
                added: vec![300],
                ..Edit::default()
            };
            assert_eq!(Edit::decode(bytes), Ok(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn all_fields_stand_in_one_record() {
        let all = OTHERS.iter().chain(&NEW_FILES);
        let record: Vec<u8> = all.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let expected = Edit {
            column_family: 3,
            drops_column_family: true,
            deleted: vec![300],
            added: vec![300; 4],
            remaining: Some(1),
        };
        assert_eq!(Edit::decode(&record), Ok(expected));
        assert_eq!(Edit::decode(b""), Ok(Edit::default()));
    }

    #[test]
    fn every_field_that_is_cut_is_refused() {
        for (tag, bytes) in OTHERS.iter().chain(&NEW_FILES) {
            assert!(Edit::decode(bytes).is_ok(), "{bytes:x?}");
            let tag_length = if *tag < 128 { 1 } else { 2 };
            for length in 1..bytes.len() {
                let named = if length < tag_length { 0 } else { *tag };
                assert_eq!(
                    Edit::decode(&bytes[..length]),
                    Err(EditError::Malformed(named)),
                    "{bytes:x?} cut to {length}"
                );
            }
        }
    }

    #[test]
    fn unknown_tags_are_told_from_damage() {
        let unknown: [(&[u8], u32); 5] = [
            (b"\x00", 0),
            (b"\x08\x01", 8),
            (b"\xcc\x01\x01", 204),
            (b"\x84\x40\x01\x01", tag::OLD_WAL_ADDITION),
            (b"\x85\x40\x01", tag::OLD_WAL_DELETION),
        ];
        for (bytes, tag) in unknown {
            assert_eq!(Edit::decode(bytes), Err(EditError::UnknownTag(tag)));
        }
        // More than 64 bits, and a tag of more than 32.
        assert_eq!(
            Edit::decode(b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
            Err(EditError::Malformed(tag::LOG_NUMBER))
        );
        assert_eq!(
            Edit::decode(b"\x80\x80\x80\x80\x10"),
            Err(EditError::Malformed(0))
        );
    }
}
