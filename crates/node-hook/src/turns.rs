//! Who may change the checkpoint of which epoch.
//!
//! A boundary makes one while background jobs remove others. Neither waits for the other, except for
//! a boundary whose own leftovers are being removed just now.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};

/// The order of work on checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Epochs whose checkpoint somebody is at work on.
    busy: BTreeSet<Epoch>,
    /// The boundary that is making one.
    boundary: Option<Epoch>,
    /// The newest boundary since the start with a checkpoint that is still wanted.
    latest: Option<Epoch>,
}

/// The right to change the checkpoint of one epoch, finished or not.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    epoch: Epoch,
    /// Whether a boundary makes one, as against a removal.
    of_boundary: bool,
}

impl Turns {
    /// The turn of a boundary, as soon as nobody removes a checkpoint of its epoch.
    ///
    /// # Errors
    ///
    /// The epoch of an earlier boundary that has not ended its turn.
    pub(crate) fn boundary(&self, epoch: Epoch) -> Result<Turn<'_>, Epoch> {
        let mut state = self.lock();
        if let Some(earlier) = state.boundary {
            return Err(earlier);
        }
        state.boundary = Some(epoch);
        while !state.busy.insert(epoch) {
            let waited = self.ended.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(Turn {
            turns: self,
            epoch,
            of_boundary: true,
        })
    }

    /// The turn to remove `name`, unless it is wanted or somebody is at work on it.
    pub(crate) fn removal(&self, name: ArtifactName) -> Option<Turn<'_>> {
        let epoch = name.epoch;
        let mut state = self.lock();
        let wanted = !name.unfinished && state.latest == Some(epoch);
        if wanted || !state.busy.insert(epoch) {
            return None;
        }
        Some(Turn {
            turns: self,
            epoch,
            of_boundary: false,
        })
    }

    /// The newest boundary since the start whose checkpoint is wanted.
    pub(crate) fn latest(&self) -> Option<Epoch> {
        self.lock().latest
    }

    /// The newest epoch whose boundary this run has met and still works at.
    pub(crate) fn newest_met(&self) -> Option<Epoch> {
        let state = self.lock();
        state.latest.max(state.boundary)
    }

    /// The checkpoint of `epoch` has served its purpose.
    pub(crate) fn forget(&self, epoch: Epoch) {
        let mut state = self.lock();
        state.latest = state.latest.filter(|latest| *latest != epoch);
    }

    /// Nothing here is ever half changed, so what a panicked thread left is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The boundary's checkpoint is there.
    pub(crate) fn keep(self) {
        self.turns.lock().latest = Some(self.epoch);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.busy.remove(&self.epoch);
        if self.of_boundary {
            state.boundary = None;
        }
        drop(state);
        self.turns.ended.notify_all();
    }
}

/// Whether work on `name` takes turns: snapshots are made and removed by one job at a time.
pub(crate) fn are_taken_for(name: ArtifactName) -> bool {
    name.kind == ArtifactKind::Checkpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(epoch: u32) -> ArtifactName {
        ArtifactName::finished(ArtifactKind::Checkpoint, Epoch(epoch))
    }

    #[test]
    fn a_removal_keeps_away_from_what_is_made_or_wanted() {
        let turns = Turns::default();
        let boundary = turns.boundary(Epoch(8)).expect("the first");
        let tmp = ArtifactName {
            unfinished: true,
            ..checkpoint(8)
        };
        assert!(turns.removal(tmp).is_none());
        assert!(turns.removal(checkpoint(8)).is_none());
        assert!(turns.removal(checkpoint(7)).is_some());
        assert_eq!(turns.boundary(Epoch(9)).map(|_| ()), Err(Epoch(8)));
        boundary.keep();

        assert_eq!(turns.latest(), Some(Epoch(8)));
        assert!(turns.removal(checkpoint(8)).is_none());
        assert!(turns.removal(tmp).is_some());
        turns.forget(Epoch(7));
        assert!(turns.removal(checkpoint(8)).is_none());
        turns.forget(Epoch(8));
        assert!(turns.removal(checkpoint(8)).is_some());
    }

    #[test]
    fn a_boundary_waits_for_the_removal_of_its_own_leftovers_only() {
        let turns = Turns::default();
        let (seven, eight) = (turns.removal(checkpoint(7)), turns.removal(checkpoint(8)));
        assert!(turns.removal(checkpoint(8)).is_none());
        std::thread::scope(|scope| {
            let boundary = scope.spawn(|| turns.boundary(Epoch(8)).map(Turn::keep));
            drop(eight);
            assert_eq!(boundary.join().expect("no panic"), Ok(()));
        });
        assert_eq!(turns.latest(), Some(Epoch(8)));
        drop(seven);
    }

    #[test]
    fn the_end_of_a_removal_is_not_the_end_of_the_boundary_that_waits_for_it() {
        let turns = Turns::default();
        let removal = turns.removal(checkpoint(8)).expect("free");
        std::thread::scope(|scope| {
            // It holds its turn until it is told to end it.
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let (begun, begins) = std::sync::mpsc::channel();
            let turns = &turns;
            scope.spawn(move || {
                let turn = turns.boundary(Epoch(8)).expect("the first");
                begun.send(()).expect("waited for");
                let _ = ended.recv();
                drop(turn);
            });
            while turns.newest_met() != Some(Epoch(8)) {
                std::thread::yield_now();
            }
            drop(removal);
            begins.recv().expect("begun");
            assert_eq!(turns.boundary(Epoch(9)).map(|_| ()), Err(Epoch(8)));
            drop(end);
        });
        assert!(turns.boundary(Epoch(9)).is_ok());
    }
}
