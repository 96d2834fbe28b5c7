//! The adapter for a node's open database, of every kind, and the check of a checkpoint.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{create_database, epoch_row, pool_row, write_database};
use rocksdb::{
    ColumnFamilyDescriptor, DBWithThreadMode, MultiThreaded, OptimisticTransactionDB, Options,
    SingleThreaded,
};
use snapshot_store::merge::MergeFailures;
use snapshot_store::node::{NodeStore, RocksDbStore, check_checkpoint};
use snapshot_store::schema::{self, ColumnFamily, LATEST_HANDLED_EVENT_INDEX_KEY};
use snapshot_store::{Database, OpenError, OpenOptions, OpenWarning};
use tempfile::TempDir;

fn families() -> impl Iterator<Item = ColumnFamilyDescriptor> {
    let failures = MergeFailures::new();
    ColumnFamily::ALL.into_iter().map(move |family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    })
}

/// A directory with a database of some rows in `db`.
fn database() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let objects = (0..500).map(|n| epoch_row(n, u64::from(n)));
    let pools = (0..50).map(|n| pool_row(n, u64::from(n)));
    write_database(&dir.path().join("db"), objects.chain(pools));
    dir
}

fn message(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

macro_rules! on {
    ($name:ident, $database:ty) => {
        #[test]
        fn $name() {
            let dir = database();
            let path = dir.path().join("db");
            let db = <$database>::open_cf_descriptors(&Options::default(), path, families());
            let db = Arc::new(db.expect("opened"));
            let store = RocksDbStore::new(Arc::clone(&db));
            let index = || store.latest_handled_event_index();

            assert_eq!(index().expect("read"), None);
            let family = db.cf_handle("latest_handled_event_index").expect("there");
            let put = |value: &[u8]| {
                let written = db.put_cf(&family, LATEST_HANDLED_EVENT_INDEX_KEY, value);
                written.expect("written");
            };
            put(&0x0102_0304_0506_0708_u64.to_le_bytes());
            assert_eq!(index().expect("read"), Some(0x0102_0304_0506_0708));
            put(&[1; 7]);
            let text = message(&index().expect_err("not a u64"));
            assert!(text.contains("latest handled event index"), "{text}");
            assert!(text.contains("7 bytes, expected 8"), "{text}");

            let checkpoint = dir.path().join("checkpoint");
            store.create_checkpoint(&checkpoint).expect("made");
            check_checkpoint(&checkpoint).expect("whole");
            let database = Database::open(&checkpoint, &OpenOptions::default()).expect("whole");
            assert_eq!(
                database
                    .estimated_counts()
                    .iter()
                    .map(|(_, n)| *n)
                    .sum::<u64>(),
                550
            );
            let text = message(&store.create_checkpoint(&checkpoint).expect_err("there"));
            assert!(text.contains("create a checkpoint"), "{text}");
        }
    };
}

on!(a_plain_database, DBWithThreadMode<SingleThreaded>);
on!(a_multi_threaded_database, DBWithThreadMode<MultiThreaded>);
on!(
    a_database_with_optimistic_transactions,
    OptimisticTransactionDB<SingleThreaded>
);
on!(
    a_multi_threaded_database_with_optimistic_transactions,
    OptimisticTransactionDB<MultiThreaded>
);

#[test]
fn a_database_without_the_index_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = rocksdb::DB::open(&options, dir.path().join("db")).expect("opened");
    let store = RocksDbStore::new(Arc::new(db));
    let error = store
        .latest_handled_event_index()
        .expect_err("no such family");
    let text = message(&error);
    assert!(
        text.contains("column family latest_handled_event_index is not open"),
        "{text}"
    );
}

#[test]
fn another_file_system_is_refused_before_all_is_copied() {
    let (dir, other) = (database(), tempfile::tempdir_in("/dev/shm"));
    let device = |path: &Path| fs::metadata(path).expect("there").dev();
    let Some(other) = other
        .ok()
        .filter(|other| device(other.path()) != device(dir.path()))
    else {
        println!("not tested, since there is only one file system");
        return;
    };
    let store = RocksDbStore::new(Arc::new(create_database(&dir.path().join("db"))));
    let error = store
        .create_checkpoint(&other.path().join("checkpoint"))
        .expect_err("elsewhere");
    let text = message(&error);
    assert!(text.contains("would be copied"), "{text}");
    assert_eq!(fs::read_dir(other.path()).expect("there").count(), 0);
}

/// A checkpoint of its own to damage.
fn checkpoint() -> (TempDir, PathBuf) {
    let dir = database();
    let store = RocksDbStore::new(Arc::new(create_database(&dir.path().join("db"))));
    let path = dir.path().join("checkpoint");
    store.create_checkpoint(&path).expect("made");
    (dir, path)
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn a_checkpoint_with_a_file_missing_or_cut_is_not_whole() {
    let (_dir, path) = checkpoint();
    check_checkpoint(&path).expect("whole");
    let tables = files(&path, "sst");
    assert!(tables.len() >= 2, "{tables:?}");
    for table in &tables {
        let bytes = fs::read(table).expect("there");
        fs::remove_file(table).expect("removed");
        let error = check_checkpoint(&path).expect_err("a file is missing");
        let name = table.file_name().expect("a name").to_string_lossy();
        assert!(error.to_string().contains(&*name), "{error}");
        fs::write(table, &bytes[..bytes.len() - 1]).expect("written");
        assert!(check_checkpoint(&path).is_err(), "a file is cut");
        fs::write(table, &bytes).expect("written");
        check_checkpoint(&path).expect("whole again");
    }
    fs::remove_file(path.join("CURRENT")).expect("removed");
    let error = check_checkpoint(&path).expect_err("not a database");
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
}

#[test]
fn a_log_that_other_threads_wrote_to_may_be_cut_off() {
    let (_dir, path) = checkpoint();
    // What RocksDB has copied of a record that was being written: a header, and half of what it announces.
    let log = files(&path, "log");
    let log = log
        .first()
        .cloned()
        .unwrap_or_else(|| path.join("999999.log"));
    let mut bytes = fs::read(&log).unwrap_or_default();
    bytes.extend([0x12, 0x34, 0x56, 0x78, 100, 0, 1, 7, 7, 7]);
    let _ = fs::remove_file(&log);
    fs::write(&log, bytes).expect("written");
    assert!(Database::open(&path, &OpenOptions::default()).is_err());
    let warnings = check_checkpoint(&path).expect("no row of the tables is in the log");
    let [OpenWarning::DamagedWal { .. }] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    // A checkpoint has no table files but its own, whatever its log holds.
    fs::write(path.join("888888.sst"), "a table").expect("written");
    let error = check_checkpoint(&path).expect_err("a file too many");
    assert!(
        matches!(error, OpenError::UnreferencedFiles { .. }),
        "{error}"
    );
}

#[test]
fn a_check_writes_nothing() {
    let (_dir, path) = checkpoint();
    let listing = || {
        let mut names: Vec<_> = fs::read_dir(&path)
            .expect("there")
            .map(|entry| {
                let entry = entry.expect("an entry");
                (entry.file_name(), fs::read(entry.path()).expect("a file"))
            })
            .collect();
        names.sort();
        names
    };
    let before = listing();
    check_checkpoint(&path).expect("whole");
    assert!(listing() == before);
}
