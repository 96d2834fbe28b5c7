//! The operator of `event_cursor`: how far the node has processed the event stream.

use super::{ApplyError, CursorOperand, MergeError, fold};
use crate::cursor::EventCursor;

/// The cursor after `operand`; without one it stands at index 0.
///
/// # Errors
///
/// If the index would pass the last one there can be.
#[inline]
pub fn apply(
    existing: Option<EventCursor>,
    operand: &CursorOperand,
) -> Result<EventCursor, ApplyError> {
    let index = existing.map_or(
        0,
        |EventCursor::V1 {
             next_event_index, ..
         }| next_event_index,
    );
    let next_event_index = index
        .checked_add(operand.increment)
        .ok_or(ApplyError::Overflow {
            field: "next_event_index",
        })?;
    Ok(EventCursor::V1 {
        event_id: operand.event_id,
        next_event_index,
    })
}

/// The encoded cursor after `operands`, the oldest first.
///
/// # Errors
///
/// If the stored value or an operand cannot be read, or the index overflows.
pub fn merge<'a>(
    existing: Option<&[u8]>,
    operands: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, MergeError> {
    fold(
        existing,
        operands,
        EventCursor::decode,
        CursorOperand::decode,
        apply,
    )
    .map(|cursor| cursor.encode())
}
