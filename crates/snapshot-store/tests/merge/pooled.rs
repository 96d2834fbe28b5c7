//! `per_object_pooled_blob_info`: every change in every state.

use snapshot_format::{Epoch, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1, ValueError};
use snapshot_store::merge::{
    ApplyError, ChangeType, MergeError, PooledInfo, PooledOperand, pooled,
};

use crate::common::{blob, event, object, refused};

const DELETE: ChangeType = ChangeType::Delete {
    was_certified: false,
};
const DELETE_CERTIFIED: ChangeType = ChangeType::Delete {
    was_certified: true,
};

fn registered() -> PerObjectPooledBlobInfoV1 {
    PerObjectPooledBlobInfoV1 {
        blob_id: blob(1),
        registered_epoch: Epoch(2),
        certified_epoch: None,
        storage_pool_id: object(5),
        event: event(1),
    }
}

fn certified() -> PerObjectPooledBlobInfoV1 {
    PerObjectPooledBlobInfoV1 {
        certified_epoch: Some(Epoch(3)),
        ..registered()
    }
}

fn operand_of(change_type: ChangeType, blob_id: u8) -> PooledOperand {
    let change_info = PooledInfo {
        blob_id: blob(blob_id),
        epoch: Epoch(4),
        storage_pool_id: object(6),
        status_event: event(2),
    };
    PooledOperand::V1 {
        change_type,
        change_info,
    }
}

fn operand(change_type: ChangeType) -> PooledOperand {
    operand_of(change_type, 1)
}

/// The row made of a stored one and some operands, through bytes.
fn merge(
    row: Option<PerObjectPooledBlobInfoV1>,
    operands: &[PooledOperand],
) -> Result<PerObjectPooledBlobInfoV1, MergeError> {
    let row = row.map(|row| PerObjectPooledBlobInfo::V1(row).encode());
    let operands: Vec<_> = operands.iter().map(PooledOperand::encode).collect();
    let merged = pooled::merge(row.as_deref(), operands.iter().map(Vec::as_slice))?;
    let PerObjectPooledBlobInfo::V1(row) =
        PerObjectPooledBlobInfo::decode(&merged).expect("a merge is canonical");
    Ok(row)
}

#[test]
fn a_registration_creates_the_row() {
    let expected = PerObjectPooledBlobInfoV1 {
        blob_id: blob(1),
        registered_epoch: Epoch(4),
        certified_epoch: None,
        storage_pool_id: object(6),
        event: event(2),
    };
    assert_eq!(merge(None, &[operand(ChangeType::Register)]), Ok(expected));
}

#[test]
fn nothing_else_creates_a_row() {
    for change in [
        ChangeType::Certify,
        ChangeType::Extend,
        DELETE,
        DELETE_CERTIFIED,
    ] {
        let error = ApplyError::NotRegistered { change };
        assert_eq!(merge(None, &[operand(change)]), refused(error));
    }
}

#[test]
fn a_certification_keeps_the_pool_of_the_row() {
    let expected = PerObjectPooledBlobInfoV1 {
        certified_epoch: Some(Epoch(4)),
        event: event(2),
        ..registered()
    };
    assert_eq!(
        merge(Some(registered()), &[operand(ChangeType::Certify)]),
        Ok(expected)
    );
}

#[test]
fn nothing_else_changes_a_row() {
    for row in [registered(), certified()] {
        let register = operand(ChangeType::Register);
        assert_eq!(
            merge(Some(row), &[register]),
            refused(ApplyError::AlreadyRegistered)
        );
        for change in [ChangeType::Extend, DELETE, DELETE_CERTIFIED] {
            let error = ApplyError::NotForPooled { change };
            assert_eq!(merge(Some(row), &[operand(change)]), refused(error));
        }
    }
    let error = ApplyError::AlreadyCertified {
        certified_epoch: Epoch(3),
    };
    assert_eq!(
        merge(Some(certified()), &[operand(ChangeType::Certify)]),
        refused(error)
    );
}

#[test]
fn the_blob_id_must_match() {
    let error = ApplyError::BlobIdMismatch {
        expected: blob(1),
        got: blob(9),
    };
    let certify = operand_of(ChangeType::Certify, 9);
    assert_eq!(merge(Some(registered()), &[certify]), refused(error));
}

#[test]
fn bytes_that_cannot_be_read_are_refused() {
    let row = PerObjectPooledBlobInfo::V1(registered()).encode();
    let certify = operand(ChangeType::Certify).encode();
    assert_eq!(
        pooled::merge(Some(&row), [&[&[1], &certify[1..]].concat()[..]]),
        Err(MergeError::Operand {
            index: 0,
            source: ValueError::UnknownVariant { got: 1 }
        })
    );
    let source = ValueError::TooShort {
        field: "event",
        offset: 103,
        needed: 8,
        left: 7,
    };
    assert_eq!(
        pooled::merge(Some(&row[..110]), [&certify[..]]),
        Err(MergeError::StoredValue { source })
    );
    assert_eq!(pooled::merge(None, []), Err(MergeError::Nothing));
}
