//! Memory is bounded whatever the number of rows, even where the output takes nothing for a while.
//!
//! Each measurement is a process of its own: this test binary, started again for one test.
#![cfg(target_os = "linux")]

mod common;

use std::env;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::thread;

use common::{create_database, epoch_row};
use rocksdb::WriteBatch;
use snapshot_format::{Epoch, Header, SealedHeader, Table};
use snapshot_store::check::{CheckOptions, check};
use snapshot_store::publish::Replace;
use snapshot_store::schema::ColumnFamily;
use snapshot_store::{
    CreateOptions, Database, OpenOptions, Progress, RestoreOptions, create, create_file, restore,
};

const DATABASE: &str = "SNAPSHOT_STORE_TEST_DATABASE";
const THREADS: &str = "SNAPSHOT_STORE_TEST_THREADS";

/// What a child says.
const MARK: &str = "peak in KiB: ";

/// Rows, which make a snapshot of 73 MiB.
const ROWS: u32 = 600_000;

/// What creating it may take beyond what opening the database does.
const ALLOWED_KIB: u64 = 32 * 1024;

/// What restoring and checking may take, RocksDB's own share of an open database included.
const ALLOWED_RESTORE_KIB: u64 = 56 * 1024;

#[test]
fn a_slow_output_does_not_make_rows_pile_up() {
    let dir = tempfile::tempdir().expect("a directory");
    write_flushed(dir.path());
    for threads in ["1", "2", "16"] {
        let grown = grown_kib("creates_slowly", dir.path(), threads);
        assert!(grown < ALLOWED_KIB, "{grown} KiB with {threads} threads");
    }
}

#[test]
fn a_restore_and_a_check_take_no_more_for_more_rows() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = dir.path().join("db");
    write_flushed(&db);
    let database = Database::open(&db, &OpenOptions::default()).expect("it is whole");
    let snapshot = dir.path().join("snapshot.bin");
    create_file(
        &database,
        &Header::Sealed(SealedHeader::offline(Epoch(1))),
        &snapshot,
        Replace::Refuse,
        &CreateOptions::default(),
        &Progress::new(),
    )
    .expect("the rows are sound");
    for threads in ["1", "2", "4"] {
        let restored = grown_kib("restores_and_checks", dir.path(), threads);
        assert!(
            restored < ALLOWED_RESTORE_KIB,
            "{restored} KiB with {threads} threads"
        );
    }
}

/// How much memory the child takes that runs the test `name`.
fn grown_kib(name: &str, path: &Path, threads: &str) -> u64 {
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(DATABASE, path)
        .env(THREADS, threads)
        .output()
        .expect("it runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.split_once(MARK)?.1.parse().ok())
        .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The child: nothing without a snapshot to restore.
#[test]
fn restores_and_checks() {
    let Ok(path) = env::var(DATABASE) else { return };
    let path = Path::new(&path);
    let threads = env::var(THREADS).expect("given with it");
    let before = status_kib("VmHWM:");
    let target = path.join("restored");
    let options = RestoreOptions {
        threads: threads.parse().ok(),
        ..RestoreOptions::default()
    };
    let files = [path.join("snapshot.bin")];
    restore(&files, &target, &options, &Progress::new()).expect("the snapshot is sound");
    let database =
        Database::open_column_families(&target, &ColumnFamily::ALL, &OpenOptions::default())
            .expect("it is whole");
    let options = CheckOptions {
        epoch: None,
        scratch: path.to_path_buf(),
    };
    let report = check(&database, &options, &Progress::new(), |_| {}).expect("it can be read");
    assert_eq!(report.rows.total(), u64::from(ROWS));
    std::fs::remove_dir_all(&target).expect("removed");
    println!("{MARK}{}", status_kib("VmHWM:") - before);
}

/// A database whose rows are all in SST files, so that opening it takes no memory for them.
fn write_flushed(path: &Path) {
    let db = create_database(path);
    let family = db
        .cf_handle(Table::PerObjectBlobInfo.name())
        .expect("created");
    let mut batch = WriteBatch::default();
    for n in 0..ROWS {
        let (_, key, value) = epoch_row(n, u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        batch.put_cf(family, key, value);
        if batch.len() == 10_000 {
            db.write(std::mem::take(&mut batch)).expect("written");
        }
    }
    db.flush_cf(family).expect("flushed");
}

/// The child: nothing without a database to read.
#[test]
fn creates_slowly() {
    let Ok(path) = env::var(DATABASE) else { return };
    let threads = env::var(THREADS)
        .expect("given with it")
        .parse()
        .expect("a number");
    let database =
        Database::open(Path::new(&path), &OpenOptions::default()).expect("the database is whole");
    let before = status_kib("VmHWM:");
    let header = Header::Sealed(SealedHeader::offline(Epoch(1)));
    let options = CreateOptions {
        threads: NonZeroUsize::new(threads),
    };
    let out = SlowToStart { started: false };
    let summary =
        create(&database, &header, out, &options, &Progress::new()).expect("the rows are sound");
    assert_eq!(summary.counts.total(), u64::from(ROWS));
    println!("{MARK}{}", status_kib("VmHWM:") - before);
}

/// Takes its first rows only when this process's memory has stopped growing: nothing that can be
/// done without it is left to do.
struct SlowToStart {
    started: bool,
}

impl io::Write for SlowToStart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The header comes before anything is scanned.
        if !self.started && bytes.len() > 1024 {
            self.started = true;
            let mut before = 0;
            let mut now = status_kib("VmRSS:");
            while now != before {
                before = now;
                (0..200_000).for_each(|_| thread::yield_now());
                now = status_kib("VmRSS:");
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process has a status");
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .expect("the status has its memory")
}
