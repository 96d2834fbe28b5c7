//! What was run, and what went wrong on the way, counted.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use node_hook::{Outcome, SkipReason};
use serde::Serialize;

use super::fault::Struck;

/// Counts over some seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Seeds run.
    pub seeds: u64,
    /// Nodes simulated.
    pub nodes: u64,
    /// Events handled, repetitions included.
    pub events: u64,
    /// Boundaries of a cluster at which at least two nodes had something to compare.
    pub boundaries_compared: u64,
    /// Checkpoints and snapshots compared byte for byte with what they must be, in both framings.
    pub artifacts_compared: u64,
    /// What the hook answered, by answer.
    pub outcomes: BTreeMap<String, u64>,
    /// Times that a node was started.
    pub starts: u64,
    /// Crashes, by where and how.
    pub crashes: BTreeMap<String, u64>,
    /// Nodes that lost their database and were restored from another's snapshot.
    pub restores: u64,
    /// Rows of `aggregate_blob_info` of restored nodes, compared with a node that saw all events.
    pub aggregate_rows_compared: u64,
    /// Where these differ as they may, by what differs.
    pub inexact: BTreeMap<String, u64>,
    /// Faults that were no crashes, by where and how.
    pub faults: BTreeMap<String, u64>,
}

impl Statistics {
    /// All crashes.
    #[must_use]
    pub fn crash_count(&self) -> u64 {
        self.crashes.values().sum()
    }

    /// All other faults.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(crate) fn struck(&mut self, struck: &Struck) {
        let Struck { place, effect } = struck;
        let by_kind = if effect.is_crash() {
            &mut self.crashes
        } else {
            &mut self.faults
        };
        *by_kind.entry(format!("{place}: {effect}")).or_default() += 1;
    }

    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        let name = match outcome {
            Outcome::Taken => "taken".to_owned(),
            Outcome::Skipped(SkipReason::Disabled) => "skipped, as the feature is off".to_owned(),
            Outcome::Skipped(SkipReason::CatchingUp) => {
                "skipped, as the node catches up".to_owned()
            }
            Outcome::Skipped(SkipReason::Reprocessing { .. }) => {
                "skipped, as the event was processed before".to_owned()
            }
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
            Outcome::Failed(stage) => format!("failed in stage {}", stage.name()),
        };
        *self.outcomes.entry(name).or_default() += 1;
    }
}

impl AddAssign<&Self> for Statistics {
    fn add_assign(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.nodes += other.nodes;
        self.events += other.events;
        self.boundaries_compared += other.boundaries_compared;
        self.artifacts_compared += other.artifacts_compared;
        self.starts += other.starts;
        self.restores += other.restores;
        self.aggregate_rows_compared += other.aggregate_rows_compared;
        for (to, from) in [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.crashes, &other.crashes),
            (&mut self.faults, &other.faults),
            (&mut self.inexact, &other.inexact),
        ] {
            for (kind, count) in from {
                *to.entry(kind.clone()).or_default() += count;
            }
        }
    }
}
