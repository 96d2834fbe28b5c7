//! A node: follows the event stream and gets through epoch boundaries.
//!
//! What an event writes stands in `writes`, what a boundary deletes in `gc`. Here is the order in which
//! things happen.

use std::path::Path;

use snapshot_format::{Epoch, EventId};

use crate::checkpoint;
use crate::error::NodeError;
use crate::event::{Event, EventKind};
use crate::families::Tuning;
use crate::gc::{self, Collected};
use crate::tables::{Applied, Tables};

/// How a node goes about its work. None of it may change a row of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Of its RocksDB.
    pub tuning: Tuning,
    /// Events from a boundary to phase 2 of its garbage collection.
    pub phase_two_delay: u64,
    /// Events after which the event cursor is moved on. A node does it in the background, so the
    /// cursor is always a little behind.
    pub cursor_interval: u64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            tuning: Tuning::default(),
            phase_two_delay: 1000,
            cursor_interval: 32,
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It was applied to the tables.
    Applied,
    /// It had been before, and changed nothing.
    Skipped,
    /// It began an epoch, and the node is through the boundary.
    Boundary(Boundary),
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
#[derive(Debug)]
pub struct ReferenceNode {
    tables: Tables,
    config: NodeConfig,
    /// The index of the next event to handle.
    next_event_index: u64,
    /// The latest event handled that the event cursor does not know of, and how many.
    behind: Option<(EventId, u64)>,
    /// The event index from which on phase 2 is to run.
    phase_two_due: Option<u64>,
}

impl ReferenceNode {
    /// Starts a node on the database in the directory `path`, which is created if missing.
    ///
    /// Phase 2 of garbage collection, of which a crash may have left some, is scheduled as after a
    /// boundary.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened or its cursor not read.
    pub fn open(path: &Path, config: NodeConfig) -> Result<Self, NodeError> {
        let tables = Tables::open(path, config.tuning)?;
        let next_event_index = tables
            .event_cursor()?
            .map_or(0, |cursor| cursor.next_event_index());
        let mut node = Self {
            tables,
            config,
            next_event_index,
            behind: None,
            phase_two_due: None,
        };
        node.schedule_phase_two();
        Ok(node)
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

    /// Handles an event.
    ///
    /// # Errors
    ///
    /// If an event is left out, or the tables fail. The node must then be restarted.
    pub fn handle(&mut self, event: &Event) -> Result<Handled, NodeError> {
        if event.index < self.next_event_index {
            return Ok(Handled::Skipped);
        }
        if let EventKind::EpochChangeStart { .. } = event.kind {
            let boundary = self.reach_boundary(event)?;
            return self
                .finish_boundary(&boundary)
                .map(|()| Handled::Boundary(boundary));
        }
        self.expect_next(event)?;
        self.run_phase_two_if_due()?;
        let applied = self.tables.apply(event)?;
        if let (Applied::Now, Some(blob_id)) = (applied, event.kind.certified_blob()) {
            self.tables.store_blob(&blob_id)?;
        }
        self.completed(event)?;
        Ok(match applied {
            Applied::Now => Handled::Applied,
            Applied::Before => Handled::Skipped,
        })
    }

    /// Does what comes before a boundary's hook: completes the events before, collects garbage, and
    /// finds out whether this is a repetition. The caller runs its hook, if any, and then
    /// [`finish_boundary`](Self::finish_boundary).
    ///
    /// # Errors
    ///
    /// As for [`handle`](Self::handle). The event is replayed after a restart.
    pub fn reach_boundary(&mut self, event: &Event) -> Result<Boundary, NodeError> {
        self.expect_next(event)?;
        let EventKind::EpochChangeStart { epoch } = event.kind else {
            return Err(NodeError::NotABoundary { index: event.index });
        };
        self.advance_cursor()?;
        let collected = gc::phase_one(&self.tables, epoch)?;
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

    /// Does what comes after the hook: completes the epoch change and schedules phase 2.
    ///
    /// # Errors
    ///
    /// If the tables fail.
    pub fn finish_boundary(&mut self, boundary: &Boundary) -> Result<(), NodeError> {
        self.tables.advance_cursor(boundary.event_id, 1)?;
        self.next_event_index = boundary.next_event_index();
        self.schedule_phase_two();
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
        if count >= self.config.cursor_interval {
            self.advance_cursor()
        } else {
            Ok(())
        }
    }

    fn advance_cursor(&mut self) -> Result<(), NodeError> {
        match self.behind.take() {
            Some((event_id, count)) => self.tables.advance_cursor(event_id, count),
            None => Ok(()),
        }
    }

    fn schedule_phase_two(&mut self) {
        let due = self
            .next_event_index
            .saturating_add(self.config.phase_two_delay);
        self.phase_two_due = Some(due);
    }

    fn run_phase_two_if_due(&mut self) -> Result<(), NodeError> {
        if self
            .phase_two_due
            .is_some_and(|due| self.next_event_index >= due)
        {
            self.phase_two_due = None;
            gc::phase_two(&self.tables)?;
        }
        Ok(())
    }
}
