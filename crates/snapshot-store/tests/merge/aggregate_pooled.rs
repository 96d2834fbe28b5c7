//! `aggregate_blob_info`: what operands about pooled objects do, and since when a blob is certified.

use snapshot_format::Epoch;
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, ValidBlobInfoV1, ValidBlobInfoV2,
};
use snapshot_store::merge::{ApplyError, BlobInfoOperand, ChangeType, PooledInfo};

use crate::aggregate::{DELETABLE, PERMANENT, change, merge, permanent, v1, v2};
use crate::common::{blob, event, object, refused};

/// An operand of `epoch` about a pooled object.
fn pooled(change_type: ChangeType, epoch: u32) -> BlobInfoOperand {
    let change_info = PooledInfo {
        blob_id: blob(1),
        epoch: Epoch(epoch),
        storage_pool_id: object(5),
        status_event: event(9),
    };
    BlobInfoOperand::PooledBlobChangeStatus {
        change_type,
        change_info,
    }
}

fn expired(was_certified: bool) -> BlobInfoOperand {
    BlobInfoOperand::PoolExpired {
        storage_pool_id: object(5),
        was_certified,
    }
}

/// 2 pooled objects, 1 of them certified in epoch 4.
fn row() -> ValidBlobInfoV2 {
    ValidBlobInfoV2 {
        is_metadata_stored: true,
        initial_certified_epoch: Some(Epoch(4)),
        count_pooled_refs_total: 2,
        count_pooled_refs_certified: 1,
        ..Default::default()
    }
}

#[test]
fn a_registration_creates_a_v2_row() {
    let expected = ValidBlobInfoV2 {
        count_pooled_refs_total: 1,
        ..Default::default()
    };
    assert_eq!(
        merge(None, &[pooled(ChangeType::Register, 5)]),
        Ok(v2(expected))
    );
}

#[test]
fn nothing_else_creates_a_row() {
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
        let operand = "PooledBlobChangeStatus other than Register";
        assert_eq!(
            merge(None, &[pooled(change_type, 5)]),
            refused(ApplyError::NoBlob { operand })
        );
    }
    for was_certified in [false, true] {
        let operand = "PoolExpired";
        assert_eq!(
            merge(None, &[expired(was_certified)]),
            refused(ApplyError::NoBlob { operand })
        );
    }
}

#[test]
fn each_operand_on_a_v2_row() {
    let delete = |was_certified| pooled(ChangeType::Delete { was_certified }, 5);
    let uncertified_left = ValidBlobInfoV2 {
        initial_certified_epoch: None,
        count_pooled_refs_total: 1,
        count_pooled_refs_certified: 0,
        ..row()
    };
    let certified_left = ValidBlobInfoV2 {
        count_pooled_refs_total: 1,
        ..row()
    };
    let cases = [
        (
            pooled(ChangeType::Register, 5),
            ValidBlobInfoV2 {
                count_pooled_refs_total: 3,
                ..row()
            },
        ),
        (
            pooled(ChangeType::Certify, 5),
            ValidBlobInfoV2 {
                count_pooled_refs_certified: 2,
                ..row()
            },
        ),
        (pooled(ChangeType::Extend, 5), row()),
        (delete(true), uncertified_left),
        (delete(false), certified_left),
        (expired(true), uncertified_left),
        (expired(false), certified_left),
    ];
    for (operand, expected) in cases {
        assert_eq!(
            merge(Some(v2(row())), &[operand]),
            Ok(v2(expected)),
            "{operand:?}"
        );
    }
}

