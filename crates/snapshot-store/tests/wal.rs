//! The log verifier against a real node's files and against directories of several.

#[path = "wal/by_hand.rs"]
mod by_hand;
#[path = "wal/log_writer.rs"]
mod log_writer;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use log_writer::{LogWriter, record_ends};
use proptest::prelude::*;
use snapshot_store::wal::{
    Fault, WalError, WalSummary, WalVerifier, verify_manifest, verify_manifest_log, verify_wals,
};

const BLOCK: usize = 32 * 1024;

/// A temporary directory with the database of an archive among the fixtures.
fn unpack(name: &str) -> (tempfile::TempDir, PathBuf) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/node-b")
        .join(format!("{name}.tar.zst"));
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::open(archive).unwrap();
    tar::Archive::new(zstd::Decoder::new(file).unwrap())
        .unpack(dir.path())
        .unwrap();
    let path = dir.path().join(name);
    (dir, path)
}

fn verify(bytes: &[u8]) -> Result<WalSummary, WalError> {
    verify_files(&[(7, bytes)])
}

fn verify_files(files: &[(u64, &[u8])]) -> Result<WalSummary, WalError> {
    let mut verifier = WalVerifier::new();
    for (number, bytes) in files {
        verifier.file(Path::new(&format!("{number:06}.log")), *number, *bytes)?;
    }
    Ok(verifier.finish())
}

/// The offset and fault of damage; panics on anything else.
fn damage<T: std::fmt::Debug>(result: Result<T, WalError>) -> (u64, Fault) {
    match result {
        Err(WalError::Damaged { offset, fault, .. }) => (offset, fault),
        other => panic!("expected damage, got {other:?}"),
    }
}

/// The lengths at which `accepts` takes a prefix of `bytes`.
fn accepted_lengths(bytes: &[u8], accepts: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    (0..=bytes.len())
        .filter(|length| accepts(&bytes[..*length]))
        .collect()
}

/// The first bit whose flip `accepts` takes, as byte and bit.
fn accepted_flip(mut bytes: Vec<u8>, accepts: impl Fn(&[u8]) -> bool) -> Option<(usize, u32)> {
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if accepts(&bytes) {
                return Some((at, bit));
            }
            bytes[at] ^= 1 << bit;
        }
    }
    None
}

// A real node's files.

#[test]
fn real_logs_are_whole() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let wals = verify_wals(&dir).unwrap();
    assert_eq!(
        (wals.files, wals.bytes, wals.batches, wals.operations),
        (1, 38_172, 201, 458)
    );
    assert_eq!(
        (wals.first_sequence, wals.last_sequence),
        (Some(2147), Some(2604))
    );
    assert_eq!((wals.unsequenced_files, wals.recycled_tails), (0, 0));
    let manifest = verify_manifest(&dir).unwrap();
    assert_eq!(manifest.path, dir.join("MANIFEST-000005"));
    assert_eq!((manifest.bytes, manifest.records), (5027, 58));
}

#[test]
fn a_real_checkpoint_has_a_manifest_and_no_log() {
    let (_guard, dir) = unpack("checkpoint_epoch_11");
    assert_eq!(verify_wals(&dir).unwrap(), WalSummary::default());
    assert_eq!(verify_manifest(&dir).unwrap().bytes, 5973);
}

#[test]
fn every_bit_flip_of_a_real_log_is_rejected() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let bytes = fs::read(dir.join("000022.log")).unwrap();
    assert_eq!(accepted_flip(bytes, |bytes| verify(bytes).is_ok()), None);
}

#[test]
fn every_bit_flip_of_a_real_manifest_is_rejected() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let bytes = fs::read(dir.join("MANIFEST-000005")).unwrap();
    let accepts = |bytes: &[u8]| verify_manifest_log(Path::new("MANIFEST-000005"), bytes).is_ok();
    assert_eq!(accepted_flip(bytes, accepts), None);
}

#[test]
fn a_truncation_is_accepted_only_behind_a_record() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let wal = fs::read(dir.join("000022.log")).unwrap();
    let mut ends = record_ends(&wal);
    assert_eq!((ends.len(), ends.last()), (201, Some(&wal.len())));

    let manifest = fs::read(dir.join("MANIFEST-000005")).unwrap();
    let accepts = |bytes: &[u8]| verify_manifest_log(Path::new("MANIFEST-000005"), bytes).is_ok();
    assert_eq!(accepted_lengths(&manifest, accepts), record_ends(&manifest));

    ends.insert(0, 0);
    assert_eq!(accepted_lengths(&wal, |bytes| verify(bytes).is_ok()), ends);
}

#[test]
fn a_truncated_log_that_is_not_the_last_is_rejected_at_every_length() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let wal = fs::read(dir.join("000022.log")).unwrap();
    let mut next = LogWriter::default();
    next.batch(2605, 1, 20);
    let both = |first: &[u8]| verify_files(&[(22, first), (23, &next.bytes)]).is_ok();
    // The last two batches hold no operation, so losing them loses nothing; and without any record
    // nothing says that there was one.
    assert_eq!(accepted_lengths(&wal, both), [0, 38_134, 38_153, 38_172]);
}

#[test]
fn a_zeroed_block_of_a_real_log_is_rejected() {
    let (_guard, dir) = unpack("db_boundary_unflushed");
    let path = dir.join("000022.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[..BLOCK].fill(0);
    fs::write(&path, &bytes).unwrap();
    let error = verify_wals(&dir).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is damaged at byte 0: zeroes instead of a record; copy the database again, \
             with all its .log files",
            path.display()
        )
    );
}

// Directories.

