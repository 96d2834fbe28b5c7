//! Background jobs: one after the other, on blocking threads, and given up when told to stop.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whether background work is to end early. It is set when the hook is dropped, and when its runtime
/// shuts down, which would otherwise wait for a snapshot of minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// As an I/O error, to get through a reader or writer.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.is_set() {
            true => Err(io::Error::other("stopped")),
            false => Ok(()),
        }
    }
}

/// The background jobs of one hook.
#[derive(Debug, Default)]
pub(crate) struct Background {
    pub(crate) stop: Stop,
    last: Mutex<Option<JoinHandle<()>>>,
    /// The number of jobs that have not ended.
    pending: Arc<watch::Sender<usize>>,
}

impl Background {
    /// Runs a job after those before it. It reports its own failures, panics included.
    pub(crate) fn push(&self, runtime: &Handle, job: impl FnOnce() + Send + 'static) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.take();
        self.pending.send_modify(|pending| *pending += 1);
        let pending = Pending {
            pending: Arc::clone(&self.pending),
            stop: self.stop.clone(),
            ended: false,
        };
        *last = Some(runtime.spawn(async move {
            if let Some(before) = before {
                // If that was cancelled, so is this.
                let _ = before.await;
            }
            let ended = tokio::task::spawn_blocking(job).await.is_ok();
            pending.end(ended);
        }));
    }

    /// Waits until there are no jobs.
    pub(crate) async fn idle(&self) {
        // The sender is held here, so there is no error.
        let _ = self
            .pending
            .subscribe()
            .wait_for(|pending| *pending == 0)
            .await;
    }
}

/// A job that has not ended. The runtime drops it when it shuts down.
struct Pending {
    pending: Arc<watch::Sender<usize>>,
    stop: Stop,
    ended: bool,
}

impl Pending {
    /// The job ended, or will not. By value, so that the task owns all of it.
    fn end(mut self, ended: bool) {
        self.ended = ended;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.ended {
            self.stop.set();
        }
        self.pending
            .send_modify(|pending| *pending = pending.saturating_sub(1));
    }
}
