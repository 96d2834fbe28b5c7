//! Databases for tests: those a real node's storage code made, and small ones made here.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, Options, WriteBatch};
use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1, StoragePoolInfo,
    StoragePoolInfoV1, Table, TransactionDigest,
};
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{self, ColumnFamily};
use tempfile::TempDir;

/// One node's files, with its two databases unpacked into a directory of their own.
pub(crate) struct Fixture {
    dir: TempDir,
    files: PathBuf,
    pub(crate) epoch: Epoch,
    pub(crate) event_id: EventId,
    pub(crate) next_event_index: u64,
}

impl Fixture {
    pub(crate) fn node_b() -> Self {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node-b");
        let info = fs::read_to_string(files.join("info.txt")).expect("a fixture");
        let number = |name: &str| -> u64 {
            info.lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value.parse().ok())
                .expect("a number of this name")
        };
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["checkpoint_epoch_11", "db_boundary_unflushed"] {
            let packed = fs::File::open(files.join(format!("{name}.tar.zst"))).expect("a fixture");
            let unpacked = zstd::Decoder::new(packed).expect("zstd");
            tar::Archive::new(unpacked)
                .unpack(dir.path())
                .expect("an archive");
        }
        let digest_byte = u8::try_from(number("event_digest_byte")).expect("a byte");
        Self {
            epoch: Epoch(u32::try_from(number("epoch")).expect("an epoch")),
            event_id: EventId {
                tx_digest: TransactionDigest::new([digest_byte; 32]),
                event_seq: number("event_seq"),
            },
            next_event_index: number("next_index"),
            dir,
            files,
        }
    }

    /// The checkpoint: no WAL, level 0 with unmerged operands.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.dir.path().join("checkpoint_epoch_11")
    }

    /// The same rows before the flush: part of them in the WAL only.
    pub(crate) fn unflushed(&self) -> PathBuf {
        self.dir.path().join("db_boundary_unflushed")
    }

    pub(crate) fn sealed(&self) -> Vec<u8> {
        fs::read(self.files.join("sealed.bin")).expect("a fixture")
    }

    pub(crate) fn counted(&self) -> Vec<u8> {
        fs::read(self.files.join("counted.bin")).expect("a fixture")
    }
}

/// A row as it stands in a database.
pub(crate) type Row = (Table, Vec<u8>, Vec<u8>);

fn key(prefix: u64) -> Vec<u8> {
    let mut key = prefix.to_be_bytes().to_vec();
    key.resize(32, 0);
    key
}

/// A blob object that says `n` everywhere, under a key that begins with `prefix`.
pub(crate) fn epoch_row(n: u32, prefix: u64) -> Row {
    let value = PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: BlobId::new([n as u8; 32]),
        registered_epoch: Epoch(n),
        certified_epoch: n.is_multiple_of(2).then_some(Epoch(n)),
        end_epoch: Epoch(n.saturating_add(1)),
        deletable: n.is_multiple_of(3),
        event: EventId {
            tx_digest: TransactionDigest::new([7; 32]),
            event_seq: u64::from(n),
        },
        deleted: false,
    });
    (Table::PerObjectBlobInfo, key(prefix), value.encode())
}

/// A storage pool that says `n` everywhere.
pub(crate) fn pool_row(n: u32, prefix: u64) -> Row {
    let value = StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(n),
        end_epoch: Epoch(n),
    });
    (Table::StoragePoolInfo, key(prefix), value.encode())
}

/// A database with all column families of a node.
pub(crate) fn create_database(path: &Path) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let failures = MergeFailures::new();
    let families = ColumnFamily::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    });
    DB::open_cf_descriptors(&options, path, families).expect("a new database")
}

/// Writes a database with these rows: the first half in SST files, the rest in the WAL.
pub(crate) fn write_database(path: &Path, rows: impl IntoIterator<Item = Row>) {
    let rows: Vec<Row> = rows.into_iter().collect();
    let db = create_database(path);
    let family = |table: Table| db.cf_handle(table.name()).expect("created");
    let (flushed, unflushed) = rows.split_at(rows.len() / 2);
    for (part, flush) in [(flushed, true), (unflushed, false)] {
        for chunk in part.chunks(10_000) {
            let mut batch = WriteBatch::default();
            for (table, key, value) in chunk {
                batch.put_cf(family(*table), key, value);
            }
            db.write(batch).expect("written");
        }
        if flush {
            for table in Table::ALL {
                db.flush_cf(family(table)).expect("flushed");
            }
        }
    }
}

/// The object ID whose key begins with `prefix`.
pub(crate) fn object_id(prefix: u64) -> ObjectId {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&key(prefix));
    ObjectId::new(bytes)
}
