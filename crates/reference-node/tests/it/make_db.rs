//! The realistic database: what is claimed of it holds.

use std::fs;
use std::path::Path;

use reference_node::MakeError;
use reference_node::make_db::{DemoDb, DemoPlan, make_db};
use snapshot_format::Epoch;
use snapshot_store::cursor::EventCursor;
use snapshot_store::schema::ColumnFamily;

use crate::recount::{assert_aggregate_counts_the_objects, assert_nothing_ended};
use crate::support::{
    SNAPSHOT_TABLES, all_tables, copy_database, dir, node, snapshot_tables, tables,
};

const PLAN: DemoPlan = DemoPlan {
    entries: 1500,
    seed: 1,
    epochs: 5,
};

fn make(path: &Path, plan: &DemoPlan) -> DemoDb {
    make_db(path, plan).expect("a database")
}

#[test]
fn the_database_and_its_checkpoint_have_the_same_rows() {
    let dir = dir();
    let made = make(dir.path(), &PLAN);
    assert_eq!((made.epoch, made.seed), (Epoch(6), 1));
    assert_eq!(made.database, dir.path().join("db"));
    assert_eq!(made.checkpoint, dir.path().join("checkpoint_epoch_6"));
    let names: Vec<_> = fs::read_dir(dir.path()).expect("list").collect();
    assert_eq!(names.len(), 2, "something is left over: {names:?}");

    let copy = dir.path().join("copy");
    copy_database(&made.database, &copy, true);
    let (copy, checkpoint) = (tables(&copy), tables(&made.checkpoint));
    assert_eq!(all_tables(&copy), all_tables(&checkpoint));
    assert_eq!(copy.merge_failures().last(), None);

    assert_eq!(made.tables, checkpoint.count_rows().expect("readable"));
    let rows = made.tables.total();
    assert!(
        (PLAN.entries..PLAN.entries + 100).contains(&rows),
        "{rows} rows"
    );
    assert_eq!(assert_nothing_ended(&checkpoint, made.epoch) as u64, rows);
    assert!(assert_aggregate_counts_the_objects(&checkpoint).invalid > 0);
}

#[test]
fn the_boundary_is_where_the_report_says() {
    let dir = dir();
    let made = make(dir.path(), &PLAN);
    let checkpoint = tables(&made.checkpoint);
    // The EpochChangeStart is neither handled nor passed by the cursor yet.
    let index = made.next_event_index - 1;
    assert_eq!(checkpoint.latest_handled_event_index(), Some(index - 1));
    assert_eq!(made.latest_handled_event_index, Some(index - 1));
    let cursor = checkpoint.event_cursor().expect("readable").expect("there");
    assert!(
        matches!(cursor, EventCursor::V1 { next_event_index, .. } if next_event_index == index)
    );
    assert_eq!(made.events.values().sum::<u64>(), made.next_event_index);
    assert!(
        made.events.values().all(|&count| count > 0),
        "{:?}",
        made.events
    );
    assert!(
        made.collected.iter().all(|(_, &rows)| rows > 0),
        "{:?}",
        made.collected
    );
    drop(checkpoint);
    assert_eq!(node(&made.checkpoint).next_event_index(), index);
}

#[test]
fn entries_are_compacted_in_level_0_and_in_the_log_as_claimed() {
    let dir = dir();
    let made = make(dir.path(), &PLAN);
    for table in SNAPSHOT_TABLES {
        let family = made.storage.families.get(table.name()).expect("a family");
        assert!(family.compacted.entries > 0, "{table}: {family:?}");
        assert_eq!(family.compacted.merge_operands, 0, "{table}: {family:?}");
        assert!(family.level_0.merge_operands > 0, "{table}: {family:?}");
        assert!(family.wal_entries > 0, "{table}: {family:?}");
    }
    let wal: Vec<u64> = fs::read_dir(&made.database)
        .expect("list")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| fs::metadata(path).expect("a file").len())
        .collect();
    assert_eq!(wal.len() as u64, made.storage.wal_files);
    assert_eq!(wal.iter().sum::<u64>(), made.storage.wal_bytes);
    assert!(wal.len() > 1, "no old log is kept alive");

    // Nothing but the log has these entries, and it has what no flush wrote.
    let (without, with) = (dir.path().join("without"), dir.path().join("with"));
    copy_database(&made.database, &without, false);
    copy_database(&made.database, &with, true);
    let (without, with) = (tables(&without), tables(&with));
    for (table, (less, all)) in SNAPSHOT_TABLES.into_iter().zip(
        snapshot_tables(&without)
            .into_iter()
            .zip(snapshot_tables(&with)),
    ) {
        assert_ne!(less, all, "{table} has nothing in the log");
    }
    assert_ne!(
        without.latest_handled_event_index(),
        with.latest_handled_event_index(),
        "{}",
        ColumnFamily::LatestHandledEventIndex
    );
}

#[test]
fn a_seed_decides_the_rows() {
    let (one, two, other) = (dir(), dir(), dir());
    let plan = DemoPlan {
        entries: 300,
        seed: 9,
        epochs: 3,
    };
    let rows = |path: &Path, plan: &DemoPlan| {
        let made = make(path, plan);
        (
            all_tables(&tables(&made.checkpoint)),
            made.events,
            made.event_tx_digest,
        )
    };
    let first = rows(one.path(), &plan);
    assert_eq!(first, rows(two.path(), &plan));
    assert_ne!(
        first.0,
        rows(other.path(), &DemoPlan { seed: 10, ..plan }).0
    );
}

#[test]
fn what_cannot_be_made_is_refused() {
    let dir = dir();
    fs::write(dir.path().join(".marker"), "").expect("write");
    let few = make_db(
        dir.path(),
        &DemoPlan {
            entries: 99,
            ..PLAN
        },
    );
    assert!(
        matches!(
            few,
            Err(MakeError::TooSmall {
                least: 100,
                got: 99,
                ..
            })
        ),
        "{few:?}"
    );
    let short = make_db(dir.path(), &DemoPlan { epochs: 2, ..PLAN });
    assert!(
        matches!(
            short,
            Err(MakeError::TooSmall {
                least: 3,
                got: 2,
                ..
            })
        ),
        "{short:?}"
    );

    fs::write(dir.path().join("precious"), "").expect("write");
    let full = make_db(dir.path(), &PLAN);
    assert!(matches!(full, Err(MakeError::NotEmpty { .. })), "{full:?}");
    assert!(!dir.path().join("db").exists());
}

#[test]
fn the_smallest_database_has_entries_in_every_state() {
    let dir = dir();
    let made = make(
        dir.path(),
        &DemoPlan {
            entries: 100,
            seed: 3,
            epochs: 3,
        },
    );
    let total = made.storage.total();
    assert!(
        total.compacted.entries > 0 && total.wal_entries > 0,
        "{total:?}"
    );
    assert!(total.level_0.merge_operands > 0, "{total:?}");
}
