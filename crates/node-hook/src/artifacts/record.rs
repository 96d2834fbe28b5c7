//! Which boundary a checkpoint was taken at: a small file inside it, which RocksDB ignores.
//!
//! The tables cannot tell, as the cursor stored in the database is not deterministic at a boundary.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use snapshot_format::{BlobId, ChunkPosition, Epoch, EventCursor, EventId, Header, SealedHeader};

use super::Artifacts;
use crate::boundary::EpochBoundary;
use crate::error::HookError;
use crate::probe::Step;

/// The file's name.
const FILE: &str = "BOUNDARY";

/// Longest record in bytes that is read; one has about 150.
const MAX_LEN: u64 = 4096;

/// The boundary a checkpoint was taken at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundaryRecord {
    pub(crate) epoch: Epoch,
    event_id: EventId,
    pub(crate) event_index: u64,
}

impl From<&EpochBoundary> for BoundaryRecord {
    fn from(boundary: &EpochBoundary) -> Self {
        let EpochBoundary {
            epoch,
            event_id,
            event_index,
            ..
        } = *boundary;
        Self {
            epoch,
            event_id,
            event_index,
        }
    }
}

impl std::fmt::Display for BoundaryRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            epoch,
            event_id,
            event_index,
        } = self;
        write!(f, "epoch {epoch}, event {event_index}, {event_id}")
    }
}

impl BoundaryRecord {
    /// The header of the boundary's snapshot: its cursor points behind the boundary's event.
    pub(crate) fn header(&self) -> Header {
        Header::Sealed(SealedHeader {
            epoch: self.epoch,
            event_cursor: EventCursor {
                event_id: Some(self.event_id),
                element_index: self.event_index.saturating_add(1),
            },
            prev_snapshot_blob_id: BlobId::ZERO,
            chunk: ChunkPosition::WHOLE,
        })
    }
}

impl Artifacts {
    /// Writes the record into a checkpoint, and syncs it.
    pub(super) fn write_record(
        &self,
        checkpoint: &Path,
        boundary: &BoundaryRecord,
    ) -> Result<(), HookError> {
        let path = checkpoint.join(FILE);
        let fail = HookError::io("write", &path);
        self.step(Step::WriteRecord, "write", &path)?;
        let text = serde_json::to_vec(boundary).map_err(|error| fail(error.into()))?;
        let mut file = File::create_new(&path).map_err(&fail)?;
        file.write_all(&text).map_err(&fail)?;
        self.probe
            .step(Step::SyncRecord, &path)
            .and_then(|()| file.sync_all())
            .map_err(|source| HookError::SyncRecord { path, source })
    }

    /// Reads the record of a checkpoint.
    pub(super) fn read_record(&self, checkpoint: &Path) -> Result<BoundaryRecord, HookError> {
        let path = checkpoint.join(FILE);
        let none = |cause: String| HookError::NoRecord {
            path: checkpoint.to_path_buf(),
            cause,
        };
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut text));
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(none(format!("it has no file {FILE}")));
            }
            other => other.map_err(HookError::io("read", &path))?,
        };
        serde_json::from_slice(&text).map_err(|error| none(format!("{FILE}: {error}")))
    }

    /// When the record of a checkpoint was written.
    pub(super) fn time_of_record(&self, checkpoint: &Path) -> Option<SystemTime> {
        let metadata = fs::metadata(checkpoint.join(FILE)).ok()?;
        metadata.modified().ok()
    }
}
