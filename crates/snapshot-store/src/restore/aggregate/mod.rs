//! `aggregate_blob_info` rebuilt from the objects of a snapshot, in bounded memory.
//!
//! `object` is what is known of one object, `sort` and `merge` bring the objects of one blob ID
//! together, `tally` has the rules. Nothing here touches a database.

mod merge;
mod object;
pub(crate) mod sort;
mod tally;

use std::path::Path;

use serde::Serialize;
use snapshot_format::BlobId;

use self::merge::Merge;
use self::sort::{Parts, Run, Sum};
use super::error::{RestoreError, io_error};
use super::sst::{FamilyOptions, SstFile, SstWriter};
use super::workers::{self, Queue};
use crate::aggregate::BlobInfo;
use crate::progress::Progress;
use crate::schema::ColumnFamily;

pub use self::object::{BlobObject, PermanentObject};
pub(crate) use self::tally::Exact;
pub use self::tally::{Doubts, Tally, TooManyObjects};

/// Bytes of memory in which objects are sorted, over all threads; and in which sorted runs are merged.
pub(crate) const SORT_BUDGET: usize = 12 << 20;

/// Objects whose rows make one SST file, about. A row takes at most 158 bytes, so the file is smaller
/// than a node's own files of 64 MiB.
const OBJECTS_PER_FILE: u64 = 256 << 10;

/// What was rebuilt of `aggregate_blob_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AggregateSummary {
    /// Rows: blob IDs that an object stands for.
    pub rows: u64,
    /// Rows of version 2: blob IDs that an object in a storage pool stands for.
    pub pooled_rows: u64,
    /// Objects that were counted.
    pub objects: u64,
    /// Rows in which the event of `permanent_total` may differ from a node's that saw all events
    /// ([`Doubts::permanent_total_event`]). A node reads it only while nothing is certified.
    pub permanent_total_event_in_doubt: u64,
    /// Rows in which the event of `permanent_certified` may differ
    /// ([`Doubts::permanent_certified_event`]).
    pub permanent_certified_event_in_doubt: u64,
}

impl AggregateSummary {
    fn count(&mut self, tally: &Tally, row: &BlobInfo) {
        let doubts = tally.doubts();
        self.rows += 1;
        self.pooled_rows += u64::from(matches!(row, BlobInfo::V2(_)));
        self.objects += tally.objects();
        self.permanent_total_event_in_doubt += u64::from(doubts.permanent_total_event);
        self.permanent_certified_event_in_doubt += u64::from(doubts.permanent_certified_event);
    }

    fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        self.pooled_rows += other.pooled_rows;
        self.objects += other.objects;
        self.permanent_total_event_in_doubt += other.permanent_total_event_in_doubt;
        self.permanent_certified_event_in_doubt += other.permanent_certified_event_in_doubt;
    }
}

/// Sorted objects, and all that is needed to make rows of them.
#[derive(Debug)]
pub(crate) struct Sorted {
    pub(crate) runs: Vec<Run>,
    pub(crate) sum: Sum,
    pub(crate) parts: Parts,
}

impl Sorted {
    pub(super) fn none(parts: Parts) -> Self {
        Self {
            runs: Vec::new(),
            sum: Sum::default(),
            parts,
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.sum.join(other.sum);
    }
}

/// The parts that `objects` objects are sorted in.
pub(crate) fn parts(objects: u64) -> Parts {
    Parts::about(objects.div_ceil(OBJECTS_PER_FILE))
}

/// Writes the rows as SST files into the directory `dir`. `progress` advances in objects.
pub(crate) fn rebuild(
    sorted: &Sorted,
    dir: &Path,
    options: &FamilyOptions,
    threads: usize,
    progress: &Progress,
) -> Result<(Vec<SstFile>, AggregateSummary), RestoreError> {
    progress.begin(sorted.sum.objects);
    let threads = threads.min(sorted.parts.count());
    let budget = SORT_BUDGET / threads.max(1);
    let work = |queue: &Queue| {
        let mut output = Output::default();
        while let Some(part) = queue.take() {
            let name = format!("aggregate-{part:06}");
            let mut writer = SstWriter::new(dir, options, name);
            let mut row = Vec::with_capacity(BlobInfo::MAX_LEN);
            let sum = groups(sorted, part, budget, spill(dir), |blob_id, tally| {
                let info = tally.row().map_err(too_many(blob_id))?;
                // A group has at least one object.
                if let Some(info) = info {
                    output.summary.count(tally, &info);
                    row.clear();
                    info.encode_into(&mut row);
                    let key = blob_id.as_bytes();
                    writer.put(ColumnFamily::AggregateBlobInfo, key, &row)?;
                    progress.advance(tally.objects());
                }
                Ok(())
            })?;
            output.sum.join(sum);
            output.files.extend(writer.finish()?);
        }
        Ok(output)
    };
    let outputs = workers::run(threads, sorted.parts.count(), work)?;
    let mut joined = Output::default();
    for output in outputs {
        joined.files.extend(output.files);
        joined.summary.join(&output.summary);
        joined.sum.join(output.sum);
    }
    if joined.sum != sorted.sum {
        return Err(spill(dir)(std::io::ErrorKind::InvalidData.into()));
    }
    Ok((joined.files, joined.summary))
}

/// Hands the objects of each blob ID of a part to `on_group`, counted, in the order of blob IDs, with `budget` bytes
/// of memory; returns what was read.
pub(crate) fn groups<E>(
    sorted: &Sorted,
    part: usize,
    budget: usize,
    unreadable: impl Fn(std::io::Error) -> E,
    mut on_group: impl FnMut(&BlobId, &Tally) -> Result<(), E>,
) -> Result<Sum, E> {
    let mut merge = Merge::new(&sorted.runs, part, budget).map_err(&unreadable)?;
    let mut open: Option<(BlobId, Tally)> = None;
    while let Some((blob_id, object)) = merge.next().map_err(&unreadable)? {
        match &mut open {
            Some((same, tally)) if *same == blob_id => tally.add(&object),
            _ => {
                if let Some((done, tally)) = &open {
                    on_group(done, tally)?;
                }
                let mut tally = Tally::default();
                tally.add(&object);
                open = Some((blob_id, tally));
            }
        }
    }
    open.map_or(Ok(()), |(done, tally)| on_group(&done, &tally))?;
    Ok(merge.sum())
}

/// What one thread made.
#[derive(Debug, Default)]
struct Output {
    files: Vec<SstFile>,
    summary: AggregateSummary,
    sum: Sum,
}

pub(super) fn spill(dir: &Path) -> impl Fn(std::io::Error) -> RestoreError {
    io_error("sort objects in temporary files in", dir)
}

fn too_many(blob_id: &BlobId) -> impl Fn(TooManyObjects) -> RestoreError {
    let blob_id = *blob_id;
    move |source| RestoreError::TooManyObjects { blob_id, source }
}
