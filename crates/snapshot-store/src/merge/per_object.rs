//! The operator of `per_object_blob_info`: one blob object that owns its storage.

use snapshot_format::{PerObjectBlobInfo, PerObjectBlobInfoV1};

use super::{ApplyError, ChangeType, MergeError, PerObjectOperand, fold};

/// The row after `operand`.
///
/// # Errors
///
/// If the operand does not fit the row: only a registration creates one, and each later operand must
/// agree with it.
#[inline]
pub fn apply(
    existing: Option<PerObjectBlobInfo>,
    operand: &PerObjectOperand,
) -> Result<PerObjectBlobInfo, ApplyError> {
    let change = operand.change_type;
    match (existing, change) {
        (Some(PerObjectBlobInfo::V1(row)), _) => update(row, operand),
        (None, ChangeType::Register) => Ok(create(operand)),
        (None, _) => Err(ApplyError::NotRegistered { change }),
    }
    .map(PerObjectBlobInfo::V1)
}

/// The encoded row after `operands`, the oldest first.
///
/// # Errors
///
/// If the stored value or an operand cannot be read, or an operand does not fit.
pub fn merge<'a>(
    existing: Option<&[u8]>,
    operands: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, MergeError> {
    fold(
        existing,
        operands,
        PerObjectBlobInfo::decode,
        PerObjectOperand::decode,
        apply,
    )
    .map(|row| row.encode())
}

fn create(operand: &PerObjectOperand) -> PerObjectBlobInfoV1 {
    let info = &operand.change_info;
    PerObjectBlobInfoV1 {
        blob_id: info.blob_id,
        registered_epoch: info.epoch,
        certified_epoch: None,
        end_epoch: info.end_epoch,
        deletable: info.deletable,
        event: info.status_event,
        deleted: false,
    }
}

fn update(
    mut row: PerObjectBlobInfoV1,
    operand: &PerObjectOperand,
) -> Result<PerObjectBlobInfoV1, ApplyError> {
    let change = operand.change_type;
    let info = &operand.change_info;
    if row.blob_id != info.blob_id {
        return Err(ApplyError::BlobIdMismatch {
            expected: row.blob_id,
            got: info.blob_id,
        });
    }
    if row.deletable != info.deletable {
        return Err(ApplyError::DeletableMismatch {
            expected: row.deletable,
            got: info.deletable,
        });
    }
    if row.deleted {
        return Err(ApplyError::Deleted { change });
    }
    row.event = info.status_event;
    match (change, row.certified_epoch) {
        (ChangeType::Register, _) => return Err(ApplyError::AlreadyRegistered),
        (ChangeType::Certify, Some(certified_epoch)) => {
            return Err(ApplyError::AlreadyCertified { certified_epoch });
        }
        (ChangeType::Certify, None) => row.certified_epoch = Some(info.epoch),
        (ChangeType::Extend, None) => return Err(ApplyError::NotCertified { change }),
        (ChangeType::Extend, Some(_)) => row.end_epoch = info.end_epoch,
        (ChangeType::Delete { was_certified: got }, certified) => {
            let expected = certified.is_some();
            if got != expected {
                return Err(ApplyError::WasCertifiedMismatch { expected, got });
            }
            row.deleted = true;
        }
    }
    Ok(row)
}
