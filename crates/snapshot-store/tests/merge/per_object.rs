//! `per_object_blob_info`: every change in every state, and every way an operand does not fit.

use snapshot_format::{Epoch, PerObjectBlobInfo, PerObjectBlobInfoV1, ValueError};
use snapshot_store::merge::{
    ApplyError, ChangeInfo, ChangeType, MergeError, PerObjectOperand, per_object,
};

use crate::common::{blob, event, refused};

const DELETE: ChangeType = ChangeType::Delete {
    was_certified: false,
};
const DELETE_CERTIFIED: ChangeType = ChangeType::Delete {
    was_certified: true,
};

fn registered() -> PerObjectBlobInfoV1 {
    PerObjectBlobInfoV1 {
        blob_id: blob(1),
        registered_epoch: Epoch(2),
        certified_epoch: None,
        end_epoch: Epoch(10),
        deletable: true,
        event: event(1),
        deleted: false,
    }
}

fn certified() -> PerObjectBlobInfoV1 {
    PerObjectBlobInfoV1 {
        certified_epoch: Some(Epoch(3)),
        ..registered()
    }
}

fn operand(change_type: ChangeType) -> PerObjectOperand {
    let change_info = ChangeInfo {
        blob_id: blob(1),
        deletable: true,
        epoch: Epoch(4),
        end_epoch: Epoch(20),
        status_event: event(2),
    };
    PerObjectOperand {
        change_type,
        change_info,
    }
}

/// The row made of a stored one and some operands, through bytes.
fn merge(
    row: Option<PerObjectBlobInfoV1>,
    operands: &[PerObjectOperand],
) -> Result<PerObjectBlobInfoV1, MergeError> {
    let row = row.map(|row| PerObjectBlobInfo::V1(row).encode());
    let operands: Vec<_> = operands.iter().map(PerObjectOperand::encode).collect();
    let merged = per_object::merge(row.as_deref(), operands.iter().map(Vec::as_slice))?;
    let PerObjectBlobInfo::V1(row) =
        PerObjectBlobInfo::decode(&merged).expect("a merge is canonical");
    Ok(row)
}

