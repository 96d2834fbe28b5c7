//! Threads that scan key ranges side by side, and the one that takes their blocks in key order.
//!
//! Ranges are handed out in order. Each has a channel of its own with room for all of its blocks as
//! planned, and the consumer empties the channels in order. Only so many ranges may be begun and not
//! yet emptied: a thread that is further ahead waits. What the consumer needs next never waits for
//! anything behind it, so no order of events can deadlock. Emptied blocks go back to the threads.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use snapshot_format::{EntryBlock, EntryError, Framing, ObjectId, PerTable, Table};

use super::{BUFFER_BUDGET, CreateError};
use crate::limits;
use crate::open::Database;
use crate::plan::{self, Extent, KeyRange};
use crate::progress::Progress;
use crate::scan::{RangeScan, ScanError};

/// Most bytes of entries in a block: large enough that handing it over costs nothing, small enough
/// that the digest and the write find it in the cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// Room left in a block for the entry that fills it.
const BLOCK_SLACK: usize = 4 * 1024;

/// Ranges begun and not yet emptied, for each thread: the one it scans, and one that it is ahead.
const RANGES_PER_THREAD: usize = 2;

/// Blocks of a range at least: with one alone, each block would cost a seek.
const BLOCKS_PER_RANGE: usize = 2;

/// Bytes of an entry in a snapshot, rather too many, so that a range has room in its channel. For
/// planning only.
const ENTRY_BYTES: usize = 160;

/// How [`BUFFER_BUDGET`] is shared out.
#[derive(Clone, Copy, Debug)]
struct Shares {
    /// Ranges begun and not yet emptied.
    ranges: usize,
    /// Blocks of one range that may wait.
    waiting: usize,
    /// Bytes of entries that fill a block.
    block: usize,
}

impl Shares {
    fn new(threads: usize) -> Self {
        let ranges = threads.max(1) * RANGES_PER_THREAD;
        let block = (BUFFER_BUDGET / (ranges * BLOCKS_PER_RANGE)).clamp(1, BLOCK_BYTES);
        let waiting = (BUFFER_BUDGET / (ranges * block)).max(1);
        Self {
            ranges,
            waiting,
            block,
        }
    }

    /// Rows of a range, about.
    const fn rows_per_range(self) -> u64 {
        (self.waiting * self.block / ENTRY_BYTES) as u64
    }
}

/// A key range of a table, to be scanned by one thread.
type Job = (Table, KeyRange);

/// What a job's channel carries.
enum Message {
    Block(EntryBlock),
    /// The range is scanned to its end. A channel that closes without it belongs to a thread that died.
    End,
    Scan(ScanError),
    Entry(EntryError),
}

/// The jobs not yet taken, and where the consumer learns of each that is.
struct Queue {
    jobs: std::vec::IntoIter<Job>,
    /// Absent once all jobs are taken, which ends the consumer's list.
    taken: Option<SyncSender<Receiver<Message>>>,
}

/// Everything the scanning threads share.
struct Shared<'a> {
    database: &'a Database,
    framing: Framing,
    queue: Mutex<Queue>,
    /// Emptied blocks.
    spare: Mutex<Vec<EntryBlock>>,
    shares: Shares,
}

/// Why a thread stops before the end of its range.
enum Stop {
    ConsumerGone,
    Scan(ScanError),
    Entry(EntryError),
}

/// Hands all rows to `consume` as blocks, in the order of `framing`.
pub(super) fn blocks(
    database: &Database,
    framing: Framing,
    wanted: usize,
    consume: impl FnMut(&EntryBlock) -> Result<(), CreateError>,
) -> Result<(), CreateError> {
    let shares = Shares::new(wanted);
    let jobs = plan(database, framing, shares).map_err(super::scan(database))?;
    // One more is in the consumer's hands.
    let (taken, in_order) = mpsc::sync_channel(shares.ranges - 1);
    let shared = Shared {
        database,
        framing,
        queue: Mutex::new(Queue {
            jobs: jobs.into_iter(),
            taken: Some(taken),
        }),
        spare: Mutex::new(Vec::new()),
        shares,
    };
    let work = || shared.work();
    thread::scope(|scope| {
        let workers = limits::spawn_up_to(scope, wanted, work)?;
        let drained = shared.drain(in_order, consume);
        // The consumer's channels are closed now, so every thread ends.
        let panicked = workers
            .into_iter()
            .filter_map(|worker| worker.join().err())
            .count();
        match drained {
            Ok(()) if panicked > 0 => Err(CreateError::Thread),
            drained => drained,
        }
    })
}

/// The number of rows in each table.
pub(super) fn count(
    database: &Database,
    wanted: usize,
    progress: &Progress,
) -> Result<PerTable<u64>, ScanError> {
    let jobs = plan(database, Framing::Sealed, Shares::new(wanted))?;
    let jobs = Mutex::new(jobs.into_iter());
    let work = || {
        let mut counts = PerTable::default();
        // A statement of its own, so that the lock is not held while a range is scanned.
        while let Some((table, range)) = {
            let mut jobs = lock(&jobs);
            jobs.next()
        } {
            let mut scan = RangeScan::new(database, table.into(), &range)?;
            let mut rows = 0;
            while scan.next()?.is_some() {
                rows += 1;
            }
            counts[table] += rows;
            progress.advance(rows);
        }
        Ok::<_, ScanError>(counts)
    };
    thread::scope(|scope| {
        let workers = limits::spawn_up_to(scope, wanted, work)?;
        let mut total = PerTable::default();
        for worker in workers {
            let counts: PerTable<u64> = worker.join().map_err(|_| ScanError::Thread)??;
            total = PerTable::from_fn(|table| total[table] + counts[table]);
        }
        Ok(total)
    })
}

