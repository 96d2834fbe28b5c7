//! What stands where in a snapshot file: every byte belongs to one named field.
//!
//! A reading of the byte tables of `docs/format.md` that shares nothing with the decoder but the text
//! forms of identifiers, and that goes on where the decoder stops: a dump of a damaged file must show
//! the damage. Nothing here judges.

use snapshot_format::{BlobId, Framing, ObjectId, Table, TransactionDigest};

/// Longest header, key or value in bytes that is taken apart; a longer one is damage.
const LONGEST: usize = 1024;

/// A named run of bytes.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The part of the file: `preamble`, `header`, a table, an entry as `table[index]`, `trailer`, or
    /// `unread`.
    pub(super) group: String,
    /// The name within the part.
    pub(super) name: &'static str,
    /// Where it begins and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What the bytes say, for people.
    pub(super) value: String,
}

impl Field {
    /// Group and name, as edits refer to fields.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.group, self.name)
    }
}

/// The fields of a file, in order and without gaps.
pub(super) fn fields(bytes: &[u8]) -> Vec<Field> {
    let mut walker = Walker {
        rest: bytes,
        at: 0,
        framing: bytes
            .get(8)
            .map_or(Framing::Sealed, |byte| Framing::from_byte_8(*byte)),
        group: String::new(),
        fields: Vec::new(),
    };
    // What stops the walk needs no word: the bytes from there on are shown as they are.
    let _stopped = walker.file();
    "unread".clone_into(&mut walker.group);
    walker.leftover("bytes");
    walker.fields
}

struct Walker<'a> {
    rest: &'a [u8],
    at: usize,
    framing: Framing,
    group: String,
    fields: Vec<Field>,
}

/// Every method that takes bytes gives `None` when the walk cannot go on.
impl Walker<'_> {
    fn file(&mut self) -> Option<()> {
        "preamble".clone_into(&mut self.group);
        self.take("magic", 4, |bytes| format!("{:#010x}", be(bytes)))?;
        self.take("version", 4, |bytes| be(bytes).to_string())?;
        "header".clone_into(&mut self.group);
        let len = self.length("header_len")?;
        match self.framing {
            Framing::Sealed => self.within(len, Self::sealed_header)?,
            Framing::Counted => self.within(len, Self::counted_header)?,
        }
        for table in self.framing.tables() {
            self.section(table)?;
        }
        if self.framing == Framing::Sealed {
            "trailer".clone_into(&mut self.group);
            self.take("checksum", 8, |bytes| format!("{:016x}", be(bytes)))?;
        }
        Some(())
    }

    fn sealed_header(&mut self) -> Option<()> {
        self.u32("epoch")?;
        if self.option("event_cursor.event_id")? {
            self.event("tx_digest.len", "tx_digest", "event_seq")?;
        }
        self.u64("event_cursor.element_index")?;
        self.take("prev_snapshot_blob_id", 32, blob_id)?;
        self.u32("chunk_index")?;
        self.u32("chunk_count")
    }

    fn counted_header(&mut self) -> Option<()> {
        self.u32("epoch")?;
        self.variant()?;
        self.event("tx_digest.len", "tx_digest", "event_seq")?;
        self.u64("next_event_index")
    }

    fn section(&mut self, table: Table) -> Option<()> {
        table.name().clone_into(&mut self.group);
        let tag = self.take("tag", 1, |bytes| be(bytes).to_string())?;
        if be(tag) != u64::from(self.framing.tag(table)) {
            return None;
        }
        match self.framing {
            Framing::Sealed => self.sealed_entries(table),
            Framing::Counted => self.counted_entries(table),
        }
    }

    fn sealed_entries(&mut self, table: Table) -> Option<()> {
        for index in 0_u64.. {
            match self.rest.first()? {
                1 => {
                    self.group = format!("{table}[{index}]");
                    self.take("marker", 1, |_| "entry".to_owned())?;
                    self.entry(table)?;
                }
                0 => break,
                _ => {
                    table.name().clone_into(&mut self.group);
                    self.take("marker", 1, |_| "unknown".to_owned())?;
                    return None;
                }
            }
        }
        table.name().clone_into(&mut self.group);
        self.take("end", 1, |_| "end of section".to_owned())?;
        self.take("count", 8, |bytes| be(bytes).to_string())?;
        Some(())
    }

    fn counted_entries(&mut self, table: Table) -> Option<()> {
        let count = self.take("count", 8, |bytes| be(bytes).to_string())?;
        for index in 0..be(count) {
            self.group = format!("{table}[{index}]");
            self.entry(table)?;
        }
        Some(())
    }

    fn entry(&mut self, table: Table) -> Option<()> {
        let len = self.length("key_len")?;
        self.take("key", len, |bytes| match <[u8; 32]>::try_from(bytes) {
            Ok(id) => ObjectId::new(id).to_string(),
            Err(_) => format!("{} bytes", bytes.len()),
        })?;
        let len = self.length("value_len")?;
        match table {
            Table::PerObjectBlobInfo => self.within(len, Self::per_object),
            Table::PerObjectPooledBlobInfo => self.within(len, Self::pooled),
            Table::StoragePoolInfo => self.within(len, Self::storage_pool),
        }
    }

    fn per_object(&mut self) -> Option<()> {
        self.variant()?;
        self.take("blob_id", 32, blob_id)?;
        self.u32("registered_epoch")?;
        if self.option("certified_epoch")? {
            self.u32("certified_epoch.value")?;
        }
        self.u32("end_epoch")?;
        self.take("deletable", 1, boolean)?;
        self.event("event.tx_digest.len", "event.tx_digest", "event.event_seq")?;
        self.take("deleted", 1, boolean).map(drop)
    }

    fn pooled(&mut self) -> Option<()> {
        self.variant()?;
        self.take("blob_id", 32, blob_id)?;
        self.u32("registered_epoch")?;
        if self.option("certified_epoch")? {
            self.u32("certified_epoch.value")?;
        }
        self.take("storage_pool_id", 32, |bytes| {
            <[u8; 32]>::try_from(bytes)
                .map_or_else(|_| String::new(), |id| ObjectId::new(id).to_string())
        })?;
        self.event("event.tx_digest.len", "event.tx_digest", "event.event_seq")
    }

    fn storage_pool(&mut self) -> Option<()> {
        self.variant()?;
        self.u32("start_epoch")?;
        self.u32("end_epoch")
    }

    fn event(&mut self, len: &'static str, digest: &'static str, seq: &'static str) -> Option<()> {
        self.take(len, 1, |bytes| format!("{:#04x}", be(bytes)))?;
        self.take(digest, 32, |bytes| {
            <[u8; 32]>::try_from(bytes).map_or_else(
                |_| String::new(),
                |id| TransactionDigest::new(id).to_string(),
            )
        })?;
        self.u64(seq)
    }

    fn variant(&mut self) -> Option<()> {
        let known = self.uleb128("variant")? == 0;
        known.then_some(())
    }

    fn option(&mut self, name: &'static str) -> Option<bool> {
        let tag = self.take(name, 1, |bytes| match bytes {
            [0] => "none".to_owned(),
            [1] => "some".to_owned(),
            _ => "neither none nor some".to_owned(),
        })?;
        match tag {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self, name: &'static str) -> Option<()> {
        self.take(name, 4, |bytes| le(bytes).to_string()).map(drop)
    }

    fn u64(&mut self, name: &'static str) -> Option<()> {
        self.take(name, 8, |bytes| le(bytes).to_string()).map(drop)
    }

    /// A length of the framing; the walk ends at one that is no length.
    fn length(&mut self, name: &'static str) -> Option<usize> {
        let len = match self.framing {
            Framing::Sealed => be(self.take(name, 4, |bytes| be(bytes).to_string())?),
            Framing::Counted => self.uleb128(name)?,
        };
        usize::try_from(len).ok().filter(|len| *len <= LONGEST)
    }

    /// A ULEB128 number, minimal or not.
    fn uleb128(&mut self, name: &'static str) -> Option<u64> {
        let more = |byte: &&u8| **byte >= 0x80;
        let len = self.rest.iter().take(8).take_while(more).count() + 1;
        let bytes = self.take(name, len, |bytes| seven_bits(bytes).to_string())?;
        Some(seven_bits(bytes))
    }

    /// Walks the next `len` bytes, and names what `walk` leaves of them.
    fn within(&mut self, len: usize, walk: fn(&mut Self) -> Option<()>) -> Option<()> {
        let there = self.rest.len().min(len);
        let (inner, after) = self.rest.split_at(there);
        self.rest = inner;
        let _stopped = walk(self);
        self.leftover("rest");
        self.rest = after;
        (there == len).then_some(())
    }

    fn leftover(&mut self, name: &'static str) {
        if !self.rest.is_empty() {
            let len = self.rest.len();
            let _all = self.take(name, len, |bytes| format!("{} bytes", bytes.len()));
        }
    }
}

