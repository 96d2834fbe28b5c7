//! The rows of a verified snapshot to SST files, on several threads, and the tables that follow from
//! them. The target is untouched.

use std::path::Path;

use snapshot_format::{Entry, Epoch, PerObjectBlobInfo, PerObjectPooledBlobInfo, Table};

use super::aggregate::sort::{Parts, Sorter, Sum};
use super::aggregate::{self, AggregateSummary, BlobObject, SORT_BUDGET, Sorted};
use super::cursor::Resume;
use super::error::RestoreError;
use super::preflight::Preflight;
use super::report::RowFacts;
use super::source::{PartReader, objects};
use super::sst::{FamilyOptions, SstFile, SstWriter};
use super::staging::Staging;
use super::workers::{self, Queue};
use super::{Plan, VerifiedSnapshot};
use crate::clone::CloneOptions;
use crate::cursor::EventCursor;
use crate::limits;
use crate::progress::Progress;
use crate::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};
use crate::summary::SnapshotSummary;

/// The three tables of the snapshot as SST files, and its objects, sorted. Dropping it removes them.
#[derive(Debug)]
pub struct Tables {
    built: Built,
    sorted: Sorted,
    threads: usize,
}

/// All tables as SST files beside the target. Dropping it removes them.
#[derive(Debug)]
pub struct Built {
    pub(super) staging: Staging,
    pub(super) files: Vec<SstFile>,
    pub(super) summary: SnapshotSummary,
    pub(super) facts: RowFacts,
    pub(super) aggregate: AggregateSummary,
    pub(super) resume: Resume,
    pub(super) preflight: Preflight,
    /// Whether the installed tables are read back.
    pub(super) read_back: bool,
    pub(super) keep_old: bool,
    pub(super) clone: CloneOptions,
}

/// Whether the objects are needed for the aggregate table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objects {
    Sort,
    Leave,
}

/// What one thread made.
#[derive(Debug, Default)]
struct Output {
    files: Vec<SstFile>,
    runs: Vec<aggregate::sort::Run>,
    sum: Sum,
    facts: RowFacts,
}

impl Tables {
    pub(super) fn build(plan: Plan, progress: &Progress) -> Result<Self, RestoreError> {
        Self::build_with(plan, Objects::Sort, progress)
    }

    pub(super) fn build_alone(plan: Plan, progress: &Progress) -> Result<Built, RestoreError> {
        Self::build_with(plan, Objects::Leave, progress).map(|tables| tables.built)
    }

    fn build_with(plan: Plan, wanted: Objects, progress: &Progress) -> Result<Self, RestoreError> {
        // Now, and not after all the work.
        limits::require_for_writing()?;
        let resume = plan.resume();
        let Plan {
            snapshot,
            options,
            preflight,
        } = plan;
        let staging = Staging::make(&preflight.target, options.keep_old)?;
        let summary = *snapshot.summary();
        let threads = options.threads();
        let rows = build_rows(&snapshot, staging.path(), threads, wanted, progress)?;
        Ok(Self {
            built: Built {
                staging,
                files: rows.files,
                summary,
                facts: rows.facts,
                aggregate: AggregateSummary::default(),
                resume,
                preflight,
                read_back: wanted == Objects::Sort,
                keep_old: options.keep_old,
                clone: CloneOptions {
                    wal_recovery: options.wal_recovery,
                    others: options.other_families,
                },
            },
            sorted: rows.sorted,
            threads,
        })
    }

    /// Rebuilds `aggregate_blob_info` from the sorted objects, and the two tables that say where a node
    /// goes on. `progress` advances in objects.
    ///
    /// # Errors
    ///
    /// If something cannot be written. The target is untouched.
    pub fn build_aggregate(self, progress: &Progress) -> Result<Built, RestoreError> {
        let Self {
            mut built,
            sorted,
            threads,
        } = self;
        let options = FamilyOptions::new();
        let dir = built.staging.path();
        let (files, aggregate) = aggregate::rebuild(&sorted, dir, &options, threads, progress)?;
        built.files.extend(files);
        built
            .files
            .extend(cursor_files(&built.resume, dir, &options)?);
        built.aggregate = aggregate;
        Ok(built)
    }
}

/// The tables of a snapshot as files, and its objects.
#[derive(Debug)]
struct Rows {
    files: Vec<SstFile>,
    sorted: Sorted,
    facts: RowFacts,
}

