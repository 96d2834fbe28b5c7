//! `storage_pool_info`: a pool begins once, and only ever ends later.

use snapshot_format::{Epoch, StoragePoolInfo, StoragePoolInfoV1, ValueError};
use snapshot_store::merge::{ApplyError, MergeError, StoragePoolOperand, storage_pool};

use crate::common::refused;

fn pool(start_epoch: u32, end_epoch: u32) -> StoragePoolInfoV1 {
    StoragePoolInfoV1 {
        start_epoch: Epoch(start_epoch),
        end_epoch: Epoch(end_epoch),
    }
}

fn create(start_epoch: u32, end_epoch: u32) -> StoragePoolOperand {
    StoragePoolOperand::Create {
        start_epoch: Epoch(start_epoch),
        end_epoch: Epoch(end_epoch),
    }
}

fn extend(end_epoch: u32) -> StoragePoolOperand {
    StoragePoolOperand::Extend {
        end_epoch: Epoch(end_epoch),
    }
}

/// The row made of a stored one and some operands, through bytes.
fn merge(
    row: Option<StoragePoolInfoV1>,
    operands: &[StoragePoolOperand],
) -> Result<StoragePoolInfoV1, MergeError> {
    let row = row.map(|row| StoragePoolInfo::V1(row).encode());
    let operands: Vec<_> = operands.iter().map(StoragePoolOperand::encode).collect();
    let merged = storage_pool::merge(row.as_deref(), operands.iter().map(Vec::as_slice))?;
    let StoragePoolInfo::V1(row) = StoragePoolInfo::decode(&merged).expect("a merge is canonical");
    Ok(row)
}

#[test]
fn operands_that_fit() {
    assert_eq!(merge(None, &[create(3, 9)]), Ok(pool(3, 9)));
    assert_eq!(merge(Some(pool(3, 9)), &[extend(12)]), Ok(pool(3, 12)));
    assert_eq!(merge(Some(pool(3, 9)), &[extend(9)]), Ok(pool(3, 9)));
    assert_eq!(
        merge(Some(pool(3, 9)), &[extend(4)]),
        Ok(pool(3, 9)),
        "never shortened"
    );
    assert_eq!(
        merge(None, &[create(3, 9), extend(12), extend(10)]),
        Ok(pool(3, 12))
    );
}

#[test]
fn operands_that_do_not_fit() {
    assert_eq!(merge(None, &[extend(12)]), refused(ApplyError::NoPool));
    assert_eq!(
        merge(Some(pool(3, 9)), &[create(3, 9)]),
        refused(ApplyError::PoolExists)
    );
    assert_eq!(merge(None, &[]), Err(MergeError::Nothing));
}

#[test]
fn bytes_that_cannot_be_read_are_refused() {
    let source = ValueError::UnknownVariant { got: 2 };
    assert_eq!(
        storage_pool::merge(None, [&[2, 0, 0, 0, 0][..]]),
        Err(MergeError::Operand { index: 0, source })
    );
    let source = ValueError::TooShort {
        field: "end_epoch",
        offset: 5,
        needed: 4,
        left: 3,
    };
    assert_eq!(
        storage_pool::merge(Some(&[0; 8]), [&extend(1).encode()[..]]),
        Err(MergeError::StoredValue { source })
    );
}
