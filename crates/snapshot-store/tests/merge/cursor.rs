//! `event_cursor`: the event of the last operand, the sum of all increments.

use snapshot_format::ValueError;
use snapshot_store::cursor::EventCursor;
use snapshot_store::merge::{ApplyError, CursorOperand, MergeError, cursor};

use crate::common::{event, refused};

fn at(by: u8, next_event_index: u64) -> EventCursor {
    EventCursor::V1 {
        event_id: event(by),
        next_event_index,
    }
}

fn step(by: u8, increment: u64) -> CursorOperand {
    CursorOperand {
        event_id: event(by),
        increment,
    }
}

/// The cursor made of a stored one and some operands, through bytes.
fn merge(
    existing: Option<EventCursor>,
    operands: &[CursorOperand],
) -> Result<EventCursor, MergeError> {
    let existing = existing.map(|cursor| cursor.encode());
    let operands: Vec<_> = operands.iter().map(CursorOperand::encode).collect();
    let merged = cursor::merge(existing.as_deref(), operands.iter().map(Vec::as_slice))?;
    Ok(EventCursor::decode(&merged).expect("a merge is canonical"))
}

#[test]
fn the_cursor_moves_by_the_increments() {
    assert_eq!(merge(None, &[step(1, 5)]), Ok(at(1, 5)));
    assert_eq!(
        merge(Some(at(1, 5)), &[step(2, 1), step(3, 10)]),
        Ok(at(3, 16))
    );
    assert_eq!(merge(Some(at(1, 5)), &[step(1, 0)]), Ok(at(1, 5)));
    assert_eq!(
        merge(Some(at(1, u64::MAX - 1)), &[step(1, 1)]),
        Ok(at(1, u64::MAX))
    );
}

#[test]
fn the_index_must_not_overflow() {
    let error = ApplyError::Overflow {
        field: "next_event_index",
    };
    assert_eq!(merge(Some(at(1, u64::MAX)), &[step(1, 1)]), refused(error));
}

#[test]
fn bytes_that_cannot_be_read_are_refused() {
    let good = step(1, 5).encode();
    let source = ValueError::TrailingBytes {
        offset: 49,
        count: 1,
    };
    assert_eq!(
        cursor::merge(None, [&[&good[..], &[0]].concat()[..]]),
        Err(MergeError::Operand { index: 0, source })
    );
    let source = ValueError::UnknownVariant { got: 1 };
    assert_eq!(
        cursor::merge(Some(&[1]), [&good[..]]),
        Err(MergeError::StoredValue { source })
    );
    assert_eq!(cursor::merge(None, []), Err(MergeError::Nothing));
}

#[test]
fn the_bytes_of_a_cursor() {
    let expected = [
        &[0, 0x20],
        &[7; 32][..],
        &[7, 0, 0, 0, 0, 0, 0, 0],
        &[1, 2, 0, 0, 0, 0, 0, 0],
    ];
    let cursor = at(7, 0x0201);
    assert_eq!(cursor.encode(), expected.concat());
    assert_eq!(EventCursor::decode(&expected.concat()), Ok(cursor));
    assert_eq!(
        (cursor.event_id(), cursor.next_event_index()),
        (event(7), 0x0201)
    );
}
