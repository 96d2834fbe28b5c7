//! Tables replaced in a stopped node's database: nothing else changes, and until they are complete nothing
//! at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};
use snapshot_store::restore::{
    Action, Finding, Plan, RestoreError, RestoreOptions, RestoreReport, RestoreStep,
    VerifiedSnapshot,
};
use snapshot_store::schema::ColumnFamily;
use snapshot_store::{Database, OpenOptions, Progress};

use crate::common::{Row, create_database, epoch_row, pool_row, write_database};
use crate::model::{self, Numbers};
use crate::support::{AllRows, all_rows, names, restored, snapshot_file, told};

/// A column family that is none of ours.
pub(crate) const OTHER: &str = "shard-1/primary-slivers";

/// A node's database with other rows in all tables, part of them in the write-ahead log only, and with
/// a column family that is none of ours.
pub(crate) fn node_database(path: &Path) {
    let rows: Vec<Row> = (1..50)
        .flat_map(|n| [epoch_row(n, u64::from(n)), pool_row(n, u64::from(n))])
        .collect();
    drop(create_database(path));
    write_database(path, rows);
    let names = DB::list_cf(&Options::default(), path).unwrap();
    let mut db = create_database(path);
    assert_eq!(names.len(), 7);
    db.create_cf(OTHER, &Options::default()).unwrap();
    let other = db.cf_handle(OTHER).unwrap();
    db.put_cf(other, "flushed", "1").unwrap();
    db.flush_cf(other).unwrap();
    db.put_cf(other, "in the log", "2").unwrap();
    for family in [
        ColumnFamily::AggregateBlobInfo,
        ColumnFamily::EventCursor,
        ColumnFamily::LatestHandledEventIndex,
    ] {
        let handle = db.cf_handle(family.name()).unwrap();
        db.put_cf(handle, "old", "old").unwrap();
    }
}

/// A snapshot of made-up rows.
pub(crate) fn snapshot(dir: &Path) -> PathBuf {
    snapshot_file(dir, 5, &model::objects(&mut Numbers(4), 60))
}

pub(crate) fn options(replace_tables: bool) -> RestoreOptions {
    RestoreOptions {
        replace_tables,
        ..told(1000)
    }
}

/// Restores, telling `before` each step.
pub(crate) fn restored_watched(
    file: &Path,
    target: &Path,
    replace_tables: bool,
    before: impl FnMut(RestoreStep) -> io::Result<()>,
) -> Result<RestoreReport, RestoreError> {
    let progress = Progress::new();
    let snapshot = VerifiedSnapshot::read(&[file.to_path_buf()], &progress)?;
    Plan::new(snapshot, target, &options(replace_tables))?
        .build(&progress)?
        .build_aggregate(&progress)?
        .install_watched(&progress, before)
}

/// The steps that are taken.
pub(crate) fn steps(replace_tables: bool) -> Vec<RestoreStep> {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    if replace_tables {
        node_database(&target);
    }
    let mut steps = Vec::new();
    let file = snapshot(dir.path());
    restored_watched(&file, &target, replace_tables, |step| {
        steps.push(step);
        Ok(())
    })
    .unwrap();
    steps
}

/// What a new database of the snapshot holds.
pub(crate) fn expected_rows() -> AllRows {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    restored(&snapshot(dir.path()), &target, &options(false)).unwrap();
    all_rows(&target)
}

