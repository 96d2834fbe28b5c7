//! The rules by which `aggregate_blob_info` is rebuilt: each by hand, all against a second
//! implementation, and each broken rule found out.

use std::collections::BTreeMap;

use snapshot_format::{BlobId, Epoch, ObjectId};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2,
};
use snapshot_store::restore::{BlobObject, Doubts, PermanentObject, RestoreOptions, Tally};
use snapshot_store::schema::ColumnFamily;

use crate::model::{self, BROKEN, Numbers};
use crate::support::{event, restored, rows, snapshot_file};

fn tally(objects: &[BlobObject]) -> Tally {
    let mut tally = Tally::default();
    for object in objects {
        tally.add(object);
    }
    tally
}

fn v1(objects: &[BlobObject]) -> ValidBlobInfoV1 {
    match tally(objects).row() {
        Ok(Some(BlobInfo::V1(BlobInfoV1::Valid(row)))) => row,
        other => panic!("{other:?}"),
    }
}

fn v2(objects: &[BlobObject]) -> ValidBlobInfoV2 {
    match tally(objects).row() {
        Ok(Some(BlobInfo::V2(BlobInfoV2::Valid(row)))) => row,
        other => panic!("{other:?}"),
    }
}

fn deletable(certified: Option<u32>, end: u32) -> BlobObject {
    BlobObject::Deletable {
        certified_epoch: certified.map(Epoch),
        end_epoch: Epoch(end),
    }
}

fn permanent(id: u8, registered: u32, certified: Option<u32>, end: u32) -> BlobObject {
    BlobObject::Permanent(PermanentObject {
        object_id: ObjectId::new([id; 32]),
        registered_epoch: Epoch(registered),
        certified_epoch: certified.map(Epoch),
        end_epoch: Epoch(end),
        event: event(u64::from(id)),
    })
}

fn info(count: u32, end: u32, id: u8) -> Option<PermanentBlobInfo> {
    Some(PermanentBlobInfo {
        count: count.try_into().expect("never 0"),
        end_epoch: Epoch(end),
        event: event(u64::from(id)),
    })
}

fn pooled(certified: Option<u32>) -> BlobObject {
    let certified_epoch = certified.map(Epoch);
    BlobObject::Pooled { certified_epoch }
}

#[test]
fn no_object_no_row() {
    assert_eq!(tally(&[]).row(), Ok(None));
}

#[test]
fn deletable_objects_are_counted_and_their_latest_ends_kept() {
    let expected = ValidBlobInfoV1 {
        count_deletable_total: 3,
        count_deletable_certified: 2,
        initial_certified_epoch: Some(Epoch(4)),
        latest_seen_deletable_registered_end_epoch: Some(Epoch(30)),
        latest_seen_deletable_certified_end_epoch: Some(Epoch(20)),
        ..ValidBlobInfoV1::default()
    };
    let objects = [
        deletable(None, 30),
        deletable(Some(5), 20),
        deletable(Some(4), 10),
    ];
    assert_eq!(v1(&objects), expected);
    let uncertified = v1(&[deletable(None, 7)]);
    assert_eq!(uncertified.latest_seen_deletable_certified_end_epoch, None);
    assert_eq!(uncertified.initial_certified_epoch, None);
}

#[test]
fn permanent_objects_have_the_latest_end_and_its_event() {
    let objects = [
        permanent(1, 1, Some(3), 9),
        permanent(2, 2, None, 12),
        permanent(3, 2, Some(2), 10),
    ];
    let expected = ValidBlobInfoV1 {
        permanent_total: info(3, 12, 2),
        permanent_certified: info(2, 10, 3),
        initial_certified_epoch: Some(Epoch(2)),
        ..ValidBlobInfoV1::default()
    };
    assert_eq!(v1(&objects), expected);
    assert_eq!(v1(&[permanent(1, 1, None, 9)]).permanent_certified, None);
}

#[test]
fn of_objects_that_end_together_the_first_registered_and_then_the_smallest_gives_the_event() {
    let mut objects = [
        permanent(5, 2, Some(4), 9),
        permanent(3, 3, Some(4), 9),
        permanent(7, 2, Some(4), 9),
        permanent(1, 1, None, 8),
    ];
    for _ in 0..objects.len() {
        objects.rotate_left(1);
        let row = v1(&objects);
        assert_eq!(row.permanent_total, info(4, 9, 5));
        assert_eq!(row.permanent_certified, info(3, 9, 5));
    }
}

#[test]
fn one_pooled_object_makes_version_2() {
    let objects = [
        pooled(Some(3)),
        pooled(None),
        deletable(Some(6), 20),
        permanent(1, 1, None, 9),
    ];
    let expected = ValidBlobInfoV2 {
        count_pooled_refs_total: 2,
        count_pooled_refs_certified: 1,
        count_deletable_total: 1,
        count_deletable_certified: 1,
        permanent_total: info(1, 9, 1),
        initial_certified_epoch: Some(Epoch(3)),
        ..ValidBlobInfoV2::default()
    };
    assert_eq!(v2(&objects), expected);
}

