//! The bytes of `BlobInfo`, and what it says of an epoch.

use snapshot_format::{Epoch, ValueError};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, ValidBlobInfoV1, ValidBlobInfoV2,
};

use crate::aggregate::{permanent, v1, v2};
use crate::common::event;

/// `event(5)`: length byte, 32 bytes, sequence number.
const EVENT_5: [&[u8]; 3] = [&[0x20], &[5; 32], &[5, 0, 0, 0, 0, 0, 0, 0]];

fn full_v1() -> ValidBlobInfoV1 {
    ValidBlobInfoV1 {
        is_metadata_stored: true,
        count_deletable_total: 1,
        count_deletable_certified: 2,
        permanent_total: permanent(3, 4, 5),
        permanent_certified: permanent(5, 6, 5),
        initial_certified_epoch: Some(Epoch(7)),
        latest_seen_deletable_registered_end_epoch: Some(Epoch(8)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(9)),
    }
}

fn full_v2() -> ValidBlobInfoV2 {
    ValidBlobInfoV2 {
        is_metadata_stored: true,
        initial_certified_epoch: Some(Epoch(1)),
        count_deletable_total: 2,
        count_deletable_certified: 3,
        permanent_total: permanent(4, 5, 5),
        permanent_certified: permanent(6, 7, 5),
        count_pooled_refs_total: 8,
        count_pooled_refs_certified: 9,
    }
}

/// Each value with its bytes, assembled by hand.
fn values() -> [(BlobInfo, Vec<u8>); 6] {
    let event_5 = EVENT_5.concat();
    let number = |n: u8| [n, 0, 0, 0];
    let some = |n: u8| [1, n, 0, 0, 0];
    let invalid_v1 = BlobInfoV1::Invalid {
        epoch: Epoch(6),
        event: event(5),
    };
    let invalid_v2 = BlobInfoV2::Invalid {
        epoch: Epoch(6),
        event: event(5),
    };
    [
        (
            BlobInfo::V1(invalid_v1),
            [&[0, 0][..], &number(6), &event_5].concat(),
        ),
        (
            BlobInfo::V2(invalid_v2),
            [&[1, 0][..], &number(6), &event_5].concat(),
        ),
        (
            v1(ValidBlobInfoV1::default()),
            [&[0, 1][..], &[0; 14]].concat(),
        ),
        (
            v2(ValidBlobInfoV2::default()),
            [&[1, 1][..], &[0; 20]].concat(),
        ),
        (
            v1(full_v1()),
            [
                &[0, 1, 1][..],
                &number(1),
                &number(2),
                &some(3),
                &number(4),
                &event_5,
                &some(5),
                &number(6),
                &event_5,
                &some(7),
                &some(8),
                &some(9),
            ]
            .concat(),
        ),
        (
            v2(full_v2()),
            [
                &[1, 1, 1][..],
                &some(1),
                &number(2),
                &number(3),
                &some(4),
                &number(5),
                &event_5,
                &some(6),
                &number(7),
                &event_5,
                &number(8),
                &number(9),
            ]
            .concat(),
        ),
    ]
}

#[test]
fn values_have_these_bytes() {
    for (value, bytes) in values() {
        assert_eq!(value.encode(), bytes, "{value:?}");
        assert_eq!(BlobInfo::decode(&bytes), Ok(value));
        for len in 0..bytes.len() {
            let error = BlobInfo::decode(&bytes[..len]);
            assert!(
                matches!(error, Err(ValueError::TooShort { .. })),
                "{len}: {error:?}"
            );
        }
        let error = BlobInfo::decode(&[&bytes[..], &[0]].concat());
        assert_eq!(
            error,
            Err(ValueError::TrailingBytes {
                offset: bytes.len(),
                count: 1
            })
        );
    }
    assert_eq!(v1(full_v1()).encode().len(), BlobInfo::MAX_LEN);
    assert!(v2(full_v2()).encode().len() <= BlobInfo::MAX_LEN);
}

#[test]
fn every_changed_byte_reads_as_bcs_reads_it() {
    for (_, good) in values() {
        for place in 0..good.len() {
            for byte in [0, 1, 2, 0x1f, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[place] = byte;
                let read = BlobInfo::decode(&bytes).ok();
                assert_eq!(read, bcs::from_bytes(&bytes).ok(), "byte {place} is {byte}");
            }
        }
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    let [.., (_, good), _] = values();
    let with = |offset: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[offset] = byte;
        BlobInfo::decode(&bytes)
    };
    // Offsets: variants 0 and 1, flag 2, counts 3 and 7, permanent_total 11.
    assert_eq!(with(0, 2), Err(ValueError::UnknownVariant { got: 2 }));
    assert_eq!(with(1, 2), Err(ValueError::UnknownVariant { got: 2 }));
    let field = "is_metadata_stored";
    assert_eq!(
        with(2, 2),
        Err(ValueError::InvalidBool {
            field,
            offset: 2,
            got: 2
        })
    );
    let field = "permanent_total";
    assert_eq!(
        with(11, 2),
        Err(ValueError::InvalidOptionTag {
            field,
            offset: 11,
            got: 2
        })
    );
    assert_eq!(
        with(12, 0),
        Err(ValueError::Invalid {
            what: "count of permanent objects is 0"
        })
    );
    assert_eq!(
        with(20, 0),
        Err(ValueError::InvalidDigestLength {
            field,
            offset: 20,
            got: 0
        })
    );
}

