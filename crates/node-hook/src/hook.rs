//! The hook: what the node calls.
//!
//! Nothing crosses [`SnapshotHook::on_epoch_boundary`]: no error, no panic, no unbounded wait. What is
//! done on disk stands in `work`, and is done on blocking threads.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use prometheus::Registry;
use snapshot_format::Epoch;
use snapshot_store::node::NodeStore;
use tokio::runtime::Handle;

use crate::artifacts::Artifacts;
use crate::background::Background;
use crate::boundary::{EpochBoundary, SkipReason, decide};
use crate::claim::{Claim, Waiting};
use crate::config::BlobInfoSnapshotConfig;
use crate::error::{BuildError, HookError, Stage};
use crate::metrics::Metrics;
use crate::panics;
use crate::probe::{NoProbe, Probe};
use crate::turns::Turns;
use crate::work::Work;

/// What happened at a boundary. For logs and tests; the node need not look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was to be done.
    Skipped(SkipReason),
    /// The checkpoint is there, durable; in mode `snapshot`, the snapshot is being written. Or the
    /// time limit ended while a checkpoint with the right content was being made durable, which goes
    /// on in the background.
    Taken,
    /// It failed; the cause was logged and counted.
    Failed(Stage),
}

impl Outcome {
    /// Nothing is done, and the debug log says why.
    pub(crate) fn skipped(epoch: Epoch, reason: SkipReason) -> Self {
        tracing::debug!(%epoch, %reason, "no blob info snapshot at this boundary");
        Self::Skipped(reason)
    }
}

/// Makes a [`SnapshotHook`].
#[must_use = "it does nothing until `build`"]
pub struct SnapshotHookBuilder<'a> {
    config: BlobInfoSnapshotConfig,
    storage_path: &'a Path,
    registry: &'a Registry,
    store: Arc<dyn NodeStore>,
    probe: Arc<dyn Probe>,
}

impl SnapshotHookBuilder<'_> {
    /// Watches, fails or crashes the steps of the work on disk. For tests.
    pub fn probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = probe;
        self
    }

    /// Makes the hook. Nothing is read or written yet, and if the feature is off, no metrics are
    /// registered.
    ///
    /// # Errors
    ///
    /// If the metrics cannot be registered, because they are already.
    pub fn build(self) -> Result<SnapshotHook, BuildError> {
        let metrics = Metrics::new()?;
        if self.config.enabled {
            metrics.register(self.registry)?;
        }
        let work = Work {
            config: self.config,
            artifacts: Artifacts::new(self.storage_path, self.probe),
            metrics,
            background: Background::default(),
            turns: Turns::default(),
        };
        Ok(SnapshotHook {
            work: Arc::new(work),
            store: self.store,
        })
    }
}

/// Takes blob info snapshots at epoch boundaries (`docs/lifecycle.md`).
///
/// A hook belongs to one tokio runtime, with time enabled. When it is dropped, or its runtime shuts
/// down, a snapshot that is being written is given up; the next [`start`](Self::start) makes it.
pub struct SnapshotHook {
    work: Arc<Work>,
    store: Arc<dyn NodeStore>,
}

