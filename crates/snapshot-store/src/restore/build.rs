//! The rows of a verified snapshot to SST files, on several threads, and the tables that follow from
//! them. The target is untouched.

use std::path::Path;

use snapshot_format::{BlobId, Entry, Epoch, PerObjectBlobInfo, PerObjectPooledBlobInfo, Table};

use super::aggregate::sort::Sorter;
use super::aggregate::{self, AggregateSummary, BlobObject, SORT_BUDGET, Sorted, spill};
use super::error::RestoreError;
use super::preflight::Preflight;
use super::report::RowFacts;
use super::source::{PartReader, objects};
use super::sst::{FamilyOptions, SstFile, SstWriter};
use super::staging::Staging;
use super::workers::{self, Queue};
use super::{Plan, RestoreOptions, VerifiedSnapshot};
use crate::cursor::EventCursor;
use crate::progress::Progress;
use crate::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};
use crate::summary::SnapshotSummary;

/// The three tables of the snapshot as SST files, and its objects, sorted. Dropping it removes them.
#[derive(Debug)]
pub struct Tables {
    built: Built,
    sorted: Sorted,
}

/// All tables as SST files beside the target. Dropping it removes them.
#[derive(Debug)]
pub struct Built {
    pub(super) staging: Staging,
    pub(super) files: Vec<SstFile>,
    pub(super) summary: SnapshotSummary,
    pub(super) facts: RowFacts,
    pub(super) aggregate: AggregateSummary,
    pub(super) preflight: Preflight,
    pub(super) options: RestoreOptions,
    /// Whether the tables that follow from the snapshot's are built too, and all are read back.
    pub(super) whole: bool,
}

/// What one thread made, or all.
#[derive(Debug)]
struct Rows {
    files: Vec<SstFile>,
    sorted: Sorted,
    facts: RowFacts,
}

impl Tables {
    pub(super) fn build(
        plan: Plan,
        whole: bool,
        progress: &Progress,
    ) -> Result<Self, RestoreError> {
        let Plan {
            snapshot,
            options,
            preflight,
        } = plan;
        let staging = Staging::make(&preflight.target, options.keep_old)?;
        let rows = build_rows(
            &snapshot,
            staging.path(),
            options.threads(),
            whole,
            progress,
        )?;
        let built = Built {
            staging,
            files: rows.files,
            summary: *snapshot.summary(),
            facts: rows.facts,
            aggregate: AggregateSummary::default(),
            preflight,
            options,
            whole,
        };
        let sorted = rows.sorted;
        Ok(Self { built, sorted })
    }

    pub(super) fn alone(self) -> Built {
        self.built
    }

    /// Rebuilds `aggregate_blob_info` from the sorted objects, and the two tables that say where a node
    /// goes on. `progress` advances in objects.
    ///
    /// # Errors
    ///
    /// If something cannot be written. The target is untouched.
    pub fn build_aggregate(self, progress: &Progress) -> Result<Built, RestoreError> {
        let Self { mut built, sorted } = self;
        let options = FamilyOptions::new();
        let (dir, threads) = (built.staging.path(), built.options.threads());
        let (files, aggregate) = aggregate::rebuild(&sorted, dir, &options, threads, progress)?;
        let mut writer = SstWriter::new(dir, &options, "cursor".to_owned());
        for (family, key, value) in cursor_rows(built.preflight.resume) {
            writer.put(family, key, &value)?;
        }
        built.files.extend(files);
        built.files.extend(writer.finish()?);
        built.aggregate = aggregate;
        Ok(built)
    }
}

/// Writes the three tables of `snapshot` as SST files into the directory `dir`, and sorts its objects if `whole`.
fn build_rows(
    snapshot: &VerifiedSnapshot,
    dir: &Path,
    threads: usize,
    whole: bool,
    progress: &Progress,
) -> Result<Rows, RestoreError> {
    let summary = snapshot.summary();
    progress.begin(summary.size);
    let options = FamilyOptions::new();
    let parts = aggregate::parts(objects(&summary.counts));
    let threads = threads.clamp(1, snapshot.parts());
    let epoch = summary.header.epoch();
    let work = |queue: &Queue| {
        let mut sorter = Sorter::new(dir, parts, SORT_BUDGET / threads);
        let (mut files, mut facts) = (Vec::new(), RowFacts::default());
        let mut reader = PartReader::new();
        while let Some(part) = queue.take() {
            let mut writer = SstWriter::new(dir, &options, format!("part-{part:06}"));
            snapshot.read_part(part, &mut reader, progress, |entry| {
                writer.put(entry.table.into(), entry.key.as_bytes(), entry.value)?;
                if whole && let Some((blob_id, object)) = object(entry, epoch, &mut facts) {
                    sorter.push(&blob_id, &object).map_err(spill(dir))?;
                }
                Ok(())
            })?;
            files.extend(writer.finish()?);
        }
        let sorted = sorter.finish().map_err(spill(dir))?;
        Ok(Rows {
            files,
            sorted,
            facts,
        })
    };
    let mut all = Rows {
        files: Vec::new(),
        sorted: Sorted::none(parts),
        facts: RowFacts::default(),
    };
    for rows in workers::run(threads, snapshot.parts(), work)? {
        all.files.extend(rows.files);
        all.sorted.join(rows.sorted);
        all.facts.join(rows.facts);
    }
    Ok(all)
}

/// The object of a row that counts in `aggregate_blob_info`, with its blob ID.
fn object(entry: &Entry<'_>, epoch: Epoch, facts: &mut RowFacts) -> Option<(BlobId, BlobObject)> {
    // The decoder accepted the value just now.
    match entry.table {
        Table::PerObjectBlobInfo => {
            let row = PerObjectBlobInfo::decode(entry.value).ok()?;
            facts.look_at(&row, epoch);
            BlobObject::owned(entry.key, &row)
        }
        Table::PerObjectPooledBlobInfo => {
            let row = PerObjectPooledBlobInfo::decode(entry.value).ok()?;
            Some(BlobObject::pooled(&row))
        }
        Table::StoragePoolInfo => None,
    }
}

/// A row: its column family, key and value.
pub(super) type CursorRow = (ColumnFamily, &'static [u8], Vec<u8>);

/// The one row of each of the two tables that say where a node goes on; none if nobody knows.
pub(super) fn cursor_rows(resume: Option<EventCursor>) -> Vec<CursorRow> {
    let Some(cursor) = resume else {
        return Vec::new();
    };
    let mut rows = vec![(ColumnFamily::EventCursor, EVENT_CURSOR_KEY, cursor.encode())];
    // Before event 0 none was handled.
    if let Some(latest) = cursor.next_event_index().checked_sub(1) {
        rows.push((
            ColumnFamily::LatestHandledEventIndex,
            LATEST_HANDLED_EVENT_INDEX_KEY,
            latest.to_le_bytes().to_vec(),
        ));
    }
    rows
}
