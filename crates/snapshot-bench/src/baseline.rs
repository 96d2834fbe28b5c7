//! The way the released node does it, small and honest: what this project is measured against.
//!
//! Rows are decoded with `bcs` as a typed table hands them out, encoded again with two allocations, and
//! go one by one through a 1 MiB `BufWriter`; reading allocates each entry and decodes it; loading goes
//! through write batches. One thread does it all. Where the node does more, this does not: its digest
//! is taken as the bytes pass and not in a second pass over the file, nothing is renamed, and rows
//! that were read are not collected. It knows the sealed framing only, so that both sides write the
//! same bytes.

use std::fs::{self, File};
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rocksdb::{ColumnFamilyDescriptor, DB, Options, WriteBatch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use snapshot_format::{
    ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record, SealedHeader, StoragePoolInfo,
    Table,
};
use snapshot_store::merge::{BlobInfoOperand, ChangeInfo, ChangeType, MergeFailures, PooledInfo};
use snapshot_store::schema::{self, ColumnFamily};
use twox_hash::XxHash64;

/// Bytes that the node's writer collects.
const WRITE_BUFFER: usize = 1 << 20;

/// Rows of a write batch.
const BATCH_ROWS: usize = 10_000;

const MAGIC: u32 = 0xb10b_1f05;
const VERSION: u32 = 1;
const ENTRY: u8 = 1;
const END: u8 = 0;

/// What was written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// xxhash64 of all bytes before the checksum.
    pub digest: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// Opens the database in `dir` with a node's own options, read-only.
///
/// # Errors
///
/// If RocksDB cannot.
pub fn open(dir: &Path) -> Result<DB> {
    Ok(DB::open_cf_descriptors_read_only(
        &Options::default(),
        dir,
        descriptors(&Table::ALL.map(ColumnFamily::from), &MergeFailures::new()),
        false,
    )?)
}

/// Writes a snapshot of `db` to the file `path` and syncs it.
///
/// # Errors
///
/// If a row cannot be read or decoded, or the file not be written.
pub fn create(db: &DB, header: &SealedHeader, path: &Path) -> Result<Outcome> {
    let file = HashingFile {
        file: File::create(path)?,
        hasher: XxHash64::with_seed(0),
    };
    let mut out = BufWriter::with_capacity(WRITE_BUFFER, file);
    out.write_all(&MAGIC.to_be_bytes())?;
    out.write_all(&VERSION.to_be_bytes())?;
    write_bytes(&mut out, &bcs::to_bytes(header)?)?;
    let mut rows = 0;
    rows += write_table::<PerObjectBlobInfo>(db, Table::PerObjectBlobInfo, 1, &mut out)?;
    rows +=
        write_table::<PerObjectPooledBlobInfo>(db, Table::PerObjectPooledBlobInfo, 2, &mut out)?;
    rows += write_table::<StoragePoolInfo>(db, Table::StoragePoolInfo, 3, &mut out)?;
    out.flush()?;
    let digest = out.get_ref().hasher.finish();
    out.write_all(&digest.to_be_bytes())?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.file.sync_all()?;
    Ok(Outcome { digest, rows })
}

fn write_table<V: Serialize + DeserializeOwned>(
    db: &DB,
    table: Table,
    tag: u8,
    out: &mut impl Write,
) -> Result<u64> {
    let family = db
        .cf_handle(table.name())
        .context("a table was not opened")?;
    out.write_all(&[tag])?;
    let mut count: u64 = 0;
    let mut previous = None;
    let mut iterator = db.raw_iterator_cf(family);
    iterator.seek_to_first();
    while let Some((key, value)) = iterator.item() {
        let key: ObjectId = bcs::from_bytes(key)?;
        let value: V = bcs::from_bytes(value)?;
        ensure!(
            previous.is_none_or(|previous| previous < key),
            "keys do not increase"
        );
        previous = Some(key);
        out.write_all(&[ENTRY])?;
        write_bytes(out, &bcs::to_bytes(&key)?)?;
        write_bytes(out, &bcs::to_bytes(&value)?)?;
        count += 1;
        iterator.next();
    }
    iterator.status()?;
    out.write_all(&[END])?;
    out.write_all(&count.to_be_bytes())?;
    Ok(count)
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(&u32::try_from(bytes.len())?.to_be_bytes())?;
    out.write_all(bytes)?;
    Ok(())
}

/// Reads the snapshot `path` whole, decodes every entry and checks the checksum.
///
/// # Errors
///
/// If the file cannot be read or is not such a snapshot.
pub fn read(path: &Path) -> Result<Outcome> {
    let mut ignore = Ignore;
    read_into(path, &mut ignore)
}

/// Loads the snapshot `path` through the write path into a new database in `dir`, and flushes it.
///
/// # Errors
///
/// As [`read`], or if the database cannot be written.
pub fn load(path: &Path, dir: &Path) -> Result<Outcome> {
    load_families(path, dir, &Table::ALL.map(ColumnFamily::from))
}

/// As [`load`], with the merge operands for `aggregate_blob_info` that a node writes beside each row.
///
/// # Errors
///
/// As [`load`].
pub fn load_with_aggregate(path: &Path, dir: &Path) -> Result<Outcome> {
    load_families(path, dir, &ColumnFamily::ALL)
}

fn load_families(path: &Path, dir: &Path, families: &[ColumnFamily]) -> Result<Outcome> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let failures = MergeFailures::new();
    let db = DB::open_cf_descriptors(&options, dir, descriptors(families, &failures))?;
    let mut batches = Batches {
        db: &db,
        aggregate: db.cf_handle(ColumnFamily::AggregateBlobInfo.name()),
        batch: WriteBatch::default(),
        rows: 0,
    };
    let outcome = read_into(path, &mut batches)?;
    batches.write()?;
    for family in families {
        let handle = db.cf_handle(family.name());
        db.flush_cf(handle.context("a table was not created")?)?;
    }
    Ok(outcome)
}