/// The jobs in the order of `framing`, each of about as many rows as may wait.
fn plan(database: &Database, framing: Framing, shares: Shares) -> Result<Vec<Job>, ScanError> {
    let files = database
        .rocksdb()
        .live_files()
        .map_err(|source| ScanError::RocksDb {
            table: Table::PerObjectBlobInfo.into(),
            after: None,
            source,
        })?;
    let jobs_of = |table: Table| {
        let in_files = files
            .iter()
            .filter(|file| file.column_family_name == table.name());
        let mut extents: Vec<Extent> = in_files
            .map(|file| {
                let first = file.start_key.as_deref().unwrap_or_default();
                let last = file.end_key.as_deref().unwrap_or_default();
                Extent::new(first, last, file.num_entries)
            })
            .collect();
        let in_memory = database.int_property(table, "rocksdb.num-entries-active-mem-table");
        extents.push(Extent::anywhere(in_memory));
        plan::cut(&extents, shares.rows_per_range())
            .into_iter()
            .map(move |range| (table, range))
    };
    Ok(framing.tables().into_iter().flat_map(jobs_of).collect())
}

impl Shared<'_> {
    /// Scans ranges until there are no more, or nobody wants them.
    fn work(&self) {
        while let Some(((table, range), channel)) = self.take_job() {
            let last = match self.scan(table, &range, &channel) {
                Ok(()) => Message::End,
                Err(Stop::Scan(error)) => Message::Scan(error),
                Err(Stop::Entry(error)) => Message::Entry(error),
                Err(Stop::ConsumerGone) => return,
            };
            if channel.send(last).is_err() {
                return;
            }
        }
    }

    /// Takes the next job and tells the consumer, both at once: so the consumer knows the order. Waits
    /// while too many are begun, and lets nobody past.
    fn take_job(&self) -> Option<(Job, SyncSender<Message>)> {
        let mut queue = lock(&self.queue);
        let Some(job) = queue.jobs.next() else {
            queue.taken = None;
            return None;
        };
        let (sender, receiver) = mpsc::sync_channel(self.shares.waiting);
        queue.taken.as_ref()?.send(receiver).ok()?;
        Some((job, sender))
    }

    /// Scans one range into blocks.
    fn scan(
        &self,
        table: Table,
        range: &KeyRange,
        channel: &SyncSender<Message>,
    ) -> Result<(), Stop> {
        let mut scan = RangeScan::new(self.database, table.into(), range).map_err(Stop::Scan)?;
        let mut block = self.empty_block(table);
        let mut last: Option<ObjectId> = None;
        loop {
            match scan.next() {
                Ok(Some((key, value))) => block.push(key, value).map_err(Stop::Entry)?,
                Ok(None) => break,
                Err(error) => return Err(Stop::Scan(error.after(block.last_key().or(last)))),
            }
            if block.as_bytes().len() >= self.shares.block {
                last = block.last_key();
                let full = std::mem::replace(&mut block, self.empty_block(table));
                channel
                    .send(Message::Block(full))
                    .map_err(|_| Stop::ConsumerGone)?;
            }
        }
        if block.is_empty() {
            lock(&self.spare).push(block);
            return Ok(());
        }
        channel
            .send(Message::Block(block))
            .map_err(|_| Stop::ConsumerGone)
    }

    fn empty_block(&self, table: Table) -> EntryBlock {
        match lock(&self.spare).pop() {
            Some(mut block) => {
                block.reset(table);
                block
            }
            None => {
                let capacity = self.shares.block + BLOCK_SLACK;
                EntryBlock::with_capacity(self.framing, table, capacity)
            }
        }
    }

    /// Empties the channels in the order of their jobs.
    fn drain(
        &self,
        in_order: Receiver<Receiver<Message>>,
        mut consume: impl FnMut(&EntryBlock) -> Result<(), CreateError>,
    ) -> Result<(), CreateError> {
        let path = || self.database.path().to_path_buf();
        for channel in in_order {
            loop {
                match channel.recv() {
                    Ok(Message::Block(block)) => {
                        consume(&block)?;
                        lock(&self.spare).push(block);
                    }
                    Ok(Message::End) => break,
                    Ok(Message::Scan(source)) => {
                        return Err(CreateError::Scan {
                            path: path(),
                            source,
                        });
                    }
                    Ok(Message::Entry(source)) => {
                        return Err(CreateError::Entry {
                            path: path(),
                            source,
                        });
                    }
                    Err(mpsc::RecvError) => return Err(CreateError::Thread),
                }
            }
        }
        Ok(())
    }
}

/// No holder of these locks can leave what they guard half changed, so a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_threads_shares_one_budget() {
        for threads in [1, 2, 3, 4, 7, 16, 100, 256] {
            let shares = Shares::new(threads);
            let Shares {
                ranges,
                waiting,
                block,
            } = shares;
            assert!(
                ranges * waiting * block <= BUFFER_BUDGET,
                "{threads}: {shares:?}"
            );
            assert!(ranges >= threads && waiting >= 1, "{threads}: {shares:?}");
            assert!(shares.rows_per_range() > 0, "{threads}: {shares:?}");
        }
    }
}
