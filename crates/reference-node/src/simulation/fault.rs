//! What can go wrong in a simulated node, where, and how it is told.

use std::fmt;
use std::io;

use node_hook::Step;

use crate::point::Point;

/// Where a fault strikes: at the occurrence of this number, from 0, in the node's present epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    /// A point of the node's own work.
    Point(Point),
    /// Any step of the hook's work on disk, counted in one piece of work.
    Work(Work),
    /// A step of that kind.
    Step(Step),
    /// The hook makes a checkpoint of the node's store.
    CreateCheckpoint,
    /// The hook asks the node's store for the latest handled event.
    LatestHandled,
}

/// A piece of the hook's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// While the node starts.
    Start,
    /// While event processing waits.
    Boundary,
    /// In the background, after a boundary.
    Background,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// The process is gone: nothing that comes after happens.
    Crash(Loss),
    /// This one operation fails.
    Fail(io::ErrorKind),
    /// From here on, nothing more can be written, until the piece of work ends.
    DiskFull,
    /// The node's store panics.
    Panic,
    /// A checkpoint is half made when it fails.
    HalfThenFail,
    /// A checkpoint is half made when the process goes.
    HalfThenCrash(Loss),
}

/// What a crash takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// The process only, as with `kill -9`.
    Process,
    /// The machine: what was not synced may be lost, names in directories above all.
    Power,
}

/// A fault that waits for its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) trigger: Trigger,
    /// How many occurrences pass before.
    pub(crate) after: u32,
    pub(crate) effect: Effect,
}

/// A fault that struck, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Struck {
    pub(crate) place: Place,
    pub(crate) effect: Effect,
}

/// Where a fault struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Point(Point),
    Step(Work, Step),
    CreateCheckpoint,
    LatestHandled,
}

impl Effect {
    /// Whether the process ends by it.
    pub(crate) const fn is_crash(self) -> bool {
        matches!(self, Self::Crash(_) | Self::HalfThenCrash(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point(point) => write!(f, "node, {point:?}"),
            Self::Step(Work::Start, step) => write!(f, "hook at start-up, {step:?}"),
            Self::Step(Work::Boundary, step) => write!(f, "hook at a boundary, {step:?}"),
            Self::Step(Work::Background, step) => write!(f, "hook in the background, {step:?}"),
            Self::CreateCheckpoint => f.write_str("inside RocksDB's checkpoint"),
            Self::LatestHandled => f.write_str("reading the latest handled event"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(loss) | Self::HalfThenCrash(loss) => loss.fmt(f),
            Self::Fail(kind) => write!(f, "fails: {kind}"),
            Self::DiskFull => f.write_str("the disk is full from here on"),
            Self::Panic => f.write_str("panics"),
            Self::HalfThenFail => f.write_str("fails half-way"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "crash",
            Self::Power => "power loss",
        })
    }
}
