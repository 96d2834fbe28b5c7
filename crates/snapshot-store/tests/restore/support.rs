//! What the tests of restores share: all rows of a database, snapshots of made-up rows, and restores.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};
use snapshot_format::{Encoder, Epoch, EventId, Record, SealedHeader, Table, TransactionDigest};
use snapshot_store::Progress;
use snapshot_store::merge::MergeFailures;
use snapshot_store::restore::{RestoreError, RestoreOptions, RestoreReport, ToldCursor, restore};
use snapshot_store::schema::{self, ColumnFamily};

/// The rows of each column family.
pub(crate) type AllRows = BTreeMap<String, Vec<(Vec<u8>, Vec<u8>)>>;

/// All rows of all column families of a database, read past whatever guards it.
pub(crate) fn all_rows(path: &Path) -> AllRows {
    let failures = MergeFailures::new();
    let names = DB::list_cf(&Options::default(), path).expect("a database");
    let families = names.iter().map(|name| {
        let options = ColumnFamily::from_name(name).map_or_else(Options::default, |family| {
            schema::reader_options(family, &failures)
        });
        ColumnFamilyDescriptor::new(name, options)
    });
    let db = DB::open_cf_descriptors_read_only(&Options::default(), path, families, false)
        .expect("it opens");
    let rows_of = |name: &String| {
        let family = db.cf_handle(name).expect("opened");
        let rows = db.iterator_cf(family, IteratorMode::Start).map(|row| {
            let (key, value) = row.expect("readable");
            (key.into_vec(), value.into_vec())
        });
        (name.clone(), rows.collect())
    };
    names.iter().map(rows_of).collect()
}

/// The rows of one column family.
pub(crate) fn rows(path: &Path, family: ColumnFamily) -> Vec<(Vec<u8>, Vec<u8>)> {
    all_rows(path).remove(family.name()).unwrap_or_default()
}

/// Restores with these options.
pub(crate) fn restored(
    file: &Path,
    target: &Path,
    options: &RestoreOptions,
) -> Result<RestoreReport, RestoreError> {
    restore(&[file.to_path_buf()], target, options, &Progress::new())
}

/// Any event.
pub(crate) fn event(number: u64) -> EventId {
    let mut digest = [0xee; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    EventId {
        tx_digest: TransactionDigest::new(digest),
        event_seq: number,
    }
}

/// Options that tell a cursor.
pub(crate) fn told(next_event_index: u64) -> RestoreOptions {
    RestoreOptions {
        cursor: ToldCursor {
            event_id: Some(event(7)),
            next_event_index: Some(next_event_index),
        },
        ..RestoreOptions::default()
    }
}

/// A sealed snapshot of these rows, which may come in any order.
pub(crate) fn snapshot_of(header: &SealedHeader, rows: &[([u8; 32], Record)]) -> Vec<u8> {
    let mut sorted: Vec<_> = rows.to_vec();
    sorted.sort_by_key(|(key, record)| (record.table(), *key));
    let mut encoder = Encoder::sealed(Vec::new(), header).expect("a header");
    for (key, record) in &sorted {
        encoder
            .entry(record.table(), key, &record.encode())
            .expect("in order");
    }
    encoder.finish().expect("a snapshot").sink
}

/// A sealed snapshot of these rows as a file in `dir`.
pub(crate) fn snapshot_file(dir: &Path, epoch: u32, rows: &[([u8; 32], Record)]) -> PathBuf {
    let path = dir.join("snapshot.bin");
    let header = SealedHeader::offline(Epoch(epoch));
    fs::write(&path, snapshot_of(&header, rows)).expect("write");
    path
}

/// Names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .collect::<Result<_, _>>()
        .expect("names in UTF-8");
    names.sort();
    names
}

/// The three tables of a snapshot.
pub(crate) fn snapshot_tables() -> [ColumnFamily; 3] {
    Table::ALL.map(ColumnFamily::from)
}
