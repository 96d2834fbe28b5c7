//! Rotten databases: a damaged WAL or table file never gives another snapshot in silence.

use std::fs;
use std::path::Path;

use crate::common::{
    Numbers, blob_snapshot, checkpoint, database_with_wal, fixture_bytes, names, run, temp_dir,
};

/// Damages `name` in the database `db` with `damage`, and says whether that was refused. What is not
/// refused must be the right snapshot.
fn refuses(db: &Path, name: &str, damage: impl FnOnce(&mut Vec<u8>) -> String) -> bool {
    let path = db.join(name);
    let whole = fs::read(&path).expect("read");
    let mut bytes = whole.clone();
    let what = damage(&mut bytes);
    fs::write(&path, bytes).expect("write");
    let mut command = blob_snapshot();
    command
        .args(["create", "--epoch", "11", "--output", "-", "--db"])
        .arg(db);
    let outcome = run(&mut command);
    fs::write(&path, whole).expect("write");
    match outcome.code {
        Some(0) => {
            let right = outcome.stdout == fixture_bytes("sealed.bin");
            assert!(right, "{name}, {what}: another snapshot in silence");
            false
        }
        _ => {
            outcome.refused(3, &[]);
            true
        }
    }
}

fn flip(numbers: &mut Numbers) -> impl FnOnce(&mut Vec<u8>) -> String {
    |bytes| {
        let (at, bit) = (numbers.below(bytes.len()), numbers.below(8));
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} flipped")
    }
}

fn cut(length: usize) -> impl FnOnce(&mut Vec<u8>) -> String {
    move |bytes| {
        bytes.truncate(length);
        format!("cut to {length} bytes")
    }
}

/// A length of less than `bytes` that is not between two records. A log that ends between two records
/// is what the log was at an earlier time: nothing in it tells that there was more.
fn torn_length(numbers: &mut Numbers, name: &str, bytes: &[u8]) -> usize {
    let is_log = name.ends_with(".log") || name.starts_with("MANIFEST");
    let ends = if is_log {
        record_ends(bytes)
    } else {
        Vec::new()
    };
    loop {
        let length = numbers.below(bytes.len());
        if !ends.contains(&length) {
            return length;
        }
    }
}

/// The lengths at which a log of RocksDB ends between two records: it is made of blocks of 32 KiB, and
/// a record has a checksum, a length of 2 bytes, and a type, which tells whether it goes on.
fn record_ends(bytes: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 * 1024;
    const HEADER: usize = 7;
    const FIRST: u8 = 2;
    const MIDDLE: u8 = 3;
    let (mut at, mut ends) = (0, vec![0]);
    while at + HEADER <= bytes.len() {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        let goes_on = [FIRST, MIDDLE].contains(&bytes[at + 6]);
        at += HEADER + length;
        if !goes_on {
            ends.push(at);
        }
    }
    ends
}

#[test]
fn a_flipped_bit_in_a_wal_is_always_refused() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let mut numbers = Numbers(2);
    let tried = 250;
    let refused = (0..tried)
        .filter(|_| refuses(&db, "000022.log", flip(&mut numbers)))
        .count();
    println!("flipped bits in the WAL: {refused} of {tried} refused");
    assert_eq!(refused, tried);
}

#[test]
fn a_torn_wal_is_always_refused() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let whole = fs::read(db.join("000022.log")).expect("read");
    let ends = record_ends(&whole);
    assert_eq!(
        ends.last(),
        Some(&whole.len()),
        "the fixture's WAL is whole"
    );
    let mut numbers = Numbers(3);
    let mut lengths: Vec<usize> = (0..100)
        .map(|_| torn_length(&mut numbers, "000022.log", &whole))
        .collect();
    // Right behind a record, where one byte of the next is left.
    lengths.extend(
        ends.iter()
            .map(|end| end + 1)
            .filter(|length| *length < whole.len()),
    );
    let tried = lengths.len();
    let refused = lengths
        .into_iter()
        .filter(|length| refuses(&db, "000022.log", cut(*length)))
        .count();
    println!("torn WALs: {refused} of {tried} refused");
    assert_eq!(refused, tried);
}

#[test]
fn damaged_files_never_give_another_snapshot_in_silence() {
    let dir = temp_dir();
    let mut numbers = Numbers(4);
    let (mut tried, mut refused) = (0, 0);
    for db in [checkpoint(dir.path()), database_with_wal(dir.path())] {
        for name in names(&db) {
            // Nothing can be damaged in an empty one.
            if fs::metadata(db.join(&name)).expect("a file").len() == 0 {
                continue;
            }
            for _ in 0..6 {
                tried += 1;
                refused += u32::from(refuses(&db, &name, flip(&mut numbers)));
            }
            let whole = fs::read(db.join(&name)).expect("read");
            let length = torn_length(&mut numbers, &name, &whole);
            tried += 1;
            refused += u32::from(refuses(&db, &name, cut(length)));
        }
    }
    println!("damaged files of a database: {refused} of {tried} refused");
    // Most files belong to other tables, which are not read.
    assert!(tried > 300 && refused > 50, "{refused} of {tried} refused");
}

#[test]
fn a_flipped_bit_in_a_file_of_the_tables_is_found() {
    // One level only, one file for each table that holds nothing else: the data is all of it.
    let dir = temp_dir();
    let db = dir.path().join("db");
    crate::common::make_large_database(&db, 2_000);
    let mut command = blob_snapshot();
    command
        .args(["create", "--epoch", "11", "--output", "-", "--db"])
        .arg(&db);
    let right = run(&mut command).exits(0).stdout;
    let name = names(&db)
        .into_iter()
        .find(|name| name.ends_with(".sst"))
        .expect("an SST file");
    let whole = fs::read(db.join(&name)).expect("read");
    let mut numbers = Numbers(5);
    let mut refused = 0;
    for _ in 0..250 {
        let mut bytes = whole.clone();
        let at = numbers.below(bytes.len());
        bytes[at] ^= 1 << numbers.below(8);
        fs::write(db.join(&name), bytes).expect("write");
        let outcome = run(&mut command);
        if outcome.code == Some(0) {
            assert_eq!(
                outcome.stdout, right,
                "byte {at}: another snapshot in silence"
            );
        } else {
            outcome.refused(3, &[]);
            refused += 1;
        }
    }
    println!("flipped bits in a file of a table: {refused} of 250 refused");
    // The filter and the properties are not read.
    assert!(refused > 150, "{refused} of 250 refused");
}
