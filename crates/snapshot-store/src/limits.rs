//! What the system grants a process: threads and address space, found out before RocksDB needs them.
//!
//! RocksDB takes both for granted and ends the process where it cannot have them, so it is asked for
//! only where this module found that there is room.

use std::io;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};

use rocksdb::Options;
use rustix::process::{Resource, getrlimit};

/// Threads that RocksDB begins for an open database: one to flush, one to compact.
const OF_ROCKSDB: usize = 2;

/// What it begins besides if the database is open for writing: a timer, and one that deletes files.
const TO_WRITE: usize = 2;

/// Bytes of address space for a database, most of them the stacks and heaps of threads: with a third of
/// that small databases still open.
const ADDRESS_SPACE: u64 = 512 << 20;

/// The system grants too little.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Too few threads.
    #[error(
        "cannot begin {needed} threads: raise the limit on processes (`ulimit -u`, TasksMax of a service, or \
         pids.max of a container)"
    )]
    Threads {
        /// Threads needed at the least.
        needed: usize,
        /// Why there are none to be had.
        source: io::Error,
    },
    /// Too little address space.
    #[error(
        "the limit on address space is {limit} bytes, and a database needs {needed}: raise it (`ulimit -v`)"
    )]
    AddressSpace {
        /// Bytes granted.
        limit: u64,
        /// Bytes needed at the least.
        needed: u64,
    },
}

impl LimitError {
    /// That `needed` threads cannot be had.
    #[must_use]
    pub const fn threads(needed: usize, source: io::Error) -> Self {
        Self::Threads { needed, source }
    }
}

/// Finds out whether RocksDB can open a database, and one thread can read it.
///
/// # Errors
///
/// [`LimitError`].
pub(crate) fn require_for_reading() -> Result<(), LimitError> {
    require_address_space()?;
    require_threads(OF_ROCKSDB + 1)
}

/// Finds out whether RocksDB can open a database for writing, and one thread can work with it.
///
/// # Errors
///
/// [`LimitError`].
pub(crate) fn require_for_writing() -> Result<(), LimitError> {
    require_address_space()?;
    require_threads(OF_ROCKSDB + TO_WRITE + 1)
}

/// Lets RocksDB open files one after the other, on the thread that opens the database.
pub(crate) fn spare_threads(options: &mut Options) {
    options.set_max_file_opening_threads(1);
}

fn require_address_space() -> Result<(), LimitError> {
    match getrlimit(Resource::As).current {
        Some(limit) if limit < ADDRESS_SPACE => Err(LimitError::AddressSpace {
            limit,
            needed: ADDRESS_SPACE,
        }),
        _ => Ok(()),
    }
}

/// Finds out whether `needed` threads can be had, by having them for a moment.
fn require_threads(needed: usize) -> Result<(), LimitError> {
    thread::scope(|scope| {
        let mut held = Vec::new();
        for _ in 0..needed {
            let (holding, released) = mpsc::channel::<()>();
            thread::Builder::new()
                .spawn_scoped(scope, move || {
                    // Ends when the sender is dropped.
                    let _ = released.recv();
                })
                .map_err(|source| LimitError::threads(needed, source))?;
            held.push(holding);
        }
        Ok(())
    })
}

/// Begins `count` threads, or as many as can be had.
///
/// # Errors
///
/// [`LimitError`] if none can be had.
pub(crate) fn spawn_up_to<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    work: impl Fn() -> T + Clone + Send + 'scope,
) -> Result<Vec<ScopedJoinHandle<'scope, T>>, LimitError> {
    let mut threads = Vec::new();
    for _ in 0..count {
        match thread::Builder::new().spawn_scoped(scope, work.clone()) {
            Ok(thread) => threads.push(thread),
            Err(source) if threads.is_empty() => return Err(LimitError::threads(1, source)),
            Err(_) => break,
        }
    }
    Ok(threads)
}
