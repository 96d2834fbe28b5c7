//! Deliberate mistakes, one at a time, to show that the simulation finds them.
//!
//! Each is a mistake that somebody could make in a node or in the hook. A run without any never gets
//! here.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use node_hook::{NodeStore, Outcome, Step, StoreError};
use rocksdb::{DB, WriteBatch};
use snapshot_format::{Encoder, Header, ObjectId, PerObjectBlobInfo, PerTable, Table};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2};
use snapshot_store::cursor::EventCursor;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::schema::{ColumnFamily, EVENT_CURSOR_KEY};
use snapshot_store::{Progress, verify};

use super::tree;
use crate::error::NodeError;
use crate::event::{Event, EventKind};
use crate::families::Tuning;
use crate::gc::Collected;
use crate::node::{Boundary, ReferenceNode};
use crate::tables::{Tables, value_error};

/// A deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The guard against a second run is computed after the finisher, which marks the event complete.
    GuardAfterFinisher,
    /// The checkpoint is taken before garbage collection.
    CheckpointBeforeGc,
    /// The rows of a table are written in the order of a hash map.
    HashOrder,
    /// The directory that names an artifact is not synced.
    NoDirectorySync,
    /// Phase 2 of garbage collection deletes rows of a snapshot table as well.
    PhaseTwoTouchesObjects,
    /// The older checkpoint goes before the new one is durable.
    OlderRemovedEarly,
    /// A restore counts the deletable objects of a blob wrongly.
    WrongAggregateRule,
}

impl Mutation {
    /// All mutations.
    pub const ALL: [Self; 7] = [
        Self::GuardAfterFinisher,
        Self::CheckpointBeforeGc,
        Self::HashOrder,
        Self::NoDirectorySync,
        Self::PhaseTwoTouchesObjects,
        Self::OlderRemovedEarly,
        Self::WrongAggregateRule,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GuardAfterFinisher => "guard-after-finisher",
            Self::CheckpointBeforeGc => "checkpoint-before-gc",
            Self::HashOrder => "hash-order",
            Self::NoDirectorySync => "no-directory-sync",
            Self::PhaseTwoTouchesObjects => "phase-two-touches-objects",
            Self::OlderRemovedEarly => "older-removed-early",
            Self::WrongAggregateRule => "wrong-aggregate-rule",
        }
    }

    /// Handles `EpochChangeStart` in the wrong order, if that is the mistake.
    pub(crate) async fn handle_boundary(
        self,
        node: &mut ReferenceNode,
        event: &Event,
    ) -> Result<Option<Outcome>, NodeError> {
        match self {
            Self::GuardAfterFinisher => {
                let boundary = node.reach_boundary(event)?;
                node.finish_boundary(&boundary)?;
                node.finish_earlier_boundary()?;
                Ok(Some(node.take_snapshot(&boundary).await))
            }
            Self::CheckpointBeforeGc => {
                let EventKind::EpochChangeStart { epoch } = event.kind else {
                    return Ok(None);
                };
                let early = Boundary {
                    epoch,
                    event_id: event.id,
                    event_index: event.index,
                    collected: Collected::default(),
                    reprocessing: false,
                };
                let outcome = node.take_snapshot(&early).await;
                let boundary = node.reach_boundary(event)?;
                node.finish_boundary(&boundary)?;
                Ok(Some(outcome))
            }
            _ => Ok(None),
        }
    }

    /// What the hook does besides, before a step.
    pub(crate) fn at_step(self, step: Step, path: &Path) -> io::Result<()> {
        if self != Self::OlderRemovedEarly || step != Step::MakeCheckpoint {
            return Ok(());
        }
        let directory = path.parent().unwrap_or(path);
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let artifact = name.to_str().and_then(ArtifactName::parse);
            if artifact.is_some_and(|it| it.kind == ArtifactKind::Checkpoint && !it.unfinished) {
                tree::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// What phase 2 does besides: it takes the objects of an invalid blob for data of the blob.
    pub(crate) fn after_phase_two(self, tables: &Tables) -> Result<(), NodeError> {
        if self != Self::PhaseTwoTouchesObjects {
            return Ok(());
        }
        let objects = ColumnFamily::from(Table::PerObjectBlobInfo);
        let mut batch = WriteBatch::default();
        tables.scan(objects, |key, value| {
            let wrong = |source| value_error(objects.name(), key, source);
            let PerObjectBlobInfo::V1(object) = PerObjectBlobInfo::decode(value).map_err(wrong)?;
            let info = tables.get(ColumnFamily::AggregateBlobInfo, object.blob_id.as_ref())?;
            let info = info.map(|value| BlobInfo::decode(&value)).transpose();
            if let Some(
                BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }),
            ) = info.map_err(wrong)?
            {
                batch.delete_cf(tables.family(objects.name())?, key);
            }
            Ok(())
        })?;
        tables.write(batch)
    }
}

