//! The tables of a real node's database, restored from its snapshots: the same, byte for byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use snapshot_format::{Epoch, EventId, TransactionDigest};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV2,
};
use snapshot_store::cursor::EventCursor;
use snapshot_store::restore::{Action, RestoreOptions};
use snapshot_store::schema::ColumnFamily;

use crate::common::Fixture;
use crate::support::{all_rows, restored, rows, snapshot_tables, told};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/node-b")
        .join(name)
}

#[test]
fn both_framings_restore_to_the_original_tables() {
    let original = Fixture::node_b();
    let expected = all_rows(&original.checkpoint());
    for name in ["counted.bin", "sealed.bin"] {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        let report = restored(&fixture(name), &target, &RestoreOptions::default()).unwrap();
        let found = all_rows(&target);
        for family in snapshot_tables() {
            assert_eq!(found[family.name()], expected[family.name()], "{family}");
            assert!(!found[family.name()].is_empty());
        }
        assert_eq!(report.action, Action::Create);
        assert_eq!(report.snapshot.counts.total(), 318);
        assert_eq!((report.ended_objects, report.deleted_objects), (0, 0));
        let row_counts: Vec<u64> = report.families.iter().map(|family| family.rows).collect();
        let expected_counts: Vec<u64> = ColumnFamily::ALL
            .iter()
            .map(|family| found[family.name()].len() as u64)
            .collect();
        assert_eq!(row_counts, expected_counts);
        // Nothing else is left beside it.
        assert_eq!(crate::support::names(dir.path()), ["db"]);
    }
}

#[test]
fn the_cursor_is_that_of_the_snapshot_or_as_told_or_absent() {
    let dir = tempfile::tempdir().unwrap();
    let cursor_rows = |name: &str| {
        let target = dir.path().join(name);
        (
            rows(&target, ColumnFamily::EventCursor),
            rows(&target, ColumnFamily::LatestHandledEventIndex),
        )
    };
    let row = |event_id: EventId, next: u64| {
        let cursor = EventCursor::V1 {
            event_id,
            next_event_index: next,
        };
        (
            vec![(b"cursor".to_vec(), cursor.encode())],
            vec![(Vec::new(), (next - 1).to_le_bytes().to_vec())],
        )
    };

    let none = RestoreOptions::default();
    restored(&fixture("counted.bin"), &dir.path().join("own"), &none).unwrap();
    let own = EventId {
        tx_digest: TransactionDigest::new([5; 32]),
        event_seq: 1,
    };
    assert_eq!(cursor_rows("own"), row(own, 35_939));
    restored(&fixture("sealed.bin"), &dir.path().join("told"), &told(100)).unwrap();
    let (event_id, next) = (told(100).cursor.event_id.unwrap(), 100);
    assert_eq!(cursor_rows("told"), row(event_id, next));

    let report = restored(&fixture("sealed.bin"), &dir.path().join("none"), &none).unwrap();
    assert_eq!((report.next_event_index, report.event_id), (None, None));
    assert_eq!(cursor_rows("none"), (Vec::new(), Vec::new()));
}

/// What the rows of the node itself say, and the rebuilt ones, field by field.
#[test]
fn the_aggregate_rows_are_the_node_s_wherever_a_snapshot_can_tell() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    let file = fixture("counted.bin");
    let report = restored(&file, &target, &RestoreOptions::default()).unwrap();
    let rebuilt = decode(rows(&target, ColumnFamily::AggregateBlobInfo));
    let original = decode(rows(
        &Fixture::node_b().checkpoint(),
        ColumnFamily::AggregateBlobInfo,
    ));
    assert_eq!(report.aggregate.rows, rebuilt.len() as u64);

    let mut differ: BTreeMap<&str, usize> = BTreeMap::new();
    let mut note = |what, differs| *differ.entry(what).or_default() += usize::from(differs);
    for (blob_id, row) in &rebuilt {
        let node = original.get(blob_id).expect("the node has a row");
        let Some(theirs) = fields(node) else {
            note("invalid", true);
            continue;
        };
        let ours = fields(row).expect("rebuilt rows are valid");
        assert_eq!(exact(&ours), exact(&theirs), "{blob_id:02x?}");
        let certified = ours.permanent_certified.is_some();
        let events = |info: Option<PermanentBlobInfo>| info.map(|info| info.event);
        let total_differs = events(ours.permanent_total) != events(theirs.permanent_total);
        assert!(certified || !total_differs, "{blob_id:02x?}");
        note("permanent_total.event", total_differs);
        note(
            "permanent_certified.event",
            events(ours.permanent_certified) != events(theirs.permanent_certified),
        );
        note(
            "initial_certified_epoch",
            ours.initial_certified_epoch != theirs.initial_certified_epoch,
        );
        note(
            "version",
            matches!(row, BlobInfo::V1(_)) != matches!(node, BlobInfo::V1(_)),
        );
    }
    for (blob_id, row) in &original {
        if !rebuilt.contains_key(blob_id) {
            // It is invalid, or waits for garbage collection.
            let idle = fields(row).is_none_or(|row| exact(&row) == exact(&Default::default()));
            assert!(idle, "{blob_id:02x?} {row:?}");
            note("not rebuilt", true);
        }
    }
    let total_events = differ["permanent_total.event"] as u64;
    assert!(total_events <= report.aggregate.permanent_total_event_in_doubt);
    insta::assert_debug_snapshot!((rebuilt.len(), differ));
}

fn decode(rows: Vec<(Vec<u8>, Vec<u8>)>) -> BTreeMap<Vec<u8>, BlobInfo> {
    rows.into_iter()
        .map(|(key, value)| (key, BlobInfo::decode(&value).expect("a value")))
        .collect()
}

/// The fields that both versions have; nothing of an invalid row.
fn fields(row: &BlobInfo) -> Option<ValidBlobInfoV2> {
    match row {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => Some((*row).into()),
        BlobInfo::V2(BlobInfoV2::Valid(row)) => Some(*row),
        BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }) => None,
    }
}

/// Counts of deletable and pooled objects, and count and end epoch of permanent ones.
type Exact = ([u32; 4], [Option<(u32, Epoch)>; 2]);

fn exact(row: &ValidBlobInfoV2) -> Exact {
    let permanent =
        |info: Option<PermanentBlobInfo>| info.map(|info| (info.count.get(), info.end_epoch));
    (
        [
            row.count_deletable_total,
            row.count_deletable_certified,
            row.count_pooled_refs_total,
            row.count_pooled_refs_certified,
        ],
        [
            permanent(row.permanent_total),
            permanent(row.permanent_certified),
        ],
    )
}
