//! The value of `event_cursor`: where in the event stream a node is (`docs/tables.md`, "Values").
//!
//! How operands move it stands in `merge::cursor`.

use serde::{Deserialize, Serialize};
use snapshot_format::{EventId, Fields, ValueError};

/// How far a node has processed the event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventCursor {
    /// The only variant so far.
    V1 {
        /// The last event processed.
        event_id: EventId,
        /// The index of the event to process next.
        next_event_index: u64,
    },
}

impl EventCursor {
    /// Decodes a value strictly, without allocating.
    ///
    /// # Errors
    ///
    /// If `value` is not the canonical BCS of a known variant.
    pub fn decode(value: &[u8]) -> Result<Self, ValueError> {
        Fields::read_all(value, |fields| match fields.variant()? {
            0 => Ok(Self::V1 {
                event_id: fields.event_id("event_id")?,
                next_event_index: fields.u64("next_event_index")?,
            }),
            got => Err(ValueError::UnknownVariant { got }),
        })
    }

    /// The canonical BCS of the value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        bcs::to_bytes(self).expect("integers, byte strings and enums always have a BCS form")
    }

    /// The last event processed.
    #[must_use]
    pub const fn event_id(&self) -> EventId {
        let Self::V1 { event_id, .. } = self;
        *event_id
    }

    /// The index of the event to process next.
    #[must_use]
    pub const fn next_event_index(&self) -> u64 {
        let Self::V1 {
            next_event_index, ..
        } = self;
        *next_event_index
    }
}
