//! The large database: as many rows as asked for, in the state asked for, all of them readable.

use std::path::Path;

use reference_node::MakeError;
use reference_node::bench_db::{BenchDb, BenchPlan, KeyOrder, make_bench_db};
use snapshot_format::PerObjectBlobInfo;
use snapshot_store::schema::ColumnFamily;

use crate::support::{Rows, dir, dump, tables};

const PLAN: BenchPlan = BenchPlan {
    rows: 10_000,
    seed: 1,
    keys: KeyOrder::Random,
    unmerged_share: 0.0,
};

fn make(path: &Path, plan: &BenchPlan) -> (BenchDb, Rows) {
    let made = make_bench_db(path, plan).expect("a database");
    let tables = tables(&made.database);
    let rows = dump(&tables, ColumnFamily::PerObjectBlobInfo);
    assert_eq!(tables.merge_failures().last(), None);
    assert_eq!(tables.latest_handled_event_index(), Some(2 * plan.rows - 1));
    let cursor = tables.event_cursor().expect("readable").expect("there");
    assert_eq!(cursor.next_event_index(), 2 * plan.rows);
    (made, rows)
}

#[test]
fn all_rows_are_there_certified_and_compacted() {
    let dir = dir();
    let (made, rows) = make(dir.path(), &PLAN);
    assert_eq!((rows.len() as u64, made.unmerged_rows), (PLAN.rows, 0));
    for value in rows.values() {
        let PerObjectBlobInfo::V1(row) = PerObjectBlobInfo::decode(value).expect("BCS");
        assert!(
            row.certified_epoch
                .is_some_and(|certified| certified < row.end_epoch)
        );
    }
    let family = made.storage.families["per_object_blob_info"];
    assert_eq!(
        (family.compacted.entries, family.level_0.entries),
        (PLAN.rows, 0)
    );
    assert_eq!(made.storage.total().wal_entries, 0);
}

#[test]
fn random_keys_are_spread_evenly() {
    let dir = dir();
    let (_, rows) = make(dir.path(), &PLAN);
    let mut by_first_byte = [0_usize; 256];
    for key in rows.keys() {
        by_first_byte[usize::from(key[0])] += 1;
    }
    // 39 keys for each first byte, and none is off by more than the jitter at the two ends.
    assert!(
        by_first_byte.iter().all(|count| (37..=42).contains(count)),
        "{by_first_byte:?}"
    );
}

#[test]
fn a_share_of_the_rows_is_unmerged_and_gives_the_same_rows() {
    let (merged_dir, unmerged_dir, all_dir) = (dir(), dir(), dir());
    let (_, merged) = make(merged_dir.path(), &PLAN);
    let (made, rows) = make(
        unmerged_dir.path(),
        &BenchPlan {
            unmerged_share: 0.25,
            ..PLAN
        },
    );
    assert_eq!(rows, merged);
    assert!(
        (2_200..2_800).contains(&made.unmerged_rows),
        "{} rows",
        made.unmerged_rows
    );
    let family = made.storage.families["per_object_blob_info"];
    // One or two operands each, and half of the rows have nothing else.
    assert_eq!(family.level_0.merge_operands, family.level_0.entries);
    assert!(family.level_0.entries > made.unmerged_rows, "{family:?}");
    assert!(family.compacted.entries < PLAN.rows, "{family:?}");
    assert!(family.level_0.files > 1, "{family:?}");

    let (made, rows) = make(
        all_dir.path(),
        &BenchPlan {
            unmerged_share: 1.0,
            ..PLAN
        },
    );
    assert_eq!(rows, merged);
    assert_eq!(made.unmerged_rows, PLAN.rows);
}

#[test]
fn sequential_keys_count_up() {
    let dir = dir();
    let (_, rows) = make(
        dir.path(),
        &BenchPlan {
            rows: 300,
            keys: KeyOrder::Sequential,
            ..PLAN
        },
    );
    for (number, key) in rows.keys().enumerate() {
        let (zeros, count) = key.split_at(24);
        assert!(zeros.iter().all(|&byte| byte == 0));
        assert_eq!(count, (number as u64).to_be_bytes());
    }
}

#[test]
fn a_plan_without_sense_is_refused() {
    let dir = dir();
    for share in [-0.1, 1.1, f64::NAN] {
        let made = make_bench_db(
            dir.path(),
            &BenchPlan {
                unmerged_share: share,
                ..PLAN
            },
        );
        assert!(matches!(made, Err(MakeError::BadShare { .. })), "{made:?}");
    }
    let made = make_bench_db(dir.path(), &BenchPlan { rows: 0, ..PLAN });
    assert!(
        matches!(
            made,
            Err(MakeError::TooSmall {
                least: 1,
                got: 0,
                ..
            })
        ),
        "{made:?}"
    );
    make_bench_db(dir.path(), &BenchPlan { rows: 1, ..PLAN }).expect("a database");
    let made = make_bench_db(dir.path(), &PLAN);
    assert!(matches!(made, Err(MakeError::NotEmpty { .. })), "{made:?}");
}
