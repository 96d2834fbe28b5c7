//! A store that errs, panics or hangs on demand.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use node_hook::{NodeStore, StoreError};

/// What a call does.
pub(crate) enum Act {
    /// What the real store does.
    Pass,
    Fail,
    Panic,
    /// Leaves half a checkpoint and fails.
    Half,
    /// Waits until told what to do.
    Hang,
}

/// A store in front of a real one.
pub(crate) struct Wilful {
    real: Arc<dyn NodeStore>,
    index: Mutex<Act>,
    checkpoint: Mutex<Act>,
    reached: Sender<()>,
    go_on: Mutex<Receiver<Act>>,
}

/// The other side of a store that hangs.
pub(crate) struct Hanging {
    reached: Receiver<()>,
    go_on: Sender<Act>,
}

impl Hanging {
    /// Waits until a call hangs.
    pub(crate) fn wait(&self) {
        self.reached.recv().expect("a call");
    }

    /// Tells the call that hangs what to do.
    pub(crate) fn go_on(&self, act: Act) {
        self.go_on.send(act).expect("a call hangs");
    }
}

impl Wilful {
    pub(crate) fn new(real: Arc<dyn NodeStore>) -> (Arc<Self>, Hanging) {
        let ((reached, is_reached), (go_on, told)) = (mpsc::channel(), mpsc::channel());
        let store = Self {
            real,
            index: Mutex::new(Act::Pass),
            checkpoint: Mutex::new(Act::Pass),
            reached,
            go_on: Mutex::new(told),
        };
        let hanging = Hanging {
            reached: is_reached,
            go_on,
        };
        (Arc::new(store), hanging)
    }

    /// What the next calls for the index do.
    pub(crate) fn on_index(&self, act: Act) {
        *self.index.lock().expect("no panic") = act;
    }

    /// What the next calls for a checkpoint do.
    pub(crate) fn on_checkpoint(&self, act: Act) {
        *self.checkpoint.lock().expect("no panic") = act;
    }

    fn act<T>(
        &self,
        act: &Act,
        pass: impl FnOnce() -> Result<T, StoreError>,
        half: impl FnOnce(),
    ) -> Result<T, StoreError> {
        match act {
            Act::Pass => pass(),
            Act::Fail => Err(StoreError::new("do it", "the store will not")),
            Act::Panic => panic!("the store panics"),
            Act::Half => {
                half();
                Err(StoreError::new("do it", "the store stopped half-way"))
            }
            Act::Hang => {
                self.reached.send(()).expect("somebody waits");
                let act = self.go_on.lock().expect("no panic").recv();
                self.act(&act.expect("told"), pass, half)
            }
        }
    }
}

fn take(act: &Mutex<Act>) -> Act {
    let mut act = act.lock().expect("no panic");
    match *act {
        Act::Pass => Act::Pass,
        Act::Fail => Act::Fail,
        Act::Panic => Act::Panic,
        Act::Half => Act::Half,
        // Once.
        Act::Hang => std::mem::replace(&mut *act, Act::Pass),
    }
}

impl NodeStore for Wilful {
    fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let half = || {
            std::fs::create_dir(path).expect("made");
            std::fs::write(path.join("CURRENT"), "MANIFEST-000001\n").expect("written");
            // As RocksDB's own, when it is killed.
            std::fs::create_dir(path.with_extension("tmp")).expect("made");
        };
        let act = take(&self.checkpoint);
        self.act(&act, || self.real.create_checkpoint(path), half)
    }

    fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError> {
        let act = take(&self.index);
        self.act(&act, || self.real.latest_handled_event_index(), || {})
    }
}
