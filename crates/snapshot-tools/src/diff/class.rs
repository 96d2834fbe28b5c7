//! What kind of difference one row shows: pure functions of the row and the boundary's epoch.

use snapshot_format::{Epoch, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record};
use snapshot_format::{StoragePoolInfo, Table};

use crate::fields::{FieldChange, FieldValue};
use crate::side::Side;

/// What can be said of a row that one side alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    /// Garbage collection at the boundary deletes it.
    Ended,
    /// An event of the epoch that begins at the boundary made it or certified it.
    Later,
    /// It is in this pool, which decides whether it has ended.
    Pooled(ObjectId),
    /// Neither.
    Plain,
}

/// What can be said of a row that both sides have, but differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Both are in the same state, by another last event.
    EventOnly,
    /// One side has seen an event more: it is certified, extended or deleted there alone.
    Further {
        /// The side that has.
        side: Side,
        /// Whether it was in the epoch that begins at the boundary.
        later: bool,
    },
    /// No event makes one row of the other.
    Odd,
}

/// What a row that one side alone has says, at the boundary of `epoch`.
pub(super) fn only(record: &Record, epoch: Option<Epoch>) -> Only {
    let plain = match record {
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
            Only::Pooled(row.storage_pool_id)
        }
        _ => Only::Plain,
    };
    let deleted = matches!(
        record,
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) if row.deleted
    );
    let Some(epoch) = epoch else {
        return if deleted { Only::Ended } else { plain };
    };
    let (begun, certified, end) = match record {
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => (
            row.registered_epoch,
            row.certified_epoch,
            Some(row.end_epoch),
        ),
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
            (row.registered_epoch, row.certified_epoch, None)
        }
        Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => {
            (row.start_epoch, None, Some(row.end_epoch))
        }
    };
    if deleted || end.is_some_and(|end| end <= epoch) {
        Only::Ended
    } else if begun >= epoch || certified.is_some_and(|certified| certified >= epoch) {
        Only::Later
    } else {
        plain
    }
}

/// What two rows with the same key say that differ in `changes`, at the boundary of `epoch`.
pub(super) fn change(
    a: &Record,
    b: &Record,
    changes: &[FieldChange],
    epoch: Option<Epoch>,
) -> Change {
    let mut further: Option<Side> = None;
    let mut later = false;
    let mut event_changed = false;
    for change in changes {
        let side = match change.field {
            "event" if is_damaged_event(change) => return Change::Odd,
            "event" => {
                event_changed = true;
                continue;
            }
            "certified_epoch" => certified_on(change),
            "end_epoch" | "deleted" => greater_on(change),
            _ => None,
        };
        match (side, further) {
            (Some(side), None) => further = Some(side),
            (Some(side), Some(before)) if side == before => {}
            _ => return Change::Odd,
        }
        if let (Some(side), "certified_epoch") = (side, change.field) {
            let record = match side {
                Side::A => a,
                Side::B => b,
            };
            later = later || epoch.is_some_and(|epoch| certified_epoch(record) >= Some(epoch));
        }
    }
    let has_event = a.table() != Table::StoragePoolInfo;
    match further {
        None if event_changed => Change::EventOnly,
        // An event that changes a row leaves its ID there.
        Some(side) if event_changed || !has_event => Change::Further { side, later },
        _ => Change::Odd,
    }
}

fn certified_epoch(record: &Record) -> Option<Epoch> {
    match record {
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => row.certified_epoch,
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => row.certified_epoch,
        Record::StoragePoolInfo(_) => None,
    }
}

/// Whether two event IDs are not of different events, but one damaged: digests of different transactions
/// differ in about 128 of 256 bits, and in fewer than 64 never.
fn is_damaged_event(change: &FieldChange) -> bool {
    let (FieldValue::Event(a), FieldValue::Event(b)) = (change.values.a, change.values.b) else {
        return false;
    };
    let pairs = a.tx_digest.as_bytes().iter().zip(b.tx_digest.as_bytes());
    let bits: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
    (1..64).contains(&bits)
}

/// The side that alone is certified.
fn certified_on(change: &FieldChange) -> Option<Side> {
    match (change.values.a, change.values.b) {
        (FieldValue::Epoch(Some(_)), FieldValue::Epoch(None)) => Some(Side::A),
        (FieldValue::Epoch(None), FieldValue::Epoch(Some(_))) => Some(Side::B),
        _ => None,
    }
}

/// The side whose epoch is later, or whose flag is set.
fn greater_on(change: &FieldChange) -> Option<Side> {
    let greater = match (change.values.a, change.values.b) {
        (FieldValue::Epoch(a), FieldValue::Epoch(b)) => a > b,
        (FieldValue::Flag(a), FieldValue::Flag(b)) => a && !b,
        _ => return None,
    };
    Some(if greater { Side::A } else { Side::B })
}
