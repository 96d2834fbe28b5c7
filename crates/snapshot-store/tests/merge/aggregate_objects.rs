//! `aggregate_blob_info`: what operands about objects with their own storage do, to both versions.

use snapshot_format::Epoch;
use snapshot_store::aggregate::ValidBlobInfoV1;
use snapshot_store::merge::{BlobInfoOperand, ChangeType};

use crate::aggregate::{DELETABLE, PERMANENT, change, merge, on_both, permanent, rows, v1, v2};

#[test]
fn deletable_registration() {
    let later = change(ChangeType::Register, DELETABLE, 13, 9);
    on_both(
        later,
        |v1| {
            v1.count_deletable_total = 4;
            v1.latest_seen_deletable_registered_end_epoch = Some(Epoch(13));
        },
        |v2| v2.count_deletable_total = 4,
    );
    let earlier = change(ChangeType::Register, DELETABLE, 11, 9);
    on_both(
        earlier,
        |v1| v1.count_deletable_total = 4,
        |v2| v2.count_deletable_total = 4,
    );
}

#[test]
fn deletable_certification() {
    let later = change(ChangeType::Certify, DELETABLE, 12, 9);
    on_both(
        later,
        |v1| {
            v1.count_deletable_certified = 3;
            v1.latest_seen_deletable_certified_end_epoch = Some(Epoch(12));
        },
        |v2| v2.count_deletable_certified = 3,
    );
    let earlier = change(ChangeType::Certify, DELETABLE, 10, 9);
    on_both(
        earlier,
        |v1| v1.count_deletable_certified = 3,
        |v2| v2.count_deletable_certified = 3,
    );
}

#[test]
fn deletable_certification_needs_an_uncertified_object() {
    let (mut one, mut two) = rows();
    one.count_deletable_certified = 3;
    two.count_deletable_certified = 3;
    one.initial_certified_epoch = Some(Epoch(8));
    let certify = change(ChangeType::Certify, DELETABLE, 99, 9);
    assert_eq!(merge(Some(v1(one)), &[certify]), Ok(v1(one)));
    assert_eq!(merge(Some(v2(two)), &[certify]), Ok(v2(two)));
}

#[test]
fn deletable_extension() {
    let later = change(ChangeType::Extend, DELETABLE, 13, 9);
    on_both(
        later,
        |v1| {
            v1.latest_seen_deletable_registered_end_epoch = Some(Epoch(13));
            v1.latest_seen_deletable_certified_end_epoch = Some(Epoch(13));
        },
        |_| {},
    );
    on_both(change(ChangeType::Extend, DELETABLE, 10, 9), |_| {}, |_| {});

    // There need not be an object to extend.
    let none = ValidBlobInfoV1::default();
    let expected = ValidBlobInfoV1 {
        latest_seen_deletable_registered_end_epoch: Some(Epoch(13)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(13)),
        ..none
    };
    assert_eq!(merge(Some(v1(none)), &[later]), Ok(v1(expected)));
}

#[test]
fn deletable_removal() {
    for (was_certified, certified) in [(false, 2), (true, 1)] {
        for operand in [
            change(ChangeType::Delete { was_certified }, DELETABLE, 9, 9),
            BlobInfoOperand::DeletableExpired { was_certified },
        ] {
            on_both(
                operand,
                |v1| {
                    v1.count_deletable_total = 2;
                    v1.count_deletable_certified = certified;
                },
                |v2| {
                    v2.count_deletable_total = 2;
                    v2.count_deletable_certified = certified;
                },
            );
        }
    }
}

#[test]
fn a_deletable_count_that_reaches_0_clears_its_latest_seen_end() {
    let row = ValidBlobInfoV1 {
        count_deletable_total: 2,
        count_deletable_certified: 1,
        initial_certified_epoch: Some(Epoch(4)),
        latest_seen_deletable_registered_end_epoch: Some(Epoch(12)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(11)),
        ..Default::default()
    };
    let one_left = ValidBlobInfoV1 {
        count_deletable_total: 1,
        latest_seen_deletable_registered_end_epoch: Some(Epoch(12)),
        ..Default::default()
    };
    let expired = |was_certified| BlobInfoOperand::DeletableExpired { was_certified };
    assert_eq!(merge(Some(v1(row)), &[expired(true)]), Ok(v1(one_left)));
    assert_eq!(
        merge(Some(v1(row)), &[expired(true), expired(false)]),
        Ok(v1(ValidBlobInfoV1::default()))
    );
}