/// Asserts that the six tables are those of the snapshot, and everything else as it was.
pub(crate) fn assert_replaced(target: &Path) {
    let mut found = all_rows(target);
    let other = found.remove(OTHER).expect("it is still there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let other: Vec<_> = other.iter().map(|(k, v)| (text(k), text(v))).collect();
    let row = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(other, [row("flushed", "1"), row("in the log", "2")]);
    assert_eq!(found, expected_rows());
    let ours: Vec<String> = names(target)
        .into_iter()
        .filter(|name| name.to_lowercase().starts_with("restore"))
        .collect();
    assert_eq!(ours, [""; 0]);
    Database::open(target, &OpenOptions::default()).expect("it is whole");
}

/// Whether something that knows nothing of restores can open the database for writing: all its column
/// families, whatever they are.
fn opens_for_writing(target: &Path) -> Result<(), String> {
    let names = DB::list_cf(&Options::default(), target).unwrap();
    // A copy, as opening changes files.
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(target).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    DB::open_cf(&Options::default(), copy.path(), names)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn only_the_six_tables_change() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    node_database(&target);
    let file = snapshot(dir.path());
    let report = restored(&file, &target, &options(true)).unwrap();
    assert_eq!(report.action, Action::Replace);
    assert_replaced(&target);
    assert_eq!(opens_for_writing(&target), Ok(()));
    // A node goes on in it.
    drop(create_database_with_other(&target));
    assert_replaced(&target);
    // And once more, into what a restore made.
    restored(&file, &target, &options(true)).unwrap();
    assert_replaced(&target);
}

pub(crate) fn create_database_with_other(target: &Path) -> DB {
    use rocksdb::ColumnFamilyDescriptor;
    use snapshot_store::merge::MergeFailures;
    use snapshot_store::schema;

    let failures = MergeFailures::new();
    let ours = ColumnFamily::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    });
    let other = ColumnFamilyDescriptor::new(OTHER, Options::default());
    DB::open_cf_descriptors(&Options::default(), target, ours.into_iter().chain([other]))
        .expect("a node opens it")
}

/// The bytes of every file of a directory.
pub(crate) fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(dir.join(&name)).expect("a file");
        (name, bytes)
    };
    names(dir).into_iter().map(read).collect()
}

#[test]
fn a_replacement_that_fails_leaves_every_file_as_it_was() {
    let steps = steps(true);
    assert_eq!(steps.len(), 18, "{steps:?}");
    for (number, step) in steps.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        node_database(&target);
        let before = contents(&target);
        let file = snapshot(dir.path());
        let mut taken = 0;
        let error = restored_watched(&file, &target, true, |_| {
            taken += 1;
            if taken > number {
                Err(io::Error::other("as told"))
            } else {
                Ok(())
            }
        })
        .expect_err("a step failed");
        let action = if *step == RestoreStep::CleanUp {
            assert!(matches!(error, RestoreError::NotDurable { .. }), "{error}");
            assert_replaced(&target);
            // What was there is not removed before the new names are durable.
            assert!(dir.path().join("db.restore.tmp/db/CURRENT").exists());
            Action::Nothing
        } else {
            assert_eq!(contents(&target), before, "{step:?}");
            assert_eq!(names(dir.path()), ["db", "snapshot.bin"], "{step:?}");
            Action::Replace
        };
        let report = restored(&file, &target, &options(true)).expect("the second time");
        assert_eq!(report.action, action, "{step:?}");
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"], "{step:?}");
    }
}

#[test]
fn a_new_database_that_fails_leaves_nothing() {
    let steps = steps(false);
    assert_eq!(steps.len(), 13, "{steps:?}");
    let expected = expected_rows();
    for number in 0..steps.len() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        let file = snapshot(dir.path());
        let mut taken = 0;
        let failed = restored_watched(&file, &target, false, |_| {
            taken += 1;
            if taken > number {
                Err(io::Error::other("as told"))
            } else {
                Ok(())
            }
        });
        assert!(failed.is_err());
        // The name may be there before it is durable, and then it names all of it.
        if target.exists() {
            assert!(number >= steps.len() - 2, "{:?}", steps[number]);
            assert_eq!(all_rows(&target), expected);
            assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
        } else {
            assert_eq!(names(dir.path()), ["snapshot.bin"]);
        }
    }
}

#[test]
fn another_run_and_strangers_are_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    let file = snapshot(dir.path());
    let inner = restored_watched(&file, &target, false, |step| {
        if step == RestoreStep::ReadBack {
            let second = restored(&file, &target, &options(false));
            assert!(
                matches!(second, Err(RestoreError::Busy { .. })),
                "{second:?}"
            );
        }
        Ok(())
    });
    assert!(inner.is_ok(), "{inner:?}");

    let target = dir.path().join("other");
    let stranger = dir.path().join("other.restore.tmp");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("mine"), "mine").unwrap();
    let refused = restored(&file, &target, &options(false));
    assert!(
        matches!(&refused, Err(RestoreError::Refused { findings })
            if matches!(findings[..], [Finding::Occupied { .. }])),
        "{refused:?}"
    );
    assert_eq!(names(&stranger), ["mine"]);
}
