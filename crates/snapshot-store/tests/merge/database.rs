//! The operators inside RocksDB: wherever it merges (in the memtable, at a flush, in a compaction, at
//! a read), and in whatever portions, a row comes out the same.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use snapshot_format::Epoch;
use snapshot_store::merge::{
    BlobInfoOperand, ChangeInfo, ChangeType, CursorOperand, MergeFailures, PerObjectOperand,
    PooledInfo, PooledOperand, StoragePoolOperand, aggregate, cursor, per_object, pooled,
    storage_pool,
};
use snapshot_store::schema::ColumnFamily;

use crate::common::{
    blob, compact, event, flush, get, merge, object, open_reader, open_writer, put, scan,
};

/// What happens between two operands of a row.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Flush,
    Compaction,
    /// The merged row is read and written back, as a stored value.
    Rewrite,
}

fn betweens() -> impl Strategy<Value = Between> {
    prop_oneof![
        6 => Just(Between::Nothing),
        2 => Just(Between::Flush),
        1 => Just(Between::Compaction),
        1 => Just(Between::Rewrite),
    ]
}

fn change_info(end_epoch: u32, epoch: u32, by: u8) -> ChangeInfo {
    ChangeInfo {
        blob_id: blob(1),
        deletable: by < 128,
        epoch: Epoch(epoch),
        end_epoch: Epoch(end_epoch),
        status_event: event(by),
    }
}

fn pooled_info(epoch: u32, by: u8) -> PooledInfo {
    PooledInfo {
        blob_id: blob(1),
        epoch: Epoch(epoch),
        storage_pool_id: object(2),
        status_event: event(by),
    }
}

/// The life of an object: registered, perhaps certified, then perhaps extended, perhaps deleted.
fn lives() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (
        any::<bool>(),
        prop::collection::vec(0_u32..99, 0..5),
        any::<bool>(),
    )
        .prop_map(|(was_certified, ends, deleted)| {
            let mut changes = vec![(ChangeType::Register, 10)];
            if was_certified {
                changes.push((ChangeType::Certify, 10));
                changes.extend(ends.iter().map(|end| (ChangeType::Extend, *end)));
            }
            if deleted {
                changes.push((ChangeType::Delete { was_certified }, 10));
            }
            let operand = |(by, (change_type, end)): (u8, (ChangeType, u32))| {
                let change_info = ChangeInfo {
                    deletable: true,
                    ..change_info(end, 3, by)
                };
                PerObjectOperand {
                    change_type,
                    change_info,
                }
                .encode()
            };
            (0..).zip(changes).map(operand).collect()
        })
}

fn pooled_lives() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (1_usize..=2, any::<u32>()).prop_map(|(count, epoch)| {
        let changes = [ChangeType::Register, ChangeType::Certify];
        (0..)
            .zip(&changes[..count])
            .map(|(by, change_type)| PooledOperand::V1 {
                change_type: *change_type,
                change_info: pooled_info(epoch, by),
            })
            .map(|operand| operand.encode())
            .collect()
    })
}

fn pools() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(any::<u32>(), 1..6).prop_map(|ends| {
        let operand = |(index, end): (usize, u32)| {
            let end_epoch = Epoch(end);
            match index {
                0 => StoragePoolOperand::Create {
                    start_epoch: Epoch(1),
                    end_epoch,
                },
                _ => StoragePoolOperand::Extend { end_epoch },
            }
            .encode()
        };
        ends.into_iter().enumerate().map(operand).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec((any::<u8>(), any::<u32>()), 1..6).prop_map(|steps| {
        let operand = |(by, increment): (u8, u32)| {
            CursorOperand {
                event_id: event(by),
                increment: increment.into(),
            }
            .encode()
        };
        steps.into_iter().map(operand).collect()
    })
}

/// A first operand that creates the row, then any at all.
fn blob_histories() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let change_types = prop_oneof![
        4 => Just(ChangeType::Register),
        4 => Just(ChangeType::Certify),
        2 => Just(ChangeType::Extend),
        2 => any::<bool>().prop_map(|was_certified| ChangeType::Delete { was_certified }),
    ]
    .boxed();
    let operands = prop_oneof![
        1 => any::<bool>().prop_map(BlobInfoOperand::MarkMetadataStored),
        1 => Just(BlobInfoOperand::MarkInvalid { epoch: Epoch(4), status_event: event(0) }),
        12 => (change_types.clone(), 0_u32..9, 0_u32..9, any::<u8>()).prop_map(
            |(change_type, end, epoch, by)| BlobInfoOperand::ChangeStatus {
                change_type,
                change_info: change_info(end, epoch, by),
            }
        ),
        4 => (change_types, 0_u32..9, any::<u8>()).prop_map(|(change_type, epoch, by)| {
            let change_info = pooled_info(epoch, by);
            BlobInfoOperand::PooledBlobChangeStatus { change_type, change_info }
        }),
        2 => any::<bool>().prop_map(|was_certified| BlobInfoOperand::DeletableExpired { was_certified }),
        2 => any::<bool>().prop_map(|was_certified| BlobInfoOperand::PermanentExpired { was_certified }),
        1 => any::<bool>().prop_map(|was_certified| BlobInfoOperand::PoolExpired {
            storage_pool_id: object(2),
            was_certified,
        }),
    ];
    let first = prop_oneof![
        Just(BlobInfoOperand::MarkMetadataStored(true)),
        any::<u8>().prop_map(|by| BlobInfoOperand::ChangeStatus {
            change_type: ChangeType::Register,
            change_info: change_info(8, 1, by),
        }),
        Just(BlobInfoOperand::PooledBlobChangeStatus {
            change_type: ChangeType::Register,
            change_info: pooled_info(1, 1),
        }),
    ];
    (first, prop::collection::vec(operands, 0..20)).prop_map(|(first, rest)| {
        [first]
            .into_iter()
            .chain(rest)
            .map(|operand| operand.encode())
            .collect()
    })
}

