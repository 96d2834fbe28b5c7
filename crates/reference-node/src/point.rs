//! Points in a node's work at which a test may stop it, as a crash would.
//!
//! A node has no use for this. What a test does at a point is the test's business.

use std::str::FromStr;

use crate::error::NodeError;

/// A point in a node's work: what was done last is written, what comes next is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Point {
    /// The database is open, and nothing was done with it yet.
    Opened,
    /// An event comes.
    Event,
    /// Its rows are written; the node does not yet hold the blob's data.
    Applied,
    /// The event is handled; the cursor is behind.
    Handled,
    /// `EpochChangeStart` comes.
    Boundary,
    /// All events before it are complete, and the cursor says so.
    EarlierComplete,
    /// Garbage collection deleted the pools that ended.
    PoolsCollected,
    /// And the objects that own their storage.
    ObjectsCollected,
    /// Phase 1 of garbage collection is over; the hook comes next.
    Collected,
    /// The hook has returned.
    HookReturned,
    /// The epoch change is executed; its finisher is scheduled.
    EpochChanged,
    /// The finisher runs: the cursor moves past the boundary next.
    Finisher,
    /// The cursor is past the boundary.
    Finished,
    /// Phase 2 of garbage collection begins.
    PhaseTwo,
    /// It is over.
    PhaseTwoDone,
}

impl Point {
    /// All points.
    pub const ALL: [Self; 15] = [
        Self::Opened,
        Self::Event,
        Self::Applied,
        Self::Handled,
        Self::Boundary,
        Self::EarlierComplete,
        Self::PoolsCollected,
        Self::ObjectsCollected,
        Self::Collected,
        Self::HookReturned,
        Self::EpochChanged,
        Self::Finisher,
        Self::Finished,
        Self::PhaseTwo,
        Self::PhaseTwoDone,
    ];

    /// The name by which it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Event => "event",
            Self::Applied => "applied",
            Self::Handled => "handled",
            Self::Boundary => "boundary",
            Self::EarlierComplete => "earlier-complete",
            Self::PoolsCollected => "pools-collected",
            Self::ObjectsCollected => "objects-collected",
            Self::Collected => "collected",
            Self::HookReturned => "hook-returned",
            Self::EpochChanged => "epoch-changed",
            Self::Finisher => "finisher",
            Self::Finished => "finished",
            Self::PhaseTwo => "phase-two",
            Self::PhaseTwoDone => "phase-two-done",
        }
    }
}

impl FromStr for Point {
    type Err = UnknownPoint;

    fn from_str(name: &str) -> Result<Self, UnknownPoint> {
        let found = Self::ALL.into_iter().find(|point| point.name() == name);
        found.ok_or_else(|| UnknownPoint(name.to_owned()))
    }
}

/// There is no point of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no point of a node's work is called {0}")]
pub struct UnknownPoint(String);

/// Is told each point that a node gets to.
pub trait Watch: Send + Sync + 'static {
    /// Is told that the node is at `point`.
    ///
    /// # Errors
    ///
    /// [`NodeError::Stopped`], to stop the node there.
    fn at(&self, point: Point) -> Result<(), NodeError>;
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoWatch;

impl Watch for NoWatch {
    fn at(&self, _: Point) -> Result<(), NodeError> {
        Ok(())
    }
}
