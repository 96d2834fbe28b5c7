//! A node of the cluster: its processes, one after the other, and the checks after each thing it does.

use std::collections::BTreeMap;
use std::fs;
use std::future::{Future as _, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use node_hook::{DIRECTORY, Mode, NodeStore, Outcome, Probe};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use snapshot_format::{BlobId, Epoch};
use snapshot_store::aggregate::BlobInfo;
use tokio::runtime::Runtime;

use super::aggregates;
use super::artifacts::{self, Comparer};
use super::failure::Finding;
use super::fault::{Loss, Trigger};
use super::injector::{FaultyStore, Injector};
use super::model::Expected;
use super::mutation::{CursorStore, Mutation};
use super::plan::{self, EpochPlan, NodePlan, Upkeep};
use super::power;
use super::stats::Statistics;
use super::tree;
use crate::event::{Event, EventKind};
use crate::families;
use crate::node::{Handled, Instruments, ReferenceNode};
use crate::point::{Point, Watch};

/// Most processes that end in one epoch without getting through it. Beyond, the rig is at fault.
const MAX_CRASHES: u32 = 64;

/// How a piece of a node's life ended early.
enum Ended {
    /// The process is gone.
    Crashed,
    /// A promise was not kept.
    Found(Finding),
}

impl<E: Into<Finding>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Found(error.into())
    }
}

/// What a node knows of the stream: all events so far, and what a snapshot of each boundary must be.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub(crate) events: &'a [Event],
    pub(crate) boundaries: &'a [(Event, Expected)],
}

/// One node and its directory.
pub(crate) struct Member<'a> {
    dir: PathBuf,
    pub(super) plan: NodePlan,
    rng: ChaCha8Rng,
    runtime: &'a Runtime,
    pub(super) injector: Arc<Injector>,
    mutation: Option<Mutation>,
    node: Option<ReferenceNode>,
    /// What the node still does in this epoch, and after which of its events.
    upkeep: Vec<(usize, Upkeep)>,
    pub(super) comparer: Comparer,
    /// Whether background work of the last boundary still waits.
    held: bool,
    /// What the hook answered at the last boundary.
    pub(super) last: Option<(Epoch, Outcome)>,
    pub(crate) stats: Statistics,
}

impl<'a> Member<'a> {
    pub(crate) fn new(
        dir: PathBuf,
        plan: NodePlan,
        rng: ChaCha8Rng,
        runtime: &'a Runtime,
        mutation: Option<Mutation>,
    ) -> Result<Self, Finding> {
        let aside = dir.join("aside");
        fs::create_dir_all(&aside)?;
        if plan.directory {
            artifacts::plant_foreign(&dir.join(DIRECTORY))?;
        }
        Ok(Self {
            injector: Injector::new(aside, mutation),
            comparer: Comparer::new(mutation),
            stats: Statistics {
                nodes: 1,
                ..Statistics::default()
            },
            dir,
            plan,
            rng,
            runtime,
            mutation,
            node: None,
            upkeep: Vec::new(),
            held: false,
            last: None,
        })
    }

    /// The digest of the sealed snapshot of an epoch, if the node ever had one to compare.
    pub(crate) fn digest(&self, epoch: Epoch) -> Option<&str> {
        self.comparer.digests.get(&epoch).map(String::as_str)
    }

    /// What the node keeps of each boundary.
    pub(crate) const fn mode(&self) -> Mode {
        self.plan.config.blob_info_snapshot.mode
    }

    /// What the hook answered at the last boundary.
    pub(crate) const fn last(&self) -> Option<(Epoch, Outcome)> {
        self.last
    }

