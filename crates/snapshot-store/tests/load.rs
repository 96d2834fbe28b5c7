//! A snapshot loaded into a new database: the same rows, and nothing where it is refused.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};
use snapshot_format::{
    ChunkPosition, Decoder, Encoder, Epoch, Event, Header, ObjectId, SealedHeader, StoragePoolInfo,
    StoragePoolInfoV1, Table,
};
use snapshot_store::load::bulk_load;
use snapshot_store::restore::RestoreError;
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, VerifyError, create};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/node-b")
        .join(name)
}

/// The snapshot of the database at `path`.
fn snapshot_of(path: &Path, header: &Header) -> Vec<u8> {
    let database = Database::open(path, &OpenOptions::default()).expect("a whole database");
    let mut bytes = Vec::new();
    create(
        &database,
        header,
        &mut bytes,
        &CreateOptions::default(),
        &Progress::new(),
    )
    .expect("sound rows");
    bytes
}

fn sst_files(path: &Path) -> usize {
    let entries = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"));
    entries
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "sst"))
        .count()
}

#[test]
fn what_is_loaded_gives_the_same_snapshot() {
    for name in ["sealed.bin", "counted.bin"] {
        let dir = tempfile::tempdir().expect("a directory");
        let db = dir.path().join("db");
        let loaded = bulk_load(&fixture(name), &db, &Progress::new()).expect("a sound snapshot");
        let bytes = fs::read(fixture(name)).expect("a fixture");
        assert_eq!(loaded.snapshot.size, bytes.len() as u64);
        assert_eq!(loaded.files.total(), 3);
        assert!(Table::ALL.iter().all(|table| loaded.bytes[*table] > 0));
        assert!(snapshot_of(&db, &loaded.snapshot.header) == bytes, "{name}");

        assert_eq!(sst_files(&db), 3);
        let entries = fs::read_dir(&db)
            .expect("a directory")
            .map(|entry| entry.expect("an entry"));
        for entry in entries {
            let metadata = entry.metadata().expect("metadata");
            assert!(metadata.is_file(), "{:?} is left", entry.path());
            let is_wal = entry.path().extension().is_some_and(|it| it == "log");
            assert!(
                !is_wal || metadata.len() == 0,
                "{:?} has rows",
                entry.path()
            );
        }
    }
}

#[test]
fn the_rows_are_as_a_node_reads_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = dir.path().join("db");
    bulk_load(&fixture("counted.bin"), &db, &Progress::new()).expect("a sound snapshot");
    let names = DB::list_cf(&Options::default(), &db).expect("a database");
    let read = DB::open_cf_for_read_only(&Options::default(), &db, names, false).expect("opens");
    let mut decoder = Decoder::new();
    let mut rows = 0;
    let bytes = fs::read(fixture("counted.bin")).expect("a fixture");
    let check = |event: Event<'_>| {
        if let Event::Entry(entry) = event {
            let family = read.cf_handle(entry.table.name()).expect("the table");
            let value = read.get_cf(family, entry.key.as_bytes()).expect("readable");
            assert_eq!(value.as_deref(), Some(entry.value));
            rows += 1;
        }
    };
    decoder.push(&bytes, check).expect("a fixture");
    assert_eq!(rows, 318);
}

#[test]
fn empty_tables_have_no_files_and_large_ones_have_several() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("s.bin");
    let header = SealedHeader::offline(Epoch(3));
    let pool = |epoch| {
        let (start_epoch, end_epoch) = (Epoch(epoch), Epoch(u32::MAX));
        StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch,
            end_epoch,
        })
        .encode()
    };
    let mut encoder = Encoder::sealed(Vec::new(), &header).expect("a header");
    // 41 bytes each, so a file of 64 MiB ends within.
    for number in 0..1_700_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let value = pool(number);
        encoder
            .entry(Table::StoragePoolInfo, &key, &value)
            .expect("in order");
    }
    let bytes = encoder.finish().expect("a snapshot").sink;
    fs::write(&path, &bytes).expect("write");

    let db = dir.path().join("db");
    let loaded = bulk_load(&path, &db, &Progress::new()).expect("a sound snapshot");
    // At least: parts are shorter with more processors.
    let files = loaded.files.storage_pool_info;
    assert!(files >= 3, "{files} files");
    assert_eq!(
        (loaded.files.total(), sst_files(&db) as u64),
        (files, files)
    );
    assert!(snapshot_of(&db, &Header::Sealed(header)) == bytes);
}

#[test]
fn an_existing_directory_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("mine"), "mine").expect("write");
    let refused = bulk_load(&fixture("sealed.bin"), dir.path(), &Progress::new());
    assert!(
        matches!(refused, Err(RestoreError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[test]
fn nothing_is_left_of_a_snapshot_that_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, db) = (dir.path().join("s.bin"), dir.path().join("db"));
    let whole = fs::read(fixture("sealed.bin")).expect("a fixture");
    let mut flipped = whole.clone();
    flipped[20_000] ^= 4;
    for bytes in [&whole[..whole.len() - 1], &flipped, b""] {
        fs::write(&path, bytes).expect("write");
        let refused = bulk_load(&path, &db, &Progress::new());
        assert!(
            matches!(
                refused,
                Err(RestoreError::Snapshot(VerifyError::Read { .. }))
            ),
            "{refused:?}"
        );
        assert!(!db.exists());
    }

    let mut header = SealedHeader::offline(Epoch(3));
    header.chunk = ChunkPosition { index: 0, count: 2 };
    let mut encoder = Encoder::sealed(Vec::new(), &header).expect("a header");
    let key = ObjectId::new([1; 32]);
    let value = StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(9),
    });
    encoder
        .entry(Table::StoragePoolInfo, key.as_bytes(), &value.encode())
        .expect("in order");
    fs::write(&path, encoder.finish().expect("a chunk").sink).expect("write");
    let refused = bulk_load(&path, &db, &Progress::new());
    assert!(
        matches!(refused, Err(RestoreError::NotWhole { .. })),
        "{refused:?}"
    );
    assert!(!db.exists());
}
