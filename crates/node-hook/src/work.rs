//! The blocking work behind the hook: what is done at a boundary and after it.
//!
//! Every failure ends here: it is logged with its cause and counted.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::node::NodeStore;
use snapshot_store::{SnapshotSummary, space};
use tokio::runtime::Handle;

use crate::artifacts::{Artifacts, BoundaryRecord, Checkpointed};
use crate::background::Background;
use crate::boundary::{EpochBoundary, decide};
use crate::claim::Claim;
use crate::config::{BlobInfoSnapshotConfig, Mode};
use crate::error::{HookError, Stage};
use crate::hook::Outcome;
use crate::metrics::Metrics;
use crate::panics;
use crate::retention::{self, Doubt};
use crate::turns::{self, Turns};

/// Bytes that must be free for a checkpoint beside the older one: it flushes memtables, and a node's
/// are smaller. With less, mode `checkpoint` removes the older one first.
const ROOM_FOR_CHECKPOINT: u64 = 1 << 30;

/// What all the work shares. The node's store is not part of it: a snapshot that is being written must
/// not keep a database open that the node wants to close.
pub(crate) struct Work {
    pub(crate) config: BlobInfoSnapshotConfig,
    pub(crate) artifacts: Artifacts,
    pub(crate) metrics: Metrics,
    pub(crate) background: Background,
    pub(crate) turns: Turns,
}

impl Work {
    /// Reports a failure.
    pub(crate) fn failed(&self, stage: Stage, error: &HookError) {
        if matches!(error, HookError::Stopped) {
            tracing::info!("stopped; the next start goes on with the snapshot");
            return;
        }
        self.metrics.failed(stage);
        let error = error.one_line();
        tracing::error!(error, stage = stage.name(), "blob info snapshot failed");
    }

    /// Runs a job in the background, after those before it.
    pub(crate) fn later(
        self: &Arc<Self>,
        runtime: &Handle,
        stage: Stage,
        job: impl FnOnce(&Self) + Send + 'static,
    ) {
        let work = Arc::clone(self);
        self.background.push(runtime, move || {
            if work.background.stop.is_set() {
                return;
            }
            let done = panics::caught(|| {
                job(&work);
                Ok(())
            });
            if let Err(error) = done {
                work.failed(stage, &error);
            }
        });
    }

    /// The work at a boundary: the decision and the checkpoint.
    pub(crate) fn at_boundary(
        self: &Arc<Self>,
        store: &dyn NodeStore,
        boundary: &EpochBoundary,
        claim: &Claim,
        runtime: &Handle,
    ) -> Outcome {
        // Before anything else: whatever follows may end with the event marked as handled.
        let latest_handled = panics::caught(|| Ok(store.latest_handled_event_index()?));
        if !claim.is_open() {
            // The event may have been marked since, so that says nothing. Who waited has told.
            return Outcome::Failed(Stage::Checkpoint);
        }
        let decision = match latest_handled {
            Ok(latest_handled) => decide(self.config.enabled, boundary, latest_handled),
            Err(error) => {
                self.failed(Stage::Decide, &error);
                return Outcome::Failed(Stage::Decide);
            }
        };
        if let Err(reason) = decision {
            return Outcome::skipped(boundary.epoch, reason);
        }
        match self.checkpoint(store, boundary, claim) {
            Ok(Checkpointed::Made | Checkpointed::Kept) => {
                let record = BoundaryRecord::from(boundary);
                self.later(runtime, Stage::Serialize, move |work| {
                    work.after_checkpoint(&record);
                });
                Outcome::Taken
            }
            // Who waited has told.
            Ok(Checkpointed::Unwanted) => Outcome::Failed(Stage::Checkpoint),
            Err(error) if claim.is_abandoned() => {
                let (epoch, error) = (boundary.epoch, error.one_line());
                tracing::warn!(%epoch, error, "the checkpoint that took too long failed");
                Outcome::Failed(Stage::Checkpoint)
            }
            Err(error) => {
                self.failed(Stage::Checkpoint, &error);
                Outcome::Failed(Stage::Checkpoint)
            }
        }
    }

    fn checkpoint(
        &self,
        store: &dyn NodeStore,
        boundary: &EpochBoundary,
        claim: &Claim,
    ) -> Result<Checkpointed, HookError> {
        let (epoch, started) = (boundary.epoch, Instant::now());
        let turn = self.turns.boundary(epoch);
        let turn = turn.map_err(|epoch| HookError::StillRunning { epoch })?;
        let record = BoundaryRecord::from(boundary);
        let done = panics::caught(|| {
            if self.has_checkpoint(&record)? {
                // Its content has been fixed for long, so it is as good for a boundary that went on.
                let _ = claim.take();
                return Ok(Checkpointed::Kept);
            }
            self.make_room(epoch);
            self.artifacts.checkpoint(&record, store, claim)
        })?;
        match done {
            Checkpointed::Unwanted => {
                tracing::warn!(%epoch, "a checkpoint that came too late was discarded");
                return Ok(done);
            }
            Checkpointed::Kept => {
                tracing::info!(%epoch, "the checkpoint is there already, sound and of this boundary");
            }
            Checkpointed::Made => {
                let took = started.elapsed();
                tracing::info!(%epoch, ?took, "checkpoint taken");
            }
        }
        turn.keep();
        Ok(done)
    }