/// Writes the three tables of `snapshot` as SST files into the directory `dir`.
fn build_rows(
    snapshot: &VerifiedSnapshot,
    dir: &Path,
    threads: usize,
    wanted: Objects,
    progress: &Progress,
) -> Result<Rows, RestoreError> {
    let summary = snapshot.summary();
    progress.begin(summary.size);
    let options = FamilyOptions::new();
    let parts = aggregate::parts(objects(&summary.counts));
    let threads = threads.clamp(1, snapshot.parts());
    let work = |queue: &Queue| {
        let mut worker = Worker {
            snapshot,
            dir,
            options: &options,
            sorter: Sorter::new(dir, parts, SORT_BUDGET / threads),
            wanted,
            epoch: summary.header.epoch(),
            output: Output::default(),
        };
        let mut reader = PartReader::new();
        while let Some(part) = queue.take() {
            worker.part(part, &mut reader, progress)?;
        }
        worker.finish()
    };
    let outputs = workers::run(threads, snapshot.parts(), work)?;
    Ok(join(outputs, parts))
}

fn join(outputs: Vec<Output>, parts: Parts) -> Rows {
    let mut joined = Output::default();
    for output in outputs {
        joined.files.extend(output.files);
        joined.runs.extend(output.runs);
        joined.sum.join(output.sum);
        joined.facts.join(output.facts);
    }
    Rows {
        files: joined.files,
        sorted: Sorted {
            runs: joined.runs,
            sum: joined.sum,
            parts,
        },
        facts: joined.facts,
    }
}

/// One thread.
struct Worker<'a> {
    snapshot: &'a VerifiedSnapshot,
    dir: &'a Path,
    options: &'a FamilyOptions,
    sorter: Sorter<'a>,
    wanted: Objects,
    epoch: Epoch,
    output: Output,
}

impl Worker<'_> {
    fn part(
        &mut self,
        number: usize,
        reader: &mut PartReader,
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        let mut writer = SstWriter::new(self.dir, self.options, format!("part-{number:06}"));
        self.snapshot.read_part(number, reader, progress, |entry| {
            writer.put(entry.table.into(), entry.key.as_bytes(), entry.value)?;
            match self.wanted {
                Objects::Sort => self.object(entry),
                Objects::Leave => Ok(()),
            }
        })?;
        self.output.files.extend(writer.finish()?);
        Ok(())
    }

    fn object(&mut self, entry: &Entry<'_>) -> Result<(), RestoreError> {
        // The decoder accepted the value just now.
        let counted = match entry.table {
            Table::PerObjectBlobInfo => {
                PerObjectBlobInfo::decode(entry.value).ok().and_then(|row| {
                    self.output.facts.look_at(&row, self.epoch);
                    BlobObject::owned(entry.key, &row)
                })
            }
            Table::PerObjectPooledBlobInfo => PerObjectPooledBlobInfo::decode(entry.value)
                .ok()
                .map(|row| BlobObject::pooled(&row)),
            Table::StoragePoolInfo => None,
        };
        match counted {
            Some((blob_id, object)) => self
                .sorter
                .push(&blob_id, &object)
                .map_err(|source| spill(self.dir, source)),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Output, RestoreError> {
        let (runs, sum) = self
            .sorter
            .finish()
            .map_err(|source| spill(self.dir, source))?;
        Ok(Output {
            runs,
            sum,
            ..self.output
        })
    }
}

fn spill(dir: &Path, source: std::io::Error) -> RestoreError {
    RestoreError::Spill {
        dir: dir.to_path_buf(),
        source,
    }
}

/// The one row of each of the two tables that say where a node goes on; none if nobody knows.
fn cursor_files(
    resume: &Resume,
    dir: &Path,
    options: &FamilyOptions,
) -> Result<Vec<SstFile>, RestoreError> {
    let mut writer = SstWriter::new(dir, options, "cursor".to_owned());
    for (family, key, value) in cursor_rows(resume) {
        writer.put(family, key, &value)?;
    }
    writer.finish()
}

/// A row: its column family, key and value.
pub(super) type CursorRow = (ColumnFamily, &'static [u8], Vec<u8>);

/// The rows of the two tables that say where a node goes on.
pub(super) fn cursor_rows(resume: &Resume) -> Vec<CursorRow> {
    let Resume::Known {
        event_id,
        next_event_index,
    } = *resume
    else {
        return Vec::new();
    };
    let cursor = EventCursor::V1 {
        event_id,
        next_event_index,
    };
    let mut rows = vec![(ColumnFamily::EventCursor, EVENT_CURSOR_KEY, cursor.encode())];
    // Before event 0 none was handled.
    if let Some(latest) = next_event_index.checked_sub(1) {
        rows.push((
            ColumnFamily::LatestHandledEventIndex,
            LATEST_HANDLED_EVENT_INDEX_KEY,
            latest.to_le_bytes().to_vec(),
        ));
    }
    rows
}