impl<'a> Walker<'a> {
    fn take(
        &mut self,
        name: &'static str,
        len: usize,
        show: impl FnOnce(&[u8]) -> String,
    ) -> Option<&'a [u8]> {
        let there = self.rest.len().min(len);
        let (taken, rest) = self.rest.split_at(there);
        let whole = there == len;
        if there > 0 || whole {
            let value = if whole {
                show(taken)
            } else {
                format!("cut: {there} of {len} bytes")
            };
            self.fields.push(Field {
                group: self.group.clone(),
                name,
                start: self.at,
                end: self.at + there,
                value,
            });
        }
        self.rest = rest;
        self.at += there;
        whole.then_some(taken)
    }
}

fn be(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn le(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rfold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn seven_bits(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rfold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn boolean(bytes: &[u8]) -> String {
    match bytes {
        [0] => "false".to_owned(),
        [1] => "true".to_owned(),
        _ => "neither false nor true".to_owned(),
    }
}

fn blob_id(bytes: &[u8]) -> String {
    <[u8; 32]>::try_from(bytes).map_or_else(|_| String::new(), |id| BlobId::new(id).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_belongs_to_one_field_whatever_the_bytes() {
        for len in 0..64_usize {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37 % 251) as u8).collect();
            let mut end = 0;
            for field in fields(&bytes) {
                assert_eq!(field.start, end, "{field:?}");
                end = field.end;
            }
            assert_eq!(end, len);
        }
    }

    #[test]
    fn numbers_are_read_in_their_byte_order() {
        assert_eq!(be(&[1, 2, 3]), 0x01_02_03);
        assert_eq!(le(&[1, 2, 3]), 0x03_02_01);
        assert_eq!(seven_bits(&[0xe5, 0x8e, 0x26]), 624_485);
    }
}
