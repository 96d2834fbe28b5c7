//! A cluster of nodes that follow one stream of events, with everything going wrong that can.
//!
//! The claim that the whole system rests on, that every honest node writes the same bytes, is checked
//! here rather than hoped for: real databases, the real hook, real files. A seed decides the events,
//! how each node goes about its work, and what goes wrong when; so a failure shows again by its seed
//! alone (`docs/lifecycle.md`, "How it is tested").
//!
//! After each boundary and each start, of each node: what is finished is what every node must have,
//! byte for byte in both framings; what was durable is still there; a node that took nothing had the
//! right reason; at most one checkpoint and one snapshot, nothing unfinished; files of others are as
//! they were; and the epoch went on.

mod aggregates;
mod artifacts;
mod failure;
mod fault;
mod injector;
mod member;
mod model;
mod mutation;
mod names;
mod oracle;
mod plan;
mod power;
mod promises;
mod restoring;
mod run;
mod stats;
mod tree;

use std::path::Path;

use node_hook::{Mode, Outcome, Step};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use snapshot_format::Epoch;
use tokio::runtime;

pub use failure::{Failure, Finding};
pub use mutation::Mutation;
pub use oracle::{EventStream, Oracle};
pub use run::{Run, default_root, run};
pub use stats::Statistics;

use crate::event::EventKind;
use crate::point::Point;
use crate::workload::{FIRST_EPOCH, Workload};
use member::{Member, Stream};
use model::Model;
use plan::{ClusterPlan, MIX};
use restoring::{RestorePlan, Restored};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Decides everything else.
    pub seed: u64,
    /// Number of nodes; by default the seed decides.
    pub nodes: Option<usize>,
    /// Number of epochs; by default the seed decides.
    pub epochs: Option<usize>,
    /// Events of each epoch; by default the seed decides.
    pub events: Option<usize>,
    /// Whether anything goes wrong.
    pub faults: bool,
    /// Whether a node loses its database at a boundary, and is restored from another's snapshot.
    pub restore: bool,
    /// Where all nodes but the first crash, each time they get there first in an epoch, instead of
    /// where the seed decides.
    pub crash_at: Option<CrashAt>,
    /// A deliberate mistake in every node.
    pub mutation: Option<Mutation>,
}

/// A place at which nodes crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashAt {
    /// A point of the node's own work.
    Point(Point),
    /// A step of the hook's work on disk.
    Step(Step),
}

impl Cluster {
    /// The cluster of a seed, with faults.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: None,
            epochs: None,
            events: None,
            faults: true,
            restore: false,
            crash_at: None,
            mutation: None,
        }
    }
}

/// What the nodes had at a boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoundaryReport {
    /// The epoch that began.
    pub epoch: Epoch,
    /// In the order of their numbers.
    pub nodes: Vec<NodeReport>,
}

/// What a node had at a boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// What it keeps of each boundary.
    pub mode: Mode,
    /// The digest of its sealed snapshot with the boundary's cursor, if there was one to look at.
    pub digest: Option<String>,
    /// Why there was none, or what else happened: nothing, if all went well.
    pub remark: Option<String>,
    /// How often the node crashed so far.
    pub crashes: u64,
}

/// Runs a cluster in the directory `dir`, and tells `on_boundary` of each boundary.
///
/// # Errors
///
/// The first promise that was not kept.
pub fn simulate(
    cluster: &Cluster,
    dir: &Path,
    mut on_boundary: impl FnMut(&BoundaryReport),
) -> Result<Statistics, Box<Failure>> {
    let seed = cluster.seed;
    let fail = |node, epoch| {
        move |finding| {
            Box::new(Failure {
                seed,
                node,
                epoch,
                finding,
            })
        }
    };
    let rig = fail(0, FIRST_EPOCH);
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| rig(error.into()))?;
    let plan = ClusterPlan::new(cluster);
    let restore_plan = RestorePlan::new(seed, plan.nodes.len(), plan.epochs.len());
    let restore_plan = restore_plan.filter(|_| cluster.restore);
    let mut restored = None::<Restored>;
    let mut members = Vec::new();
    for (number, node) in plan.nodes.into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(2 + number as u64);
        let dir = dir.join(format!("node-{number}"));
        let member = Member::new(dir, node, rng, &runtime, cluster.mutation);
        members.push(member.map_err(fail(number, FIRST_EPOCH))?);
    }
    let (mut workload, mut model) = (Workload::new(seed, MIX), Model::default());
    let (mut events, mut boundaries) = (Vec::new(), Vec::new());
    let mut total = Statistics {
        seeds: 1,
        ..Statistics::default()
    };
    for (number, &length) in plan.epochs.iter().enumerate() {
        for _ in 0..length {
            let event = workload.next_event();
            model.apply(&event);
            events.push(event);
        }
        let event = workload.begin_epoch();
        events.push(event);
        let EventKind::EpochChangeStart { epoch } = event.kind else {
            return Err(rig(Finding::Rig("no boundary".to_owned())));
        };
        let expected = model.begin_epoch(epoch, &event);
        let expected = expected.map_err(|error| rig(Finding::Rig(error.to_string())))?;
        boundaries.push((event, expected));
        let stream = Stream {
            events: &events,
            boundaries: &boundaries,
        };
        for (node, member) in members.iter_mut().enumerate() {
            member.live(number, stream).map_err(fail(node, epoch))?;
        }
        let report = report(epoch, &members);
        let compared = report.nodes.iter().filter(|node| node.digest.is_some());
        total.boundaries_compared += u64::from(compared.count() >= 2);
        on_boundary(&report);
        if let Some(restored) = &restored {
            let compared = restored.compare(&members, epoch, &mut total);
            compared.map_err(fail(restored.node, epoch))?;
        }
        if let Some(plan) = restore_plan.filter(|plan| plan.boundary == number) {
            let done = plan.carry_out(&mut members, stream, cluster.mutation);
            restored = done.map_err(fail(plan.victim, epoch))?;
        }
    }
    let stream = Stream {
        events: &events,
        boundaries: &boundaries,
    };
    for (node, member) in members.iter_mut().enumerate() {
        member.end(stream).map_err(fail(node, workload.epoch()))?;
        total += &member.stats;
    }
    Ok(total)
}

fn report(epoch: Epoch, members: &[Member<'_>]) -> BoundaryReport {
    let nodes = members.iter().map(|member| NodeReport {
        mode: member.mode(),
        digest: member.digest(epoch).map(ToOwned::to_owned),
        remark: match member.last() {
            Some((of, Outcome::Skipped(reason))) if of == epoch => Some(reason.to_string()),
            Some((of, Outcome::Failed(stage))) if of == epoch => Some(format!(
                "failed in stage {}, by an injected fault",
                stage.name()
            )),
            _ => None,
        },
        crashes: member.stats.crash_count(),
    });
    BoundaryReport {
        epoch,
        nodes: nodes.collect(),
    }
}
