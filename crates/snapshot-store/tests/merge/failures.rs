//! What cannot be merged fails the read, says which row and why, and takes nothing with it.

use rocksdb::DB;
use snapshot_format::{
    Epoch, PerObjectBlobInfo, PerObjectBlobInfoV1, StoragePoolInfo, StoragePoolInfoV1, ValueError,
};
use snapshot_store::merge::{
    ApplyError, BlobInfoOperand, ChangeInfo, ChangeType, CursorOperand, MergeError, MergeFailure,
    MergeFailures, PerObjectOperand, PooledInfo, PooledOperand, StoragePoolOperand,
};
use snapshot_store::schema::{ColumnFamily, EVENT_CURSOR_KEY};

use crate::common::{
    blob, compact, event, flush, get, merge, object, open_reader, open_writer, put, scan,
};

const MERGE_FAILED: &str = "Corruption: Merge operator failed";

/// A good operand that creates a row.
fn good(family: ColumnFamily) -> Vec<u8> {
    let change_info = ChangeInfo {
        blob_id: blob(1),
        deletable: true,
        epoch: Epoch(1),
        end_epoch: Epoch(9),
        status_event: event(1),
    };
    let pooled_info = PooledInfo {
        blob_id: blob(1),
        epoch: Epoch(1),
        storage_pool_id: object(1),
        status_event: event(1),
    };
    let change_type = ChangeType::Register;
    match family {
        ColumnFamily::PerObjectBlobInfo => PerObjectOperand {
            change_type,
            change_info,
        }
        .encode(),
        ColumnFamily::PerObjectPooledBlobInfo => PooledOperand::V1 {
            change_type,
            change_info: pooled_info,
        }
        .encode(),
        ColumnFamily::StoragePoolInfo => StoragePoolOperand::Create {
            start_epoch: Epoch(1),
            end_epoch: Epoch(9),
        }
        .encode(),
        ColumnFamily::AggregateBlobInfo => BlobInfoOperand::ChangeStatus {
            change_type,
            change_info,
        }
        .encode(),
        ColumnFamily::EventCursor => CursorOperand {
            event_id: event(1),
            increment: 1,
        }
        .encode(),
        ColumnFamily::LatestHandledEventIndex => panic!("it has no operands"),
    }
}

const WITH_OPERANDS: [ColumnFamily; 5] = [
    ColumnFamily::PerObjectBlobInfo,
    ColumnFamily::PerObjectPooledBlobInfo,
    ColumnFamily::StoragePoolInfo,
    ColumnFamily::AggregateBlobInfo,
    ColumnFamily::EventCursor,
];

/// Rows 1, 2 and 3, of which 2 has a good operand and a bad one.
fn write_rows(db: &DB, family: ColumnFamily, bad: &[u8]) {
    for n in 1..=3 {
        merge(db, family, object(n).as_bytes(), &good(family));
    }
    merge(db, family, object(2).as_bytes(), bad);
}

/// Asserts that row 2 fails with `cause`, and that the others are there.
fn assert_row_2_fails(db: &DB, failures: &MergeFailures, family: ColumnFamily, cause: &MergeError) {
    let expected = MergeFailure {
        column_family: family,
        key: object(2).as_bytes().to_vec(),
        cause: cause.clone(),
    };
    assert_eq!(failures.take(), []);
    let read = get(db, family, object(2).as_bytes());
    assert!(
        read.as_ref()
            .is_err_and(|error| error.starts_with(MERGE_FAILED)),
        "{read:?}"
    );
    assert_eq!(failures.last(), Some(expected.clone()));
    assert_eq!(
        failures.of_row(family, object(2).as_bytes()),
        Some(expected.clone())
    );
    assert_eq!(failures.of_row(family, object(1).as_bytes()), None);
    assert_eq!(failures.take(), std::slice::from_ref(&expected));
    assert_eq!(failures.last(), None);

    let rows = scan(db, family);
    assert!(
        matches!(&rows[..], [Ok(_), Err(_)]),
        "the scan ends in an error: {rows:?}"
    );
    assert_eq!(failures.take(), [expected]);

    for n in [1, 3] {
        let row = get(db, family, object(n).as_bytes());
        assert!(matches!(row, Ok(Some(_))), "{row:?}");
    }
    assert_eq!(failures.take(), []);
}