/// A database directory with the given log files.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn log_of(sequence: u64, count: u32) -> Vec<u8> {
    LogWriter::default()
        .batch(sequence, count, 30)
        .bytes
        .clone()
}

#[test]
fn a_log_missing_between_two_others_is_a_gap() {
    let (first, second, third) = (log_of(1, 4), log_of(5, 6), log_of(11, 1));
    let files: [(&str, &[u8]); 4] = [
        ("000004.log", &first),
        ("000009.log", &second),
        ("000010.log", &[]),
        ("000100.log", &third),
    ];
    let dir = directory(&files);
    let summary = verify_wals(dir.path()).unwrap();
    assert_eq!(
        (summary.files, summary.operations, summary.last_sequence),
        (4, 11, Some(11))
    );

    // An empty log is no loss, nor can the loss of the first or last one be seen here.
    for (lost, operations) in [("000010.log", 11), ("000004.log", 7), ("000100.log", 10)] {
        let dir = directory(&files);
        fs::remove_file(dir.path().join(lost)).unwrap();
        assert_eq!(
            verify_wals(dir.path()).unwrap().operations,
            operations,
            "without {lost}"
        );
    }

    fs::remove_file(dir.path().join("000009.log")).unwrap();
    let error = verify_wals(dir.path()).unwrap_err();
    let path = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(
        error.to_string(),
        format!(
            "writes are missing: {} continues at byte 0 with sequence number 11, but {} ends \
             before 5; copy the database again with all its .log files",
            path("000100.log"),
            path("000004.log")
        )
    );
}

#[test]
fn logs_of_two_moments_overlap() {
    let (first, second) = (log_of(1, 4), log_of(3, 2));
    let dir = directory(&[("000004.log", &first), ("000008.log", &second)]);
    let error = verify_wals(dir.path()).unwrap_err();
    assert!(
        matches!(&error, WalError::SequenceOverlap { expected: 5, got: 3, path, .. }
            if path.ends_with("000008.log")),
        "{error}"
    );
}

#[test]
fn only_files_named_like_a_log_are_read() {
    let log = log_of(1, 1);
    let dir = directory(&[
        ("LOG", b"x"),
        ("a.log", b"x"),
        (".log", b"x"),
        ("000004.log.bak", b"x"),
    ]);
    fs::create_dir(dir.path().join("archive")).unwrap();
    fs::write(dir.path().join("archive/000002.log"), b"x").unwrap();
    fs::write(dir.path().join("123456789.log"), &log).unwrap();
    assert_eq!(verify_wals(dir.path()).unwrap().files, 1);

    for (name, expected) in [("4.log", "000004.log"), ("0000004.log", "000004.log")] {
        let dir = directory(&[(name, &log)]);
        let error = verify_wals(dir.path()).unwrap_err();
        assert!(
            matches!(&error, WalError::FileName { expected: e, .. } if e == expected),
            "{error}"
        );
    }
    let dir = directory(&[("99999999999999999999.log", &log)]);
    assert!(matches!(
        verify_wals(dir.path()),
        Err(WalError::FileName { .. })
    ));
}

#[test]
fn a_failing_read_is_not_the_end_of_the_log() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("bad sector")),
                length => Ok(length),
            }
        }
    }
    let log = log_of(1, 1);
    let error = WalVerifier::new()
        .file(Path::new("000004.log"), 4, Failing(&log))
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot read 000004.log: bad sector");

    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        verify_wals(&dir.path().join("no")),
        Err(WalError::Io { .. })
    ));
    fs::create_dir(dir.path().join("000004.log")).unwrap();
    assert!(matches!(verify_wals(dir.path()), Err(WalError::Io { .. })));
    assert!(matches!(
        verify_manifest(dir.path()),
        Err(WalError::Io { .. })
    ));
}

#[test]
fn current_names_a_manifest_on_one_whole_line() {
    let mut log = LogWriter::default();
    let log = log.record(b"edit").bytes.clone();
    let current = |content: &str| {
        let dir = directory(&[
            ("MANIFEST-000005", &log),
            ("MANIFEST-5", &log),
            ("other", &log),
        ]);
        fs::write(dir.path().join("CURRENT"), content).unwrap();
        verify_manifest(dir.path())
    };
    assert_eq!(current("MANIFEST-000005\n").unwrap().records, 1);
    let long = format!("MANIFEST-000005\n{}", "x".repeat(1_000_000));
    for content in [
        "",
        "\n",
        "MANIFEST-000005",
        "MANIFEST-000005\n\n",
        "MANIFEST-5\n",
        "other\n",
        &long,
    ] {
        assert!(
            matches!(current(content), Err(WalError::Current { .. })),
            "{content:.20}"
        );
    }
    assert!(matches!(
        current("MANIFEST-000006\n"),
        Err(WalError::Io { .. })
    ));
}

// Any log.

proptest! {
    #[test]
    fn any_log_is_accepted_and_any_change_to_it_is_not(
        lengths in prop::collection::vec(prop_oneof![0..300_usize, 32_000..33_000_usize], 1..30),
        recyclable: bool,
        at: prop::sample::Index,
        xor in 1..=255_u8,
    ) {
        let mut writer = LogWriter { number: recyclable.then_some(7), ..LogWriter::default() };
        for (index, length) in lengths.iter().enumerate() {
            writer.batch(index as u64, 1, *length);
        }
        let mut bytes = writer.bytes;
        let summary = verify(&bytes).unwrap();
        prop_assert_eq!(summary.operations, lengths.len() as u64);
        prop_assert_eq!(summary.bytes, bytes.len() as u64);
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        prop_assert!(verify(&bytes).is_err(), "byte {} of {}", at, bytes.len());
    }
}
