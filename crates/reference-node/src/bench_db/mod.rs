//! A large database in little time, for benchmarks: rows of `per_object_blob_info` only, and no events
//! behind them.
//!
//! Every row is a function of the seed and its number, so threads make SST files side by side and
//! nothing is kept in memory.

mod rows;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch, WriteOptions};
use serde::Serialize;
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{self, ColumnFamily, LATEST_HANDLED_EVENT_INDEX_KEY};

use crate::error::NodeError;
use crate::families::{self, Tuning};
use crate::make::{DATABASE, MakeError, Scratch, at_least, take_empty_dir};
use crate::storage::Storage;
use crate::tables::Tables;
use rows::Rows;

const TABLE: ColumnFamily = ColumnFamily::PerObjectBlobInfo;

/// Rows of one SST file: about 64 MiB before compression, as a node's files have.
const ROWS_PER_FILE: u64 = 500_000;

/// Rounds in which the unmerged rows are written: each makes files of level 0 that span all keys.
const ROUNDS: u64 = 4;

/// Rows of one write batch.
const ROWS_PER_BATCH: usize = 1000;

/// How the keys of the rows are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// Evenly over all 32-byte strings, as object IDs are.
    #[default]
    Random,
    /// 0, 1, 2 and so on, which compresses well and is not what a node has.
    Sequential,
}

/// What database to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchPlan {
    /// Rows of `per_object_blob_info`, all of them certified. At least 1.
    pub rows: u64,
    /// Seed of their content.
    pub seed: u64,
    /// How their keys are spread.
    pub keys: KeyOrder,
    /// How many of the rows, from 0 to 1, have merge operands in level 0: one half only those, the
    /// other half one on top of a compacted value. The rest is compacted.
    pub unmerged_share: f64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BenchDb {
    /// The database, closed; its write-ahead log holds nothing.
    pub database: PathBuf,
    /// Rows of `per_object_blob_info`.
    pub rows: u64,
    /// Those of them that have merge operands in level 0.
    pub unmerged_rows: u64,
    /// The seed.
    pub seed: u64,
    /// Where the entries are.
    pub storage: Storage,
}

/// Makes a database in `dir`, which must be empty or missing.
///
/// # Errors
///
/// If `dir` is not empty, the plan makes no sense, or RocksDB fails. What was made until then stays.
pub fn make_bench_db(dir: &Path, plan: &BenchPlan) -> Result<BenchDb, MakeError> {
    if !(0.0..=1.0).contains(&plan.unmerged_share) {
        return Err(MakeError::BadShare {
            got: plan.unmerged_share,
        });
    }
    at_least("the number of rows", plan.rows, 1)?;
    take_empty_dir(dir)?;
    let database = dir.join(DATABASE);
    let tuning = Tuning {
        auto_compaction: false,
        ..Tuning::default()
    };
    let tables = Tables::open(&database, tuning)?;
    ingest_compacted(&tables, plan, dir)?;
    let unmerged_rows = write_unmerged(&tables, plan)?;
    write_cursor(&tables, plan)?;
    let storage = Storage::of(&tables)?;
    Ok(BenchDb {
        database,
        rows: plan.rows,
        unmerged_rows,
        seed: plan.seed,
        storage,
    })
}

/// Makes SST files of the compacted rows and moves them into the lowest level.
fn ingest_compacted(tables: &Tables, plan: &BenchPlan, dir: &Path) -> Result<(), MakeError> {
    let scratch = Scratch::create(dir.join("ingest.tmp"))?;
    let files = plan.rows.div_ceil(ROWS_PER_FILE);
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let made = thread::scope(|scope| {
        let work = || -> Result<Vec<PathBuf>, NodeError> {
            let mut made = Vec::new();
            loop {
                let file = next.fetch_add(1, Ordering::Relaxed);
                if file >= files {
                    return Ok(made);
                }
                made.extend(write_sst(tables, plan, file, scratch.path())?);
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the workers do not panic"))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let made = made.concat();
    if made.is_empty() {
        return Ok(());
    }
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    tables
        .database()
        .ingest_external_file_cf_opts(tables.family(TABLE.name())?, &options, made)
        .map_err(|source| tables.database_error("ingest files into", source))?;
    Ok(())
}

/// Writes one SST file, unless none of its rows has a compacted value.
fn write_sst(
    tables: &Tables,
    plan: &BenchPlan,
    file: u64,
    dir: &Path,
) -> Result<Option<PathBuf>, NodeError> {
    let error = |source| tables.database_error("make files for", source);
    let options = schema::writer_options(TABLE, &MergeFailures::new());
    let path = dir.join(format!("{file}.sst"));
    let first = file * ROWS_PER_FILE;
    let numbers = first..plan.rows.min(first + ROWS_PER_FILE);
    let mut rows = Rows::new(plan);
    let mut open: Option<SstFileWriter<'_>> = None;
    for row in numbers.map(|number| rows.row(number)) {
        let Some(value) = row.compacted_value() else {
            continue;
        };
        let writer = match &mut open {
            Some(writer) => writer,
            None => {
                let writer = open.insert(SstFileWriter::create(&options));
                writer.open(&path).map_err(error)?;
                writer
            }
        };
        writer.put(row.key, value).map_err(error)?;
    }
    let Some(mut writer) = open else {
        return Ok(None);
    };
    writer.finish().map_err(error)?;
    Ok(Some(path))
}

/// Writes the operands of the unmerged rows into files of level 0, and returns how many rows that are.
fn write_unmerged(tables: &Tables, plan: &BenchPlan) -> Result<u64, MakeError> {
    if plan.unmerged_share <= 0.0 {
        return Ok(0);
    }
    let family = tables.family(TABLE.name())?;
    let mut unmerged = 0;
    for round in 0..ROUNDS {
        let mut rows = Rows::new(plan);
        let mut batch = WriteBatch::default();
        for number in (round..plan.rows).step_by(ROUNDS as usize) {
            let row = rows.row(number);
            for operand in row.operands() {
                batch.merge_cf(family, row.key, operand.encode());
            }
            unmerged += u64::from(row.is_unmerged());
            if batch.len() >= ROWS_PER_BATCH {
                write_past_wal(tables, std::mem::take(&mut batch))?;
            }
        }
        write_past_wal(tables, batch)?;
        tables.flush([TABLE.name()])?;
    }
    Ok(unmerged)
}

/// What is flushed at once needs no write-ahead log.
fn write_past_wal(tables: &Tables, batch: WriteBatch) -> Result<(), NodeError> {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    tables
        .database()
        .write_opt(batch, &options)
        .map_err(|source| tables.database_error("write to", source))
}

/// As if two events had been handled for every row.
fn write_cursor(tables: &Tables, plan: &BenchPlan) -> Result<(), MakeError> {
    let events = plan.rows.saturating_mul(2);
    let Some(latest) = events.checked_sub(1) else {
        return Ok(());
    };
    let family = tables.family(ColumnFamily::LatestHandledEventIndex.name())?;
    let mut batch = WriteBatch::default();
    batch.put_cf(family, LATEST_HANDLED_EVENT_INDEX_KEY, latest.to_le_bytes());
    tables.write(batch)?;
    tables.advance_cursor(Rows::new(plan).row(plan.rows - 1).event(), events)?;
    Ok(tables.flush(families::all())?)
}
