//! What a restore did, for people and programs. How it looks is the command's business.

use std::path::PathBuf;

use serde::Serialize;
use snapshot_format::{Epoch, EventId, PerObjectBlobInfo};

use super::aggregate::AggregateSummary;
use super::preflight::Action;
use super::sst::SstFile;
use crate::cursor::EventCursor;
use crate::open::OpenWarning;
use crate::schema::ColumnFamily;
use crate::summary::SnapshotSummary;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// The database.
    pub target: PathBuf,
    /// What was done with it.
    pub action: Action,
    /// The snapshot, whose digest was derived again from the installed tables.
    pub snapshot: SnapshotSummary,
    /// The six column families; none if nothing was done.
    pub families: Vec<FamilySummary>,
    /// What was rebuilt of `aggregate_blob_info`.
    pub aggregate: AggregateSummary,
    /// Where a node goes on in the event stream; nothing if nobody knows, and then it cannot.
    pub next_event_index: Option<u64>,
    /// The event that began the epoch, if known.
    pub event_id: Option<EventId>,
    /// Objects that had ended when the snapshot's epoch began. Directly after garbage collection there
    /// are none, so the snapshot was not made then, or its epoch is not the true one.
    pub ended_objects: u64,
    /// Objects marked as deleted, which count in no row of `aggregate_blob_info`.
    pub deleted_objects: u64,
    /// What should be known of what appeared.
    pub warnings: Vec<RestoreWarning>,
}

/// What should be known of a database that appeared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreWarning {
    /// This user may not give a file the owner and group that it should have.
    Owner {
        /// The first such file.
        path: PathBuf,
    },
    /// Something about the database that was there.
    Database(OpenWarning),
}

/// One restored column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FamilySummary {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Its SST files. An empty one has none.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// What is counted while rows pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowFacts {
    pub(super) ended: u64,
    pub(super) deleted: u64,
}

impl RowFacts {
    pub(super) fn look_at(&mut self, row: &PerObjectBlobInfo, epoch: Epoch) {
        let PerObjectBlobInfo::V1(row) = row;
        self.ended += u64::from(row.end_epoch <= epoch);
        self.deleted += u64::from(row.deleted);
    }

    pub(super) fn join(&mut self, other: Self) {
        self.ended += other.ended;
        self.deleted += other.deleted;
    }
}

impl RestoreReport {
    /// Of a restore that had nothing to do.
    pub(super) fn untouched(
        summary: &SnapshotSummary,
        resume: Option<EventCursor>,
        target: PathBuf,
    ) -> Self {
        Self {
            target,
            action: Action::Nothing,
            snapshot: *summary,
            families: Vec::new(),
            aggregate: AggregateSummary::default(),
            next_event_index: resume.map(|cursor| cursor.next_event_index()),
            event_id: resume.map(|cursor| cursor.event_id()),
            ended_objects: 0,
            deleted_objects: 0,
            warnings: Vec::new(),
        }
    }
}

/// Sums up the files of each column family.
pub(super) fn families(files: &[SstFile]) -> Vec<FamilySummary> {
    let of = |family: ColumnFamily| {
        let mut summary = FamilySummary {
            name: family.name(),
            rows: 0,
            files: 0,
            bytes: 0,
        };
        for file in files.iter().filter(|file| file.family == family) {
            summary.rows += file.rows;
            summary.files += 1;
            summary.bytes += file.bytes;
        }
        summary
    };
    ColumnFamily::ALL.map(of).to_vec()
}
