//! Making a checkpoint, or keeping the one that is there.

use std::fs;
use std::io;
use std::time::SystemTime;

use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::node::{self, NodeStore};
use snapshot_store::{OpenWarning, publish};

use super::{Artifacts, BoundaryRecord, unfinished};
use crate::claim::Claim;
use crate::error::HookError;
use crate::panics;
use crate::probe::Step;

/// Where a checkpoint is built inside the directory with its unfinished name. RocksDB builds one as
/// `<path>.tmp` itself; here, whatever a crash leaves is inside something of ours.
const INNER: &str = "checkpoint";

/// What became of a checkpoint that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpointed {
    /// It was made.
    Made,
    /// It was there already, sound and of this boundary.
    Kept,
    /// Nobody waits for it any more, and nothing of it remains.
    Unwanted,
}

impl Artifacts {
    /// Makes the checkpoint of `boundary`; nothing has its name. `claim` is asked as soon as its content
    /// is fixed.
    pub(crate) fn checkpoint(
        &self,
        boundary: &BoundaryRecord,
        store: &dyn NodeStore,
        claim: &Claim,
    ) -> Result<Checkpointed, HookError> {
        self.make_directory()?;
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch);
        let discard = |error: &HookError| self.discard(name, error);
        match self
            .build(name, boundary, store, claim)
            .inspect_err(discard)
        {
            // Once: a disk that fails twice will not do better. If nobody waits any more, the tables
            // may be past the boundary.
            Err(error) if error.is_failed_sync() && claim.give_back() => {
                tracing::warn!(%name, error = error.one_line(), "discarded, building it again");
                let built = self.build(name, boundary, store, claim);
                built.inspect_err(discard)
            }
            other => other,
        }
    }

    fn build(
        &self,
        name: ArtifactName,
        boundary: &BoundaryRecord,
        store: &dyn NodeStore,
        claim: &Claim,
    ) -> Result<Checkpointed, HookError> {
        let tmp_name = unfinished(name);
        self.remove(tmp_name)?;
        let (path, tmp) = (self.path_of(name), self.path_of(tmp_name));
        let inner = tmp.join(INNER);
        self.step(Step::MakeCheckpoint, "create", &tmp)?;
        fs::create_dir(&tmp).map_err(HookError::io("create", &tmp))?;
        panics::caught(|| Ok(store.create_checkpoint(&inner)?))?;
        if !claim.take() {
            return self.remove(tmp_name).map(|()| Checkpointed::Unwanted);
        }
        self.write_record(&inner, boundary)?;
        let steps = [
            Step::SyncCheckpoint,
            Step::RenameCheckpoint,
            Step::SyncCheckpointName,
        ];
        publish::publish_dir_watched(&inner, &path, self.publish_steps(&path, steps))?;
        if let Err(error) = self.remove(tmp_name) {
            tracing::warn!(name = %tmp_name, error = error.one_line(), "cannot be removed");
        }
        self.step(Step::CheckpointDone, "publish", &path)?;
        Ok(Checkpointed::Made)
    }

    /// Whether the checkpoint of `boundary` is there: sound and of this boundary.
    ///
    /// # Errors
    ///
    /// What is wrong with the one that is there; [`HookError::InTheWay`] if that is no checkpoint.
    pub(crate) fn existing_checkpoint(&self, boundary: &BoundaryRecord) -> Result<bool, HookError> {
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch);
        let path = self.path_of(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                let expected = "checkpoint, which is a directory";
                return Err(HookError::InTheWay { path, expected });
            }
            // If the directory itself is none, making it says so.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(HookError::io("look at", &path)(error)),
        }
        self.require_checkpoint(boundary).map(|()| true)
    }

    /// Checks that the checkpoint of `boundary` is sound and of this boundary.
    pub(crate) fn require_checkpoint(&self, boundary: &BoundaryRecord) -> Result<(), HookError> {
        let got = self.sound_checkpoint(boundary.epoch)?;
        if got == *boundary {
            return Ok(());
        }
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch);
        Err(HookError::OtherBoundary {
            path: self.path_of(name),
            expected: boundary.to_string(),
            got: got.to_string(),
        })
    }

    /// The boundary that the checkpoint of `epoch` says it is of, if it opens and lacks no file.
    pub(crate) fn sound_checkpoint(&self, epoch: Epoch) -> Result<BoundaryRecord, HookError> {
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, epoch);
        let path = self.path_of(name);
        let record = self.read_record(&path)?;
        if record.epoch != epoch {
            let cause = format!("its record says {record}");
            return Err(HookError::NoRecord { path, cause });
        }
        warn(name, &node::check_checkpoint(&path)?);
        Ok(record)
    }

    /// When the checkpoint of `epoch` was taken.
    pub(crate) fn time_of_checkpoint(&self, epoch: Epoch) -> Option<SystemTime> {
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, epoch);
        self.time_of_record(&self.path_of(name))
    }
}

/// Tells what is to be known of a checkpoint that was opened.
pub(super) fn warn(name: ArtifactName, warnings: &[OpenWarning]) {
    for warning in warnings {
        tracing::warn!(%name, %warning, "the checkpoint is read all the same");
    }
}