#[test]
fn a_registration_creates_the_row() {
    for deletable in [false, true] {
        let mut operand = operand(ChangeType::Register);
        operand.change_info.deletable = deletable;
        let expected = PerObjectBlobInfoV1 {
            blob_id: blob(1),
            registered_epoch: Epoch(4),
            certified_epoch: None,
            end_epoch: Epoch(20),
            deletable,
            event: event(2),
            deleted: false,
        };
        assert_eq!(merge(None, &[operand]), Ok(expected));
    }
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
fn each_change_does_one_thing_and_leaves_its_event() {
    let event = event(2);
    let cases = [
        (
            registered(),
            ChangeType::Certify,
            PerObjectBlobInfoV1 {
                certified_epoch: Some(Epoch(4)),
                event,
                ..registered()
            },
        ),
        (
            certified(),
            ChangeType::Extend,
            PerObjectBlobInfoV1 {
                end_epoch: Epoch(20),
                event,
                ..certified()
            },
        ),
        (
            registered(),
            DELETE,
            PerObjectBlobInfoV1 {
                deleted: true,
                event,
                ..registered()
            },
        ),
        (
            certified(),
            DELETE_CERTIFIED,
            PerObjectBlobInfoV1 {
                deleted: true,
                event,
                ..certified()
            },
        ),
    ];
    for (row, change, expected) in cases {
        assert_eq!(
            merge(Some(row), &[operand(change)]),
            Ok(expected),
            "{change:?}"
        );
    }
}

#[test]
fn an_extension_sets_the_end_even_to_an_earlier_epoch() {
    let mut extend = operand(ChangeType::Extend);
    extend.change_info.end_epoch = Epoch(5);
    let row = merge(Some(certified()), &[extend]).expect("a certified object can be extended");
    assert_eq!(row.end_epoch, Epoch(5));
}

#[test]
fn a_change_that_does_not_fit_the_state_is_refused() {
    let cases = [
        (
            registered(),
            ChangeType::Register,
            ApplyError::AlreadyRegistered,
        ),
        (
            certified(),
            ChangeType::Register,
            ApplyError::AlreadyRegistered,
        ),
        (
            certified(),
            ChangeType::Certify,
            ApplyError::AlreadyCertified {
                certified_epoch: Epoch(3),
            },
        ),
        (
            registered(),
            ChangeType::Extend,
            ApplyError::NotCertified {
                change: ChangeType::Extend,
            },
        ),
        (
            registered(),
            DELETE_CERTIFIED,
            ApplyError::WasCertifiedMismatch {
                expected: false,
                got: true,
            },
        ),
        (
            certified(),
            DELETE,
            ApplyError::WasCertifiedMismatch {
                expected: true,
                got: false,
            },
        ),
    ];
    for (row, change, error) in cases {
        assert_eq!(
            merge(Some(row), &[operand(change)]),
            refused(error),
            "{change:?}"
        );
    }
}

#[test]
fn nothing_happens_to_a_deleted_object() {
    for row in [registered(), certified()] {
        let deleted = PerObjectBlobInfoV1 {
            deleted: true,
            ..row
        };
        let changes = [
            ChangeType::Register,
            ChangeType::Certify,
            ChangeType::Extend,
            DELETE,
            DELETE_CERTIFIED,
        ];
        for change in changes {
            let error = ApplyError::Deleted { change };
            assert_eq!(merge(Some(deleted), &[operand(change)]), refused(error));
        }
    }
}

#[test]
fn blob_id_and_deletable_must_match() {
    for change in [ChangeType::Certify, DELETE] {
        let mut other_blob = operand(change);
        other_blob.change_info.blob_id = blob(9);
        let error = ApplyError::BlobIdMismatch {
            expected: blob(1),
            got: blob(9),
        };
        assert_eq!(merge(Some(registered()), &[other_blob]), refused(error));

        let mut permanent = operand(change);
        permanent.change_info.deletable = false;
        let error = ApplyError::DeletableMismatch {
            expected: true,
            got: false,
        };
        assert_eq!(merge(Some(registered()), &[permanent]), refused(error));
    }
}

#[test]
fn a_whole_life_in_one_merge() {
    let life = [
        ChangeType::Register,
        ChangeType::Certify,
        ChangeType::Extend,
        DELETE_CERTIFIED,
    ]
    .map(operand);
    let expected = PerObjectBlobInfoV1 {
        registered_epoch: Epoch(4),
        certified_epoch: Some(Epoch(4)),
        end_epoch: Epoch(20),
        event: event(2),
        deleted: true,
        ..registered()
    };
    assert_eq!(merge(None, &life), Ok(expected));
}

#[test]
fn an_error_names_the_operand() {
    let operands = [
        ChangeType::Register,
        ChangeType::Certify,
        ChangeType::Certify,
    ]
    .map(operand);
    let source = ApplyError::AlreadyCertified {
        certified_epoch: Epoch(4),
    };
    assert_eq!(
        merge(None, &operands),
        Err(MergeError::Apply { index: 2, source })
    );
}

#[test]
fn bytes_that_cannot_be_read_are_refused() {
    let register = operand(ChangeType::Register).encode();
    let cut = &register[..82];
    let row = PerObjectBlobInfo::V1(registered()).encode();

    let source = ValueError::TooShort {
        field: "status_event",
        offset: 75,
        needed: 8,
        left: 7,
    };
    assert_eq!(
        per_object::merge(None, [&register[..], cut]),
        Err(MergeError::Operand {
            index: 1,
            source: source.clone()
        })
    );
    assert_eq!(
        per_object::merge(None, [cut, &register]),
        Err(MergeError::Operand { index: 0, source })
    );
    assert_eq!(
        per_object::merge(Some(&[&[1], &row[1..]].concat()), [&register[..]]),
        Err(MergeError::StoredValue {
            source: ValueError::UnknownVariant { got: 1 }
        })
    );
    assert_eq!(
        per_object::merge(Some(&[&row[..], &[0]].concat()), [&register[..]]),
        Err(MergeError::StoredValue {
            source: ValueError::TrailingBytes {
                offset: 85,
                count: 1
            }
        })
    );
}

#[test]
fn without_operands_the_row_stays_and_no_row_is_an_error() {
    assert_eq!(merge(Some(certified()), &[]), Ok(certified()));
    assert_eq!(merge(None, &[]), Err(MergeError::Nothing));
}
