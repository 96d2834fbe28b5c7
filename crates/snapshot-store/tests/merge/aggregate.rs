//! `aggregate_blob_info`: what creates a row, marks, and what cannot be merged.
//!
//! Helpers that make rows and operands of this table live here for the other files on it too.

use std::num::NonZeroU32;

use snapshot_format::{Epoch, ValueError};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2,
};
use snapshot_store::merge::{
    ApplyError, BlobInfoOperand, ChangeInfo, ChangeType, MergeError, aggregate,
};

use crate::common::{blob, event, refused};

pub(crate) const DELETABLE: bool = true;
pub(crate) const PERMANENT: bool = false;

pub(crate) fn v1(row: ValidBlobInfoV1) -> BlobInfo {
    BlobInfo::V1(BlobInfoV1::Valid(row))
}

pub(crate) fn v2(row: ValidBlobInfoV2) -> BlobInfo {
    BlobInfo::V2(BlobInfoV2::Valid(row))
}

pub(crate) fn permanent(count: u32, end_epoch: u32, by: u8) -> Option<PermanentBlobInfo> {
    let count = NonZeroU32::new(count)?;
    Some(PermanentBlobInfo {
        count,
        end_epoch: Epoch(end_epoch),
        event: event(by),
    })
}

/// An operand of epoch 5 about an object that ends at `end_epoch`.
pub(crate) fn change(
    change_type: ChangeType,
    deletable: bool,
    end_epoch: u32,
    by: u8,
) -> BlobInfoOperand {
    let change_info = ChangeInfo {
        blob_id: blob(1),
        deletable,
        epoch: Epoch(5),
        end_epoch: Epoch(end_epoch),
        status_event: event(by),
    };
    BlobInfoOperand::ChangeStatus {
        change_type,
        change_info,
    }
}

/// The row made of a stored one and some operands, through bytes.
pub(crate) fn merge(
    row: Option<BlobInfo>,
    operands: &[BlobInfoOperand],
) -> Result<BlobInfo, MergeError> {
    let row = row.map(|row| row.encode());
    let operands: Vec<_> = operands.iter().map(BlobInfoOperand::encode).collect();
    let merged = aggregate::merge(row.as_deref(), operands.iter().map(Vec::as_slice))?;
    Ok(BlobInfo::decode(&merged).expect("a merge is canonical"))
}

/// A V1 row and a V2 row with the same deletable and permanent objects, all fields set: 3 deletable
/// objects, 2 of them certified, 2 permanent ones, 1 of them certified, since epoch 4.
pub(crate) fn rows() -> (ValidBlobInfoV1, ValidBlobInfoV2) {
    let v1 = ValidBlobInfoV1 {
        is_metadata_stored: true,
        count_deletable_total: 3,
        count_deletable_certified: 2,
        permanent_total: permanent(2, 20, 1),
        permanent_certified: permanent(1, 15, 2),
        initial_certified_epoch: Some(Epoch(4)),
        latest_seen_deletable_registered_end_epoch: Some(Epoch(12)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(11)),
    };
    let v2 = ValidBlobInfoV2 {
        is_metadata_stored: true,
        initial_certified_epoch: Some(Epoch(4)),
        count_deletable_total: 3,
        count_deletable_certified: 2,
        permanent_total: permanent(2, 20, 1),
        permanent_certified: permanent(1, 15, 2),
        count_pooled_refs_total: 2,
        count_pooled_refs_certified: 1,
    };
    (v1, v2)
}

/// Applies `operand` to both of [`rows`] and expects of each what `expect` makes of it.
pub(crate) fn on_both(
    operand: BlobInfoOperand,
    expect_v1: impl FnOnce(&mut ValidBlobInfoV1),
    expect_v2: impl FnOnce(&mut ValidBlobInfoV2),
) {
    let (mut one, mut two) = rows();
    let merged = [
        merge(Some(v1(one)), &[operand]),
        merge(Some(v2(two)), &[operand]),
    ];
    expect_v1(&mut one);
    expect_v2(&mut two);
    assert_eq!(merged, [Ok(v1(one)), Ok(v2(two))], "{operand:?}");
}

#[test]
fn a_registration_creates_a_v1_row() {
    let expected = ValidBlobInfoV1 {
        count_deletable_total: 1,
        latest_seen_deletable_registered_end_epoch: Some(Epoch(9)),
        ..Default::default()
    };
    let register = change(ChangeType::Register, DELETABLE, 9, 1);
    assert_eq!(merge(None, &[register]), Ok(v1(expected)));

    let expected = ValidBlobInfoV1 {
        permanent_total: permanent(1, 9, 1),
        ..Default::default()
    };
    let register = change(ChangeType::Register, PERMANENT, 9, 1);
    assert_eq!(merge(None, &[register]), Ok(v1(expected)));
}

#[test]
fn marks_create_a_v1_row() {
    for stored in [false, true] {
        let expected = ValidBlobInfoV1 {
            is_metadata_stored: stored,
            ..Default::default()
        };
        assert_eq!(
            merge(None, &[BlobInfoOperand::MarkMetadataStored(stored)]),
            Ok(v1(expected))
        );
    }
    let mark = BlobInfoOperand::MarkInvalid {
        epoch: Epoch(5),
        status_event: event(1),
    };
    let expected = BlobInfoV1::Invalid {
        epoch: Epoch(5),
        event: event(1),
    };
    assert_eq!(merge(None, &[mark]), Ok(BlobInfo::V1(expected)));
}

