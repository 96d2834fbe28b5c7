//! The push encoder: entries go in by order, bytes go out to a sink; constant memory, no seeking.
//!
//! [`EntryBlock`] is the only place that frames entries. Threads may fill blocks side by side; the
//! bytes depend on the entries alone.

mod block;
mod sink;

pub use block::EntryBlock;
pub use sink::{CountingSink, Sink};

use crate::digest::{Digest, RunningDigest};
use crate::error::EncodeError;
use crate::framing::{Framing, sealed};
use crate::header::{CountedHeader, Header, SealedHeader};
use crate::id::ObjectId;
use crate::limits::{ENCODE_BUFFER, MAGIC, VERSION};
use crate::order::OrderGuard;
use crate::record::Record;
use crate::table::{PerTable, Table};

/// What a finished snapshot is.
#[derive(Clone, Debug)]
pub struct Encoded<S> {
    /// The sink, which holds all bytes now.
    pub sink: S,
    /// The snapshot's digest.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Entries in each table.
    pub counts: PerTable<u64>,
}

/// Encodes a snapshot of either framing into a sink (`docs/format.md`).
///
/// Entries come table by table in the framing's order ([`Framing::tables`]) and by key within a
/// table; a table without entries is simply not mentioned. After an error the encoder answers
/// [`EncodeError::Poisoned`], and what the sink holds is no snapshot.
///
/// ```
/// use snapshot_format::{Encoder, Epoch, ObjectId, Record, SealedHeader, StoragePoolInfo};
/// use snapshot_format::StoragePoolInfoV1;
///
/// let header = SealedHeader::offline(Epoch(7));
/// let mut encoder = Encoder::sealed(Vec::new(), &header)?;
/// let pool = StoragePoolInfo::V1(StoragePoolInfoV1 { start_epoch: Epoch(1), end_epoch: Epoch(9) });
/// encoder.record(&ObjectId::new([0xab; 32]), &Record::StoragePoolInfo(pool))?;
/// let snapshot = encoder.finish()?;
/// assert_eq!(snapshot.sink.len(), 12 + 53 + 10 + 10 + (10 + 41 + 9) + 8);
/// # Ok::<(), snapshot_format::EncodeError<std::convert::Infallible>>(())
/// ```
#[derive(Debug)]
pub struct Encoder<S> {
    sink: S,
    digest: RunningDigest,
    size: u64,
    /// Index of the open section.
    section: usize,
    /// Entries of the open section that the sink does not have yet, and order of its keys.
    pending: EntryBlock,
    order: OrderGuard,
    counts: PerTable<u64>,
    /// The counts that stand in front of the sections, in the counted framing.
    announced: Option<PerTable<u64>>,
    poisoned: bool,
}

impl<S: Sink> Encoder<S> {
    /// Begins a sealed snapshot.
    ///
    /// # Errors
    ///
    /// If the header contradicts itself or the sink fails.
    pub fn sealed(sink: S, header: &SealedHeader) -> Result<Self, EncodeError<S::Error>> {
        header.check().map_err(EncodeError::InvalidHeader)?;
        Self::begin(sink, Header::Sealed(*header), None)
    }

    /// Begins a counted snapshot, whose tables will have exactly `counts` entries.
    ///
    /// # Errors
    ///
    /// If the sink fails.
    pub fn counted(
        sink: S,
        header: &CountedHeader,
        counts: PerTable<u64>,
    ) -> Result<Self, EncodeError<S::Error>> {
        Self::begin(sink, Header::Counted(*header), Some(counts))
    }

    fn begin(
        sink: S,
        header: Header,
        announced: Option<PerTable<u64>>,
    ) -> Result<Self, EncodeError<S::Error>> {
        let framing = header.framing();
        let [first, ..] = framing.tables();
        let mut encoder = Self {
            sink,
            digest: RunningDigest::new(),
            size: 0,
            section: 0,
            pending: EntryBlock::new(framing, first),
            order: OrderGuard::default(),
            counts: PerTable::default(),
            announced,
            poisoned: false,
        };
        let header = header.encode();
        let header_len = u32::try_from(header.len()).expect("a header is shorter than 100 bytes");
        let mut bytes = Vec::with_capacity(header.len() + 16);
        bytes.extend_from_slice(&MAGIC.to_be_bytes());
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        framing.put_header_len(&mut bytes, header_len);
        bytes.extend_from_slice(&header);
        encoder.put(&bytes)?;
        encoder.open_section()?;
        Ok(encoder)
    }

