//! The bytes of operands: assembled by hand, then at random against BCS.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use snapshot_format::{Epoch, ValueError};
use snapshot_store::merge::{
    BlobInfoOperand, ChangeInfo, ChangeType, CursorOperand, PerObjectOperand, PooledInfo,
    PooledOperand, StoragePoolOperand,
};

use crate::common::{blob, event, object};

/// `event(5)`: length byte, 32 bytes, sequence number.
const EVENT_5: [&[u8]; 3] = [&[0x20], &[5; 32], &[5, 0, 0, 0, 0, 0, 0, 0]];

fn bytes(parts: &[&[&[u8]]]) -> Vec<u8> {
    parts.concat().concat()
}

fn change_info() -> ChangeInfo {
    ChangeInfo {
        blob_id: blob(7),
        deletable: true,
        epoch: Epoch(0x0403_0201),
        end_epoch: Epoch(9),
        status_event: event(5),
    }
}

fn change_info_bytes() -> Vec<u8> {
    bytes(&[&[&[7; 32], &[1], &[1, 2, 3, 4], &[9, 0, 0, 0]], &EVENT_5])
}

fn pooled_info() -> PooledInfo {
    PooledInfo {
        blob_id: blob(7),
        epoch: Epoch(3),
        storage_pool_id: object(8),
        status_event: event(5),
    }
}

fn pooled_info_bytes() -> Vec<u8> {
    bytes(&[&[&[7; 32], &[3, 0, 0, 0], &[8; 32]], &EVENT_5])
}

/// Both directions, every cut, and one byte too many.
macro_rules! assert_bytes {
    ($operand:expr, $type:ty, $parts:expr) => {{
        let (operand, expected): ($type, Vec<u8>) = ($operand, $parts.concat());
        assert_eq!(operand.encode(), expected, "{operand:?}");
        assert_eq!(<$type>::decode(&expected), Ok(operand));
        for len in 0..expected.len() {
            let error = <$type>::decode(&expected[..len]);
            assert!(
                matches!(error, Err(ValueError::TooShort { .. })),
                "{len}: {error:?}"
            );
        }
        let error = <$type>::decode(&[&expected[..], &[0]].concat());
        assert_eq!(
            error,
            Err(ValueError::TrailingBytes {
                offset: expected.len(),
                count: 1
            })
        );
    }};
}

#[test]
fn per_object_operands_are_a_struct() {
    let info = change_info_bytes();
    let changes: [(ChangeType, &[u8]); 5] = [
        (ChangeType::Register, &[0]),
        (ChangeType::Certify, &[1]),
        (ChangeType::Extend, &[2]),
        (
            ChangeType::Delete {
                was_certified: false,
            },
            &[3, 0],
        ),
        (
            ChangeType::Delete {
                was_certified: true,
            },
            &[3, 1],
        ),
    ];
    for (change_type, tag) in changes {
        let operand = PerObjectOperand {
            change_type,
            change_info: change_info(),
        };
        assert_bytes!(operand, PerObjectOperand, [tag, &info]);
    }
}

#[test]
fn pooled_operands_are_an_enum() {
    let info = pooled_info_bytes();
    let operand = PooledOperand::V1 {
        change_type: ChangeType::Certify,
        change_info: pooled_info(),
    };
    assert_bytes!(operand, PooledOperand, [&[0, 1][..], &info]);
}

#[test]
fn storage_pool_operands() {
    let create = StoragePoolOperand::Create {
        start_epoch: Epoch(1),
        end_epoch: Epoch(256),
    };
    assert_bytes!(
        create,
        StoragePoolOperand,
        [&[0][..], &[1, 0, 0, 0], &[0, 1, 0, 0]]
    );
    let extend = StoragePoolOperand::Extend {
        end_epoch: Epoch(2),
    };
    assert_bytes!(extend, StoragePoolOperand, [&[1][..], &[2, 0, 0, 0]]);
}

