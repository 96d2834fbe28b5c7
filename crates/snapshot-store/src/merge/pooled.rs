//! The operator of `per_object_pooled_blob_info`: one blob object in a storage pool.
//!
//! Its end is that of the pool, and its deletion deletes the row; so a merge only registers and
//! certifies.

use snapshot_format::{PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1};

use super::{ApplyError, ChangeType, MergeError, PooledInfo, PooledOperand, fold};

/// The row after `operand`.
///
/// # Errors
///
/// If the operand does not fit the row.
#[inline]
pub fn apply(
    existing: Option<PerObjectPooledBlobInfo>,
    operand: &PooledOperand,
) -> Result<PerObjectPooledBlobInfo, ApplyError> {
    let PooledOperand::V1 {
        change_type: change,
        change_info: info,
    } = *operand;
    match (existing, change) {
        (Some(PerObjectPooledBlobInfo::V1(row)), _) => update(row, change, &info),
        (None, ChangeType::Register) => Ok(create(&info)),
        (None, _) => Err(ApplyError::NotRegistered { change }),
    }
    .map(PerObjectPooledBlobInfo::V1)
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
        PerObjectPooledBlobInfo::decode,
        PooledOperand::decode,
        apply,
    )
    .map(|row| row.encode())
}

fn create(info: &PooledInfo) -> PerObjectPooledBlobInfoV1 {
    PerObjectPooledBlobInfoV1 {
        blob_id: info.blob_id,
        registered_epoch: info.epoch,
        certified_epoch: None,
        storage_pool_id: info.storage_pool_id,
        event: info.status_event,
    }
}

fn update(
    mut row: PerObjectPooledBlobInfoV1,
    change: ChangeType,
    info: &PooledInfo,
) -> Result<PerObjectPooledBlobInfoV1, ApplyError> {
    if row.blob_id != info.blob_id {
        return Err(ApplyError::BlobIdMismatch {
            expected: row.blob_id,
            got: info.blob_id,
        });
    }
    match (change, row.certified_epoch) {
        (ChangeType::Certify, None) => {
            row.certified_epoch = Some(info.epoch);
            row.event = info.status_event;
            Ok(row)
        }
        (ChangeType::Certify, Some(certified_epoch)) => {
            Err(ApplyError::AlreadyCertified { certified_epoch })
        }
        (ChangeType::Register, _) => Err(ApplyError::AlreadyRegistered),
        (ChangeType::Extend | ChangeType::Delete { .. }, _) => {
            Err(ApplyError::NotForPooled { change })
        }
    }
}