type Merge = fn(&[Vec<u8>]) -> Vec<u8>;

/// Merges each history once in one go, and once in a database with things happening in between.
fn assert_merges_alike(
    family: ColumnFamily,
    histories: impl Strategy<Value = Vec<Vec<u8>>>,
    merge_all: Merge,
) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let rows = std::cell::RefCell::new(Vec::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(40));
    let histories = histories.prop_flat_map(|history| {
        let betweens = prop::collection::vec(betweens(), history.len());
        (Just(history), betweens)
    });
    runner
        .run(&histories, |(history, betweens)| {
            let key = (rows.borrow().len() as u64).to_be_bytes();
            for (operand, between) in history.iter().zip(betweens) {
                merge(&db, family, &key, operand);
                match between {
                    Between::Nothing => {}
                    Between::Flush => flush(&db, family),
                    Between::Compaction => compact(&db, family),
                    Between::Rewrite => {
                        let row = get(&db, family, &key).expect("the row merges");
                        put(&db, family, &key, &row.expect("the row is there"));
                    }
                }
            }
            let expected = merge_all(&history);
            prop_assert_eq!(get(&db, family, &key), Ok(Some(expected.clone())));
            rows.borrow_mut()
                .push(Ok((Box::from(key), expected.into_boxed_slice())));
            Ok(())
        })
        .expect("the row is the same");
    let rows = rows.into_inner();
    assert_eq!(scan(&db, family), rows);
    drop(db);
    assert_eq!(
        scan(&open_reader(dir.path(), &failures), family),
        rows,
        "read-only"
    );
    compact(&open_writer(dir.path(), &failures), family);
    assert_eq!(
        scan(&open_reader(dir.path(), &failures), family),
        rows,
        "compacted"
    );
    assert_eq!(failures.take(), []);
}

macro_rules! merge_all {
    ($operator:ident) => {
        |history| {
            $operator::merge(None, history.iter().map(Vec::as_slice)).expect("the history is valid")
        }
    };
}

#[test]
fn per_object_rows_merge_alike() {
    assert_merges_alike(
        ColumnFamily::PerObjectBlobInfo,
        lives(),
        merge_all!(per_object),
    );
}

#[test]
fn pooled_rows_merge_alike() {
    assert_merges_alike(
        ColumnFamily::PerObjectPooledBlobInfo,
        pooled_lives(),
        merge_all!(pooled),
    );
}

#[test]
fn storage_pool_rows_merge_alike() {
    assert_merges_alike(
        ColumnFamily::StoragePoolInfo,
        pools(),
        merge_all!(storage_pool),
    );
}

#[test]
fn aggregate_rows_merge_alike() {
    assert_merges_alike(
        ColumnFamily::AggregateBlobInfo,
        blob_histories(),
        merge_all!(aggregate),
    );
}

#[test]
fn cursors_merge_alike() {
    assert_merges_alike(ColumnFamily::EventCursor, steps(), merge_all!(cursor));
}

#[test]
fn a_deletion_between_operands_starts_a_new_row() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let family = ColumnFamily::StoragePoolInfo;
    let handle = db.cf_handle(family.name()).expect("all families are open");
    let create = |end: u32| {
        StoragePoolOperand::Create {
            start_epoch: Epoch(1),
            end_epoch: Epoch(end),
        }
        .encode()
    };
    merge(&db, family, b"pool", &create(5));
    flush(&db, family);
    db.delete_cf(handle, b"pool")
        .expect("the deletion is written");
    merge(&db, family, b"pool", &create(3));
    flush(&db, family);
    let expected = storage_pool::merge(None, [&create(3)[..]]).expect("a creation");
    assert_eq!(get(&db, family, b"pool"), Ok(Some(expected.clone())));
    compact(&db, family);
    assert_eq!(get(&db, family, b"pool"), Ok(Some(expected)));
    assert_eq!(failures.take(), []);
}