fn descriptors(families: &[ColumnFamily], failures: &MergeFailures) -> Vec<ColumnFamilyDescriptor> {
    let descriptor = |family: &ColumnFamily| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(*family, failures))
    };
    families.iter().map(descriptor).collect()
}

/// What happens to an object: it is registered, and then maybe certified.
const CHANGES: [ChangeType; 2] = [ChangeType::Register, ChangeType::Certify];

/// Takes decoded rows.
trait Rows {
    fn row<V: Serialize>(&mut self, table: Table, key: ObjectId, value: &V) -> Result<()>;
}

struct Ignore;

impl Rows for Ignore {
    fn row<V: Serialize>(&mut self, _: Table, key: ObjectId, value: &V) -> Result<()> {
        std::hint::black_box((key, value));
        Ok(())
    }
}

struct Batches<'a> {
    db: &'a DB,
    aggregate: Option<&'a rocksdb::ColumnFamily>,
    batch: WriteBatch,
    rows: usize,
}

impl Batches<'_> {
    fn write(&mut self) -> Result<()> {
        self.rows = 0;
        self.db.write(std::mem::take(&mut self.batch))?;
        Ok(())
    }

    /// The operands of the events that registered and certified an object.
    fn aggregate(&mut self, table: Table, value: &[u8]) -> Result<()> {
        let Some(aggregate) = self.aggregate else {
            return Ok(());
        };
        let operands: [BlobInfoOperand; 2];
        let (blob_id, certified) = match Record::decode(table, value)? {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => {
                let change_info = ChangeInfo {
                    blob_id: row.blob_id,
                    deletable: row.deletable,
                    epoch: row.registered_epoch,
                    end_epoch: row.end_epoch,
                    status_event: row.event,
                };
                operands = CHANGES.map(|change_type| BlobInfoOperand::ChangeStatus {
                    change_type,
                    change_info,
                });
                (row.blob_id, row.certified_epoch)
            }
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
                let change_info = PooledInfo {
                    blob_id: row.blob_id,
                    epoch: row.registered_epoch,
                    storage_pool_id: row.storage_pool_id,
                    status_event: row.event,
                };
                operands = CHANGES.map(|change_type| BlobInfoOperand::PooledBlobChangeStatus {
                    change_type,
                    change_info,
                });
                (row.blob_id, row.certified_epoch)
            }
            Record::StoragePoolInfo(_) => return Ok(()),
        };
        let count = 1 + usize::from(certified.is_some());
        for operand in operands.iter().take(count) {
            self.batch
                .merge_cf(aggregate, blob_id.as_bytes(), bcs::to_bytes(operand)?);
        }
        Ok(())
    }
}

impl Rows for Batches<'_> {
    fn row<V: Serialize>(&mut self, table: Table, key: ObjectId, value: &V) -> Result<()> {
        let family = self
            .db
            .cf_handle(table.name())
            .context("a table was not created")?;
        let value = bcs::to_bytes(value)?;
        self.aggregate(table, &value)?;
        self.batch.put_cf(family, bcs::to_bytes(&key)?, value);
        self.rows += 1;
        if self.rows >= BATCH_ROWS {
            self.write()
        } else {
            Ok(())
        }
    }
}

fn read_into(path: &Path, into: &mut impl Rows) -> Result<Outcome> {
    let bytes = fs::read(path)?;
    let (body, checksum) = bytes
        .split_last_chunk::<8>()
        .context("the file is too short")?;
    let digest = XxHash64::oneshot(0, body);
    ensure!(
        digest == u64::from_be_bytes(*checksum),
        "the checksum does not match"
    );
    let mut input = Input(body);
    ensure!(
        input.u32()? == MAGIC && input.u32()? == VERSION,
        "this is no snapshot"
    );
    let header = input.field()?;
    bcs::from_bytes::<SealedHeader>(&header)?;
    let mut rows = 0;
    rows += read_table::<PerObjectBlobInfo>(&mut input, Table::PerObjectBlobInfo, 1, into)?;
    rows +=
        read_table::<PerObjectPooledBlobInfo>(&mut input, Table::PerObjectPooledBlobInfo, 2, into)?;
    rows += read_table::<StoragePoolInfo>(&mut input, Table::StoragePoolInfo, 3, into)?;
    ensure!(input.0.is_empty(), "bytes follow the last section");
    Ok(Outcome { digest, rows })
}

fn read_table<V: Serialize + DeserializeOwned>(
    input: &mut Input<'_>,
    table: Table,
    tag: u8,
    into: &mut impl Rows,
) -> Result<u64> {
    ensure!(input.u8()? == tag, "a section is missing");
    let mut count: u64 = 0;
    let mut previous = None;
    while input.u8()? == ENTRY {
        let key: ObjectId = bcs::from_bytes(&input.field()?)?;
        let value: V = bcs::from_bytes(&input.field()?)?;
        ensure!(
            previous.is_none_or(|previous| previous < key),
            "keys do not increase"
        );
        previous = Some(key);
        into.row(table, key, &value)?;
        count += 1;
    }
    ensure!(input.u64()? == count, "the count does not match");
    Ok(count)
}

/// What is not read yet.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// A length and that many bytes, in a vector of their own.
    fn field(&mut self) -> Result<Vec<u8>> {
        let len = self.u32()? as usize;
        let (field, rest) = self
            .0
            .split_at_checked(len)
            .context("the file ends early")?;
        self.0 = rest;
        Ok(field.to_vec())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().context("the file ends early")?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// A file, and the digest of what it took.
struct HashingFile {
    file: File,
    hasher: XxHash64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.write(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
