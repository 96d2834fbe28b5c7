//! What is refused before, while and after RocksDB opens a database, as it would show fewer rows.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Fixture, create_database, epoch_row, pool_row, write_database};
use rocksdb::DB;
use snapshot_format::{Header, SealedHeader, Table};
use snapshot_store::open::OpenStep;
use snapshot_store::schema::ColumnFamily;
use snapshot_store::wal::{Fault, WalError, read_manifest};
use snapshot_store::{
    CreateOptions, Database, OpenError, OpenOptions, OpenWarning, Progress, WalRecovery, create,
};

const NODE_LOG: &str = "000022.log";

fn open(path: &Path) -> Result<Database, OpenError> {
    Database::open(path, &OpenOptions::default())
}

fn open_with(path: &Path, wal_recovery: WalRecovery) -> Result<Database, OpenError> {
    let options = OpenOptions {
        wal_recovery,
        ..OpenOptions::default()
    };
    Database::open(path, &options)
}

#[track_caller]
fn log_error(opened: Result<Database, OpenError>) -> WalError {
    match opened {
        Err(OpenError::Log(error)) => error,
        other => panic!("not an error of the log: {other:?}"),
    }
}

fn snapshot(database: &Database, fixture: &Fixture) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = Header::Sealed(SealedHeader::offline(fixture.epoch));
    let options = CreateOptions::default();
    create(database, &header, &mut bytes, &options, &Progress::new()).expect("rows");
    bytes
}

/// The logs of a database, by name.
fn logs(path: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}

/// A database of three logs, as a family that is never flushed keeps the first.
fn database_with_three_logs(path: &Path) {
    let db = create_database(path);
    let family = |table: Table| db.cf_handle(table.name()).expect("a family");
    for n in 1..=3_u32 {
        let (table, key, value) = pool_row(n, n.into());
        db.put_cf(family(table), key, value).expect("put");
        let (table, key, value) = epoch_row(n, n.into());
        db.put_cf(family(table), key, value).expect("put");
        if n < 3 {
            db.flush_cf(family(table)).expect("flush");
        }
    }
}

#[test]
fn a_log_that_is_missing_as_a_whole_is_an_error() {
    let fixture = Fixture::node_b();
    let path = fixture.unflushed();
    fs::remove_file(path.join(NODE_LOG)).expect("removed");
    for recovery in [WalRecovery::Absolute, WalRecovery::TolerateTornTail] {
        let error = log_error(open_with(&path, recovery));
        assert!(
            matches!(
                &error,
                WalError::NoLog {
                    witness: "LOCK",
                    ..
                }
            ),
            "{error}"
        );
    }
    // An older one is not the one that is needed.
    fs::write(path.join("000015.log"), b"").expect("written");
    let error = log_error(open(&path));
    assert!(
        matches!(&error, WalError::MissingLog { path, .. } if path.ends_with(NODE_LOG)),
        "{error}"
    );
    let database = open_with(&path, WalRecovery::PointInTime).expect("reported only");
    assert!(
        matches!(database.warnings(), [OpenWarning::DamagedWal { .. }, ..]),
        "{:?}",
        database.warnings()
    );

    // A checkpoint has none, unless a node was started on it.
    let path = fixture.checkpoint();
    assert_eq!(
        snapshot(&open(&path).expect("whole"), &fixture),
        fixture.sealed()
    );
    for witness in ["LOCK", "IDENTITY", "LOG"] {
        fs::write(path.join(witness), b"").expect("written");
        let error = log_error(open(&path));
        assert!(
            matches!(&error, WalError::NoLog { witness: got, .. } if *got == witness),
            "{error}"
        );
        fs::remove_file(path.join(witness)).expect("removed");
    }
}

#[test]
fn any_of_several_logs_is_missed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    database_with_three_logs(&path);
    let whole = logs(&path);
    assert_eq!(whole.len(), 3, "{whole:?}");
    open(&path).expect("whole");
    // The first one cannot be told from one that is no longer needed.
    for lost in &whole[1..] {
        let away = lost.with_extension("away");
        fs::rename(lost, &away).expect("renamed");
        for recovery in [WalRecovery::Absolute, WalRecovery::TolerateTornTail] {
            log_error(open_with(&path, recovery));
        }
        fs::rename(&away, lost).expect("renamed");
    }
    open(&path).expect("whole again");
}

#[test]
fn logs_of_which_no_row_is_needed_may_be_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("db");
    let mut db = create_database(&path);
    for n in 1..=3_u32 {
        // Its first log goes with the next flush, as it has no rows.
        db.create_cf(format!("shard-{n}"), &rocksdb::Options::default())
            .expect("a family");
        let (table, key, value) = pool_row(n, n.into());
        let family = db.cf_handle(table.name()).expect("a family");
        db.put_cf(family, key, value).expect("put");
        db.flush_cf(family).expect("flush");
    }
    assert_eq!(logs(&path).len(), 1);
    db.drop_cf("shard-2").expect("dropped");
    drop(db);
    open(&path).expect("whole");
}

#[test]
fn a_database_that_was_closed_has_all_its_logs() {
    let dir = tempfile::tempdir().expect("a directory");
    for rows in [0, 1, 100] {
        let path = dir.path().join(format!("{rows} rows"));
        write_database(&path, (0..rows).map(|n| epoch_row(n, n.into())));
        open(&path).expect("just closed");
        // Opened and closed again, so that the log is flushed and the next one is empty.
        drop(create_database(&path));
        open(&path).expect("closed again");
    }
}

