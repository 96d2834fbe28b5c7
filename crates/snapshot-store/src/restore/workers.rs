//! A few threads that take numbered jobs until there are no more, or one of them fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::error::RestoreError;
use crate::limits;

/// Jobs that are not taken yet.
#[derive(Debug)]
pub(crate) struct Queue {
    next: AtomicUsize,
    count: usize,
}

impl Queue {
    /// The number of the next job.
    pub(crate) fn take(&self) -> Option<usize> {
        let job = self.next.fetch_add(1, Ordering::Relaxed);
        (job < self.count).then_some(job)
    }
}

/// Runs `work` on up to `wanted` threads, or as many as can be had, with one queue of `count` jobs, and returns
/// what each made, or the first error. The others then end after the job they have.
pub(crate) fn run<T: Send>(
    wanted: usize,
    count: usize,
    work: impl Fn(&Queue) -> Result<T, RestoreError> + Sync,
) -> Result<Vec<T>, RestoreError> {
    let queue = Queue {
        next: AtomicUsize::new(0),
        count,
    };
    let work = || {
        let done = work(&queue);
        if done.is_err() {
            queue.next.store(count, Ordering::Relaxed);
        }
        done
    };
    thread::scope(|scope| {
        let workers = limits::spawn_up_to(scope, wanted.clamp(1, count.max(1)), work)?;
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err(RestoreError::Thread)))
            .collect()
    })
}