/// At which of the epochs 0 to 9 it is so.
fn epochs(is_so: impl Fn(Epoch) -> bool) -> Vec<u32> {
    (0..10).filter(|epoch| is_so(Epoch(*epoch))).collect()
}

#[test]
fn when_a_v1_row_is_certified() {
    let certified = |row: ValidBlobInfoV1| epochs(|epoch| v1(row).is_certified_at(epoch));
    let none = ValidBlobInfoV1 {
        initial_certified_epoch: Some(Epoch(2)),
        ..Default::default()
    };
    assert_eq!(certified(none), []);

    let permanent = ValidBlobInfoV1 {
        permanent_certified: permanent(1, 5, 1),
        ..none
    };
    assert_eq!(certified(permanent), [2, 3, 4]);

    let deletable = ValidBlobInfoV1 {
        count_deletable_certified: 1,
        latest_seen_deletable_certified_end_epoch: Some(Epoch(6)),
        ..none
    };
    assert_eq!(certified(deletable), [2, 3, 4, 5]);
    assert_eq!(
        certified(ValidBlobInfoV1 {
            count_deletable_certified: 0,
            ..deletable
        }),
        []
    );
    let unseen = ValidBlobInfoV1 {
        latest_seen_deletable_certified_end_epoch: None,
        ..deletable
    };
    assert_eq!(certified(unseen), []);
    assert_eq!(
        certified(ValidBlobInfoV1 {
            initial_certified_epoch: None,
            ..deletable
        }),
        []
    );
}

#[test]
fn when_a_v2_row_is_certified() {
    let certified = |row: ValidBlobInfoV2| epochs(|epoch| v2(row).is_certified_at(epoch));
    let none = ValidBlobInfoV2 {
        initial_certified_epoch: Some(Epoch(7)),
        ..Default::default()
    };
    assert_eq!(certified(none), []);
    assert_eq!(
        certified(ValidBlobInfoV2 {
            permanent_certified: permanent(1, 9, 1),
            ..none
        }),
        [7, 8]
    );
    assert_eq!(
        certified(ValidBlobInfoV2 {
            count_deletable_certified: 1,
            ..none
        }),
        [7, 8, 9]
    );
    let pooled = ValidBlobInfoV2 {
        count_pooled_refs_certified: 1,
        ..none
    };
    assert_eq!(certified(pooled), [7, 8, 9]);
    assert_eq!(
        certified(ValidBlobInfoV2 {
            initial_certified_epoch: None,
            ..pooled
        }),
        []
    );
}

#[test]
fn when_a_row_is_registered() {
    let registered = |row: BlobInfo| epochs(|epoch| row.is_registered_at(epoch));
    let total = permanent(1, 3, 1);
    let none = ValidBlobInfoV1::default();
    assert_eq!(registered(v1(none)), []);
    assert_eq!(
        registered(v1(ValidBlobInfoV1 {
            permanent_total: total,
            ..none
        })),
        [0, 1, 2]
    );
    let deletable = ValidBlobInfoV1 {
        count_deletable_total: 1,
        latest_seen_deletable_registered_end_epoch: Some(Epoch(2)),
        ..none
    };
    assert_eq!(registered(v1(deletable)), [0, 1]);

    let none = ValidBlobInfoV2::default();
    assert_eq!(registered(v2(none)), []);
    assert_eq!(
        registered(v2(ValidBlobInfoV2 {
            permanent_total: total,
            ..none
        })),
        [0, 1, 2]
    );
    let deletable = ValidBlobInfoV2 {
        count_deletable_total: 1,
        ..none
    };
    assert_eq!(registered(v2(deletable)).len(), 10);
    let pooled = ValidBlobInfoV2 {
        count_pooled_refs_total: 1,
        ..none
    };
    assert_eq!(registered(v2(pooled)).len(), 10);
}

#[test]
fn an_invalid_row_is_neither() {
    let [(one, _), (two, _), (valid, _), ..] = values();
    for row in [one, two] {
        assert!(row.is_invalid());
        assert_eq!(
            epochs(|epoch| row.is_certified_at(epoch) || row.is_registered_at(epoch)),
            []
        );
    }
    assert!(!valid.is_invalid());
}
