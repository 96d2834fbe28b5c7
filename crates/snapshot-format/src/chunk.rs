//! Where a snapshot is cut into chunks, and whether files are those of one (`docs/format.md`, "Chunks").
//!
//! Each chunk is decoded like any file; here is only what joins them. How files are found and read is
//! for the caller.

use crate::decode::{Entry, Event};
use crate::framing::Framing;
use crate::header::{ChunkPosition, Header, SealedHeader};
use crate::id::ObjectId;
use crate::size::{empty_size, entry_size};
use crate::table::Table;

/// Why files are not the chunks of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A counted file is always a whole snapshot.
    #[error("this is a counted file, which is a whole snapshot and no chunk of one")]
    Counted,
    /// A chunk is missing, there twice, or out of order.
    #[error("this is chunk {got}, expected chunk {expected} (counting from 0)")]
    Index {
        /// The chunk that must follow.
        expected: u32,
        /// The chunk that does.
        got: u32,
    },
    /// The chunks are of different snapshots.
    #[error("{field} in the header is not that of chunk 0: the chunks are of different snapshots")]
    Header {
        /// The field that differs.
        field: &'static str,
    },
    /// A key is not above the last one of the chunks before.
    #[error(
        "table {table}: keys must strictly increase across chunks, but {key} follows {previous}"
    )]
    KeysNotIncreasing {
        /// The table.
        table: Table,
        /// The key before it.
        previous: ObjectId,
        /// The key.
        key: ObjectId,
    },
    /// An earlier chunk has entries of a later section.
    #[error("entries of {table} follow those of {previous} in a chunk before")]
    TableOrder {
        /// The table that came late.
        table: Table,
        /// The table whose entries came before.
        previous: Table,
    },
    /// Chunks are missing at the end.
    #[error("the snapshot has {expected} chunks, but only {got} are given: give all of them")]
    Missing {
        /// The number of chunks that the headers say.
        expected: u32,
        /// The number of chunks there are.
        got: u32,
    },
    /// No chunk can be as small as it must be.
    #[error(
        "a limit of {limit} bytes is too small for a chunk with one entry, which takes {needed}"
    )]
    Limit {
        /// The limit in bytes.
        limit: u64,
        /// Bytes that the smallest chunk takes.
        needed: u64,
    },
}

/// Where a snapshot is cut, entry by entry, so that no chunk is longer than a limit.
///
/// ```
/// use snapshot_format::{ChunkPlan, Epoch, SealedHeader};
///
/// // Two entries of 9 bytes, framed with 41 more each, fit behind the 103 bytes of an empty file.
/// let mut plan = ChunkPlan::new(&SealedHeader::offline(Epoch(7)), 103 + 2 * 50)?;
/// let begins = [9, 9, 9].map(|value_len| plan.admit(value_len));
/// assert_eq!(begins, [Ok(false), Ok(false), Ok(true)]);
/// assert_eq!(plan.chunks(), 2);
/// # Ok::<(), snapshot_format::ChunkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChunkPlan {
    limit: u64,
    /// Length of a chunk without entries.
    empty: u64,
    /// Length of an entry without its value.
    frame: u64,
    /// Length of the chunk so far, once it ends.
    size: u64,
    chunks: u32,
}

impl ChunkPlan {
    /// The plan of a snapshot with `header` and chunks of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ChunkError::Limit`] if not even a snapshot without entries fits.
    pub fn new(header: &SealedHeader, limit: u64) -> Result<Self, ChunkError> {
        let empty = empty_size(&Header::Sealed(*header));
        if empty > limit {
            let needed = empty;
            return Err(ChunkError::Limit { limit, needed });
        }
        Ok(Self {
            limit,
            empty,
            frame: entry_size(Framing::Sealed, 0),
            size: empty,
            chunks: 1,
        })
    }