#[test]
fn nothing_else_creates_a_row() {
    let no_blob = |operand| refused(ApplyError::NoBlob { operand });
    for deletable in [DELETABLE, PERMANENT] {
        for change_type in [
            ChangeType::Certify,
            ChangeType::Extend,
            ChangeType::Delete {
                was_certified: false,
            },
            ChangeType::Delete {
                was_certified: true,
            },
        ] {
            assert_eq!(
                merge(None, &[change(change_type, deletable, 9, 1)]),
                no_blob("ChangeStatus other than Register")
            );
        }
    }
    for was_certified in [false, true] {
        let expired = BlobInfoOperand::DeletableExpired { was_certified };
        assert_eq!(merge(None, &[expired]), no_blob("DeletableExpired"));
        let expired = BlobInfoOperand::PermanentExpired { was_certified };
        assert_eq!(merge(None, &[expired]), no_blob("PermanentExpired"));
    }
}

#[test]
fn metadata_is_stored_or_not() {
    let mark = BlobInfoOperand::MarkMetadataStored(false);
    on_both(
        mark,
        |v1| v1.is_metadata_stored = false,
        |v2| v2.is_metadata_stored = false,
    );
    on_both(BlobInfoOperand::MarkMetadataStored(true), |_| {}, |_| {});
}

#[test]
fn an_invalid_row_keeps_its_version_and_ignores_everything() {
    let mark = BlobInfoOperand::MarkInvalid {
        epoch: Epoch(5),
        status_event: event(1),
    };
    let (one, two) = rows();
    let (epoch, event_1) = (Epoch(5), event(1));
    for (row, invalid) in [
        (
            v1(one),
            BlobInfo::V1(BlobInfoV1::Invalid {
                epoch,
                event: event_1,
            }),
        ),
        (
            v2(two),
            BlobInfo::V2(BlobInfoV2::Invalid {
                epoch,
                event: event_1,
            }),
        ),
    ] {
        assert_eq!(merge(Some(row), &[mark]), Ok(invalid));
        for operand in [
            BlobInfoOperand::MarkMetadataStored(true),
            BlobInfoOperand::MarkInvalid {
                epoch: Epoch(6),
                status_event: event(2),
            },
            change(ChangeType::Register, DELETABLE, 9, 1),
            change(ChangeType::Register, PERMANENT, 9, 1),
            change(ChangeType::Certify, PERMANENT, 9, 1),
            change(
                ChangeType::Delete {
                    was_certified: true,
                },
                DELETABLE,
                9,
                1,
            ),
            BlobInfoOperand::DeletableExpired {
                was_certified: true,
            },
            BlobInfoOperand::PermanentExpired {
                was_certified: true,
            },
        ] {
            assert_eq!(merge(Some(invalid), &[operand]), Ok(invalid), "{operand:?}");
        }
    }
}

#[test]
fn counts_must_not_overflow() {
    let register = change(ChangeType::Register, DELETABLE, 9, 9);
    let full = ValidBlobInfoV1 {
        count_deletable_total: u32::MAX,
        ..Default::default()
    };
    let overflow = |field| refused(ApplyError::Overflow { field });
    assert_eq!(
        merge(Some(v1(full)), &[register]),
        overflow("count_deletable_total")
    );

    let register = change(ChangeType::Register, PERMANENT, 9, 9);
    let full = ValidBlobInfoV1 {
        permanent_total: permanent(u32::MAX, 9, 1),
        ..Default::default()
    };
    assert_eq!(
        merge(Some(v1(full)), &[register]),
        overflow("permanent_total.count")
    );
}

#[test]
fn bytes_that_cannot_be_read_are_refused() {
    let mark = BlobInfoOperand::MarkMetadataStored(true).encode();
    let (row, _) = rows();
    let value = v1(row).encode();
    assert_eq!(
        aggregate::merge(Some(&value), [&mark[..], &[9]]),
        Err(MergeError::Operand {
            index: 1,
            source: ValueError::UnknownVariant { got: 9 }
        })
    );
    let source = ValueError::TrailingBytes {
        offset: value.len(),
        count: 1,
    };
    assert_eq!(
        aggregate::merge(Some(&[&value[..], &[0]].concat()), [&mark[..]]),
        Err(MergeError::StoredValue { source })
    );
    // An invalid row ignores what an operand says, not that it says nothing.
    let invalid = BlobInfo::V1(BlobInfoV1::Invalid {
        epoch: Epoch(5),
        event: event(1),
    });
    let source = ValueError::TooShort {
        field: "is_metadata_stored",
        offset: 1,
        needed: 1,
        left: 0,
    };
    assert_eq!(
        aggregate::merge(Some(&invalid.encode()), [&mark[..1]]),
        Err(MergeError::Operand { index: 0, source })
    );
    assert_eq!(merge(None, &[]), Err(MergeError::Nothing));
}
