//! Threads where the system may grant none: how many there are to be had, and what RocksDB needs.
//!
//! RocksDB takes it for granted that a thread can be made and ends the process where one cannot, so
//! it is asked for only where this module found that there is room.

use std::io;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};

/// Threads that RocksDB begins for an open database: one to flush, one to compact.
const OF_ROCKSDB: usize = 2;

/// The system grants too few threads.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {needed} threads needed cannot be had: raise the limit on processes (`ulimit -u`, TasksMax of a \
     service, or pids.max of a container)"
)]
#[non_exhaustive]
pub struct TooFewThreads {
    /// Threads needed at the least.
    pub needed: usize,
    /// Why there is none to be had.
    pub source: io::Error,
}

impl TooFewThreads {
    /// That `needed` cannot be had.
    #[must_use]
    pub const fn new(needed: usize, source: io::Error) -> Self {
        Self { needed, source }
    }
}

/// Finds out whether RocksDB can open a database, and one thread can read it.
///
/// # Errors
///
/// [`TooFewThreads`].
pub(crate) fn require_for_database() -> Result<(), TooFewThreads> {
    require(OF_ROCKSDB + 1)
}

/// Finds out whether `needed` threads can be had, by having them for a moment.
fn require(needed: usize) -> Result<(), TooFewThreads> {
    thread::scope(|scope| {
        let mut held = Vec::new();
        for _ in 0..needed {
            let (holding, released) = mpsc::channel::<()>();
            let begun = thread::Builder::new().spawn_scoped(scope, move || {
                let _ = released.recv();
            });
            begun.map_err(|source| TooFewThreads::new(needed, source))?;
            held.push(holding);
        }
        Ok(())
    })
}

/// Begins `count` threads, or as many as can be had.
///
/// # Errors
///
/// [`TooFewThreads`] if none can be had.
pub(crate) fn spawn_up_to<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    work: impl Fn() -> T + Clone + Send + 'scope,
) -> Result<Vec<ScopedJoinHandle<'scope, T>>, TooFewThreads> {
    let mut threads = Vec::new();
    for _ in 0..count {
        match thread::Builder::new().spawn_scoped(scope, work.clone()) {
            Ok(thread) => threads.push(thread),
            Err(source) if threads.is_empty() => return Err(TooFewThreads::new(1, source)),
            Err(_) => break,
        }
    }
    Ok(threads)
}
