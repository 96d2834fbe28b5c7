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
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, create};

const DATABASE: &str = "SNAPSHOT_STORE_TEST_DATABASE";
const THREADS: &str = "SNAPSHOT_STORE_TEST_THREADS";

/// What a child says.
const MARK: &str = "peak in KiB: ";

/// Rows, which make a snapshot of 73 MiB.
const ROWS: u32 = 600_000;

/// What creating it may take beyond what opening the database does.
const ALLOWED_KIB: u64 = 32 * 1024;

#[test]
fn a_slow_output_does_not_make_rows_pile_up() {
    let dir = tempfile::tempdir().expect("a directory");
    write_flushed(dir.path());
    for threads in ["1", "2", "16"] {
        let output = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "creates_slowly", "--nocapture"])
            .env(DATABASE, dir.path())
            .env(THREADS, threads)
            .output()
            .expect("it runs again");
        let text = String::from_utf8_lossy(&output.stdout);
        let grown: u64 = text
            .lines()
            .find_map(|line| line.split_once(MARK)?.1.parse().ok())
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        assert!(grown < ALLOWED_KIB, "{grown} KiB with {threads} threads");
    }
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
