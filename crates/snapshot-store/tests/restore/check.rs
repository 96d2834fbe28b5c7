//! Checks: nothing is found in tables that agree, and each disagreement is found with its key.

use std::path::Path;

use rocksdb::DB;
use snapshot_format::{
    BlobId, Epoch, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record, StoragePoolInfo,
    StoragePoolInfoV1, Table,
};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2, ValidBlobInfoV1};
use snapshot_store::check::{CheckOptions, CheckReport, Problem, Violation, check};
use snapshot_store::schema::ColumnFamily;
use snapshot_store::{Database, OpenOptions, Progress};

use crate::common::{Fixture, create_database};
use crate::model::{self, Numbers, Row};
use crate::support::{event, restored, rows, snapshot_file, told};

fn checked(path: &Path, epoch: Option<u32>) -> (CheckReport, Vec<Violation>) {
    let scratch = tempfile::tempdir().unwrap();
    let database =
        Database::open_column_families(path, &ColumnFamily::ALL, &OpenOptions::default()).unwrap();
    let options = CheckOptions {
        epoch: epoch.map(Epoch),
        scratch: scratch.path().to_path_buf(),
    };
    let mut found = Vec::new();
    let report = check(&database, &options, &Progress::new(), |violation| {
        found.push(violation.clone());
    })
    .unwrap();
    assert_eq!(report.violations, found.len() as u64);
    (report, found)
}

#[test]
fn a_node_s_tables_agree() {
    let node = Fixture::node_b();
    for path in [node.checkpoint(), node.unflushed()] {
        let (report, found) = checked(&path, Some(11));
        assert_eq!(found, []);
        assert_eq!(report.rows.total(), 318);
        assert_eq!(report.aggregate_rows, 284);
        assert_eq!((report.invalid_rows, report.awaiting_collection), (6, 30));
        assert_eq!(report.latest_handled_event_index, Some(35_937));
    }
    // In the next epoch some of them would have been collected.
    let (report, found) = checked(&node.checkpoint(), Some(12));
    assert!(report.violations > 0);
    let ended = |violation: &Violation| matches!(violation.problem, Problem::Ended { .. });
    assert!(found.iter().all(ended), "{found:?}");
}

const POOL: [u8; 32] = [9; 32];

/// A restored database of objects that agree, and one of its blob IDs with objects of all kinds.
fn database(dir: &Path) -> (std::path::PathBuf, Vec<Row>) {
    let mut objects = model::objects(&mut Numbers(6), 200);
    objects.retain(|(_, record)| {
        !matches!(record, Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) if row.deleted)
    });
    let pool = StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(12),
    });
    objects.push((POOL, Record::StoragePoolInfo(pool)));
    let target = dir.join("db");
    restored(&snapshot_file(dir, 5, &objects), &target, &told(100)).unwrap();
    (target, objects)
}

/// What a check finds after `change`.
fn found_after(change: impl FnOnce(&DB, &[Row])) -> Vec<Violation> {
    let dir = tempfile::tempdir().unwrap();
    let (target, objects) = database(dir.path());
    assert_eq!(checked(&target, Some(9)).1, []);
    change(&create_database(&target), &objects);
    checked(&target, Some(9)).1
}

fn put(db: &DB, family: ColumnFamily, key: &[u8], value: impl AsRef<[u8]>) {
    db.put_cf(db.cf_handle(family.name()).unwrap(), key, value)
        .unwrap();
}

fn delete(db: &DB, family: ColumnFamily, key: &[u8]) {
    db.delete_cf(db.cf_handle(family.name()).unwrap(), key)
        .unwrap();
}

