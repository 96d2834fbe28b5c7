//! What two headers say, as far as both say it.
//!
//! A header has fields that its framing does not hold or its maker did not know; those are no
//! disagreement. Nothing here judges rows.

use serde::Serialize;
use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, Epoch, EventCursor, Framing, Header, SealedHeader,
};

/// Where a header comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the snapshot.
    Found,
    /// From whoever asked: the snapshot is made from a database, which holds no header.
    Assumed,
}

/// What a header says of the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFacts {
    origin: Origin,
    framing: Framing,
    epoch: Epoch,
    cursor: Option<EventCursor>,
    previous: Option<BlobId>,
    chunk: ChunkPosition,
}

/// A field that two headers differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderDifference {
    /// Its name in `docs/format.md`.
    pub field: &'static str,
    /// What the first says.
    pub a: String,
    /// What the second says.
    pub b: String,
}

impl HeaderFacts {
    /// What `header` says.
    #[must_use]
    pub fn new(header: &Header, origin: Origin) -> Self {
        let cursor = header.event_cursor();
        let previous = match header {
            Header::Sealed(header) => header.prev_snapshot_blob_id,
            Header::Counted(_) => BlobId::ZERO,
        };
        Self {
            origin,
            framing: header.framing(),
            epoch: header.epoch(),
            cursor: (cursor != EventCursor::default()).then_some(cursor),
            previous: (previous != BlobId::ZERO).then_some(previous),
            chunk: header.chunk(),
        }
    }

    /// The epoch; `None` if a database's is not known, for which epoch 0 stands, that no snapshot is taken
    /// in.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        (self.origin == Origin::Found || self.epoch != Epoch(0)).then_some(self.epoch)
    }

    /// In what two headers contradict each other. What one of them does not know counts only where both
    /// were found and have the same framing, so that the digests cannot agree.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<HeaderDifference> {
        let strict = self.framing == other.framing
            && self.origin == Origin::Found
            && other.origin == Origin::Found;
        let epochs = (self.epoch(), other.epoch());
        let event = |facts: &Self| {
            facts
                .cursor
                .map(|cursor| cursor.event_id.map(|id| id.to_string()))
        };
        let fields = [
            (
                "epoch",
                epochs.0.map(|epoch| epoch.to_string()),
                epochs.1.map(|epoch| epoch.to_string()),
            ),
            ("event_id", event(self).flatten(), event(other).flatten()),
            (
                "next event index",
                self.cursor.map(|cursor| cursor.element_index.to_string()),
                other.cursor.map(|cursor| cursor.element_index.to_string()),
            ),
            (
                "prev_snapshot_blob_id",
                self.previous.map(|id| id.to_string()),
                other.previous.map(|id| id.to_string()),
            ),
            (
                "chunk",
                Some(self.chunk.to_string()),
                Some(other.chunk.to_string()),
            ),
        ];
        let unknown = || "unknown".to_owned();
        fields
            .into_iter()
            .filter(|(_, a, b)| a != b && (strict || (a.is_some() && b.is_some())))
            .map(|(field, a, b)| HeaderDifference {
                field,
                a: a.unwrap_or_else(unknown),
                b: b.unwrap_or_else(unknown),
            })
            .collect()
    }
}

/// The header of the same content in the other framing; `None` where that one needs what this one does not
/// know, or does not hold what this one says.
#[must_use]
pub fn reframed(header: &Header) -> Option<Header> {
    match header {
        Header::Counted(counted) => Some(Header::Sealed(SealedHeader {
            epoch: counted.epoch,
            event_cursor: header.event_cursor(),
            prev_snapshot_blob_id: BlobId::ZERO,
            chunk: ChunkPosition::WHOLE,
        })),
        Header::Sealed(sealed) if sealed.chunk.is_whole() => {
            sealed.event_cursor.event_id.map(|event_id| {
                Header::Counted(CountedHeader {
                    epoch: sealed.epoch,
                    event_id,
                    next_event_index: sealed.event_cursor.element_index,
                })
            })
        }
        Header::Sealed(_) => None,
    }
}