    /// Takes the next entry, whose value has `value_len` bytes, and tells whether it begins a new chunk.
    ///
    /// # Errors
    ///
    /// [`ChunkError::Limit`] if the entry does not fit into a chunk of its own.
    pub fn admit(&mut self, value_len: usize) -> Result<bool, ChunkError> {
        let entry = self.frame + value_len as u64;
        if self.empty + entry > self.limit {
            return Err(ChunkError::Limit {
                limit: self.limit,
                needed: self.empty + entry,
            });
        }
        let begins = self.size + entry > self.limit;
        if begins {
            self.size = self.empty;
            self.chunks += 1;
        }
        self.size += entry;
        Ok(begins)
    }

    /// The number of chunks so far, at least 1.
    #[must_use]
    pub const fn chunks(&self) -> u32 {
        self.chunks
    }
}

/// Watches the events of the chunks of a set, one chunk after the other.
///
/// ```
/// use snapshot_format::{ChunkError, ChunkPosition, ChunkSet, Epoch, Event, Header, SealedHeader};
///
/// let chunk = |index| {
///     let chunk = ChunkPosition { index, count: 2 };
///     Header::Sealed(SealedHeader { chunk, ..SealedHeader::offline(Epoch(7)) })
/// };
/// let mut set = ChunkSet::new();
/// set.admit(&Event::Header(&chunk(0)))?;
/// assert_eq!(set.clone().end(), Err(ChunkError::Missing { expected: 2, got: 1 }));
/// set.admit(&Event::Header(&chunk(1)))?;
/// assert_eq!(set.end()?, SealedHeader::offline(Epoch(7)));
/// # Ok::<(), ChunkError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChunkSet {
    /// The header of chunk 0.
    first: Option<SealedHeader>,
    /// Chunks begun.
    chunks: u32,
    /// The last entry.
    last: Option<(Table, ObjectId)>,
}

impl ChunkSet {
    /// No chunk yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event of a [`Decoder`](crate::Decoder) that reads the chunks.
    ///
    /// # Errors
    ///
    /// If the chunk or the entry cannot follow what came before.
    pub fn admit(&mut self, event: &Event<'_>) -> Result<(), ChunkError> {
        match event {
            Event::Header(header) => self.header(header),
            Event::Entry(entry) => self.entry(entry),
            Event::SectionStart(_) | Event::SectionEnd(_) => Ok(()),
        }
    }

    /// Ends the set, and returns the header of the whole snapshot in one file.
    ///
    /// # Errors
    ///
    /// If chunks are missing.
    pub fn end(self) -> Result<SealedHeader, ChunkError> {
        let (expected, got) = (
            self.first.map_or(1, |header| header.chunk.count),
            self.chunks,
        );
        match self.first {
            Some(header) if got == expected => Ok(SealedHeader {
                chunk: ChunkPosition::WHOLE,
                ..header
            }),
            _ => Err(ChunkError::Missing { expected, got }),
        }
    }

    fn header(&mut self, header: &Header) -> Result<(), ChunkError> {
        let Header::Sealed(header) = header else {
            return Err(ChunkError::Counted);
        };
        let first = *self.first.get_or_insert(*header);
        let fields = [
            ("epoch", first.epoch == header.epoch),
            ("event_cursor", first.event_cursor == header.event_cursor),
            (
                "prev_snapshot_blob_id",
                first.prev_snapshot_blob_id == header.prev_snapshot_blob_id,
            ),
            ("chunk_count", first.chunk.count == header.chunk.count),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, agrees)| !agrees) {
            return Err(ChunkError::Header { field });
        }
        if header.chunk.index != self.chunks {
            return Err(ChunkError::Index {
                expected: self.chunks,
                got: header.chunk.index,
            });
        }
        self.chunks += 1;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), ChunkError> {
        let Entry { table, key, .. } = *entry;
        match self.last {
            Some((previous, _)) if previous > table => {
                return Err(ChunkError::TableOrder { table, previous });
            }
            Some((same, previous)) if same == table && previous >= key => {
                return Err(ChunkError::KeysNotIncreasing {
                    table,
                    previous,
                    key,
                });
            }
            _ => self.last = Some((table, key)),
        }
        Ok(())
    }
}