#[test]
fn operands_that_do_not_fit_leave_a_v2_row() {
    let all_certified = ValidBlobInfoV2 {
        count_pooled_refs_certified: 2,
        ..row()
    };
    let certify = pooled(ChangeType::Certify, 1);
    assert_eq!(
        merge(Some(v2(all_certified)), &[certify]),
        Ok(v2(all_certified))
    );

    let none = ValidBlobInfoV2 {
        is_metadata_stored: true,
        ..Default::default()
    };
    for was_certified in [false, true] {
        for operand in [
            pooled(ChangeType::Delete { was_certified }, 5),
            expired(was_certified),
        ] {
            assert_eq!(
                merge(Some(v2(none)), &[operand]),
                Ok(v2(none)),
                "{operand:?}"
            );
        }
    }
    // One count at 0 does not keep the other from falling.
    let registered = ValidBlobInfoV2 {
        count_pooled_refs_total: 1,
        ..none
    };
    assert_eq!(merge(Some(v2(registered)), &[expired(true)]), Ok(v2(none)));
}

#[test]
fn any_pool_operand_makes_a_v1_row_v2() {
    let row = ValidBlobInfoV1 {
        is_metadata_stored: true,
        count_deletable_total: 3,
        count_deletable_certified: 2,
        permanent_total: permanent(2, 20, 1),
        permanent_certified: permanent(1, 15, 2),
        initial_certified_epoch: Some(Epoch(4)),
        latest_seen_deletable_registered_end_epoch: Some(Epoch(12)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(11)),
    };
    let converted = ValidBlobInfoV2 {
        is_metadata_stored: true,
        initial_certified_epoch: Some(Epoch(4)),
        count_deletable_total: 3,
        count_deletable_certified: 2,
        permanent_total: permanent(2, 20, 1),
        permanent_certified: permanent(1, 15, 2),
        count_pooled_refs_total: 0,
        count_pooled_refs_certified: 0,
    };
    let registered = ValidBlobInfoV2 {
        count_pooled_refs_total: 1,
        ..converted
    };
    let cases = [
        (pooled(ChangeType::Register, 5), registered),
        // These do not fit, but they are pool operands.
        (pooled(ChangeType::Certify, 5), converted),
        (pooled(ChangeType::Extend, 5), converted),
        (
            pooled(
                ChangeType::Delete {
                    was_certified: true,
                },
                5,
            ),
            converted,
        ),
        (expired(true), converted),
    ];
    for (operand, expected) in cases {
        assert_eq!(
            merge(Some(v1(row)), &[operand]),
            Ok(v2(expected)),
            "{operand:?}"
        );
    }
}

/// As a node does it: the version follows the operands, whether or not the row still counts them.
#[test]
fn any_pool_operand_makes_an_invalid_v1_row_v2_and_changes_nothing_else() {
    let (epoch, by) = (Epoch(5), event(1));
    let one = BlobInfo::V1(BlobInfoV1::Invalid { epoch, event: by });
    let two = BlobInfo::V2(BlobInfoV2::Invalid { epoch, event: by });
    for operand in [
        pooled(ChangeType::Register, 6),
        pooled(ChangeType::Certify, 6),
        pooled(ChangeType::Extend, 6),
        pooled(
            ChangeType::Delete {
                was_certified: true,
            },
            6,
        ),
        expired(true),
    ] {
        assert_eq!(merge(Some(one), &[operand]), Ok(two), "{operand:?}");
        assert_eq!(merge(Some(two), &[operand]), Ok(two), "{operand:?}");
    }
}

#[test]
fn pooled_counts_must_not_overflow() {
    let full = ValidBlobInfoV2 {
        count_pooled_refs_total: u32::MAX,
        ..row()
    };
    let error = ApplyError::Overflow {
        field: "count_pooled_refs_total",
    };
    assert_eq!(
        merge(Some(v2(full)), &[pooled(ChangeType::Register, 5)]),
        refused(error)
    );
}

