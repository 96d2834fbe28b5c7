//! One record of the manifest: which table files a change of the database added and removed.
//!
//! Bytes in, an [`Edit`] out. Only what decides which files belong to the database is kept; all else is
//! checked for its length and passed over. The tags are those of RocksDB 8.10.

use super::manifest::LiveFile;

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
    pub(super) const WAL_ADDITION: u32 = super::SAFE_TO_IGNORE + 7;
    pub(super) const WAL_DELETION: u32 = super::SAFE_TO_IGNORE + 8;
}

/// The custom fields of a new file.
mod file_field {
    pub(super) const END: u32 = 1;
    pub(super) const MIN_LOG_NUMBER: u32 = 3;
    pub(super) const OLDEST_BLOB_FILE: u32 = 4;
    pub(super) const PATH_ID: u32 = 65;
}

/// The custom fields of a write-ahead log.
mod wal_field {
    pub(super) const END: u32 = 1;
    pub(super) const SYNCED_SIZE: u32 = 2;
}

/// Ends the custom fields of a blob file.
const BLOB_FIELDS_END: u32 = 0;

/// What one record changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) column_family: u32,
    /// The name, if the record adds the column family.
    pub(super) adds_column_family: Option<Vec<u8>>,
    pub(super) drops_column_family: bool,
    pub(super) comparator: Option<Vec<u8>>,
    /// The log from which on the column family's rows are in no table file.
    pub(super) log_number: Option<u64>,
    pub(super) min_log_number: Option<u64>,
    /// Numbers of the table files.
    pub(super) deleted: Vec<u64>,
    pub(super) added: Vec<(u64, LiveFile)>,
    /// Numbers of blob files, and how many blobs they hold.
    pub(super) added_blobs: Vec<(u64, u64)>,
    /// Numbers of blob files, and how many of their blobs became garbage.
    pub(super) garbage: Vec<(u64, u64)>,
    /// Numbers of write-ahead logs, and their synced size if it is known.
    pub(super) added_logs: Vec<(u64, Option<u64>)>,
    /// Logs below this number are no longer tracked.
    pub(super) deleted_logs: Option<u64>,
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
                self.new_file(tag, fields)?;
            }
            tag::COLUMN_FAMILY => self.column_family = fields.u32()?,
            tag::COLUMN_FAMILY_ADD => self.adds_column_family = Some(fields.slice()?.to_vec()),
            tag::COLUMN_FAMILY_DROP => self.drops_column_family = true,
            tag::COMPARATOR => self.comparator = Some(fields.slice()?.to_vec()),
            tag::IN_ATOMIC_GROUP => self.remaining = Some(fields.u32()?),
            tag::COMPACT_CURSOR => {
                fields.u32()?;
                fields.slice()?;
            }
            tag::MAX_COLUMN_FAMILY => {
                fields.u32()?;
            }
            tag::LOG_NUMBER => self.log_number = Some(fields.u64()?),
            tag::MIN_LOG_NUMBER_TO_KEEP => self.min_log_number = Some(fields.u64()?),
            tag::NEXT_FILE_NUMBER | tag::LAST_SEQUENCE | tag::PREV_LOG_NUMBER => {
                fields.u64()?;
            }
            tag::BLOB_FILE_ADDITION | tag::OLD_BLOB_FILE_ADDITION => {
                let added = (fields.u64()?, fields.u64()?);
                fields.u64()?;
                fields.slice()?;
                fields.slice()?;
                fields.custom(BLOB_FIELDS_END, |_, _| Some(()))?;
                if tag == tag::BLOB_FILE_ADDITION {
                    self.added_blobs.push(added);
                }
            }
            tag::BLOB_FILE_GARBAGE | tag::OLD_BLOB_FILE_GARBAGE => {
                let garbage = (fields.u64()?, fields.u64()?);
                fields.u64()?;
                fields.custom(BLOB_FIELDS_END, |_, _| Some(()))?;
                if tag == tag::BLOB_FILE_GARBAGE {
                    self.garbage.push(garbage);
                }
            }
            tag::WAL_ADDITION => self.log_added(&mut Fields(fields.slice()?))?,
            tag::WAL_DELETION => self.deleted_logs = Some(Fields(fields.slice()?).u64()?),
            // All that may be passed over.
            _ => {
                fields.slice()?;
            }
        }
        Some(())
    }

    fn new_file(&mut self, tag: u32, fields: &mut Fields<'_>) -> Option<()> {
        let mut file = LiveFile {
            level: fields.u32()?,
            ..LiveFile::default()
        };
        let number = fields.u64()?;
        if tag == tag::NEW_FILE_3 {
            file.path_id = fields.u32()?;
        }
        file.size = fields.u64()?;
        fields.slice()?;
        fields.slice()?;
        if tag != tag::NEW_FILE {
            fields.integers(2)?;
        }
        if tag == tag::NEW_FILE_4 {
            fields.custom(file_field::END, |field, value| {
                match field {
                    file_field::PATH_ID => file.path_id = u32::from(*value.first()?),
                    file_field::OLDEST_BLOB_FILE => {
                        file.oldest_blob_file = Some(Fields(value).u64()?);
                    }
                    file_field::MIN_LOG_NUMBER => {
                        let number = u64::from_le_bytes(*value.first_chunk()?);
                        self.min_log_number = Some(number);
                    }
                    _ => {}
                }
                Some(())
            })?;
        }
        self.added.push((number, file));
        Some(())
    }

    fn log_added(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let number = fields.u64()?;
        let mut synced = None;
        loop {
            match fields.u32()? {
                wal_field::END => break,
                wal_field::SYNCED_SIZE => synced = Some(fields.u64()?),
                _ => return None,
            }
        }
        self.added_logs.push((number, synced));
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
    fn custom(
        &mut self,
        end: u32,
        mut each: impl FnMut(u32, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        loop {
            let tag = self.u32()?;
            if tag == end {
                return Some(());
            }
            each(tag, self.slice()?)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: LiveFile = LiveFile {
        level: 2,
        path_id: 0,
        size: 5,
        oldest_blob_file: None,
    };

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
    const OTHERS: [(u32, &[u8]); 22] = [
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
        (tag::WAL_ADDITION, b"\x87\x40\x05\x09\x02\x80\x01\x01"),
        (tag::WAL_DELETION, b"\x88\x40\x01\x08"),
        (SAFE_TO_IGNORE + 1, b"\x81\x40\x02id"),
        (SAFE_TO_IGNORE + 6, b"\x86\x40\x01t"),
        (SAFE_TO_IGNORE + 999, b"\xe7\x47\x00"),
    ];

    #[test]
    fn every_new_file_gives_its_number() {
        for (_, bytes) in NEW_FILES {
            let expected = Edit {
                added: vec![(300, FILE)],
                ..Edit::default()
            };
            assert_eq!(Edit::decode(bytes), Ok(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn a_new_file_says_where_it_is_and_which_blobs_it_needs() {
        let in_third = b"\x66\x02\xac\x02\x03\x05\x02ab\x01c\x08\x09";
        let custom = b"\x67\x02\xac\x02\x05\x02ab\x01c\x08\x09\x41\x01\x03\x04\x01\x07\x01";
        let added = |bytes| Edit::decode(bytes).map(|edit| edit.added);
        let path_id = 3;
        assert_eq!(
            added(in_third),
            Ok(vec![(300, LiveFile { path_id, ..FILE })])
        );
        let oldest_blob_file = Some(7);
        let file = LiveFile {
            path_id,
            oldest_blob_file,
            ..FILE
        };
        assert_eq!(added(custom), Ok(vec![(300, file)]));
    }

    #[test]
    fn all_fields_stand_in_one_record() {
        let all = OTHERS.iter().chain(&NEW_FILES);
        let record: Vec<u8> = all.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let expected = Edit {
            column_family: 3,
            adds_column_family: Some(b"name".to_vec()),
            drops_column_family: true,
            comparator: Some(b"cmp".to_vec()),
            log_number: Some(128),
            min_log_number: Some(5),
            deleted: vec![300],
            added: vec![(300, FILE); 4],
            added_blobs: vec![(1, 2)],
            garbage: vec![(1, 2)],
            added_logs: vec![(9, Some(128))],
            deleted_logs: Some(8),
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