impl Mutation {
    /// Whether it shows only when a node is restored.
    #[must_use]
    pub const fn is_of_restore(self) -> bool {
        matches!(self, Self::WrongAggregateRule)
    }

    /// Counts one deletable object too many where there are any, in the closed database at `path`.
    pub(crate) fn miscount(path: &Path) -> Result<(), NodeError> {
        let tables = Tables::open(path, Tuning::default())?;
        let table = ColumnFamily::AggregateBlobInfo;
        let mut batch = WriteBatch::default();
        tables.scan(table, |key, value| {
            let info = BlobInfo::decode(value);
            let mut info = info.map_err(|source| value_error(table.name(), key, source))?;
            let count = match &mut info {
                BlobInfo::V1(BlobInfoV1::Valid(row)) => &mut row.count_deletable_total,
                BlobInfo::V2(BlobInfoV2::Valid(row)) => &mut row.count_deletable_total,
                _ => return Ok(()),
            };
            if *count > 0 {
                *count += 1;
                batch.put_cf(tables.family(table.name())?, key, info.encode());
            }
            Ok(())
        })?;
        tables.write(batch)
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mutation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|it| it.name() == name);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown mutation {name}; known are {names}")
        })
    }
}

/// Writes a snapshot again, the rows of each table in the order of a hash map.
///
/// # Errors
///
/// What the encoder says of that.
pub(crate) fn in_hash_order(snapshot: &[u8], header: &Header) -> Result<Vec<u8>, String> {
    let mut rows: PerTable<HashMap<ObjectId, Vec<u8>>> = PerTable::default();
    let summary = verify::decode(snapshot, &Progress::new(), |event| {
        if let snapshot_format::Event::Entry(entry) = event {
            rows[entry.table].insert(entry.key, entry.value.to_vec());
        }
    });
    let counts = summary.map_err(|error| error.to_string())?.counts;
    let encoder = match header {
        Header::Sealed(header) => Encoder::sealed(Vec::new(), header),
        Header::Counted(header) => Encoder::counted(Vec::new(), header, counts),
    };
    let mut encoder = encoder.map_err(|error| error.to_string())?;
    for table in header.framing().tables() {
        for (key, value) in &rows[table] {
            encoder
                .entry(table, key.as_ref(), value)
                .map_err(|error| error.to_string())?;
        }
    }
    let encoded = encoder.finish().map_err(|error| error.to_string())?;
    Ok(encoded.sink)
}

/// A node's store that takes the latest event marked complete for the latest one handled.
pub(crate) struct CursorStore {
    pub(crate) inner: Arc<dyn NodeStore>,
    pub(crate) database: Arc<DB>,
}

impl NodeStore for CursorStore {
    fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        self.inner.create_checkpoint(path)
    }

    fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError> {
        let family = ColumnFamily::EventCursor.name();
        let handled = self.inner.latest_handled_event_index()?;
        let read = |handle| self.database.get_cf(handle, EVENT_CURSOR_KEY);
        let cursor = self.database.cf_handle(family).map(read).transpose();
        let cursor = cursor.map_err(|error| StoreError::new("read the cursor", error))?;
        let cursor = cursor.flatten().map(|value| EventCursor::decode(&value));
        let cursor = cursor.transpose();
        let cursor = cursor.map_err(|error| StoreError::new("read the cursor", error))?;
        let complete = cursor.and_then(|cursor| cursor.next_event_index().checked_sub(1));
        Ok(handled.max(complete))
    }
}
