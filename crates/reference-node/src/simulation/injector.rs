//! The one place that the node, its hook and its store ask before each thing they do: lets it happen,
//! fails it, or ends the process there.

use std::collections::BTreeMap;
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use node_hook::{NodeStore, Probe, Step, StoreError};
use rand::Rng;
use snapshot_format::Epoch;
use snapshot_store::naming::ArtifactName;
use tokio::sync::watch;

use super::fault::{Effect, Fault, Loss, Place, Struck, Trigger, Work};
use super::mutation::Mutation;
use super::names::Names;
use crate::error::NodeError;
use crate::point::{Point, Watch};

/// Faults of one simulated node. It outlives the node's processes.
#[derive(Debug)]
pub(crate) struct Injector {
    state: Mutex<State>,
    gate: Condvar,
    /// Whether background work stands at the step where it has to wait.
    held: watch::Sender<bool>,
    mutation: Option<Mutation>,
}

#[derive(Debug)]
struct State {
    armed: Vec<Fault>,
    /// How often each thing happened in this epoch.
    seen: BTreeMap<Trigger, u32>,
    /// How the process ended, if it did.
    gone: Option<Loss>,
    disk_full: bool,
    /// The thread on which the hook works at a boundary.
    boundary: Option<ThreadId>,
    starting: bool,
    /// Whether event processing waits for the hook. Background work does not begin meanwhile: whether
    /// it does is up to the threads, and a run must be the same whenever it is repeated.
    waiting: bool,
    /// Where background work has to wait, and whether it still has to.
    hold: Option<u32>,
    names: Names,
    /// How often each artifact got its name, by a rename or by a power failure that undid one.
    makings: BTreeMap<ArtifactName, u64>,
    power_failures: u64,
    /// The newest epoch of which something is durable.
    durable: Option<Epoch>,
    struck: Vec<Struck>,
}

