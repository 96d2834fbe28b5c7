//! Many seeds, on all processors.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use snapshot_format::Epoch;
use snapshot_store::space;

use super::failure::{Failure, Finding};
use super::stats::Statistics;
use super::{Cluster, Mutation, simulate};

/// Bytes that must be free where the nodes run: with less, the hook rightly removes an older checkpoint
/// before it makes the next one, which would be taken for a loss.
const ROOM: u64 = 2 << 30;

/// Which seeds to run, and how.
#[derive(Clone, Debug)]
pub struct Run {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Whether a node of each cluster loses its database and is restored.
    pub restore: bool,
    /// A deliberate mistake in every node.
    pub mutation: Option<Mutation>,
    /// The directory in which the nodes get theirs.
    pub root: PathBuf,
    /// Threads; each runs a seed at a time.
    pub threads: usize,
}

/// A directory to run in: in memory if possible, where an fsync costs nothing.
#[must_use]
pub fn default_root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match space::available(memory) {
        Ok(free) if free > 2 * ROOM => memory.to_path_buf(),
        _ => std::env::temp_dir(),
    }
}

/// Runs seeds until the first failure, and tells `on_progress` how many are done now and then.
///
/// # Errors
///
/// The failure of the smallest seed among those that were under way.
pub fn run(run: &Run, on_progress: impl Fn(u64) + Sync) -> Result<Statistics, Box<Failure>> {
    let free = space::available(&run.root).map_err(|error| rig(run.first, error.into()))?;
    if free < ROOM {
        let problem = format!(
            "{} has {free} bytes free, but {ROOM} are needed; name another --dir",
            run.root.display()
        );
        return Err(rig(run.first, Finding::Rig(problem)));
    }
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new((Statistics::default(), None::<Box<Failure>>));
    thread::scope(|scope| {
        for _ in 0..run.threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let number = next.fetch_add(1, Ordering::AcqRel);
                    if number >= run.count {
                        return;
                    }
                    let result = one(run, run.first.wrapping_add(number));
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(statistics) => total.0 += &statistics,
                        Err(failure) => {
                            stop.store(true, Ordering::Release);
                            let smallest = total.1.as_ref().is_none_or(|it| failure.seed < it.seed);
                            if smallest {
                                total.1 = Some(failure);
                            }
                        }
                    }
                    drop(total);
                    on_progress(done.fetch_add(1, Ordering::AcqRel) + 1);
                }
            });
        }
    });
    match total.into_inner().unwrap_or_else(PoisonError::into_inner) {
        (_, Some(failure)) => Err(failure),
        (statistics, None) => Ok(statistics),
    }
}

fn one(run: &Run, seed: u64) -> Result<Statistics, Box<Failure>> {
    let dir = tempfile::Builder::new()
        .prefix("simulation-")
        .tempdir_in(&run.root)
        .map_err(|error| rig(seed, error.into()))?;
    let cluster = Cluster {
        restore: run.restore,
        mutation: run.mutation,
        ..Cluster::new(seed)
    };
    simulate(&cluster, dir.path(), |_| {})
}

/// The rig itself does not work.
fn rig(seed: u64, finding: Finding) -> Box<Failure> {
    Box::new(Failure {
        seed,
        node: 0,
        epoch: Epoch(0),
        finding,
    })
}