#[test]
fn counts_that_are_0_stay_0() {
    let stored = ValidBlobInfoV1 {
        is_metadata_stored: true,
        ..Default::default()
    };
    for was_certified in [false, true] {
        for operand in [
            change(ChangeType::Delete { was_certified }, DELETABLE, 9, 9),
            BlobInfoOperand::DeletableExpired { was_certified },
            BlobInfoOperand::PermanentExpired { was_certified },
        ] {
            assert_eq!(
                merge(Some(v1(stored)), &[operand]),
                Ok(v1(stored)),
                "{operand:?}"
            );
            let v2_stored = v2(stored.into());
            assert_eq!(
                merge(Some(v2_stored), &[operand]),
                Ok(v2_stored),
                "{operand:?}"
            );
        }
    }
    // One count at 0 does not keep the other from falling.
    let register = change(ChangeType::Register, DELETABLE, 9, 1);
    let expired = BlobInfoOperand::DeletableExpired {
        was_certified: true,
    };
    assert_eq!(
        merge(None, &[register, expired]),
        Ok(v1(ValidBlobInfoV1::default()))
    );
}

#[test]
fn permanent_registration() {
    for (end_epoch, expected) in [
        (21, permanent(3, 21, 9)),
        (20, permanent(3, 20, 1)),
        (7, permanent(3, 20, 1)),
    ] {
        let register = change(ChangeType::Register, PERMANENT, end_epoch, 9);
        on_both(
            register,
            |v1| v1.permanent_total = expected,
            |v2| v2.permanent_total = expected,
        );
    }
}

#[test]
fn permanent_certification() {
    for (end_epoch, expected) in [
        (20, permanent(2, 20, 9)),
        (15, permanent(2, 15, 2)),
        (6, permanent(2, 15, 2)),
    ] {
        let certify = change(ChangeType::Certify, PERMANENT, end_epoch, 9);
        on_both(
            certify,
            |v1| v1.permanent_certified = expected,
            |v2| v2.permanent_certified = expected,
        );
    }
}

#[test]
fn permanent_certification_needs_an_uncertified_object_that_ends_no_later() {
    on_both(
        change(ChangeType::Certify, PERMANENT, 21, 9),
        |_| {},
        |_| {},
    );

    let certify = change(ChangeType::Certify, PERMANENT, 6, 9);
    let (mut one, mut two) = rows();
    one.permanent_certified = permanent(2, 15, 2);
    two.permanent_certified = permanent(2, 15, 2);
    assert_eq!(merge(Some(v1(one)), &[certify]), Ok(v1(one)));
    assert_eq!(merge(Some(v2(two)), &[certify]), Ok(v2(two)));

    let none = ValidBlobInfoV1 {
        is_metadata_stored: true,
        ..Default::default()
    };
    assert_eq!(merge(Some(v1(none)), &[certify]), Ok(v1(none)));
}

#[test]
fn permanent_extension() {
    let both = change(ChangeType::Extend, PERMANENT, 21, 9);
    let (total, certified) = (permanent(2, 21, 9), permanent(1, 21, 9));
    on_both(
        both,
        |v1| (v1.permanent_total, v1.permanent_certified) = (total, certified),
        |v2| (v2.permanent_total, v2.permanent_certified) = (total, certified),
    );
    let one = change(ChangeType::Extend, PERMANENT, 18, 9);
    let certified = permanent(1, 18, 9);
    on_both(
        one,
        |v1| v1.permanent_certified = certified,
        |v2| v2.permanent_certified = certified,
    );
    on_both(change(ChangeType::Extend, PERMANENT, 15, 9), |_| {}, |_| {});

    let none = ValidBlobInfoV1 {
        is_metadata_stored: true,
        ..Default::default()
    };
    assert_eq!(merge(Some(v1(none)), &[both]), Ok(v1(none)));
}

#[test]
fn permanent_expiry() {
    let uncertified = BlobInfoOperand::PermanentExpired {
        was_certified: false,
    };
    let total = permanent(1, 20, 1);
    on_both(
        uncertified,
        |v1| v1.permanent_total = total,
        |v2| v2.permanent_total = total,
    );
    let certified = BlobInfoOperand::PermanentExpired {
        was_certified: true,
    };
    on_both(
        certified,
        |v1| (v1.permanent_total, v1.permanent_certified) = (total, None),
        |v2| (v2.permanent_total, v2.permanent_certified) = (total, None),
    );
}

#[test]
fn permanent_objects_cannot_be_deleted() {
    for was_certified in [false, true] {
        on_both(
            change(ChangeType::Delete { was_certified }, PERMANENT, 9, 9),
            |_| {},
            |_| {},
        );
    }
}