    /// Whether the checkpoint of the boundary is there. One that is not sound or of another boundary is
    /// told and moved out of the way.
    fn has_checkpoint(&self, boundary: &BoundaryRecord) -> Result<bool, HookError> {
        let error = match self.artifacts.existing_checkpoint(boundary) {
            Err(error) if error.is_verdict() => error,
            // One that could not be read may be as good as ever.
            other => return other,
        };
        let name = ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch);
        self.set_aside(Stage::Checkpoint, name, &error)?;
        Ok(false)
    }

    /// Reports what is wrong with an artifact whose name is needed, and moves it out of the way.
    fn set_aside(
        &self,
        stage: Stage,
        name: ArtifactName,
        error: &HookError,
    ) -> Result<(), HookError> {
        self.failed(stage, error);
        let aside = self.artifacts.set_aside(name)?;
        tracing::warn!(%name, to = %aside.display(), "moved out of the way; look at it and remove it");
        Ok(())
    }

    /// Removes older checkpoints first where room demands it. Mode `snapshot` keeps the old one: it may
    /// not be a snapshot yet.
    fn make_room(&self, epoch: Epoch) {
        let scarce = || {
            let free = space::available(self.artifacts.path());
            free.is_ok_and(|free| free < ROOM_FOR_CHECKPOINT)
        };
        if self.config.mode == Mode::Checkpoint && scarce() {
            self.clean_up(&[(ArtifactKind::Checkpoint, epoch)]);
        }
    }

    /// The background job that follows a checkpoint.
    fn after_checkpoint(&self, boundary: &BoundaryRecord) {
        let epoch = boundary.epoch;
        if let Some(by) = self.turns.latest().filter(|latest| *latest != epoch) {
            // That boundary has a job of its own, which leaves nothing of this one.
            if self.config.mode == Mode::Snapshot {
                self.failed(Stage::Serialize, &HookError::Overtaken { epoch, by });
            }
            return;
        }
        match self.artifacts.existing_checkpoint(boundary) {
            Ok(true) => self.clean_up(&[(ArtifactKind::Checkpoint, epoch)]),
            // The start made its snapshot meanwhile; if it did not, that is told below.
            Ok(false) if self.config.mode == Mode::Snapshot => {}
            // Nothing older goes for one that is not whole.
            other => {
                let path = self
                    .artifacts
                    .path_of(ArtifactName::finished(ArtifactKind::Checkpoint, epoch));
                let gone = || HookError::io("find", &path)(io::ErrorKind::NotFound.into());
                return self.failed(Stage::Checkpoint, &other.err().unwrap_or_else(gone));
            }
        }
        match self.config.mode {
            Mode::Checkpoint => {
                let time = self.artifacts.time_of_checkpoint(epoch);
                self.metrics
                    .succeeded(epoch, time.unwrap_or_else(SystemTime::now));
            }
            Mode::Snapshot => self.serialize(boundary),
        }
    }

    /// Makes the snapshot of a checkpoint, and then removes the checkpoint.
    pub(crate) fn serialize(&self, boundary: &BoundaryRecord) {
        let epoch = boundary.epoch;
        match self.snapshot(boundary) {
            Ok((summary, took)) => {
                let SnapshotSummary { digest, size, .. } = summary;
                tracing::info!(%epoch, %digest, size, ?took, "snapshot");
                self.metrics.snapshot(&summary, took, SystemTime::now());
                self.turns.forget(epoch);
                let after = Epoch(epoch.0.saturating_add(1));
                self.clean_up(&[
                    (ArtifactKind::Checkpoint, after),
                    (ArtifactKind::Snapshot, epoch),
                ]);
            }
            // The checkpoint stays: the next start tries again.
            Err(error) => self.failed(Stage::Serialize, &error),
        }
    }

    /// The snapshot of a boundary, and how long it took to write unless it was there.
    fn snapshot(
        &self,
        boundary: &BoundaryRecord,
    ) -> Result<(SnapshotSummary, Option<Duration>), HookError> {
        let stop = &self.background.stop;
        match self.artifacts.existing_snapshot(boundary, stop) {
            Ok(Some(summary)) => return Ok((summary, None)),
            Ok(None) => {}
            Err(error) if error.is_verdict() => {
                let name = ArtifactName::finished(ArtifactKind::Snapshot, boundary.epoch);
                self.set_aside(Stage::Serialize, name, &error)?;
            }
            // It may be as good as ever.
            Err(error) => return Err(error),
        }
        let started = Instant::now();
        let summary = self.artifacts.serialize(boundary, stop)?;
        Ok((summary, Some(started.elapsed())))
    }

    /// Removes leftovers, and the finished artifacts of each kind and of epochs before the one given.
    ///
    /// Those of epochs that no boundary has begun are told and left: something that is not of this node
    /// costs nothing, and nor does the past of a node that was set back.
    fn clean_up(&self, before: &[(ArtifactKind, Epoch)]) {
        let present = match self.artifacts.list() {
            Ok(present) => present,
            Err(error) => return self.failed(Stage::Retention, &error),
        };
        let mut names = retention::unfinished(&present);
        for (kind, epoch) in before {
            names.extend(retention::older(&present, *kind, *epoch));
            let epoch = self
                .turns
                .newest_met()
                .max(Some(*epoch))
                .unwrap_or_default();
            for name in retention::newer(&present, *kind, epoch) {
                let path = self.artifacts.path_of(name);
                let doubt = Doubt::NotYet { epoch };
                self.failed(Stage::Retention, &HookError::Doubtful { path, doubt });
            }
        }
        self.remove(Stage::Retention, &names);
    }

    /// Removes what is not wanted; what cannot be removed is told and left.
    pub(crate) fn remove(&self, stage: Stage, names: &[ArtifactName]) {
        for name in names {
            let turn = match turns::are_taken_for(*name) {
                true => match self.turns.removal(*name) {
                    None => continue,
                    turn => turn,
                },
                false => None,
            };
            match self.artifacts.remove(*name) {
                Ok(()) => tracing::info!(%name, "removed"),
                Err(error) => self.failed(stage, &error),
            }
            drop(turn);
        }
    }
}