impl SnapshotHook {
    /// Begins to make the hook of a node.
    ///
    /// `storage_path` is the node's storage directory, on the database's own file system: checkpoints
    /// consist of hard links.
    pub fn builder<'a>(
        config: BlobInfoSnapshotConfig,
        storage_path: &'a Path,
        registry: &'a Registry,
        store: Arc<dyn NodeStore>,
    ) -> SnapshotHookBuilder<'a> {
        SnapshotHookBuilder {
            config,
            storage_path,
            registry,
            store,
            probe: Arc::new(NoProbe),
        }
    }

    /// Finishes in the background what a crash interrupted. To be called once when the node starts,
    /// on its tokio runtime, before it handles events; it returns at once.
    ///
    /// If the feature is off, all it does is to warn, once, of what is left from when it was on.
    pub fn start(&self) {
        let enabled = self.work.config.enabled;
        let runtime = match Handle::try_current() {
            Ok(runtime) => runtime,
            Err(error) => {
                return self
                    .work
                    .failed(Stage::Start, &HookError::NoRuntime(error.to_string()));
            }
        };
        let store = Arc::clone(&self.store);
        self.work.later(&runtime, Stage::Start, move |work| {
            if enabled {
                work.clean_and_resume(store);
            } else {
                work.warn_of_leftovers();
            }
        });
    }

    /// Acts at an epoch boundary: to be awaited in the handler of `EpochChangeStart`, after the first
    /// phase of garbage collection and before the epoch change is executed, with event processing
    /// blocked.
    ///
    /// It returns when the checkpoint is there or the time limit is over. Whatever goes wrong is
    /// logged and counted, and the epoch goes on.
    pub async fn on_epoch_boundary(&self, boundary: EpochBoundary) -> Outcome {
        let mut work = pin!(self.boundary(boundary));
        poll_fn(|context| {
            // Such as tokio's, when its timer is not enabled.
            let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
            polled.unwrap_or_else(|panic| {
                let error = panics::error_of(&*panic);
                Poll::Ready(self.failed(Stage::Checkpoint, &error))
            })
        })
        .await
    }

    /// Waits until all background work asked for so far is done. For an orderly shutdown, and tests.
    pub async fn idle(&self) {
        self.work.background.idle().await;
    }

    async fn boundary(&self, boundary: EpochBoundary) -> Outcome {
        // What can be decided without the store needs no thread.
        if let Err(reason) = decide(self.work.config.enabled, &boundary, None) {
            return Outcome::skipped(boundary.epoch, reason);
        }
        let runtime = match Handle::try_current() {
            Ok(runtime) => runtime,
            Err(error) => {
                let error = HookError::NoRuntime(error.to_string());
                return self.failed(Stage::Checkpoint, &error);
            }
        };
        let limit = self.work.config.checkpoint_timeout();
        // A runtime without a timer panics here, before anything has begun, and not with the
        // checkpoint under way.
        drop(tokio::time::sleep(limit));
        let started = tokio::time::Instant::now();
        let claim = Arc::new(Claim::default());
        let _waiting = Waiting(&claim);
        let working = {
            let (work, store) = (Arc::clone(&self.work), Arc::clone(&self.store));
            let (claim, runtime) = (Arc::clone(&claim), runtime.clone());
            runtime.clone().spawn_blocking(move || {
                let outcome =
                    panics::caught(|| Ok(work.at_boundary(&*store, &boundary, &claim, &runtime)));
                outcome.unwrap_or_else(|error| {
                    work.failed(Stage::Checkpoint, &error);
                    Outcome::Failed(Stage::Checkpoint)
                })
            })
        };
        let outcome = match tokio::time::timeout(limit, working).await {
            Ok(Ok(outcome)) => outcome,
            // Panics are caught above, so it was cancelled.
            Ok(Err(error)) => {
                let error = HookError::NoRuntime(error.to_string());
                self.failed(Stage::Checkpoint, &error)
            }
            Err(_) if claim.leave() => Outcome::Taken,
            Err(_) => {
                let epoch = boundary.epoch;
                self.failed(Stage::Checkpoint, &HookError::Timeout { epoch, limit })
            }
        };
        if !matches!(outcome, Outcome::Skipped(_)) {
            // However it ended: the node has waited for so long.
            self.work.metrics.paused(started.elapsed());
        }
        outcome
    }

    fn failed(&self, stage: Stage, error: &HookError) -> Outcome {
        self.work.failed(stage, error);
        Outcome::Failed(stage)
    }
}

impl Drop for SnapshotHook {
    fn drop(&mut self) {
        self.work.background.stop.set();
    }
}

impl std::fmt::Debug for SnapshotHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotHook")
            .field("config", &self.work.config)
            .field("directory", &self.work.artifacts.path())
            .finish_non_exhaustive()
    }
}