impl Injector {
    pub(crate) fn new(aside: PathBuf, mutation: Option<Mutation>) -> Arc<Self> {
        let sync_works = mutation != Some(Mutation::NoDirectorySync);
        let state = State {
            armed: Vec::new(),
            seen: BTreeMap::new(),
            gone: None,
            disk_full: false,
            boundary: None,
            starting: false,
            waiting: false,
            hold: None,
            names: Names::new(aside, sync_works),
            makings: BTreeMap::new(),
            power_failures: 0,
            durable: None,
            struck: Vec::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            gate: Condvar::new(),
            held: watch::Sender::new(false),
            mutation,
        })
    }

    /// An epoch begins, with these faults to come.
    pub(crate) fn arm(&self, faults: &[Fault]) {
        let mut state = self.lock();
        state.seen.clear();
        state.armed.clear();
        state.armed.extend(faults);
    }

    /// One more fault is to come.
    pub(crate) fn arm_also(&self, fault: Fault) {
        self.lock().armed.push(fault);
    }

    /// The hook is about to work at a boundary; its background work after that is to wait before its
    /// step of this number.
    pub(crate) fn begin_boundary(&self, hold: Option<u32>) {
        let mut state = self.lock();
        state.disk_full = false;
        state.waiting = true;
        state.seen.remove(&Trigger::Work(Work::Boundary));
        if hold.is_some() {
            state.hold = hold;
            state.seen.remove(&Trigger::Work(Work::Background));
        }
    }

    /// The hook has returned, or the process is gone, which is said: background work goes on after this.
    pub(crate) fn end_boundary(&self) -> bool {
        let mut state = self.lock();
        let gone = state.gone.is_some();
        state.boundary = None;
        state.waiting = false;
        state.names.idle();
        drop(state);
        self.gate.notify_all();
        gone
    }

    /// The process starts.
    pub(crate) fn begin_start(&self) {
        let mut state = self.lock();
        state.gone = None;
        state.disk_full = false;
        state.starting = true;
        state.seen.remove(&Trigger::Work(Work::Start));
    }

    /// It has started.
    pub(crate) fn end_start(&self) {
        self.lock().starting = false;
    }

    /// Background work need not wait any more.
    pub(crate) fn release(&self) {
        self.lock().hold = None;
        self.held.send_replace(false);
        self.gate.notify_all();
    }

    /// Waits until background work stands where it has to wait.
    pub(crate) async fn held(&self) {
        // The sender is held here, so there is no error.
        let _ = self.held.subscribe().wait_for(|held| *held).await;
    }

    /// All work has ended well.
    pub(crate) fn idle(&self) {
        self.lock().names.idle();
    }

    /// Ends the process, unless a fault has already.
    pub(crate) fn kill(&self) {
        let mut state = self.lock();
        state.gone.get_or_insert(Loss::Process);
        state.waiting = false;
        drop(state);
        self.release();
    }

    /// Whether the process is gone, and what with it.
    pub(crate) fn gone(&self) -> Option<Loss> {
        self.lock().gone
    }

    /// The power fails while nothing runs.
    pub(crate) fn power_failure(&self, rng: &mut impl Rng) -> io::Result<()> {
        let mut state = self.lock();
        state.power_failures += 1;
        state.names.power_failure(rng)
    }

    /// The node's directory is gone, with all that was durable in it.
    pub(crate) fn nothing_is_left(&self) {
        let mut state = self.lock();
        state.durable = None;
        state.names.forget();
    }

    /// The newest epoch of which the hook said that something is durable.
    pub(crate) fn durable(&self) -> Option<Epoch> {
        self.lock().durable
    }

    /// Which making of an artifact is there under its name.
    pub(crate) fn making(&self, name: ArtifactName) -> u64 {
        let state = self.lock();
        state.power_failures + state.makings.get(&name).copied().unwrap_or(0)
    }

    /// The faults that struck since they were last taken.
    pub(crate) fn take_struck(&self) -> Vec<Struck> {
        std::mem::take(&mut self.lock().struck)
    }

    /// How many struck since then.
    pub(crate) fn count_struck(&self) -> usize {
        self.lock().struck.len()
    }

    /// How often something happened in this epoch.
    pub(crate) fn occurrences(&self, trigger: Trigger) -> u32 {
        self.lock().seen.get(&trigger).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only the hook's own panics pass through here, and they leave nothing half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn work(&self) -> Work {
        if self.boundary == Some(thread::current().id()) {
            Work::Boundary
        } else if self.starting {
            Work::Start
        } else {
            Work::Background
        }
    }

    /// Counts an occurrence, and takes out the fault that was to strike there.
    fn occurs(&mut self, trigger: Trigger) -> Option<Effect> {
        let seen = self.seen.entry(trigger).or_default();
        let number = *seen;
        *seen += 1;
        let strikes = |fault: &Fault| fault.trigger == trigger && fault.after == number;
        let place = self.armed.iter().position(strikes)?;
        Some(self.armed.swap_remove(place).effect)
    }

    fn strikes(&mut self, place: Place, effect: Effect) {
        self.struck.push(Struck { place, effect });
        if let Effect::Crash(loss) | Effect::HalfThenCrash(loss) = effect {
            self.gone = Some(loss);
            self.names.interrupted();
        }
    }
}

impl Watch for Injector {
    fn at(&self, point: Point) -> Result<(), NodeError> {
        let mut state = self.lock();
        if state.gone.is_none()
            && let Some(effect) = state.occurs(Trigger::Point(point))
        {
            state.strikes(Place::Point(point), effect);
        }
        match state.gone {
            None => Ok(()),
            Some(_) => Err(NodeError::Stopped { point }),
        }
    }
}

