//! The operator of `aggregate_blob_info`: one blob ID, over all objects that stand for it.
//!
//! Unlike the other operators it forgives: on a row that exists, an operand that does not fit is
//! passed over, as a node passes it over. The rows of the objects are where such an operand fails.

use snapshot_format::{Epoch, EventId};

use super::counts::{Counts, decrement, increment};
use super::{ApplyError, BlobInfoOperand, ChangeType, MergeError, PooledInfo, fold};
use crate::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2, ValidBlobInfoV1, ValidBlobInfoV2};

/// The row after `operand`.
///
/// # Errors
///
/// If there is no row and the operand creates none, or if a count overflows.
pub fn apply(
    existing: Option<BlobInfo>,
    operand: &BlobInfoOperand,
) -> Result<BlobInfo, ApplyError> {
    let Some(row) = existing else {
        return create(operand);
    };
    match *operand {
        BlobInfoOperand::MarkMetadataStored(stored) => update(row, |counts| {
            *counts.is_metadata_stored = stored;
            Ok(())
        }),
        BlobInfoOperand::MarkInvalid {
            epoch,
            status_event,
        } => Ok(invalidate(row, epoch, status_event)),
        BlobInfoOperand::ChangeStatus {
            change_type,
            change_info,
        } => {
            let was_certified = row.is_certified_at(change_info.epoch);
            update(row, |counts| {
                counts.change(change_type, &change_info, was_certified)
            })
        }
        BlobInfoOperand::DeletableExpired { was_certified } => update(row, |counts| {
            counts.remove_deletable(was_certified);
            Ok(())
        }),
        BlobInfoOperand::PermanentExpired { was_certified } => update(row, |counts| {
            counts.remove_permanent(was_certified);
            Ok(())
        }),
        BlobInfoOperand::PooledBlobChangeStatus {
            change_type,
            change_info,
        } => update_pooled(row, |row| change_pooled(row, change_type, &change_info)),
        BlobInfoOperand::PoolExpired { was_certified, .. } => update_pooled(row, |row| {
            remove_pooled(row, was_certified);
            Ok(())
        }),
    }
}

/// The encoded row after `operands`, the oldest first.
///
/// # Errors
///
/// If the stored value or an operand cannot be read, if the first operand of a row creates none, or
/// if a count overflows.
pub fn merge<'a>(
    existing: Option<&[u8]>,
    operands: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, MergeError> {
    fold(
        existing,
        operands,
        BlobInfo::decode,
        BlobInfoOperand::decode,
        apply,
    )
    .map(|row| row.encode())
}

fn create(operand: &BlobInfoOperand) -> Result<BlobInfo, ApplyError> {
    let v1 = |row| Ok(BlobInfo::V1(BlobInfoV1::Valid(row)));
    let no_blob = |operand| Err(ApplyError::NoBlob { operand });
    match *operand {
        BlobInfoOperand::MarkMetadataStored(is_metadata_stored) => v1(ValidBlobInfoV1 {
            is_metadata_stored,
            ..ValidBlobInfoV1::default()
        }),
        BlobInfoOperand::MarkInvalid {
            epoch,
            status_event: event,
        } => Ok(BlobInfo::V1(BlobInfoV1::Invalid { epoch, event })),
        BlobInfoOperand::ChangeStatus {
            change_type: ChangeType::Register,
            change_info,
        } => {
            let mut row = ValidBlobInfoV1::default();
            Counts::of_v1(&mut row).register(&change_info)?;
            v1(row)
        }
        BlobInfoOperand::PooledBlobChangeStatus {
            change_type: ChangeType::Register,
            ..
        } => {
            let row = ValidBlobInfoV2 {
                count_pooled_refs_total: 1,
                ..ValidBlobInfoV2::default()
            };
            Ok(BlobInfo::V2(BlobInfoV2::Valid(row)))
        }
        BlobInfoOperand::ChangeStatus { .. } => no_blob("ChangeStatus other than Register"),
        BlobInfoOperand::DeletableExpired { .. } => no_blob("DeletableExpired"),
        BlobInfoOperand::PermanentExpired { .. } => no_blob("PermanentExpired"),
        BlobInfoOperand::PooledBlobChangeStatus { .. } => {
            no_blob("PooledBlobChangeStatus other than Register")
        }
        BlobInfoOperand::PoolExpired { .. } => no_blob("PoolExpired"),
    }
}

/// Marks the row invalid; the first such mark stays.
fn invalidate(row: BlobInfo, epoch: Epoch, event: EventId) -> BlobInfo {
    match row {
        BlobInfo::V1(BlobInfoV1::Valid(_)) => BlobInfo::V1(BlobInfoV1::Invalid { epoch, event }),
        BlobInfo::V2(BlobInfoV2::Valid(_)) => BlobInfo::V2(BlobInfoV2::Invalid { epoch, event }),
        BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }) => row,
    }
}

/// Changes what both versions of a row have, unless it is invalid.
fn update(
    mut row: BlobInfo,
    change: impl FnOnce(&mut Counts<'_>) -> Result<(), ApplyError>,
) -> Result<BlobInfo, ApplyError> {
    match &mut row {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => change(&mut Counts::of_v1(row))?,
        BlobInfo::V2(BlobInfoV2::Valid(row)) => change(&mut Counts::of_v2(row))?,
        BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }) => {}
    }
    Ok(row)
}

/// Changes what only version 2 of a row has, unless it is invalid. A row of version 1 becomes one of
/// version 2 first, be it invalid or not.
fn update_pooled(
    row: BlobInfo,
    change: impl FnOnce(&mut ValidBlobInfoV2) -> Result<(), ApplyError>,
) -> Result<BlobInfo, ApplyError> {
    let mut row = match row {
        BlobInfo::V1(row) => row.into(),
        BlobInfo::V2(row) => row,
    };
    if let BlobInfoV2::Valid(row) = &mut row {
        change(row)?;
    }
    Ok(BlobInfo::V2(row))
}

fn change_pooled(
    row: &mut ValidBlobInfoV2,
    change: ChangeType,
    info: &PooledInfo,
) -> Result<(), ApplyError> {
    match change {
        ChangeType::Register => {
            increment(&mut row.count_pooled_refs_total, "count_pooled_refs_total")?;
        }
        ChangeType::Certify => {
            let was_certified = row.is_certified_at(info.epoch);
            if row.count_pooled_refs_total > row.count_pooled_refs_certified {
                row.count_pooled_refs_certified += 1;
                Counts::of_v2(row).set_certified(info.epoch, was_certified);
            }
        }
        // The pool's end is the object's end, and the pool's row has it.
        ChangeType::Extend => {}
        ChangeType::Delete { was_certified } => remove_pooled(row, was_certified),
    }
    Ok(())
}

fn remove_pooled(row: &mut ValidBlobInfoV2, was_certified: bool) {
    if row.count_pooled_refs_total == 0 {
        return;
    }
    decrement(&mut row.count_pooled_refs_total);
    if was_certified {
        decrement(&mut row.count_pooled_refs_certified);
    }
    Counts::of_v2(row).unset_certified();
}