#[test]
fn aggregate_operands() {
    let change = change_info_bytes();
    let pooled = pooled_info_bytes();
    let event_5 = EVENT_5.concat();
    assert_bytes!(
        BlobInfoOperand::MarkMetadataStored(true),
        BlobInfoOperand,
        [&[0, 1][..]]
    );
    let invalid = BlobInfoOperand::MarkInvalid {
        epoch: Epoch(6),
        status_event: event(5),
    };
    assert_bytes!(
        invalid,
        BlobInfoOperand,
        [&[1][..], &[6, 0, 0, 0], &event_5]
    );
    let status = BlobInfoOperand::ChangeStatus {
        change_type: ChangeType::Delete {
            was_certified: true,
        },
        change_info: change_info(),
    };
    assert_bytes!(status, BlobInfoOperand, [&[2, 3, 1][..], &change]);
    let expired = BlobInfoOperand::DeletableExpired {
        was_certified: true,
    };
    assert_bytes!(expired, BlobInfoOperand, [&[3, 1][..]]);
    let expired = BlobInfoOperand::PermanentExpired {
        was_certified: false,
    };
    assert_bytes!(expired, BlobInfoOperand, [&[4, 0][..]]);
    let status = BlobInfoOperand::PooledBlobChangeStatus {
        change_type: ChangeType::Register,
        change_info: pooled_info(),
    };
    assert_bytes!(status, BlobInfoOperand, [&[5, 0][..], &pooled]);
    let expired = BlobInfoOperand::PoolExpired {
        storage_pool_id: object(8),
        was_certified: true,
    };
    assert_bytes!(expired, BlobInfoOperand, [&[6][..], &[8; 32], &[1]]);
}

#[test]
fn cursor_operands() {
    let operand = CursorOperand {
        event_id: event(5),
        increment: 258,
    };
    assert_bytes!(
        operand,
        CursorOperand,
        [&EVENT_5.concat()[..], &[2, 1, 0, 0, 0, 0, 0, 0]]
    );
}

#[test]
fn operands_that_are_not_canonical_are_refused() {
    let delete = ChangeType::Delete {
        was_certified: true,
    };
    let good = PerObjectOperand {
        change_type: delete,
        change_info: change_info(),
    }
    .encode();
    let with = |offset: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[offset] = byte;
        PerObjectOperand::decode(&bytes)
    };
    // Offsets: change type 0, was_certified 1, blob ID 2, deletable 34, epochs 35, event 43.
    assert_eq!(with(0, 4), Err(ValueError::UnknownVariant { got: 4 }));
    assert_eq!(
        with(1, 2),
        Err(ValueError::InvalidBool {
            field: "was_certified",
            offset: 1,
            got: 2
        })
    );
    assert_eq!(
        with(34, 0xff),
        Err(ValueError::InvalidBool {
            field: "deletable",
            offset: 34,
            got: 0xff
        })
    );
    assert_eq!(
        with(43, 31),
        Err(ValueError::InvalidDigestLength {
            field: "status_event",
            offset: 43,
            got: 31
        })
    );

    let unknown = Err(ValueError::UnknownVariant { got: 7 });
    assert_eq!(BlobInfoOperand::decode(&[7, 0]), unknown);
    assert_eq!(
        PooledOperand::decode(&[1, 0]),
        Err(ValueError::UnknownVariant { got: 1 })
    );
    assert_eq!(
        StoragePoolOperand::decode(&[2]),
        Err(ValueError::UnknownVariant { got: 2 })
    );
    // The variant indexes 128 and 2^32 - 1 are canonical, if unknown.
    let variant = |got| Err(ValueError::UnknownVariant { got });
    assert_eq!(BlobInfoOperand::decode(&[0x80, 0x01]), variant(128));
    assert_eq!(
        BlobInfoOperand::decode(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
        variant(u32::MAX)
    );
    // A superfluous byte, a 33rd bit, and a sixth byte are not.
    let index = Err(ValueError::InvalidVariantIndex);
    assert_eq!(BlobInfoOperand::decode(&[0x80, 0x00, 1]), index);
    assert_eq!(
        BlobInfoOperand::decode(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
        index
    );
    assert_eq!(
        BlobInfoOperand::decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        index
    );
}

fn change_types() -> impl Strategy<Value = ChangeType> {
    prop_oneof![
        Just(ChangeType::Register),
        Just(ChangeType::Certify),
        Just(ChangeType::Extend),
        any::<bool>().prop_map(|was_certified| ChangeType::Delete { was_certified }),
    ]
}

fn change_infos() -> impl Strategy<Value = ChangeInfo> {
    any::<(u8, bool, u32, u32, u8)>().prop_map(|(id, deletable, epoch, end, by)| ChangeInfo {
        blob_id: blob(id),
        deletable,
        epoch: Epoch(epoch),
        end_epoch: Epoch(end),
        status_event: event(by),
    })
}

fn pooled_infos() -> impl Strategy<Value = PooledInfo> {
    any::<(u8, u32, u8, u8)>().prop_map(|(id, epoch, pool, by)| PooledInfo {
        blob_id: blob(id),
        epoch: Epoch(epoch),
        storage_pool_id: object(pool),
        status_event: event(by),
    })
}

fn blob_info_operands() -> impl Strategy<Value = BlobInfoOperand> {
    prop_oneof![
        any::<bool>().prop_map(BlobInfoOperand::MarkMetadataStored),
        any::<(u32, u8)>().prop_map(|(epoch, by)| BlobInfoOperand::MarkInvalid {
            epoch: Epoch(epoch),
            status_event: event(by),
        }),
        (change_types(), change_infos()).prop_map(|(change_type, change_info)| {
            BlobInfoOperand::ChangeStatus {
                change_type,
                change_info,
            }
        }),
        any::<bool>().prop_map(|was_certified| BlobInfoOperand::DeletableExpired { was_certified }),
        any::<bool>().prop_map(|was_certified| BlobInfoOperand::PermanentExpired { was_certified }),
        (change_types(), pooled_infos()).prop_map(|(change_type, change_info)| {
            BlobInfoOperand::PooledBlobChangeStatus {
                change_type,
                change_info,
            }
        }),
        any::<(u8, bool)>().prop_map(|(pool, was_certified)| BlobInfoOperand::PoolExpired {
            storage_pool_id: object(pool),
            was_certified,
        }),
    ]
}

/// Some bytes changed, and some cut off or added: mostly garbage, sometimes another operand.
fn damage(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)], len: usize) -> Vec<u8> {
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    bytes.resize(len.max(1).min(bytes.len() + 2), 0);
    bytes
}