impl Probe for Injector {
    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.gone.is_none() {
            state.names.goes_on();
        }
        // Every background job begins with this, perhaps on the thread that the boundary has left.
        if step == Step::ReadDirectory && state.work() == Work::Boundary {
            state.boundary = None;
        }
        let work = state.work();
        if work == Work::Background {
            let number = state.seen.get(&Trigger::Work(work)).copied().unwrap_or(0);
            while state.gone.is_none() && (state.waiting || state.hold == Some(number)) {
                if !state.waiting {
                    self.held.send_replace(true);
                }
                state = self
                    .gate
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        if state.gone.is_some() {
            return Err(gone());
        }
        if state.disk_full && writes(step) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let any = state.occurs(Trigger::Work(work));
        let this = state.occurs(Trigger::Step(step));
        if let Some(effect) = any.or(this) {
            state.strikes(Place::Step(work, step), effect);
            match effect {
                Effect::Fail(kind) => return Err(kind.into()),
                Effect::DiskFull => {
                    state.disk_full = true;
                    if writes(step) {
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                }
                _ => return Err(gone()),
            }
        }
        let artifact = path
            .file_name()
            .and_then(|name| ArtifactName::parse(name.to_str()?));
        match (step, artifact) {
            (Step::CheckpointDone | Step::SnapshotDone, Some(name)) => {
                state.durable = state.durable.max(Some(name.epoch));
            }
            (Step::RenameCheckpoint | Step::RenameSnapshot, Some(name)) => {
                *state.makings.entry(name).or_default() += 1;
            }
            _ => {}
        }
        if let Some(mutation) = self.mutation {
            mutation.at_step(step, path)?;
        }
        state.names.step(step, path)
    }
}

/// A node's store that asks the injector first.
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn NodeStore>,
    pub(crate) injector: Arc<Injector>,
}

impl NodeStore for FaultyStore {
    fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |source: io::Error| StoreError::new("create a checkpoint", source);
        let mut state = self.injector.lock();
        if state.gone.is_some() {
            return Err(failed(gone()));
        }
        let Some(effect) = state.occurs(Trigger::CreateCheckpoint) else {
            drop(state);
            return self.inner.create_checkpoint(path);
        };
        state.strikes(Place::CreateCheckpoint, effect);
        drop(state);
        match effect {
            // As RocksDB does; a panic's message would end up among the test's own.
            Effect::Panic => panic::resume_unwind(Box::new("the store panics")),
            Effect::HalfThenFail | Effect::HalfThenCrash(_) => {
                self.half_made(path).map_err(failed)?;
                Err(failed(io::Error::other("the disk does not answer")))
            }
            _ => Err(failed(io::Error::other("no space left, says RocksDB"))),
        }
    }

    fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError> {
        let failed = |source: io::Error| StoreError::new("read the latest event", source);
        let mut state = self.injector.lock();
        // This is the first thing that the hook does at a boundary.
        state.boundary = Some(thread::current().id());
        if state.gone.is_some() {
            return Err(failed(gone()));
        }
        if let Some(effect) = state.occurs(Trigger::LatestHandled) {
            state.strikes(Place::LatestHandled, effect);
            return Err(failed(io::Error::other("a block does not read")));
        }
        drop(state);
        self.inner.latest_handled_event_index()
    }
}

impl FaultyStore {
    /// What RocksDB leaves of a checkpoint when it ends half-way: some files under another name.
    fn half_made(&self, path: &Path) -> io::Result<()> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        let made = self.inner.create_checkpoint(&unfinished);
        made.map_err(io::Error::other)?;
        std::fs::remove_file(unfinished.join("CURRENT"))
    }
}

fn gone() -> io::Error {
    io::Error::other("the process is gone")
}

/// Whether a step needs room on the disk.
const fn writes(step: Step) -> bool {
    matches!(
        step,
        Step::MakeDirectory
            | Step::MakeCheckpoint
            | Step::WriteRecord
            | Step::SyncRecord
            | Step::WriteSnapshot
            | Step::AppendSnapshot
            | Step::SyncSnapshot
    )
}
