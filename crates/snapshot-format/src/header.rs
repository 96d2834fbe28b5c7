//! The headers of both framings (`docs/format.md`, "Header").

use serde::{Deserialize, Serialize};

use crate::framing::Framing;
use crate::id::{BlobId, Epoch, EventId};
use crate::value::{Fields, ValueError};

/// Where event processing goes on after a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventCursor {
    /// The event that began the epoch, if known.
    pub event_id: Option<EventId>,
    /// Index of the next event to process.
    pub element_index: u64,
}

/// Which part of a snapshot a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkPosition {
    /// The chunk's index, from 0.
    pub index: u32,
    /// The number of chunks in the set, at least 1.
    pub count: u32,
}

impl ChunkPosition {
    /// The position of a snapshot that is one file.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether the file is the whole snapshot.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.count == 1
    }
}

impl std::fmt::Display for ChunkPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.index, self.count)
    }
}

/// The header of a sealed snapshot: 94 bytes with an event ID, 53 without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SealedHeader {
    /// The epoch that begins at the snapshot's boundary.
    pub epoch: Epoch,
    /// Where event processing goes on.
    pub event_cursor: EventCursor,
    /// The blob that holds the snapshot of the epoch before, or [`BlobId::ZERO`].
    pub prev_snapshot_blob_id: BlobId,
    /// Which chunk of the snapshot the file is.
    pub chunk: ChunkPosition,
}

impl SealedHeader {
    /// The header of a whole snapshot made offline: no cursor, no previous blob.
    #[must_use]
    pub fn offline(epoch: Epoch) -> Self {
        Self {
            epoch,
            event_cursor: EventCursor::default(),
            prev_snapshot_blob_id: BlobId::ZERO,
            chunk: ChunkPosition::WHOLE,
        }
    }

    /// The canonical BCS of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        bcs::to_bytes(self).expect("integers, arrays and options always have a BCS form")
    }

    /// Decodes a header strictly.
    ///
    /// # Errors
    ///
    /// If `bytes` are not canonical BCS, or the chunk index is not below the chunk count.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut fields = Fields::new(bytes);
        let header = Self {
            epoch: fields.epoch("epoch")?,
            event_cursor: EventCursor {
                event_id: fields.option("event_cursor.event_id", |fields, name| {
                    fields.event_id(name)
                })?,
                element_index: fields.u64("event_cursor.element_index")?,
            },
            prev_snapshot_blob_id: fields.blob_id("prev_snapshot_blob_id")?,
            chunk: ChunkPosition {
                index: fields.u32("chunk_index")?,
                count: fields.u32("chunk_count")?,
            },
        };
        fields.end()?;
        header.check()?;
        Ok(header)
    }

    /// Checks what the types leave open.
    pub(crate) fn check(&self) -> Result<(), ValueError> {
        if self.chunk.index < self.chunk.count {
            Ok(())
        } else {
            Err(ValueError::Invalid {
                what: "chunk_index must be below chunk_count",
            })
        }
    }
}

/// The header of a counted snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CountedHeader {
    /// The epoch that begins at the snapshot's boundary.
    pub epoch: Epoch,
    /// The event that began the epoch.
    pub event_id: EventId,
    /// Index of the next event to process.
    pub next_event_index: u64,
}

/// The cursor as the counted header has it: an enum with one variant.
#[derive(Serialize)]
enum VersionedCursor {
    V1 {
        event_id: EventId,
        next_event_index: u64,
    },
}

impl CountedHeader {
    /// The canonical BCS of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let cursor = VersionedCursor::V1 {
            event_id: self.event_id,
            next_event_index: self.next_event_index,
        };
        bcs::to_bytes(&(self.epoch, cursor)).expect("integers and arrays always have a BCS form")
    }

    /// Decodes a header strictly.
    ///
    /// # Errors
    ///
    /// If `bytes` are not canonical BCS.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut fields = Fields::new(bytes);
        let epoch = fields.epoch("epoch")?;
        fields.variant_v1()?;
        let header = Self {
            epoch,
            event_id: fields.event_id("event_id")?,
            next_event_index: fields.u64("next_event_index")?,
        };
        fields.end()?;
        Ok(header)
    }
}

/// The header of either framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "framing", rename_all = "snake_case")]
pub enum Header {
    /// Of a sealed snapshot.
    Sealed(SealedHeader),
    /// Of a counted snapshot.
    Counted(CountedHeader),
}

impl Header {
    /// The framing the header belongs to.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        match self {
            Self::Sealed(_) => Framing::Sealed,
            Self::Counted(_) => Framing::Counted,
        }
    }

    /// The epoch that begins at the snapshot's boundary.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Sealed(header) => header.epoch,
            Self::Counted(header) => header.epoch,
        }
    }

    /// Where event processing goes on.
    #[must_use]
    pub const fn event_cursor(&self) -> EventCursor {
        match self {
            Self::Sealed(header) => header.event_cursor,
            Self::Counted(header) => EventCursor {
                event_id: Some(header.event_id),
                element_index: header.next_event_index,
            },
        }
    }

    /// Which part of the snapshot the file is; a counted file is always whole.
    #[must_use]
    pub const fn chunk(&self) -> ChunkPosition {
        match self {
            Self::Sealed(header) => header.chunk,
            Self::Counted(_) => ChunkPosition::WHOLE,
        }
    }

    /// The canonical BCS of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Sealed(header) => header.encode(),
            Self::Counted(header) => header.encode(),
        }
    }

    /// Refuses one chunk of several as a whole snapshot.
    ///
    /// # Errors
    ///
    /// [`NotWhole`] if the file is one chunk of several.
    pub const fn require_whole(&self) -> Result<(), NotWhole> {
        let chunk = self.chunk();
        if chunk.is_whole() {
            Ok(())
        } else {
            Err(NotWhole { chunk })
        }
    }
}

/// A sound file that is one chunk of several was given where a whole snapshot is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is chunk {} of {} (counting from 0), not a whole snapshot: the other chunks are needed too",
    chunk.index, chunk.count
)]
pub struct NotWhole {
    /// Which chunk it is.
    pub chunk: ChunkPosition,
}
