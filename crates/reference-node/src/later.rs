//! What a node does in the background: jobs that are due some events later.
//!
//! A delay is counted in events, not in seconds, so that a run is the same whenever it is repeated.

use crate::node::Boundary;

/// Something to do in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// The finisher of an epoch change: the event cursor moves past the boundary.
    Finish(Boundary),
    /// Phase 2 of garbage collection.
    PhaseTwo,
    /// The node's own check of its tables, a scan.
    ConsistencyCheck,
}

/// Jobs and the event index from which on each is due.
#[derive(Clone, Debug, Default)]
pub(crate) struct Later(Vec<(u64, Job)>);

impl Later {
    /// Schedules `job` for when the event `due` comes.
    pub(crate) fn schedule(&mut self, due: u64, job: Job) {
        self.0.push((due, job));
    }

    /// Takes out the first job scheduled that is due before the event `index` is handled.
    pub(crate) fn take_due(&mut self, index: u64) -> Option<Job> {
        let place = self.0.iter().position(|&(due, _)| due <= index)?;
        Some(self.0.remove(place).1)
    }

    /// Takes out the finisher, due or not.
    pub(crate) fn take_finisher(&mut self) -> Option<Boundary> {
        let finisher = |&(_, job): &(u64, Job)| matches!(job, Job::Finish(_));
        let place = self.0.iter().position(finisher)?;
        match self.0.remove(place).1 {
            Job::Finish(boundary) => Some(boundary),
            Job::PhaseTwo | Job::ConsistencyCheck => None,
        }
    }

    /// Whether a boundary waits for its finisher: until then, the cursor cannot move on.
    pub(crate) fn awaits_finisher(&self) -> bool {
        self.0.iter().any(|(_, job)| matches!(job, Job::Finish(_)))
    }
}