#[test]
fn doubts_are_told_where_they_show() {
    let doubts = |objects: &[BlobObject]| tally(objects).doubts();
    let none = Doubts::default();
    assert_eq!(
        doubts(&[permanent(1, 1, None, 9), deletable(Some(3), 9)]),
        none
    );
    let total = Doubts {
        permanent_total_event: true,
        ..none
    };
    assert_eq!(doubts(&[permanent(1, 1, Some(2), 9)]), total);
    // The one that ends last decides.
    let certified_first = [permanent(1, 1, Some(2), 9), permanent(2, 1, None, 10)];
    assert_eq!(doubts(&certified_first), none);
    let tied = [permanent(1, 1, Some(2), 9), permanent(2, 1, Some(2), 9)];
    let both = Doubts {
        permanent_total_event: true,
        permanent_certified_event: true,
    };
    assert_eq!(doubts(&tied), both);
    let later = [tied[0], tied[1], permanent(3, 1, Some(2), 10)];
    assert_eq!(doubts(&later), total);
}

/// The rows that a restore makes of generated tables are those of the model, and each broken rule gives
/// others on at least one of the tables.
#[test]
fn restored_rows_are_the_model_s_and_a_broken_rule_is_caught() {
    let mut caught: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..12 {
        let mut numbers = Numbers(seed);
        let size = 1 + numbers.below(120);
        let objects = model::objects(&mut numbers, size);
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        let file = snapshot_file(dir.path(), 5, &objects);
        let report = restored(&file, &target, &RestoreOptions::default()).unwrap();
        let found: BTreeMap<BlobId, BlobInfo> = rows(&target, ColumnFamily::AggregateBlobInfo)
            .into_iter()
            .map(|(key, value)| {
                let id = <[u8; 32]>::try_from(key).expect("a blob ID");
                (BlobId::new(id), BlobInfo::decode(&value).expect("a row"))
            })
            .collect();
        let expected = model::rebuild(&objects, None);
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(report.aggregate.rows, expected.len() as u64);
        for (blob_id, row) in &found {
            assert_invariants(blob_id, row);
        }
        for broken in BROKEN {
            let differs = found != model::rebuild(&objects, Some(broken));
            *caught.entry(format!("{broken:?}")).or_default() += u32::from(differs);
        }
    }
    assert_eq!(caught.len(), BROKEN.len());
    let missed: Vec<_> = caught.iter().filter(|(_, times)| **times == 0).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

fn assert_invariants(blob_id: &BlobId, row: &BlobInfo) {
    let row: ValidBlobInfoV2 = match row {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => (*row).into(),
        BlobInfo::V2(BlobInfoV2::Valid(row)) => *row,
        other => panic!("{blob_id}: {other:?}"),
    };
    assert!(
        row.count_deletable_certified <= row.count_deletable_total,
        "{blob_id}"
    );
    assert!(
        row.count_pooled_refs_certified <= row.count_pooled_refs_total,
        "{blob_id}"
    );
    if let Some(certified) = row.permanent_certified {
        let total = row.permanent_total.expect("all of them");
        assert!(certified.count <= total.count && certified.end_epoch <= total.end_epoch);
    }
    let certified = row.count_deletable_certified > 0
        || row.count_pooled_refs_certified > 0
        || row.permanent_certified.is_some();
    assert_eq!(
        row.initial_certified_epoch.is_some(),
        certified,
        "{blob_id}"
    );
}

/// More objects than one run and one part hold, many of them of one blob ID.
#[test]
fn large_tables_are_sorted_on_disk() {
    let mut numbers = Numbers(3);
    let mut objects = model::objects(&mut numbers, 300_000);
    let crowd = model::objects(&mut numbers, 1).remove(0).1;
    objects.extend((0..100_000).map(|_| (numbers.id(), crowd)));
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    let file = snapshot_file(dir.path(), 5, &objects);
    let report = restored(&file, &target, &RestoreOptions::default()).unwrap();
    let expected: Vec<(Vec<u8>, Vec<u8>)> = model::rebuild(&objects, None)
        .into_iter()
        .map(|(blob_id, row)| (blob_id.as_bytes().to_vec(), row.encode()))
        .collect();
    assert!(rows(&target, ColumnFamily::AggregateBlobInfo) == expected);
    let family = report
        .families
        .iter()
        .find(|family| family.name == "aggregate_blob_info");
    let files = family.map_or(0, |family| family.files);
    assert!(files > 1, "{files} files");
}
