//! The race between a checkpoint and the time limit: whether somebody still waits for it.

use std::sync::atomic::{AtomicU8, Ordering};

/// Nobody decided yet.
const OPEN: u8 = 0;
/// The content was fixed while the boundary waited.
const TAKEN: u8 = 1;
/// The boundary went on after that.
const SETTLED: u8 = 2;
/// The boundary went on before that.
const ABANDONED: u8 = 3;

/// Shared by the worker, who makes a checkpoint, and the boundary, which waits for it. The worker may
/// publish what it made only if its content was fixed while the boundary waited; later, the tables
/// may be past it.
#[derive(Debug, Default)]
pub(crate) struct Claim(AtomicU8);

impl Claim {
    /// Whether the boundary waits and nothing is taken.
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == OPEN
    }

    /// The worker: the content is fixed now. Whether that was in time.
    pub(crate) fn take(&self) -> bool {
        self.change(OPEN, TAKEN)
    }

    /// The worker: what was taken is lost. Whether there is time for another.
    pub(crate) fn give_back(&self) -> bool {
        self.change(TAKEN, OPEN)
    }

    /// Whether the boundary went on without the checkpoint, and said so.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == ABANDONED
    }

    /// The boundary goes on. Whether the content was fixed in time.
    pub(crate) fn leave(&self) -> bool {
        loop {
            // The worker may take or give back in between.
            if self.change(OPEN, ABANDONED) || self.is_abandoned() {
                return false;
            }
            if self.change(TAKEN, SETTLED) || self.0.load(Ordering::Acquire) == SETTLED {
                return true;
            }
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// Leaves when it is dropped, so a boundary that is cancelled does too.
pub(crate) struct Waiting<'a>(pub(crate) &'a Claim);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_boundary_left_is_not_taken() {
        let claim = Claim::default();
        assert!(claim.is_open() && !claim.is_abandoned());
        drop(Waiting(&claim));
        assert!(claim.is_abandoned() && !claim.is_open());
        assert!(!claim.take() && !claim.give_back() && !claim.leave());
    }

    #[test]
    fn what_was_taken_in_time_is_given_back_only_while_the_boundary_waits() {
        let claim = Claim::default();
        assert!(claim.take() && !claim.is_open());
        assert!(!claim.take(), "only once");
        assert!(claim.give_back() && claim.take());
        assert!(claim.leave() && claim.leave());
        assert!(!claim.give_back() && !claim.take() && !claim.is_abandoned());
    }

    #[test]
    fn both_sides_agree() {
        for _ in 0..1000 {
            let claim = Claim::default();
            let (taken, in_time) = std::thread::scope(|scope| {
                let worker = scope.spawn(|| {
                    let _ = claim.take() && claim.give_back();
                    claim.take()
                });
                let in_time = claim.leave();
                (worker.join().expect("no panic"), in_time)
            });
            // The worker's last word is what the boundary was told, unless it was told of the first.
            assert!(taken == in_time || (in_time && claim.0.into_inner() == SETTLED));
        }
    }
}
