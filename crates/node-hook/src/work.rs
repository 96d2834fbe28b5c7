//! The blocking work behind the hook: what is done at a boundary, after it, and at a start.
//!
//! Every failure ends here: it is logged with its cause and counted.

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
use crate::retention::{self, Keep};
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
        self.make_room(epoch);
        let record = BoundaryRecord::from(boundary);
        let done = panics::caught(|| self.artifacts.checkpoint(&record, store, claim))?;
        match done {
            Checkpointed::Unwanted => {
                tracing::warn!(%epoch, "a checkpoint that came too late was discarded");
                return Ok(done);
            }
            Checkpointed::Kept => {
                tracing::info!(%epoch, "the checkpoint is there already, whole and of this boundary");
            }
            Checkpointed::Made => {
                let took = started.elapsed();
                self.metrics.checkpoint_took(took);
                tracing::info!(%epoch, ?took, "checkpoint taken");
            }
        }
        turn.keep();
        if self.config.mode == Mode::Checkpoint {
            let time = self.artifacts.time_of_checkpoint(epoch);
            self.metrics
                .succeeded(epoch, time.unwrap_or_else(SystemTime::now));
        }
        Ok(done)
    }

    /// Removes older checkpoints first where room demands it. Mode `snapshot` keeps the old one: it may
    /// not be a snapshot yet.
    fn make_room(&self, epoch: Epoch) {
        let scarce = || {
            let free = space::available(self.artifacts.path());
            free.is_ok_and(|free| free < ROOM_FOR_CHECKPOINT)
        };
        if self.config.mode == Mode::Checkpoint && scarce() {
            self.clean_up(Stage::Retention, |present| Keep {
                checkpoint: Some(epoch),
                snapshot: retention::newest(present, ArtifactKind::Snapshot),
            });
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
        self.clean_up(Stage::Retention, |present| Keep {
            checkpoint: Some(epoch),
            snapshot: retention::newest(present, ArtifactKind::Snapshot),
        });
        if self.config.mode == Mode::Snapshot {
            self.serialize(boundary);
        }
    }

    /// Makes the snapshot of a checkpoint, and then removes the checkpoint.
    fn serialize(&self, boundary: &BoundaryRecord) {
        let epoch = boundary.epoch;
        match self.snapshot(boundary) {
            Ok((summary, took)) => {
                let SnapshotSummary { digest, size, .. } = summary;
                tracing::info!(%epoch, %digest, size, ?took, "snapshot");
                self.metrics.snapshot(&summary, took, SystemTime::now());
                self.turns.forget(epoch);
                let checkpoint = self.turns.latest();
                self.clean_up(Stage::Retention, |_| Keep {
                    checkpoint,
                    snapshot: Some(epoch),
                });
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
        if let Some(summary) = self.artifacts.existing_snapshot(boundary, stop)? {
            return Ok((summary, None));
        }
        let started = Instant::now();
        let summary = self.artifacts.serialize(boundary, stop)?;
        Ok((summary, Some(started.elapsed())))
    }

    /// Removes leftovers, and what is finished but not to be kept.
    fn clean_up(&self, stage: Stage, keep: impl FnOnce(&[ArtifactName]) -> Keep) {
        match self.artifacts.list() {
            Ok(present) => {
                let mut names = retention::unfinished(&present);
                names.extend(retention::superseded(&present, &keep(&present)));
                self.remove(stage, &names);
            }
            Err(error) => self.failed(stage, &error),
        }
    }

    /// Removes what is not wanted; what cannot be removed is told and left.
    fn remove(&self, stage: Stage, names: &[ArtifactName]) {
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

    /// The background job of a start.
    pub(crate) fn clean_and_resume(&self) {
        let present = match self.artifacts.list() {
            Ok(present) => present,
            Err(error) => return self.failed(Stage::Start, &error),
        };
        let plan = retention::at_start(&present, self.config.mode);
        self.remove(Stage::Start, &plan.remove);
        let Some(epoch) = plan.resume else {
            return self.show_what_is_there(&present);
        };
        match self.artifacts.boundary_of(epoch) {
            Ok(boundary) => {
                tracing::info!(%epoch, "resuming a snapshot");
                self.serialize(&boundary);
            }
            Err(error) => {
                self.failed(Stage::Start, &error);
                if matches!(error, HookError::NoRecord { .. }) {
                    // No snapshot can be made of it, so all it does is hold disk space.
                    self.remove(
                        Stage::Start,
                        &[ArtifactName::finished(ArtifactKind::Checkpoint, epoch)],
                    );
                }
            }
        }
    }

    /// Sets the gauges to what an earlier run made: otherwise a node that was restarted would look like
    /// one that never succeeded until the next boundary.
    fn show_what_is_there(&self, present: &[ArtifactName]) {
        match self.config.mode {
            Mode::Checkpoint => {
                let Some(epoch) = retention::newest(present, ArtifactKind::Checkpoint) else {
                    return;
                };
                if let Some(time) = self.artifacts.time_of_checkpoint(epoch) {
                    self.metrics.succeeded(epoch, time);
                }
            }
            Mode::Snapshot => {
                let Some(epoch) = retention::newest(present, ArtifactKind::Snapshot) else {
                    return;
                };
                match self.artifacts.snapshot_of(epoch, &self.background.stop) {
                    Ok(Some((summary, time))) => self.metrics.snapshot(&summary, None, time),
                    Ok(None) => {}
                    Err(error) => self.failed(Stage::Start, &error),
                }
            }
        }
    }

    /// The background job of a start when the feature is off: says what takes up space.
    pub(crate) fn warn_of_leftovers(&self) {
        let names = match self.artifacts.list() {
            Ok(names) if names.is_empty() => return,
            Ok(names) => names,
            Err(error) => {
                let error = error.one_line();
                return tracing::debug!(error, "cannot tell what is left of blob info snapshots");
            }
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        tracing::warn!(
            directory = %self.artifacts.path().display(),
            names = names.join(" "),
            "blob info snapshots are off, but these are left and take up disk space, a checkpoint more \
             with each day; remove them, or set blob_info_snapshot.enabled"
        );
    }
}