#[test]
fn logs_and_tables_in_other_directories_are_refused() {
    let fixture = Fixture::node_b();
    let path = fixture.unflushed();
    let options = path.join("OPTIONS-000007");
    let text = fs::read_to_string(&options).expect("options");
    let with = |dir: &Path| {
        let line = format!("[DBOptions]\n  wal_dir={}", dir.display());
        fs::write(&options, text.replace("[DBOptions]", &line)).expect("written");
    };
    with(&path);
    open(&path).expect("its own directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    with(elsewhere.path());
    let error = open(&path).expect_err("logs elsewhere");
    assert!(
        matches!(&error, OpenError::LogsElsewhere { wal_dir, .. } if wal_dir == elsewhere.path()),
        "{error}"
    );
    fs::write(&options, &text).expect("written");

    let manifest = read_manifest(&path).expect("intact");
    let pools = manifest.family("storage_pool_info").expect("a table");
    let name = format!("{:06}.sst", pools.tables.keys().next().expect("a file"));
    let lost = path.join(&name);
    fs::rename(&lost, elsewhere.path().join(&name)).expect("renamed");
    let error = open(&path).expect_err("a table is missing");
    assert!(
        matches!(&error, OpenError::MissingFile { file, .. } if *file == lost),
        "{error}"
    );
}

/// Starts a node on the database, as its storage code opens it, and lets it write.
fn start(path: &Path) -> DB {
    let db = create_database(path);
    let (table, key, value) = pool_row(9, 9);
    let family = db.cf_handle(table.name()).expect("a family");
    db.put_cf(family, key, value).expect("put");
    db.flush_cf(family).expect("flush");
    db
}

#[test]
fn a_node_that_starts_while_its_database_is_opened_is_noticed() {
    for when in [OpenStep::Examined, OpenStep::Opened] {
        for stops in [false, true] {
            for allow_live in [false, true] {
                let fixture = Fixture::node_b();
                let path = fixture.unflushed();
                let options = OpenOptions {
                    allow_live,
                    ..OpenOptions::default()
                };
                let families = Table::ALL.map(ColumnFamily::from);
                let mut node = None;
                let opened = Database::open_observed(&path, &families, &options, |step| {
                    if step == when {
                        node = Some(start(&path));
                        if stops {
                            node = None;
                        }
                    }
                });
                match opened {
                    Ok(database) if allow_live => assert!(
                        matches!(database.warnings(), [OpenWarning::Live { .. }, ..]),
                        "{:?}",
                        database.warnings()
                    ),
                    Err(error) if !allow_live => {
                        assert!(matches!(error, OpenError::Changed { .. }), "{error}");
                    }
                    other => panic!("{when:?}, {stops}, {allow_live}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_node_that_starts_after_that_changes_nothing() {
    let fixture = Fixture::node_b();
    let path = fixture.unflushed();
    let database = open(&path).expect("whole");
    let node = start(&path);
    node.compact_range::<&[u8], &[u8]>(None, None);
    for table in Table::ALL {
        let family = node.cf_handle(table.name()).expect("a family");
        node.compact_range_cf::<&[u8], &[u8]>(family, None, None);
    }
    assert_eq!(snapshot(&database, &fixture), fixture.sealed());
}

#[test]
fn only_an_incomplete_last_record_of_the_last_log_is_tolerated() {
    let fixture = Fixture::node_b();
    let path = fixture.unflushed();
    let log = path.join(NODE_LOG);
    let whole = fs::read(&log).expect("a log");
    let tolerant = || open_with(&path, WalRecovery::TolerateTornTail);
    for cut in [1, 7, 18, 25, 5_003] {
        fs::write(&log, &whole[..whole.len() - cut]).expect("written");
        let error = log_error(open(&path));
        assert!(matches!(error, WalError::TornTail { .. }), "{cut}: {error}");
        let warnings = tolerant().expect("tolerated").warnings().to_vec();
        assert!(
            matches!(warnings.first(), Some(OpenWarning::DamagedWal { .. })),
            "{cut}: {warnings:?}"
        );
    }
    // A flipped bit anywhere is no torn tail, the lengths of the last records included.
    let last = whole.len() - 19..whole.len();
    let near_the_end = whole.len() - 400..whole.len();
    for at in (0..whole.len()).step_by(97).chain(near_the_end).chain(last) {
        for bit in [0, 3, 7] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&log, &flipped).expect("written");
            assert!(tolerant().is_err(), "byte {at}, bit {bit}");
        }
    }
    // A newer log, even an empty one, makes it a log in the middle.
    fs::write(&log, &whole[..whole.len() - 7]).expect("written");
    fs::write(path.join("000099.log"), b"").expect("written");
    assert!(matches!(log_error(tolerant()), WalError::Damaged { .. }));
}

#[test]
fn a_record_whose_length_was_raised_is_damage() {
    let fixture = Fixture::node_b();
    let path = fixture.unflushed();
    let log = path.join(NODE_LOG);
    let mut bytes = fs::read(&log).expect("a log");
    // The last record, of 19 bytes with its header, claims to have 268 bytes and more.
    let at = bytes.len() - 19 + 5;
    bytes[at] ^= 1;
    fs::write(&log, &bytes).expect("written");
    let error = log_error(open_with(&path, WalRecovery::TolerateTornTail));
    assert!(
        matches!(
            error,
            WalError::Damaged {
                fault: Fault::WrongLength { .. },
                ..
            }
        ),
        "{error}"
    );
}
