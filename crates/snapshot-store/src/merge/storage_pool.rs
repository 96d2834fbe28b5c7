//! The operator of `storage_pool_info`: one storage pool.

use snapshot_format::{StoragePoolInfo, StoragePoolInfoV1};

use super::{ApplyError, MergeError, StoragePoolOperand, fold};

/// The row after `operand`. An extension never shortens.
///
/// # Errors
///
/// If the operand does not fit the row.
#[inline]
pub fn apply(
    existing: Option<StoragePoolInfo>,
    operand: &StoragePoolOperand,
) -> Result<StoragePoolInfo, ApplyError> {
    match (existing, *operand) {
        (
            None,
            StoragePoolOperand::Create {
                start_epoch,
                end_epoch,
            },
        ) => Ok(StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch,
            end_epoch,
        })),
        (Some(StoragePoolInfo::V1(row)), StoragePoolOperand::Extend { end_epoch }) => {
            let end_epoch = row.end_epoch.max(end_epoch);
            Ok(StoragePoolInfo::V1(StoragePoolInfoV1 { end_epoch, ..row }))
        }
        (Some(_), StoragePoolOperand::Create { .. }) => Err(ApplyError::PoolExists),
        (None, StoragePoolOperand::Extend { .. }) => Err(ApplyError::NoPool),
    }
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
        StoragePoolInfo::decode,
        StoragePoolOperand::decode,
        apply,
    )
    .map(|row| row.encode())
}
