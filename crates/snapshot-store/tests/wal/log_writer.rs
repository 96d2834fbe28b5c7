//! A second, small writer of RocksDB's log format, able to write what RocksDB never would.

const BLOCK: usize = 32 * 1024;

/// Record types, as RocksDB numbers them.
pub(crate) const FULL: u8 = 1;
pub(crate) const FIRST: u8 = 2;
pub(crate) const MIDDLE: u8 = 3;
pub(crate) const LAST: u8 = 4;
/// Added to the four above in files that may be recycled.
pub(crate) const RECYCLABLE: u8 = 4;

/// The bytes of a log file in the making.
#[derive(Clone, Default)]
pub(crate) struct LogWriter {
    pub(crate) bytes: Vec<u8>,
    /// Lengths at which the file ends with a whole record.
    pub(crate) ends: Vec<usize>,
    /// The log number to write into each header, for a recyclable file.
    pub(crate) number: Option<u32>,
}

impl LogWriter {
    pub(crate) fn recyclable(number: u32) -> Self {
        Self {
            number: Some(number),
            ..Self::default()
        }
    }

    fn header(&self) -> usize {
        if self.number.is_some() { 11 } else { 7 }
    }

    /// Bytes left in the current block.
    pub(crate) fn room(&self) -> usize {
        BLOCK - self.bytes.len() % BLOCK
    }

    /// Pads the block with zeroes if no header fits any more.
    pub(crate) fn pad(&mut self) {
        if self.room() < self.header() {
            self.bytes.resize(self.bytes.len() + self.room(), 0);
        }
    }

    /// Appends one physical record, whatever its type and wherever the block ends.
    pub(crate) fn physical(&mut self, type_byte: u8, payload: &[u8]) -> &mut Self {
        let mut covered = vec![type_byte];
        if let Some(number) = self.number {
            covered.extend_from_slice(&number.to_le_bytes());
        }
        covered.extend_from_slice(payload);
        let crc = crc32c::crc32c(&covered);
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        self.bytes.extend_from_slice(&masked.to_le_bytes());
        self.bytes
            .extend_from_slice(&u16::try_from(payload.len()).unwrap().to_le_bytes());
        self.bytes.extend_from_slice(&covered);
        self
    }

    /// Appends a logical record the way RocksDB does.
    pub(crate) fn record(&mut self, mut payload: &[u8]) -> &mut Self {
        let shift = if self.number.is_some() { RECYCLABLE } else { 0 };
        let mut begin = true;
        loop {
            self.pad();
            let (fragment, rest) = payload.split_at(payload.len().min(self.room() - self.header()));
            let type_byte = match (begin, rest.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            self.physical(type_byte + shift, fragment);
            (payload, begin) = (rest, false);
            if rest.is_empty() {
                self.ends.push(self.bytes.len());
                return self;
            }
        }
    }

    /// Appends a write batch of `count` operations that take `length` bytes.
    pub(crate) fn batch(&mut self, sequence: u64, count: u32, length: usize) -> &mut Self {
        self.record(&batch(sequence, count, length))
    }
}

/// A write batch: its header, and `length` bytes in the place of operations.
pub(crate) fn batch(sequence: u64, count: u32, length: usize) -> Vec<u8> {
    let mut bytes = sequence.to_le_bytes().to_vec();
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.resize(bytes.len() + length, 0xab);
    bytes
}

/// The ends of the logical records of a file without recyclable records.
pub(crate) fn record_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let room = BLOCK - at % BLOCK;
        if room < 7 {
            at += room;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        let type_byte = bytes[at + 6];
        at += 7 + length;
        if type_byte == FULL || type_byte == LAST {
            ends.push(at);
        }
    }
    ends
}
