//! A few threads that take numbered jobs until there are no more, or one of them fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::error::RestoreError;
use crate::limits;

/// Jobs that are not taken yet.
#[derive(Debug)]
pub(crate) struct Queue {
    next: AtomicUsize,
    count: usize,
    stopped: AtomicBool,
}

impl Queue {
    /// The number of the next job.
    pub(crate) fn take(&self) -> Option<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let job = self.next.fetch_add(1, Ordering::Relaxed);
        (job < self.count).then_some(job)
    }
}

/// Runs `work` on up to `wanted` threads, or as many as can be had, with one queue of `count` jobs, and returns what each made.
///
/// # Errors
///
/// The first error of a thread. The others then end after the job they have.
pub(crate) fn run<T: Send>(
    wanted: usize,
    count: usize,
    work: impl Fn(&Queue) -> Result<T, RestoreError> + Sync,
) -> Result<Vec<T>, RestoreError> {
    let queue = Queue {
        next: AtomicUsize::new(0),
        count,
        stopped: AtomicBool::new(false),
    };
    let work = || {
        let done = work(&queue);
        if done.is_err() {
            queue.stopped.store(true, Ordering::Relaxed);
        }
        done
    };
    thread::scope(|scope| {
        let workers = limits::spawn_up_to(scope, wanted.clamp(1, count.max(1)), &work)?;
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err(RestoreError::Thread)))
            .collect()
    })
}
