//! A database to a snapshot: the bytes a node's own code wrote, whatever the number of threads.

mod common;

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use common::{Fixture, epoch_row, pool_row, write_database};
use proptest::prelude::*;
use snapshot_format::{
    CountedHeader, Decoder, Epoch, EventId, Header, SealedHeader, Table, TransactionDigest,
};
use snapshot_store::publish::Replace;
use snapshot_store::{
    CreateError, CreateOptions, Database, OpenOptions, Progress, ScanError, create, create_file,
    verify_file,
};

fn threads(n: usize) -> CreateOptions {
    CreateOptions {
        threads: NonZeroUsize::new(n),
    }
}

fn open(path: &Path) -> Database {
    Database::open(path, &OpenOptions::default()).expect("the database is whole")
}

fn bytes(database: &Database, header: &Header, options: &CreateOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let summary = create(database, header, &mut bytes, options, &Progress::new())
        .expect("the rows are sound");
    assert_eq!(summary.size, bytes.len() as u64);
    let mut decoder = Decoder::new();
    decoder.push(&bytes, |_| {}).expect("a snapshot");
    assert_eq!(
        decoder.end().expect("a whole snapshot").digest,
        summary.digest
    );
    bytes
}

#[test]
fn fixtures_give_the_bytes_a_node_wrote() {
    let fixture = Fixture::node_b();
    let sealed = Header::Sealed(SealedHeader::offline(fixture.epoch));
    let counted = Header::Counted(CountedHeader {
        epoch: fixture.epoch,
        event_id: fixture.event_id,
        next_event_index: fixture.next_event_index,
    });
    for path in [fixture.checkpoint(), fixture.unflushed()] {
        let database = open(&path);
        for n in [1, 2, 3, 8] {
            assert!(
                bytes(&database, &sealed, &threads(n)) == fixture.sealed(),
                "{path:?}, {n}"
            );
            assert!(
                bytes(&database, &counted, &threads(n)) == fixture.counted(),
                "{path:?}, {n}"
            );
        }
    }
}

#[test]
fn a_file_appears_whole_and_verifies() {
    let fixture = Fixture::node_b();
    let database = open(&fixture.checkpoint());
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("snapshot_epoch_11.bin");
    let header = Header::Sealed(SealedHeader::offline(fixture.epoch));
    let made = |replace| {
        let options = CreateOptions::default();
        create_file(
            &database,
            &header,
            &path,
            replace,
            &options,
            &Progress::new(),
        )
    };
    let summary = made(Replace::Refuse).expect("the directory is empty");
    assert_eq!(
        verify_file(&path, &Progress::new()).expect("sound"),
        summary
    );
    assert_eq!(summary.digest.to_string(), "5d8b87a0090c796d");

    assert!(matches!(
        made(Replace::Refuse),
        Err(CreateError::Publish(_))
    ));
    assert_eq!(made(Replace::Allow).expect("replaced"), summary);
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[test]
fn opening_and_reading_writes_nothing() {
    let fixture = Fixture::node_b();
    let listing = |path: &Path| {
        let mut files: Vec<_> = fs::read_dir(path)
            .expect("a directory")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let bytes = fs::read(entry.path()).expect("a file");
                (entry.file_name(), bytes)
            })
            .collect();
        files.sort();
        files
    };
    for path in [fixture.checkpoint(), fixture.unflushed()] {
        let before = listing(&path);
        let header = Header::Sealed(SealedHeader::offline(Epoch(11)));
        bytes(&open(&path), &header, &CreateOptions::default());
        assert!(listing(&path) == before, "{path:?} was changed");
    }
}

/// A sink that has had enough after some bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_ends_the_job_wherever_it_fails() {
    let dir = tempfile::tempdir().expect("a directory");
    let rows = (0..60_000).map(|n| epoch_row(n, u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    write_database(dir.path(), rows);
    let database = open(dir.path());
    let header = Header::Sealed(SealedHeader::offline(Epoch(1)));
    let whole = bytes(&database, &header, &CreateOptions::default()).len();
    for room in [0, 100, whole / 3, whole / 2, whole - 1] {
        for n in [1, 2, 4] {
            let result = create(
                &database,
                &header,
                Full(room),
                &threads(n),
                &Progress::new(),
            );
            assert!(
                matches!(result, Err(CreateError::Write(_))),
                "{room} {n}: {result:?}"
            );
        }
    }
    let result = create(
        &database,
        &header,
        Full(whole),
        &threads(2),
        &Progress::new(),
    );
    assert!(result.is_ok());
}

#[test]
fn a_value_that_is_not_canonical_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (table, key, mut value) = epoch_row(7, 7);
    value.push(0);
    write_database(dir.path(), [(table, key, value)]);
    let header = Header::Sealed(SealedHeader::offline(Epoch(1)));
    let result = create(
        &open(dir.path()),
        &header,
        io::sink(),
        &threads(1),
        &Progress::new(),
    );
    let message = result.expect_err("a byte too many").to_string();
    assert!(message.contains("per_object_blob_info"), "{message}");
    assert!(message.contains("0x0000000000000007"), "{message}");
    assert!(message.contains("1 bytes follow"), "{message}");
}

#[test]
fn a_table_that_was_not_opened_is_an_error() {
    let fixture = Fixture::node_b();
    let families = [Table::StoragePoolInfo.into()];
    let options = OpenOptions::default();
    let database = Database::open_column_families(&fixture.checkpoint(), &families, &options)
        .expect("the database is whole");
    let header = Header::Sealed(SealedHeader::offline(Epoch(1)));
    let result = create(
        &database,
        &header,
        io::sink(),
        &threads(2),
        &Progress::new(),
    );
    assert!(
        matches!(
            &result,
            Err(CreateError::Scan {
                source: ScanError::NotOpened { .. },
                ..
            })
        ),
        "{result:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Keys spread evenly, crowded or all alike but for the end: any number of threads gives the same
    /// bytes, those of one encoder that takes row by row.
    #[test]
    fn bytes_do_not_depend_on_threads(
        rows in 0_u32..40_000,
        pools in 0_u32..2_000,
        spread in prop_oneof![Just(1_u64), Just(0x0000_0001_0000_0001), Just(0x9e37_79b9_7f4a_7c15)],
        n in 1_usize..9,
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let key = |row: u32| u64::from(row).wrapping_mul(spread);
        let objects = (0..rows).map(|row| epoch_row(row, key(row)));
        let all: Vec<_> = objects.chain((0..pools).map(|pool| pool_row(pool, key(pool)))).collect();
        write_database(dir.path(), all.iter().cloned());

        let header = SealedHeader::offline(Epoch(3));
        let mut sorted = all;
        sorted.sort();
        let mut encoder =
            snapshot_format::Encoder::sealed(Vec::new(), &header).expect("no I/O");
        for (table, key, value) in &sorted {
            encoder.entry(*table, key, value).expect("sorted rows");
        }
        let expected = encoder.finish().expect("no I/O").sink;

        let database = open(dir.path());
        prop_assert!(bytes(&database, &Header::Sealed(header), &threads(n)) == expected);
        let counted = CountedHeader {
            epoch: Epoch(3),
            event_id: EventId { tx_digest: TransactionDigest::new([1; 32]), event_seq: 2 },
            next_event_index: 3,
        };
        let counted = Header::Counted(counted);
        prop_assert_eq!(
            bytes(&database, &counted, &threads(n)),
            bytes(&database, &counted, &threads(1))
        );
    }
}
