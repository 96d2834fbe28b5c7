//! Probes: one that remembers, fails or dies, and one that stops at a step until it is told to go on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use node_hook::{Probe, Step};

/// A probe that asks a function.
pub(crate) struct Ask<F>(pub(crate) F);

impl<F: Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static> Probe for Ask<F> {
    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        (self.0)(step, path)
    }
}

/// Remembers the steps, and fails some of them.
#[derive(Default)]
pub(crate) struct Recorder {
    told: Mutex<Vec<(Step, PathBuf)>>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
enum Plan {
    #[default]
    Succeed,
    /// This step fails, so many times.
    Fail(Step, u32),
    /// From the step of this number on, everything fails.
    Die(usize),
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn failing(step: Step, times: u32) -> Arc<Self> {
        let recorder = Self::new();
        *recorder.plan.lock().expect("no panic") = Plan::Fail(step, times);
        recorder
    }

    pub(crate) fn dying(at: usize) -> Arc<Self> {
        let recorder = Self::new();
        *recorder.plan.lock().expect("no panic") = Plan::Die(at);
        recorder
    }

    pub(crate) fn told(&self) -> Vec<(Step, PathBuf)> {
        self.told.lock().expect("no panic").clone()
    }

    /// The steps, with the last part of the path of each.
    pub(crate) fn steps(&self) -> Vec<(Step, String)> {
        let name = |path: PathBuf| -> String {
            let name = path.file_name().expect("a name").to_str().expect("text");
            name.to_owned()
        };
        let told = self.told().into_iter();
        told.map(|(step, path)| (step, name(path))).collect()
    }

    /// How often a step was told.
    pub(crate) fn count(&self, step: Step) -> usize {
        self.told().iter().filter(|(told, _)| *told == step).count()
    }
}

impl Probe for Recorder {
    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        let mut told = self.told.lock().expect("no panic");
        let number = told.len();
        told.push((step, path.to_path_buf()));
        let fails = match &mut *self.plan.lock().expect("no panic") {
            Plan::Succeed => false,
            Plan::Fail(_, 0) => false,
            Plan::Fail(failing, times) => {
                let fails = *failing == step;
                *times -= u32::from(fails);
                fails
            }
            Plan::Die(at) => number >= *at,
        };
        if fails {
            return Err(io::Error::other("injected"));
        }
        Ok(())
    }
}

/// Stops once at a step, says so, and goes on when told to.
pub(crate) struct Gate {
    step: Step,
    reached: Mutex<Option<Sender<()>>>,
    go_on: Mutex<Receiver<()>>,
    /// Told of every step after that.
    after: Sender<Step>,
}

/// The other side of a [`Gate`].
pub(crate) struct GateKeeper {
    reached: Receiver<()>,
    go_on: Sender<()>,
    after: Receiver<Step>,
}

impl Gate {
    pub(crate) fn at(step: Step) -> (Arc<Self>, GateKeeper) {
        let ((reached, is_reached), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
        let (after, told_after) = mpsc::channel();
        let gate = Self {
            step,
            reached: Mutex::new(Some(reached)),
            go_on: Mutex::new(may_go_on),
            after,
        };
        let keeper = GateKeeper {
            reached: is_reached,
            go_on,
            after: told_after,
        };
        (Arc::new(gate), keeper)
    }
}

impl GateKeeper {
    /// Waits until somebody stands at the gate.
    pub(crate) fn wait(&self) {
        self.reached.recv().expect("somebody comes");
    }

    /// Lets everybody pass from now on.
    pub(crate) fn open(&self) {
        self.go_on.send(()).expect("somebody waits");
    }

    /// Waits until a step is told after the gate.
    pub(crate) fn wait_for(&self, step: Step) {
        while self.after.recv().expect("somebody is at work") != step {}
    }
}

impl Probe for Gate {
    fn step(&self, step: Step, _: &Path) -> io::Result<()> {
        let mut reached = self.reached.lock().expect("no panic");
        if reached.is_none() {
            // The keeper may not care.
            let _ = self.after.send(step);
            return Ok(());
        }
        if step != self.step {
            return Ok(());
        }
        let sender = reached.take().expect("not none");
        // Others pass in the meantime.
        drop(reached);
        sender.send(()).expect("the keeper is there");
        let told = self.go_on.lock().expect("no panic").recv();
        told.expect("told to go on");
        Ok(())
    }
}