/// The field after a certification at epoch 5 of one more object of each kind.
fn since_after_certification(row: ValidBlobInfoV2) -> [Option<Epoch>; 3] {
    let row = ValidBlobInfoV2 {
        count_deletable_total: row.count_deletable_certified + 1,
        permanent_total: permanent(9, 99, 1),
        count_pooled_refs_total: row.count_pooled_refs_certified + 1,
        ..row
    };
    [
        change(ChangeType::Certify, DELETABLE, 50, 9),
        change(ChangeType::Certify, PERMANENT, 50, 9),
        pooled(ChangeType::Certify, 5),
    ]
    .map(|certify| match merge(Some(v2(row)), &[certify]) {
        Ok(BlobInfo::V2(BlobInfoV2::Valid(row))) => row.initial_certified_epoch,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_certification_sets_since_when_the_blob_is_certified() {
    let since = |epoch| [Some(Epoch(epoch)); 3];
    let none = ValidBlobInfoV2::default();
    assert_eq!(since_after_certification(none), since(5), "the first one");

    let before = ValidBlobInfoV2 {
        initial_certified_epoch: Some(Epoch(3)),
        permanent_certified: permanent(1, 6, 1),
        ..none
    };
    assert_eq!(
        since_after_certification(before),
        since(3),
        "certified before"
    );

    let later = ValidBlobInfoV2 {
        initial_certified_epoch: Some(Epoch(7)),
        ..before
    };
    assert_eq!(
        since_after_certification(later),
        since(5),
        "the stored epoch is later"
    );

    let ended = ValidBlobInfoV2 {
        permanent_certified: permanent(1, 5, 1),
        ..before
    };
    assert_eq!(
        since_after_certification(ended),
        since(5),
        "the only one has just ended"
    );

    let counted = ValidBlobInfoV2 {
        count_deletable_certified: 1,
        ..ended
    };
    assert_eq!(
        since_after_certification(counted),
        since(3),
        "a deletable one is left"
    );
    let counted = ValidBlobInfoV2 {
        count_pooled_refs_certified: 1,
        ..ended
    };
    assert_eq!(
        since_after_certification(counted),
        since(3),
        "a pooled one is left"
    );
}

#[test]
fn in_v1_a_deletable_object_counts_only_until_the_latest_end_seen() {
    for (latest, since) in [(6, 3), (5, 5)] {
        let row = ValidBlobInfoV1 {
            count_deletable_total: 2,
            count_deletable_certified: 1,
            initial_certified_epoch: Some(Epoch(3)),
            latest_seen_deletable_registered_end_epoch: Some(Epoch(9)),
            latest_seen_deletable_certified_end_epoch: Some(Epoch(latest)),
            ..Default::default()
        };
        let expected = ValidBlobInfoV1 {
            count_deletable_certified: 2,
            initial_certified_epoch: Some(Epoch(since)),
            latest_seen_deletable_certified_end_epoch: Some(Epoch(8)),
            ..row
        };
        let certify = change(ChangeType::Certify, DELETABLE, 8, 9);
        assert_eq!(merge(Some(v1(row)), &[certify]), Ok(v1(expected)));
    }
}

#[test]
fn the_last_certified_object_takes_the_epoch_with_it() {
    let full = ValidBlobInfoV2 {
        count_deletable_total: 1,
        count_deletable_certified: 1,
        permanent_total: permanent(1, 20, 1),
        permanent_certified: permanent(1, 20, 1),
        count_pooled_refs_total: 1,
        count_pooled_refs_certified: 1,
        ..row()
    };
    let removals = [
        change(
            ChangeType::Delete {
                was_certified: true,
            },
            DELETABLE,
            9,
            9,
        ),
        BlobInfoOperand::PermanentExpired {
            was_certified: true,
        },
        expired(true),
    ];
    let epochs: Vec<_> = (0..=3)
        .map(|count| match merge(Some(v2(full)), &removals[..count]) {
            Ok(BlobInfo::V2(BlobInfoV2::Valid(row))) => row.initial_certified_epoch,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        epochs,
        [Some(Epoch(4)), Some(Epoch(4)), Some(Epoch(4)), None]
    );
}