    /// The framing of the snapshot.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.pending.framing()
    }

    /// Appends an entry whose value is already encoded; it is validated without allocating.
    ///
    /// # Errors
    ///
    /// If the key is not 32 bytes or not above the last one, the value is not canonical, the table's
    /// section is closed already, or the sink fails.
    pub fn entry(
        &mut self,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), EncodeError<S::Error>> {
        self.guarded(|encoder| {
            encoder.enter(table)?;
            encoder.pending.push(key, value)?;
            if encoder.pending.as_bytes().len() >= ENCODE_BUFFER {
                encoder.flush_pending()?;
            }
            Ok(())
        })
    }

    /// Appends a typed row to the table it belongs to.
    ///
    /// # Errors
    ///
    /// As [`Self::entry`].
    pub fn record(&mut self, key: &ObjectId, record: &Record) -> Result<(), EncodeError<S::Error>> {
        self.entry(record.table(), key.as_bytes(), &record.encode())
    }

    /// Appends a block of entries that were framed and validated elsewhere.
    ///
    /// # Errors
    ///
    /// If the block is of another framing, its table's section is closed already, its first key is
    /// not above the last one, or the sink fails.
    pub fn append(&mut self, block: &EntryBlock) -> Result<(), EncodeError<S::Error>> {
        self.guarded(|encoder| {
            if block.framing() != encoder.framing() {
                return Err(EncodeError::BlockFraming {
                    expected: encoder.framing(),
                    got: block.framing(),
                });
            }
            encoder.enter(block.table())?;
            encoder.flush_pending()?;
            encoder.write_block(block)?;
            if let Some(last) = block.last_key() {
                encoder.pending.continue_after(last);
            }
            Ok(())
        })
    }

    /// Ends the snapshot: closes its sections and seals it.
    ///
    /// # Errors
    ///
    /// If the counts announced are not those that came, or the sink fails.
    pub fn finish(mut self) -> Result<Encoded<S>, EncodeError<S::Error>> {
        if self.poisoned {
            return Err(EncodeError::Poisoned);
        }
        let last = self.framing().tables().len() - 1;
        while self.section < last {
            self.next_section()?;
        }
        self.close_section()?;
        let digest = self.digest.current();
        if self.framing() == Framing::Sealed {
            let trailer: [u8; sealed::TRAILER_LEN] = digest.0.to_be_bytes();
            self.put(&trailer)?;
        }
        Ok(Encoded {
            sink: self.sink,
            digest,
            size: self.size,
            counts: self.counts,
        })
    }

    /// Runs one call; if it fails, no other succeeds.
    fn guarded(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<(), EncodeError<S::Error>>,
    ) -> Result<(), EncodeError<S::Error>> {
        if self.poisoned {
            return Err(EncodeError::Poisoned);
        }
        let result = call(self);
        self.poisoned = result.is_err();
        result
    }

    /// Hands bytes to the sink and to the digest.
    fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError<S::Error>> {
        self.sink.write(bytes).map_err(EncodeError::Sink)?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes `table` the open section, closing those before it.
    #[inline]
    fn enter(&mut self, table: Table) -> Result<(), EncodeError<S::Error>> {
        if self.pending.table() == table {
            return Ok(());
        }
        let wanted = usize::from(self.framing().tag(table)) - 1;
        if wanted < self.section {
            return Err(EncodeError::TableOrder {
                table,
                current: self.pending.table(),
            });
        }
        while self.section < wanted {
            self.next_section()?;
        }
        Ok(())
    }

    fn next_section(&mut self) -> Result<(), EncodeError<S::Error>> {
        self.close_section()?;
        self.section += 1;
        let framing = self.framing();
        if let Some(table) = framing.tables().get(self.section) {
            self.pending = EntryBlock::new(framing, *table);
            self.order.reset();
        }
        self.open_section()
    }

    fn open_section(&mut self) -> Result<(), EncodeError<S::Error>> {
        let table = self.pending.table();
        self.put(&[self.framing().tag(table)])?;
        if let Some(announced) = &self.announced {
            let count = announced[table].to_be_bytes();
            self.put(&count)?;
        }
        Ok(())
    }

    fn close_section(&mut self) -> Result<(), EncodeError<S::Error>> {
        self.flush_pending()?;
        let table = self.pending.table();
        let got = self.counts[table];
        match &self.announced {
            Some(announced) if announced[table] != got => {
                let expected = announced[table];
                Err(EncodeError::CountMismatch {
                    table,
                    expected,
                    got,
                })
            }
            Some(_) => Ok(()),
            None => {
                let mut end = Vec::with_capacity(9);
                sealed::put_section_end(&mut end, got);
                self.put(&end)
            }
        }
    }

    /// Hands the pending entries over. The block keeps its memory and its last key.
    fn flush_pending(&mut self) -> Result<(), EncodeError<S::Error>> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let empty = EntryBlock::new(self.framing(), self.pending.table());
        let mut block = std::mem::replace(&mut self.pending, empty);
        self.write_block(&block)?;
        block.clear();
        self.pending = block;
        Ok(())
    }

    /// Writes a block to the open section, after checking that it continues it.
    fn write_block(&mut self, block: &EntryBlock) -> Result<(), EncodeError<S::Error>> {
        let (Some(first), Some(last)) = (block.first_key(), block.last_key()) else {
            return Ok(());
        };
        self.order
            .admit(first)
            .and_then(|()| {
                if first == last {
                    Ok(())
                } else {
                    self.order.admit(last)
                }
            })
            .map_err(|previous| block.order_error(previous, first))?;
        self.put(block.as_bytes())?;
        self.counts[block.table()] += block.count();
        Ok(())
    }
}
