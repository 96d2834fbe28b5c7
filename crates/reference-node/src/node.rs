//! A node: follows the event stream and gets through epoch boundaries, blob info snapshots included.
//!
//! What an event writes stands in `writes`, what a boundary deletes in `gc`. Here is the order in which
//! things happen, which is the point of this crate: [`ReferenceNode::handle`] is where a node wires in
//! the hook (`docs/lifecycle.md`).

use std::future::Future as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use node_hook::{BlobInfoSnapshotConfig, EpochBoundary, NodeStore, Outcome, Probe, SnapshotHook};
use prometheus::Registry;
use snapshot_format::{Epoch, EventId};
use snapshot_store::node::RocksDbStore;

use crate::checkpoint;
use crate::error::NodeError;
use crate::event::{Event, EventKind};
use crate::families::Tuning;
use crate::gc::{self, Collected};
use crate::later::{Job, Later};
use crate::point::{NoWatch, Point, Watch};
use crate::tables::{Applied, Tables};

/// How a node goes about its work. None of it may change a row of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The section `blob_info_snapshot` of the node's configuration.
    pub blob_info_snapshot: BlobInfoSnapshotConfig,
    /// Of its RocksDB.
    pub tuning: Tuning,
    /// Events from a boundary to the finisher of its epoch change.
    pub finisher_delay: u64,
    /// Events from a boundary to phase 2 of its garbage collection.
    pub phase_two_delay: u64,
    /// Events from a boundary to the node's own check of its tables.
    pub consistency_check_delay: u64,
    /// Events after which the event cursor is moved on. A node does it in the background, so the
    /// cursor is always a little behind.
    pub cursor_interval: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            blob_info_snapshot: BlobInfoSnapshotConfig::default(),
            tuning: Tuning::default(),
            finisher_delay: 0,
            phase_two_delay: 1000,
            consistency_check_delay: 2000,
            cursor_interval: 32,
        }
    }
}

/// Puts something between the hook and the node's store.
pub type WrapStore = Box<dyn FnOnce(Arc<dyn NodeStore>, &Tables) -> Arc<dyn NodeStore> + Send>;

/// What a test puts between a node and the world. By default, nothing.
#[derive(Default)]
pub struct Instruments {
    /// Is told the points of the node's own work.
    pub watch: Option<Arc<dyn Watch>>,
    /// Is told the steps of the hook's work on disk.
    pub probe: Option<Arc<dyn Probe>>,
    /// Stands between the hook and the node's store.
    pub store: Option<WrapStore>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It was applied to the tables.
    Applied,
    /// It had been before, and changed nothing.
    Skipped,
    /// It began an epoch, and the node is through the boundary.
    Boundary(Boundary, Outcome),
}

/// The boundary that a node has reached: earlier events are processed, garbage is collected, and no
/// later event is applied until the boundary is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The epoch that begins.
    pub epoch: Epoch,
    /// The `EpochChangeStart` that begins it.
    pub event_id: EventId,
    /// The index of that event.
    pub event_index: u64,
    /// What phase 1 of garbage collection deleted.
    pub collected: Collected,
    /// Whether later events had been applied before, so that the tables are past the boundary and no
    /// longer those that other nodes had there.
    pub reprocessing: bool,
}

impl Boundary {
    /// Where a node goes on that starts from the tables as they are at the boundary.
    #[must_use]
    pub const fn next_event_index(&self) -> u64 {
        self.event_index + 1
    }
}

/// A node that follows the event stream.
pub struct ReferenceNode {
    tables: Tables,
    snapshots: SnapshotHook,
    registry: Registry,
    config: NodeConfig,
    watch: Arc<dyn Watch>,
    catching_up: bool,
    /// The index of the next event to handle.
    next_event_index: u64,
    /// The latest event handled that the event cursor does not know of, and how many.
    behind: Option<(EventId, u64)>,
    later: Later,
}

impl ReferenceNode {
    /// Opens a node on the database in the directory `database`, which is created if missing. Its
    /// checkpoints and snapshots go beside that directory.
    ///
    /// Phase 2 of garbage collection, of which a crash may have left some, is scheduled as after a
    /// boundary.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened or its cursor not read.
    pub fn open(database: &Path, config: NodeConfig) -> Result<Self, NodeError> {
        Self::open_with(database, config, Instruments::default())
    }