#[test]
fn a_bad_operand_fails_the_row_wherever_it_lies() {
    for family in WITH_OPERANDS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let failures = MergeFailures::new();
        let cut = &good(family)[..3];
        let source = match cut {
            [0x20, ..] => ValueError::TooShort {
                field: "event_id",
                offset: 1,
                needed: 32,
                left: 2,
            },
            _ => match family {
                ColumnFamily::StoragePoolInfo => ValueError::TooShort {
                    field: "start_epoch",
                    offset: 1,
                    needed: 4,
                    left: 2,
                },
                ColumnFamily::PerObjectBlobInfo => ValueError::TooShort {
                    field: "blob_id",
                    offset: 1,
                    needed: 32,
                    left: 2,
                },
                _ => ValueError::TooShort {
                    field: "blob_id",
                    offset: 2,
                    needed: 32,
                    left: 1,
                },
            },
        };
        let at = |index| MergeError::Operand {
            index,
            source: source.clone(),
        };

        let db = open_writer(dir.path(), &failures);
        write_rows(&db, family, cut);
        assert_row_2_fails(&db, &failures, family, &at(1));
        drop(db);
        let reader = open_reader(dir.path(), &failures);
        assert_row_2_fails(&reader, &failures, family, &at(1));
        drop(reader);

        // Reopened for writing, the WAL is flushed to level 0.
        let db = open_writer(dir.path(), &failures);
        flush(&db, family);
        drop(db);
        let reader = open_reader(dir.path(), &failures);
        let _ = failures.take();
        assert_row_2_fails(&reader, &failures, family, &at(1));
        drop(reader);

        // A compaction fails rather than drop the row.
        let db = open_writer(dir.path(), &failures);
        compact(&db, family);
        assert_eq!(
            failures.take(),
            [MergeFailure {
                column_family: family,
                key: object(2).as_bytes().to_vec(),
                cause: at(1)
            }]
        );
        drop(db);
        let reader = open_reader(dir.path(), &failures);
        let _ = failures.take();
        assert_row_2_fails(&reader, &failures, family, &at(1));
    }
}

#[test]
fn an_operand_that_does_not_fit_fails_the_row() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let apply = |source| MergeError::Apply { index: 1, source };
    for (family, source) in [
        (
            ColumnFamily::PerObjectBlobInfo,
            ApplyError::AlreadyRegistered,
        ),
        (
            ColumnFamily::PerObjectPooledBlobInfo,
            ApplyError::AlreadyRegistered,
        ),
        (ColumnFamily::StoragePoolInfo, ApplyError::PoolExists),
    ] {
        write_rows(&db, family, &good(family));
        assert_row_2_fails(&db, &failures, family, &apply(source));
    }

    let family = ColumnFamily::EventCursor;
    let far = CursorOperand {
        event_id: event(1),
        increment: u64::MAX,
    };
    write_rows(&db, family, &far.encode());
    let overflow = ApplyError::Overflow {
        field: "next_event_index",
    };
    assert_row_2_fails(&db, &failures, family, &apply(overflow));

    let family = ColumnFamily::AggregateBlobInfo;
    let expired = BlobInfoOperand::DeletableExpired {
        was_certified: false,
    };
    merge(&db, family, blob(1).as_ref(), &good(family));
    merge(&db, family, blob(2).as_ref(), &expired.encode());
    merge(&db, family, blob(3).as_ref(), &good(family));
    let source = ApplyError::NoBlob {
        operand: "DeletableExpired",
    };
    assert_row_2_fails(
        &db,
        &failures,
        family,
        &MergeError::Apply { index: 0, source },
    );
}

#[test]
fn a_stored_value_that_cannot_be_read_fails_the_row() {
    for family in WITH_OPERANDS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let failures = MergeFailures::new();
        let db = open_writer(dir.path(), &failures);
        merge(&db, family, object(1).as_bytes(), &good(family));
        put(&db, family, object(2).as_bytes(), &[0x7f]);
        // With the value in the same memtable, the flush itself would merge, and fail.
        flush(&db, family);
        merge(&db, family, object(2).as_bytes(), &good(family));
        merge(&db, family, object(3).as_bytes(), &good(family));
        flush(&db, family);
        let source = ValueError::UnknownVariant { got: 0x7f };
        assert_row_2_fails(&db, &failures, family, &MergeError::StoredValue { source });
    }
}