/// The reading by hand accepts what BCS accepts, and reads the same from it.
fn assert_reads_as_bcs<T: DeserializeOwned + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, ValueError>,
) {
    assert_eq!(
        decode(bytes).ok(),
        bcs::from_bytes(bytes).ok(),
        "{bytes:02x?}"
    );
}

fn to_bcs(operand: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(operand).expect("operands have a BCS form")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reading_agrees_with_bcs(
        change_type in change_types(),
        change_info in change_infos(),
        pooled_info in pooled_infos(),
        blob_info in blob_info_operands(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..=8), 0..2),
        len in prop_oneof![Just(usize::MAX), 0_usize..140],
    ) {
        let per_object = PerObjectOperand { change_type, change_info };
        assert_eq!(PerObjectOperand::decode(&per_object.encode()), Ok(per_object));
        let pooled = PooledOperand::V1 { change_type, change_info: pooled_info };
        assert_eq!(PooledOperand::decode(&pooled.encode()), Ok(pooled));
        assert_eq!(BlobInfoOperand::decode(&blob_info.encode()), Ok(blob_info));

        let len = if len == usize::MAX { None } else { Some(len) };
        let damage = |bytes: Vec<u8>| {
            let len = len.unwrap_or(bytes.len());
            damage(bytes, &changes, len)
        };
        assert_reads_as_bcs(&damage(to_bcs(&per_object)), PerObjectOperand::decode);
        assert_reads_as_bcs(&damage(to_bcs(&pooled)), PooledOperand::decode);
        assert_reads_as_bcs(&damage(to_bcs(&blob_info)), BlobInfoOperand::decode);
        let create = StoragePoolOperand::Create {
            start_epoch: change_info.epoch,
            end_epoch: change_info.end_epoch,
        };
        assert_reads_as_bcs(&damage(to_bcs(&create)), StoragePoolOperand::decode);
        let cursor = CursorOperand { event_id: change_info.status_event, increment: 1 };
        assert_reads_as_bcs(&damage(to_bcs(&cursor)), CursorOperand::decode);
    }
}
