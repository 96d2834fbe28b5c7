//! The blocking work of a start: what an earlier run left is judged by what it is, not by its name.

use std::sync::Arc;
use std::time::SystemTime;

use snapshot_format::Epoch;
use snapshot_store::SnapshotSummary;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::node::NodeStore;

use crate::artifacts::BoundaryRecord;
use crate::config::Mode;
use crate::error::{HookError, Stage};
use crate::panics;
use crate::retention::{self, Sound};
use crate::work::Work;

/// What the finished artifacts proved to be.
#[derive(Default)]
struct Judged {
    sound: Vec<Sound>,
    checkpoints: Vec<BoundaryRecord>,
    snapshots: Vec<(SnapshotSummary, SystemTime)>,
    /// Those that are not sound, or could not be read.
    failed: Vec<(ArtifactName, HookError)>,
}

impl Work {
    /// The background job of a start. The store is let go of as soon as it has answered.
    pub(crate) fn clean_and_resume(&self, store: Arc<dyn NodeStore>) {
        let latest_handled = panics::caught(|| Ok(store.latest_handled_event_index()?));
        drop(store);
        let latest_handled = match latest_handled {
            Ok(latest_handled) => latest_handled,
            Err(error) => return self.failed(Stage::Start, &error),
        };
        let present = match self.artifacts.list() {
            Ok(present) => present,
            Err(error) => return self.failed(Stage::Start, &error),
        };
        let judged = self.judge(&present);
        if self.background.stop.is_set() {
            return self.failed(Stage::Start, &HookError::Stopped);
        }
        let mode = self.config.mode;
        let plan = retention::at_start(&present, &judged.sound, latest_handled, mode);
        for (name, error) in &judged.failed {
            // One that goes anyway is nobody's worry.
            if !plan.remove.contains(name) {
                self.failed(Stage::Start, error);
            }
        }
        for (name, doubt) in plan.doubtful {
            let path = self.artifacts.path_of(name);
            self.failed(Stage::Start, &HookError::Doubtful { path, doubt });
        }
        self.remove(Stage::Start, &plan.remove);
        match mode {
            Mode::Checkpoint => self.show_checkpoint(plan.checkpoint),
            Mode::Snapshot => {
                let of_plan = |record: &&BoundaryRecord| Some(record.epoch) == plan.checkpoint;
                match judged.checkpoints.iter().find(of_plan) {
                    Some(boundary) => {
                        tracing::info!(epoch = %boundary.epoch, "resuming a snapshot");
                        self.serialize(boundary);
                    }
                    None => self.show_snapshot(plan.snapshot, &judged.snapshots),
                }
            }
        }
    }

    /// Reads every finished artifact.
    fn judge(&self, present: &[ArtifactName]) -> Judged {
        let mut judged = Judged::default();
        for name in present.iter().filter(|name| !name.unfinished).copied() {
            let read = panics::caught(|| match name.kind {
                ArtifactKind::Checkpoint => {
                    let record = self.artifacts.sound_checkpoint(name.epoch)?;
                    judged.checkpoints.push(record);
                    Ok(record.event_index)
                }
                ArtifactKind::Snapshot => {
                    let stop = &self.background.stop;
                    let read = self.artifacts.sound_snapshot(name.epoch, stop)?;
                    let (event_index, summary, time) = read;
                    judged.snapshots.push((summary, time));
                    Ok(event_index)
                }
            });
            match read {
                Ok(event_index) => judged.sound.push(Sound { name, event_index }),
                Err(error) => judged.failed.push((name, error)),
            }
        }
        judged
    }

    // The gauges are set to what an earlier run made: otherwise a node that was restarted would look
    // like one that never succeeded until the next boundary.

    fn show_checkpoint(&self, epoch: Option<Epoch>) {
        if let Some(epoch) = epoch
            && let Some(time) = self.artifacts.time_of_checkpoint(epoch)
        {
            self.metrics.succeeded(epoch, time);
        }
    }

    fn show_snapshot(&self, epoch: Option<Epoch>, snapshots: &[(SnapshotSummary, SystemTime)]) {
        let newest =
            |(summary, _): &&(SnapshotSummary, SystemTime)| Some(summary.header.epoch()) == epoch;
        if let Some((summary, time)) = snapshots.iter().find(newest) {
            self.metrics.snapshot(summary, None, *time);
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