#[test]
fn a_reader_can_go_on_behind_the_row() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let family = ColumnFamily::StoragePoolInfo;
    write_rows(&db, family, &[]);
    let mut rows = db.raw_iterator_cf(db.cf_handle(family.name()).expect("all are open"));
    rows.seek_to_first();
    assert!(rows.valid());
    rows.next();
    assert!(!rows.valid());
    assert!(
        rows.status().is_err(),
        "the end of a scan is an error, not the end of the rows"
    );
    rows.seek(object(3).as_bytes());
    assert!(rows.valid());
    assert_eq!(rows.status(), Ok(()));
    let expected = StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(9),
    };
    assert_eq!(
        rows.value(),
        Some(&StoragePoolInfo::V1(expected).encode()[..])
    );
}

#[test]
fn only_so_many_failures_are_kept_and_each_row_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let family = ColumnFamily::StoragePoolInfo;
    for n in 0..20 {
        merge(&db, family, object(n).as_bytes(), &[]);
    }
    for n in (0..20).chain([10]) {
        let read = get(&db, family, object(n).as_bytes());
        assert!(read.is_err(), "{read:?}");
    }
    let kept = failures.take();
    assert_eq!(kept.len(), MergeFailures::CAPACITY);
    let keys: Vec<u8> = kept.iter().map(|failure| failure.key[0]).collect();
    assert_eq!(
        keys,
        [4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 10]
    );
    assert_eq!(failures.take(), []);
}

#[test]
fn clones_share_what_they_collect() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    merge(&db, ColumnFamily::EventCursor, EVENT_CURSOR_KEY, &[]);
    assert!(get(&db, ColumnFamily::EventCursor, EVENT_CURSOR_KEY).is_err());
    assert_eq!(failures.clone().take().len(), 1);
    assert_eq!(failures.last(), None);
}

#[test]
fn a_failure_reads_well() {
    let failure = |column_family, key: &[u8], cause| {
        MergeFailure {
            column_family,
            key: key.to_vec(),
            cause,
        }
        .to_string()
    };
    let source = ApplyError::NotRegistered {
        change: ChangeType::Certify,
    };
    assert_eq!(
        failure(
            ColumnFamily::PerObjectBlobInfo,
            &[0xab; 32],
            MergeError::Apply { index: 2, source }
        ),
        "0xabababababababababababababababababababababababababababababababab of \
         per_object_blob_info: operand 2 cannot be applied: cannot certify an object that is not \
         registered"
    );
    let source = ValueError::UnknownVariant { got: 7 };
    assert_eq!(
        failure(
            ColumnFamily::AggregateBlobInfo,
            &[0; 32],
            MergeError::Operand { index: 0, source }
        ),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA of aggregate_blob_info: operand 0 cannot be \
         read: unknown variant 7: written by newer software; use a newer version of this program"
    );
    let source = ValueError::TrailingBytes {
        offset: 50,
        count: 1,
    };
    assert_eq!(
        failure(
            ColumnFamily::EventCursor,
            EVENT_CURSOR_KEY,
            MergeError::StoredValue { source }
        ),
        "0x637572736f72 of event_cursor: stored value cannot be read: 1 bytes follow the end of the \
         value at offset 50"
    );
}

#[test]
fn a_row_without_operands_is_not_merged_and_not_checked() {
    // Values are what the scan checks; the operators see only rows that have operands.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_writer(dir.path(), &failures);
    let row = PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: blob(1),
        registered_epoch: Epoch(1),
        certified_epoch: None,
        end_epoch: Epoch(9),
        deletable: true,
        event: event(1),
        deleted: false,
    });
    for value in [&row.encode()[..], b"garbage"] {
        put(
            &db,
            ColumnFamily::PerObjectBlobInfo,
            object(1).as_bytes(),
            value,
        );
        let read = get(&db, ColumnFamily::PerObjectBlobInfo, object(1).as_bytes());
        assert_eq!(read, Ok(Some(value.to_vec())));
    }
    assert_eq!(failures.take(), []);
}
