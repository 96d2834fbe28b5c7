//! Short names for what every test here needs, and databases to put it in.

use std::path::Path;

use rocksdb::{
    BottommostLevelCompaction, ColumnFamilyDescriptor, CompactOptions, DB, IteratorMode, Options,
};
use snapshot_format::{BlobId, EventId, ObjectId, TransactionDigest};
use snapshot_store::merge::{ApplyError, MergeError, MergeFailures};
use snapshot_store::schema::{ColumnFamily, reader_options, writer_options};

pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

pub(crate) fn blob(n: u8) -> BlobId {
    BlobId::new([n; 32])
}

pub(crate) fn object(n: u8) -> ObjectId {
    ObjectId::new([n; 32])
}

pub(crate) fn event(n: u8) -> EventId {
    EventId {
        tx_digest: TransactionDigest::new([n; 32]),
        event_seq: u64::from(n),
    }
}

/// What `merge` answers when its only operand does not fit.
pub(crate) fn refused<T>(source: ApplyError) -> Result<T, MergeError> {
    Err(MergeError::Apply { index: 0, source })
}

fn open(
    path: &Path,
    failures: &MergeFailures,
    column_options: impl Fn(ColumnFamily, &MergeFailures) -> Options,
    open: impl FnOnce(&Path, Vec<ColumnFamilyDescriptor>) -> Result<DB, rocksdb::Error>,
) -> DB {
    let families = ColumnFamily::ALL
        .map(|family| ColumnFamilyDescriptor::new(family.name(), column_options(family, failures)));
    open(path, families.into()).expect("the database opens")
}

/// Opens a database as a node does; creates it if there is none.
pub(crate) fn open_writer(path: &Path, failures: &MergeFailures) -> DB {
    open(path, failures, writer_options, |path, families| {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        DB::open_cf_descriptors(&options, path, families)
    })
}

/// Opens a database for reading only, its WAL included.
pub(crate) fn open_reader(path: &Path, failures: &MergeFailures) -> DB {
    open(path, failures, reader_options, |path, families| {
        DB::open_cf_descriptors_read_only(&Options::default(), path, families, false)
    })
}

/// All rows of a column family, up to and including the first error.
pub(crate) fn scan(db: &DB, family: ColumnFamily) -> Vec<Result<Row, rocksdb::Error>> {
    let handle = db.cf_handle(family.name()).expect("all families are open");
    db.iterator_cf(handle, IteratorMode::Start).collect()
}

pub(crate) fn get(db: &DB, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let handle = db.cf_handle(family.name()).expect("all families are open");
    db.get_cf(handle, key).map_err(|error| error.to_string())
}

pub(crate) fn put(db: &DB, family: ColumnFamily, key: &[u8], value: &[u8]) {
    let handle = db.cf_handle(family.name()).expect("all families are open");
    db.put_cf(handle, key, value).expect("the put succeeds");
}

pub(crate) fn merge(db: &DB, family: ColumnFamily, key: &[u8], operand: &[u8]) {
    let handle = db.cf_handle(family.name()).expect("all families are open");
    db.merge_cf(handle, key, operand)
        .expect("the merge is written");
}

pub(crate) fn flush(db: &DB, family: ColumnFamily) {
    db.flush_cf(db.cf_handle(family.name()).expect("all families are open"))
        .expect("the flush succeeds");
}

/// Compacts a column family down to its last level, and rewrites even files that could just be moved.
pub(crate) fn compact(db: &DB, family: ColumnFamily) {
    let handle = db.cf_handle(family.name()).expect("all families are open");
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    db.compact_range_cf_opt(handle, None::<&[u8]>, None::<&[u8]>, &options);
}