    /// The directory of the node's checkpoints and snapshots.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.dir.join(DIRECTORY)
    }

    /// The node's database.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join("db")
    }

    /// A directory beside it, for whatever comes up.
    pub(crate) fn scratch(&self) -> &Path {
        &self.dir
    }

    /// What the node knows of each blob.
    pub(crate) fn aggregates(&self) -> Result<BTreeMap<BlobId, BlobInfo>, Finding> {
        let node = self.node.as_ref();
        let node = node.ok_or_else(|| Finding::Rig("the node is down".to_owned()))?;
        Ok(aggregates::read(node.tables())?)
    }

    /// Stops the node. Unless only its tables are to be replaced, its whole directory is lost.
    pub(crate) fn lose_database(&mut self, keep: bool) -> Result<(), Finding> {
        self.stats.restores += 1;
        self.crash(Some(Loss::Process))?;
        if keep {
            return Ok(());
        }
        self.injector.nothing_is_left();
        tree::remove(&self.database())?;
        tree::remove(&self.artifacts())?;
        if self.plan.directory {
            artifacts::plant_foreign(&self.artifacts())?;
        }
        Ok(())
    }

    /// Gets through the epoch that ends with the last event of the stream, crashes and all.
    pub(crate) fn live(&mut self, number: usize, stream: Stream<'_>) -> Result<(), Finding> {
        let epoch = self.plan.epochs.get(number).cloned().unwrap_or_default();
        self.injector.arm(&epoch.faults);
        self.upkeep.clone_from(&epoch.upkeep);
        self.until_done(|member| member.follow(&epoch, stream))
    }

    /// Ends the node's life: without any further fault, all is as it should be after a last start.
    pub(crate) fn end(&mut self, stream: Stream<'_>) -> Result<(), Finding> {
        self.injector.arm(&[]);
        self.crash(Some(Loss::Process))?;
        self.until_done(|member| member.start(stream, false))?;
        self.crash(Some(Loss::Process))?;
        self.stats.artifacts_compared = self.comparer.count;
        Ok(())
    }

    fn until_done(
        &mut self,
        mut life: impl FnMut(&mut Self) -> Result<(), Ended>,
    ) -> Result<(), Finding> {
        for _ in 0..MAX_CRASHES {
            match life(self) {
                Ok(()) => return Ok(()),
                Err(Ended::Found(finding)) => return Err(finding),
                Err(Ended::Crashed) => self.crash(None)?,
            }
        }
        Err(Finding::Rig(format!("{MAX_CRASHES} crashes in one epoch")))
    }

    fn follow(&mut self, epoch: &EpochPlan, stream: Stream<'_>) -> Result<(), Ended> {
        if self.node.is_none() {
            self.start(stream, true)?;
        }
        let last = stream.events.last().map_or(0, |event| event.index);
        let events_of_epoch = stream.boundaries.iter().rev().nth(1);
        let first = events_of_epoch.map_or(0, |(event, _)| event.index + 1);
        while let Some(event) = self.next_event(stream) {
            let catching_up = epoch.catching_up && event.index == last;
            self.handle(event, catching_up, stream, epoch)?;
            // Each once: an event may come again after a restart.
            let at = event.index.checked_sub(first);
            let due = |(after, _): &(usize, Upkeep)| at == Some(*after as u64);
            while let Some(place) = self.upkeep.iter().position(due) {
                let (_, upkeep) = self.upkeep.swap_remove(place);
                self.keep_up(upkeep, stream)?;
            }
        }
        Ok(())
    }

    fn next_event<'s>(&self, stream: Stream<'s>) -> Option<&'s Event> {
        let next = self.node.as_ref()?.next_event_index();
        stream.events.get(usize::try_from(next).ok()?)
    }

    fn handle(
        &mut self,
        event: &Event,
        catching_up: bool,
        stream: Stream<'_>,
        epoch: &EpochPlan,
    ) -> Result<(), Ended> {
        self.stats.events += 1;
        if let EventKind::EpochChangeStart { .. } = event.kind {
            return self.handle_boundary(event, catching_up, stream, epoch);
        }
        let Some(node) = &mut self.node else {
            return Err(Ended::Crashed);
        };
        let ran_before = self
            .injector
            .occurrences(Trigger::Point(Point::PhaseTwoDone));
        let handled = self.runtime.block_on(node.handle(event));
        if self.injector.gone().is_some() {
            return Err(Ended::Crashed);
        }
        handled.map_err(Finding::Node)?;
        if let Some(mutation) = self.mutation
            && self
                .injector
                .occurrences(Trigger::Point(Point::PhaseTwoDone))
                > ran_before
        {
            mutation.after_phase_two(node.tables())?;
        }
        Ok(())
    }

    fn handle_boundary(
        &mut self,
        event: &Event,
        catching_up: bool,
        stream: Stream<'_>,
        epoch: &EpochPlan,
    ) -> Result<(), Ended> {
        let is_last = stream.events.last() == Some(event);
        let hold = epoch.hold.filter(|_| is_last);
        // What waited since the boundary before goes on once this one is over.
        self.injector.begin_boundary(hold.filter(|_| !self.held));
        let Some(node) = &mut self.node else {
            return Err(Ended::Crashed);
        };
        node.set_catching_up(catching_up);
        let latest = node.tables().latest_handled_event_index();
        let outcome = self.runtime.block_on(async {
            if let Some(mutation) = self.mutation
                && let Some(outcome) = mutation.handle_boundary(node, event).await?
            {
                return Ok(Some(outcome));
            }
            match node.handle(event).await? {
                Handled::Boundary(_, outcome) => Ok(Some(outcome)),
                Handled::Applied | Handled::Skipped => Ok(None),
            }
        });
        if self.injector.end_boundary() {
            return Err(Ended::Crashed);
        }
        let outcome = outcome.map_err(Finding::Node)?;
        let outcome = outcome.ok_or_else(|| Finding::Rig("no boundary".to_owned()))?;
        let EventKind::EpochChangeStart { epoch } = event.kind else {
            return Err(Finding::Rig("no boundary".to_owned()).into());
        };
        self.judge(outcome, event, catching_up, latest)?;
        self.stats.outcome(outcome);
        self.last = Some((epoch, outcome));
        let holds = hold.is_some() && !self.held && outcome == Outcome::Taken;
        if holds {
            // The checkpoint must be right from the moment that the hook returns.
            self.held = true;
            self.until_held();
            if self.injector.gone().is_some() {
                return Err(Ended::Crashed);
            }
            self.compare(stream)?;
            return Ok(());
        }
        self.settle(stream, outcome == Outcome::Taken)
    }

    /// Waits until background work stands where it has to wait, or has ended before.
    fn until_held(&self) {
        let Some(node) = &self.node else { return };
        let (mut held, mut idle) = (pin!(self.injector.held()), pin!(node.snapshots().idle()));
        self.runtime.block_on(poll_fn(|context| {
            let held = held.as_mut().poll(context).is_ready();
            match idle.as_mut().poll(context).is_ready() || held {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }

    /// Waits for the end of background work, and checks what it left.
    fn settle(&mut self, stream: Stream<'_>, acted: bool) -> Result<(), Ended> {
        self.injector.release();
        self.held = false;
        if let Some(node) = &self.node {
            self.runtime.block_on(node.snapshots().idle());
        }
        if self.injector.gone().is_some() {
            return Err(Ended::Crashed);
        }
        self.injector.idle();
        let struck = self.injector.take_struck();
        struck.iter().for_each(|struck| self.stats.struck(struck));
        let present = self.compare(stream)?;
        if acted && struck.is_empty() {
            self.check_tidy(&present)?;
        }
        Ok(())
    }

    /// Starts a process, and waits until it has finished what the one before left.
    fn start(&mut self, stream: Stream<'_>, faults: bool) -> Result<(), Ended> {
        self.stats.starts += 1;
        self.injector.begin_start();
        if faults && self.stats.crash_count() > 0 {
            let fault = plan::crash_at_start(&mut self.rng);
            let fault = fault.or_else(|| plan::failure_at_start(&mut self.rng));
            fault
                .into_iter()
                .for_each(|fault| self.injector.arm_also(fault));
        }
        let opened =
            ReferenceNode::open_with(&self.dir.join("db"), self.plan.config, self.instruments());
        if self.injector.gone().is_some() {
            return Err(Ended::Crashed);
        }
        let node = self.node.insert(opened.map_err(Finding::Node)?);
        self.runtime.block_on(async {
            node.start();
            node.snapshots().idle().await;
        });
        self.injector.end_start();
        self.last = None;
        let acts = self.plan.config.blob_info_snapshot.enabled;
        self.settle(stream, acts)
    }

    fn instruments(&self) -> Instruments {
        let injector = Arc::clone(&self.injector);
        let guard_after_finisher = self.mutation == Some(Mutation::GuardAfterFinisher);
        Instruments {
            watch: Some(Arc::clone(&injector) as Arc<dyn Watch>),
            probe: Some(Arc::clone(&injector) as Arc<dyn Probe>),
            store: Some(Box::new(move |mut inner, tables| {
                if guard_after_finisher {
                    let database = Arc::clone(tables.database());
                    inner = Arc::new(CursorStore { inner, database });
                }
                Arc::new(FaultyStore { inner, injector }) as Arc<dyn NodeStore>
            })),
        }
    }

    /// The process is gone: whatever it had in memory is, and with the power what was not synced.
    fn crash(&mut self, loss: Option<Loss>) -> Result<(), Finding> {
        self.injector.kill();
        if let Some(node) = self.node.take() {
            self.runtime.block_on(node.snapshots().idle());
        }
        self.held = false;
        let struck = self.injector.take_struck();
        struck.iter().for_each(|struck| self.stats.struck(struck));
        if loss.or_else(|| self.injector.gone()) == Some(Loss::Power) {
            self.injector.power_failure(&mut self.rng)?;
            power::cut_newest_log(&self.database(), &mut self.rng)?;
        }
        self.injector.end_start();
        Ok(())
    }

    fn keep_up(&mut self, upkeep: Upkeep, stream: Stream<'_>) -> Result<(), Ended> {
        if upkeep == Upkeep::Restart {
            self.settle(stream, false)?;
            self.crash(Some(Loss::Process))?;
            return self.start(stream, true);
        }
        let Some(node) = &self.node else {
            return Err(Ended::Crashed);
        };
        let tables = node.tables();
        match upkeep {
            Upkeep::Flush => tables.flush(families::all()),
            Upkeep::FlushSome => {
                let parity = self.rng.random_range(0..2);
                let some = families::all().enumerate();
                tables.flush(some.filter(|(n, _)| n % 2 == parity).map(|(_, name)| name))
            }
            Upkeep::Compact => tables.compact(),
            Upkeep::Restart => Ok(()),
        }
        .map_err(|error| Ended::Found(error.into()))
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        // Work that waits would keep the runtime from ending.
        self.injector.kill();
    }
}