/// The key of an object that owns its storage, and its row.
fn an_object(objects: &[Row]) -> ([u8; 32], snapshot_format::PerObjectBlobInfoV1) {
    let found = objects.iter().find_map(|(key, record)| match record {
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => Some((*key, *row)),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn each_object_is_looked_at_by_itself() {
    let family = ColumnFamily::PerObjectBlobInfo;
    let changed = |change: fn(&mut snapshot_format::PerObjectBlobInfoV1)| {
        let mut key = [0; 32];
        let found = found_after(|db, objects| {
            let (of, mut row) = an_object(objects);
            change(&mut row);
            key = of;
            put(db, family, &key, PerObjectBlobInfo::V1(row).encode());
        });
        let mine: Vec<Problem> = found
            .into_iter()
            .filter(|violation| violation.key == key)
            .map(|violation| violation.problem)
            .collect();
        mine
    };
    let problems = changed(|row| row.end_epoch = row.registered_epoch);
    assert!(
        matches!(
            problems[..],
            [Problem::EndsBeforeItBegins { .. }, Problem::Ended { .. }]
        ),
        "{problems:?}"
    );
    let problems = changed(|row| row.end_epoch = Epoch(9));
    let (end, epoch) = (Epoch(9), Epoch(9));
    assert_eq!(problems, [Problem::Ended { end, epoch }]);
    let problems = changed(|row| {
        row.registered_epoch = Epoch(8);
        row.certified_epoch = Some(Epoch(7));
    });
    let (certified, registered) = (Epoch(7), Epoch(8));
    let expected = Problem::CertifiedBeforeRegistered {
        certified,
        registered,
    };
    assert_eq!(problems, [expected]);
    assert_eq!(
        changed(|row| row.deleted = true),
        [Problem::Deleted { epoch }]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let found = found_after(|db, _| {
        for table in Table::ALL {
            put(db, table.into(), b"short", b"");
            put(db, table.into(), &[0xff; 32], b"\x07");
        }
        put(db, ColumnFamily::AggregateBlobInfo, b"short", b"");
        put(db, ColumnFamily::AggregateBlobInfo, &[0xff; 32], b"\x07");
        put(db, ColumnFamily::EventCursor, b"cursor", b"\x07");
        put(db, ColumnFamily::EventCursor, b"other", b"");
        put(db, ColumnFamily::LatestHandledEventIndex, b"", b"1234");
    });
    let count = |wanted: fn(&Problem) -> bool| {
        found
            .iter()
            .filter(|violation| wanted(&violation.problem))
            .count()
    };
    assert_eq!(count(|it| matches!(it, Problem::KeyLength { got: 5 })), 4);
    assert_eq!(count(|it| matches!(it, Problem::Value(_))), 5);
    assert_eq!(count(|it| matches!(it, Problem::UnknownKey)), 1);
    assert_eq!(count(|it| matches!(it, Problem::IndexLength { got: 4 })), 1);
    assert_eq!(found.len(), 11, "{found:?}");
}

#[test]
fn pools_that_are_gone_or_ended_are_found_at_their_objects() {
    let pooled = |objects: &[Row]| {
        let is = |(_, record): &&Row| matches!(record, Record::PerObjectPooledBlobInfo(_));
        objects.iter().filter(is).count()
    };
    let mut expected = 0;
    let found = found_after(|db, objects| {
        expected = pooled(objects);
        delete(db, ColumnFamily::StoragePoolInfo, &POOL);
    });
    let pool = ObjectId::new(POOL);
    assert!(expected > 10);
    assert_eq!(found.len(), expected);
    for violation in &found {
        assert_eq!(violation.family, ColumnFamily::PerObjectPooledBlobInfo);
        assert_eq!(violation.problem, Problem::NoPool { pool });
    }
    let found = found_after(|db, _| {
        let pool = StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch: Epoch(1),
            end_epoch: Epoch(9),
        });
        put(db, ColumnFamily::StoragePoolInfo, &POOL, pool.encode());
    });
    // The objects, and the pool itself.
    let (end, epoch) = (Epoch(9), Epoch(9));
    assert_eq!(found.len(), expected + 1);
    for violation in &found {
        assert_eq!(violation.problem, Problem::Ended { end, epoch });
    }
}

/// The rows of `aggregate_blob_info`, changed one at a time.
#[test]
fn every_field_that_must_agree_is_compared() {
    let family = ColumnFamily::AggregateBlobInfo;
    let dir = tempfile::tempdir().unwrap();
    let (target, _) = database(dir.path());
    let all = rows(&target, family);
    let mut fields = std::collections::BTreeSet::new();
    for (key, value) in all.iter().take(40) {
        let row = BlobInfo::decode(value).unwrap();
        for changed in wrong(&row) {
            put(&create_database(&target), family, key, changed.encode());
            let (_, found) = checked(&target, None);
            assert_eq!(found.len(), 1, "{row:?} to {changed:?}: {found:?}");
            assert_eq!(&found[0].key, key);
            match found[0].problem {
                Problem::Count { field, .. } | Problem::Permanent { field, .. } => {
                    fields.insert(field);
                }
                Problem::CertifiedSince { .. } => {
                    fields.insert("initial_certified_epoch");
                }
                ref other => panic!("{other:?}"),
            }
        }
        put(&create_database(&target), family, key, value);
    }
    assert_eq!(fields.len(), 7, "{fields:?}");
}

/// Rows that differ from `row` in one field that the objects decide.
fn wrong(row: &BlobInfo) -> Vec<BlobInfo> {
    let mut rows = Vec::new();
    match row {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => {
            let mut change = |change: &dyn Fn(&mut ValidBlobInfoV1)| {
                let mut changed = *row;
                change(&mut changed);
                rows.push(BlobInfo::V1(BlobInfoV1::Valid(changed)));
            };
            change(&|row| row.count_deletable_total += 1);
            if row.count_deletable_certified > 0 {
                change(&|row| row.count_deletable_certified += 1);
            }
            change(&|row| {
                row.initial_certified_epoch = match row.initial_certified_epoch {
                    Some(_) => None,
                    None => Some(Epoch(1)),
                }
            });
            if row.permanent_total.is_some() {
                change(&|row| {
                    row.permanent_total.as_mut().unwrap().end_epoch.0 += 1;
                });
            }
            if row.permanent_certified.is_some() {
                change(&|row| {
                    let certified = row.permanent_certified.as_mut().unwrap();
                    certified.count = certified.count.checked_add(1).unwrap();
                });
            }
        }
        BlobInfo::V2(BlobInfoV2::Valid(row)) => {
            let mut total = *row;
            total.count_pooled_refs_total += 1;
            rows.push(BlobInfo::V2(BlobInfoV2::Valid(total)));
            if row.initial_certified_epoch.is_some() {
                let mut certified = *row;
                certified.count_pooled_refs_certified += 1;
                rows.push(BlobInfo::V2(BlobInfoV2::Valid(certified)));
            }
        }
        other => panic!("{other:?}"),
    }
    rows
}

#[test]
fn rows_without_objects_and_objects_without_rows_are_found() {
    let family = ColumnFamily::AggregateBlobInfo;
    let mut blob_id = BlobId::ZERO;
    let found = found_after(|db, objects| {
        blob_id = an_object(objects).1.blob_id;
        delete(db, family, blob_id.as_bytes());
    });
    assert!(
        matches!(&found[..], [violation] if violation.key == blob_id.as_bytes()
            && matches!(violation.problem, Problem::NoAggregate { objects: 1.. })),
        "{found:?}"
    );

    // One counts an object that is not there; one counts nothing, which is no harm; one is invalid.
    let idle = |count_deletable_total| {
        let row = ValidBlobInfoV1 {
            count_deletable_total,
            ..ValidBlobInfoV1::default()
        };
        BlobInfo::V1(BlobInfoV1::Valid(row)).encode()
    };
    let found = found_after(|db, _| {
        put(db, family, &[0; 32], idle(1));
        put(db, family, &[0xff; 32], idle(0));
        let invalid = BlobInfoV1::Invalid {
            epoch: Epoch(1),
            event: event(1),
        };
        put(db, family, &[0xfe; 32], BlobInfo::V1(invalid).encode());
    });
    let expected = Violation {
        family,
        key: vec![0; 32],
        problem: Problem::Count {
            field: "count_deletable_total",
            expected: 0,
            got: 1,
        },
    };
    assert_eq!(found, [expected]);
}

#[test]
fn an_event_beyond_the_cursor_is_found() {
    let found = found_after(|db, _| {
        let index = 100_u64.to_le_bytes();
        put(db, ColumnFamily::LatestHandledEventIndex, b"", index);
    });
    let (latest, next) = (100, 100);
    assert!(
        matches!(&found[..], [violation]
            if violation.problem == Problem::HandledBeyondCursor { latest, next }),
        "{found:?}"
    );
    let text = found[0].to_string();
    assert!(
        text.starts_with("latest_handled_event_index (empty key): event 100"),
        "{text}"
    );
}

/// Objects that a merge operator's value stands for count as any.
#[test]
fn pooled_rows_are_decoded_as_the_format_does() {
    let found = found_after(|db, objects| {
        let pooled = objects.iter().find_map(|(key, record)| match record {
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => Some((key, *row)),
            _ => None,
        });
        let (key, mut row) = pooled.unwrap();
        row.registered_epoch = Epoch(99);
        row.certified_epoch = row.certified_epoch.or(Some(Epoch(3)));
        let value = PerObjectPooledBlobInfo::V1(row).encode();
        put(db, ColumnFamily::PerObjectPooledBlobInfo, key, value);
    });
    let before = |violation: &Violation| {
        matches!(violation.problem, Problem::CertifiedBeforeRegistered { .. })
    };
    assert!(found.iter().any(before), "{found:?}");
}
