//! Where a node goes on in the event stream after a restore: from the snapshot, or, if that does not
//! know it, as told.

use snapshot_format::{EventId, Header};

use crate::cursor::EventCursor;

/// What the caller knows of the event cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldCursor {
    /// The event that began the epoch.
    pub event_id: Option<EventId>,
    /// The index of the next event to process.
    pub next_event_index: Option<u64>,
}

/// Why what was told of the cursor cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The snapshot says otherwise.
    #[error("the snapshot's own event cursor is another than the one told: leave that out")]
    Contradicts,
    /// An event ID without the index of the next event.
    #[error("the snapshot has no event index: give the index of the next event as well")]
    NoIndex,
    /// An index without an event ID.
    #[error("the snapshot has no event ID: give the event's transaction digest and number as well")]
    NoEvent,
}

/// Where a node goes on; nothing if nobody knows, and then it cannot.
pub(super) fn resume(
    header: &Header,
    told: &ToldCursor,
) -> Result<Option<EventCursor>, CursorError> {
    let cursor = header.event_cursor();
    // Index 0 without an event is how a snapshot says that it does not know.
    let index =
        (cursor.event_id.is_some() || cursor.element_index > 0).then_some(cursor.element_index);
    let event_id = agree(cursor.event_id, told.event_id)?;
    match (event_id, agree(index, told.next_event_index)?) {
        (Some(event_id), Some(next_event_index)) => Ok(Some(EventCursor::V1 {
            event_id,
            next_event_index,
        })),
        (Some(_), None) => Err(CursorError::NoIndex),
        (None, Some(_)) if told.next_event_index.is_some() => Err(CursorError::NoEvent),
        (None, _) => Ok(None),
    }
}

fn agree<T: PartialEq>(own: Option<T>, told: Option<T>) -> Result<Option<T>, CursorError> {
    match (own, told) {
        (Some(own), Some(told)) if own != told => Err(CursorError::Contradicts),
        (own, told) => Ok(own.or(told)),
    }
}