    /// As [`open`](Self::open), with instruments.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn open_with(
        database: &Path,
        config: NodeConfig,
        instruments: Instruments,
    ) -> Result<Self, NodeError> {
        let tables = Tables::open(database, config.tuning)?;
        let watch = instruments.watch.unwrap_or_else(|| Arc::new(NoWatch));
        watch.at(Point::Opened)?;
        let next_event_index = tables
            .event_cursor()?
            .map_or(0, |cursor| cursor.next_event_index());
        let mut store: Arc<dyn NodeStore> =
            Arc::new(RocksDbStore::new(Arc::clone(tables.database())));
        if let Some(wrap) = instruments.store {
            store = wrap(store, &tables);
        }
        let registry = Registry::new();
        let storage = match database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut hook = SnapshotHook::builder(config.blob_info_snapshot, storage, &registry, store);
        if let Some(probe) = instruments.probe {
            hook = hook.probe(probe);
        }
        let mut node = Self {
            snapshots: hook.build()?,
            tables,
            registry,
            config,
            watch,
            catching_up: false,
            next_event_index,
            behind: None,
            later: Later::default(),
        };
        node.schedule_phase_two();
        Ok(node)
    }

    /// Starts the hook, which finishes in the background what a crash interrupted. To be called once,
    /// on a tokio runtime with time enabled, before events are handled; it returns at once.
    pub fn start(&self) {
        self.snapshots.start();
    }

    /// Says whether the node is processing events of the past to catch up with the network.
    pub const fn set_catching_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// The index of the next event to handle. After a crash, events from here on are replayed; those
    /// that were handled already are skipped.
    #[must_use]
    pub const fn next_event_index(&self) -> u64 {
        self.next_event_index
    }

    /// The node's tables.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The node's hook.
    #[must_use]
    pub const fn snapshots(&self) -> &SnapshotHook {
        &self.snapshots
    }

    /// The node's metrics.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Handles an event, on a tokio runtime with time enabled if blob info snapshots are on.
    ///
    /// # Errors
    ///
    /// If an event is left out, or the tables fail. The node must then be restarted.
    pub async fn handle(&mut self, event: &Event) -> Result<Handled, NodeError> {
        if event.index < self.next_event_index {
            return Ok(Handled::Skipped);
        }
        if let EventKind::EpochChangeStart { .. } = event.kind {
            return self.on_epoch_change_start(event).await;
        }
        self.expect_next(event)?;
        self.watch.at(Point::Event)?;
        self.run_due_jobs()?;
        let applied = self.tables.apply(event)?;
        self.watch.at(Point::Applied)?;
        if let (Applied::Now, Some(blob_id)) = (applied, event.kind.certified_blob()) {
            self.tables.store_blob(&blob_id)?;
        }
        self.completed(event)?;
        self.watch.at(Point::Handled)?;
        Ok(match applied {
            Applied::Now => Handled::Applied,
            Applied::Before => Handled::Skipped,
        })
    }

    /// As [`handle`](Self::handle), without a runtime: for a node with blob info snapshots off, in which
    /// nothing waits.
    ///
    /// # Errors
    ///
    /// As for [`handle`](Self::handle), and [`NodeError::Waits`] if they are on.
    pub fn handle_now(&mut self, event: &Event) -> Result<Handled, NodeError> {
        let handling = pin!(self.handle(event));
        match handling.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(handled) => handled,
            Poll::Pending => Err(NodeError::Waits { index: event.index }),
        }
    }

    /// The handler of `EpochChangeStart`. The order is that of `docs/lifecycle.md`, "The boundary".
    async fn on_epoch_change_start(&mut self, event: &Event) -> Result<Handled, NodeError> {
        let boundary = self.reach_boundary(event)?;
        let outcome = self.take_snapshot(&boundary).await;
        self.watch.at(Point::HookReturned)?;
        self.finish_boundary(&boundary)?;
        Ok(Handled::Boundary(boundary, outcome))
    }

    /// Does what comes before a boundary's hook: completes the events before, collects garbage, and
    /// finds out whether this is a repetition.
    ///
    /// # Errors
    ///
    /// As for [`handle`](Self::handle). The event is replayed after a restart.
    pub fn reach_boundary(&mut self, event: &Event) -> Result<Boundary, NodeError> {
        self.expect_next(event)?;
        let EventKind::EpochChangeStart { epoch } = event.kind else {
            return Err(NodeError::NotABoundary { index: event.index });
        };
        self.watch.at(Point::Boundary)?;
        self.complete_earlier_events()?;
        self.watch.at(Point::EarlierComplete)?;
        let collected = gc::phase_one_watched(&self.tables, epoch, &*self.watch)?;
        self.watch.at(Point::Collected)?;
        // Before the boundary is finished, whose cursor makes a first run look like a second one.
        let reprocessing = self
            .tables
            .latest_handled_event_index()
            .is_some_and(|latest| latest >= event.index);
        Ok(Boundary {
            epoch,
            event_id: event.id,
            event_index: event.index,
            collected,
            reprocessing,
        })
    }

    /// Calls the hook: the one line that a node adds to its handler. It finds out by itself whether the
    /// event is processed again, and it cannot fail the epoch.
    pub async fn take_snapshot(&self, boundary: &Boundary) -> Outcome {
        let boundary = EpochBoundary {
            epoch: boundary.epoch,
            event_id: boundary.event_id,
            event_index: boundary.event_index,
            catching_up: self.catching_up,
        };
        self.snapshots.on_epoch_boundary(boundary).await
    }

    /// Does what comes after the hook: executes the epoch change, whose finisher completes in the
    /// background, and schedules phase 2 and the consistency check.
    ///
    /// # Errors
    ///
    /// If the tables fail.
    pub fn finish_boundary(&mut self, boundary: &Boundary) -> Result<(), NodeError> {
        self.next_event_index = boundary.next_event_index();
        self.schedule(self.config.finisher_delay, Job::Finish(*boundary));
        self.schedule_phase_two();
        self.schedule(self.config.consistency_check_delay, Job::ConsistencyCheck);
        self.watch.at(Point::EpochChanged)?;
        if self.config.finisher_delay == 0 {
            self.finish_earlier_boundary()?;
        }
        Ok(())
    }

    /// Makes a checkpoint of the whole database at `path`, which appears whole or not at all.
    ///
    /// # Errors
    ///
    /// If `path` exists, or RocksDB or the file system fails.
    pub fn checkpoint(&self, path: &Path) -> Result<(), NodeError> {
        checkpoint::create(&self.tables, path)
    }

    fn expect_next(&self, event: &Event) -> Result<(), NodeError> {
        if event.index == self.next_event_index {
            Ok(())
        } else {
            Err(NodeError::Gap {
                expected: self.next_event_index,
                got: event.index,
            })
        }
    }

    /// Counts an event as processed; the cursor learns of it later.
    fn completed(&mut self, event: &Event) -> Result<(), NodeError> {
        self.next_event_index = event.index + 1;
        let count = self.behind.map_or(0, |(_, count)| count) + 1;
        self.behind = Some((event.id, count));
        // The cursor moves over events in their order, so it waits for the finisher of a boundary.
        if count >= self.config.cursor_interval && !self.later.awaits_finisher() {
            self.advance_cursor()
        } else {
            Ok(())
        }
    }

    fn complete_earlier_events(&mut self) -> Result<(), NodeError> {
        self.finish_earlier_boundary()?;
        self.advance_cursor()
    }

    /// Runs the finisher of the boundary before, if it is still to come.
    pub(crate) fn finish_earlier_boundary(&mut self) -> Result<(), NodeError> {
        match self.later.take_finisher() {
            Some(boundary) => self.run(Job::Finish(boundary)),
            None => Ok(()),
        }
    }

    fn advance_cursor(&mut self) -> Result<(), NodeError> {
        match self.behind.take() {
            Some((event_id, count)) => self.tables.advance_cursor(event_id, count),
            None => Ok(()),
        }
    }

    fn schedule(&mut self, delay: u64, job: Job) {
        let due = self.next_event_index.saturating_add(delay);
        self.later.schedule(due, job);
    }

    fn schedule_phase_two(&mut self) {
        self.schedule(self.config.phase_two_delay, Job::PhaseTwo);
    }

    fn run_due_jobs(&mut self) -> Result<(), NodeError> {
        while let Some(job) = self.later.take_due(self.next_event_index) {
            self.run(job)?;
        }
        Ok(())
    }

    fn run(&mut self, job: Job) -> Result<(), NodeError> {
        match job {
            Job::Finish(boundary) => {
                self.watch.at(Point::Finisher)?;
                self.tables.advance_cursor(boundary.event_id, 1)?;
                self.watch.at(Point::Finished)
            }
            Job::PhaseTwo => {
                self.watch.at(Point::PhaseTwo)?;
                gc::phase_two(&self.tables)?;
                self.watch.at(Point::PhaseTwoDone)
            }
            Job::ConsistencyCheck => self.tables.count_rows().map(drop),
        }
    }
}

impl std::fmt::Debug for ReferenceNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferenceNode")
            .field("database", &self.tables.path())
            .field("config", &self.config)
            .field("next_event_index", &self.next_event_index)
            .finish_non_exhaustive()
    }
}
