//! Rows that are pulled one by one, and how the pushed events of a decoder become such.
//!
//! A decoder pushes; a merge of two snapshots pulls. [`channel`] and [`side_by_side`] join them: one thread decodes into
//! batches, another takes rows out of them. Memory is bounded by a few batches of 128 KiB of values.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::{mem, panic, thread};

use snapshot_format::{Entry, Event, Framing, Header, ObjectId, Table};

use crate::side::Sides;

/// Bytes of values that fill a batch: large enough that handing it over costs nothing, small enough to
/// stay in the cache.
const BATCH_BYTES: usize = 128 * 1024;

/// Batches that may wait, besides the one that is filled and the one that is read.
const BATCHES: usize = 2;

/// Rows in the order of their tables and keys, pulled.
///
/// The tables come in the order that the two sides of a comparison have agreed on; values are canonical
/// (as those of a [`snapshot_format::Decoder`] are).
pub trait Rows {
    /// Why there is no telling what the next row is.
    type Error;

    /// The row that the cursor is at, `None` behind the last.
    ///
    /// # Errors
    ///
    /// If the rows cannot be read. A source that breaks off never looks like one that ends.
    fn current(&mut self) -> Result<Option<Entry<'_>>, Self::Error>;

    /// Goes to the next row.
    fn advance(&mut self);
}

/// The other end of a [`RowReceiver`] went away before its snapshot was read to the end; its thread knows
/// why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a snapshot was not read to its end")]
pub struct Interrupted;

/// Rows on their way to another thread.
#[derive(Debug, Default)]
struct Batch {
    values: Vec<u8>,
    /// Table, key, and where in `values` the value ends.
    rows: Vec<(Table, ObjectId, usize)>,
}

/// What passes from thread to thread.
#[derive(Debug)]
enum Message {
    Header(Header),
    Rows(Batch),
    End,
}

/// Takes the events of a decoder.
#[derive(Debug)]
pub struct RowSender {
    channel: SyncSender<Message>,
    batch: Batch,
    has_header: bool,
    /// Nobody wants the rows any more. The decoder goes on all the same: whether its file is sound is
    /// worth knowing.
    receiver_gone: bool,
}

/// Hands out the rows that a [`RowSender`] took in.
#[derive(Debug)]
pub struct RowReceiver {
    channel: Receiver<Message>,
    header: Option<Header>,
    batch: Batch,
    /// Index of the current row in the batch.
    next: usize,
    /// Where its value begins.
    start: usize,
    ended: bool,
}

/// Joins a thread that decodes to one that compares.
#[must_use]
pub fn channel() -> (RowSender, RowReceiver) {
    let (sender, receiver) = mpsc::sync_channel(BATCHES);
    let sender = RowSender {
        channel: sender,
        batch: Batch::default(),
        has_header: false,
        receiver_gone: false,
    };
    let receiver = RowReceiver {
        channel: receiver,
        header: None,
        batch: Batch::default(),
        next: 0,
        start: 0,
        ended: false,
    };
    (sender, receiver)
}

impl RowSender {
    /// Takes in the next event of a snapshot; rows of tables that are not `wanted` are left out. A snapshot
    /// that is read several times, see [`passes`], sends its header once.
    pub fn event(&mut self, event: &Event<'_>, wanted: &[Table]) {
        match event {
            Event::Header(header) if !self.has_header => {
                self.has_header = true;
                self.send(Message::Header(**header));
            }
            Event::Entry(entry) if wanted.contains(&entry.table) => self.row(entry),
            _ => {}
        }
    }

    /// Says that the snapshot was read to its end and found sound. A sender that is dropped without it
    /// leaves an [`Interrupted`] receiver.
    pub fn finish(mut self) {
        self.flush();
        self.send(Message::End);
    }

    fn row(&mut self, entry: &Entry<'_>) {
        self.batch.values.extend_from_slice(entry.value);
        let end = self.batch.values.len();
        self.batch.rows.push((entry.table, entry.key, end));
        if end >= BATCH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.batch.rows.is_empty() {
            let empty = Batch {
                values: Vec::with_capacity(BATCH_BYTES + 1024),
                rows: Vec::with_capacity(self.batch.rows.len()),
            };
            let full = mem::replace(&mut self.batch, empty);
            self.send(Message::Rows(full));
        }
    }

    fn send(&mut self, message: Message) {
        self.receiver_gone = self.receiver_gone || self.channel.send(message).is_err();
    }
}

impl RowReceiver {
    /// Waits for the header.
    ///
    /// # Errors
    ///
    /// If there is none to come.
    pub fn header(&mut self) -> Result<Header, Interrupted> {
        while self.header.is_none() && self.batch.rows.is_empty() && !self.ended {
            self.receive()?;
        }
        self.header.ok_or(Interrupted)
    }

    fn receive(&mut self) -> Result<(), Interrupted> {
        match self.channel.recv() {
            Ok(Message::Header(header)) => self.header = Some(header),
            Ok(Message::Rows(batch)) => {
                self.batch = batch;
                self.next = 0;
                self.start = 0;
            }
            Ok(Message::End) => self.ended = true,
            Err(mpsc::RecvError) => return Err(Interrupted),
        }
        Ok(())
    }
}

impl Rows for RowReceiver {
    type Error = Interrupted;

    fn current(&mut self) -> Result<Option<Entry<'_>>, Interrupted> {
        while self.next >= self.batch.rows.len() {
            if self.ended {
                return Ok(None);
            }
            self.receive()?;
        }
        let row = self.batch.rows.get(self.next).and_then(|row| {
            let (table, key, end) = *row;
            let value = self.batch.values.get(self.start..end)?;
            Some(Entry { table, key, value })
        });
        Ok(row)
    }

    fn advance(&mut self) {
        if let Some((_, _, end)) = self.batch.rows.get(self.next) {
            self.start = *end;
            self.next += 1;
        }
    }
}

/// Lets `a` and `b` read a snapshot each, on threads of their own, while `compare` takes the rows. Returns what
/// each of them returns. A reader that fails drops its sender; one whose rows nobody takes any more goes on.
///
/// # Errors
///
/// If the system grants no two threads. Then `compare` has not run.
pub fn side_by_side<T: Send, R>(
    a: impl FnOnce(RowSender) -> T + Send,
    b: impl FnOnce(RowSender) -> T + Send,
    compare: impl FnOnce(&mut RowReceiver, &mut RowReceiver) -> R,
) -> io::Result<(Sides<T>, R)> {
    thread::scope(|scope| {
        let (to_a, mut from_a) = channel();
        let (to_b, mut from_b) = channel();
        let a = thread::Builder::new().spawn_scoped(scope, move || a(to_a))?;
        let b = thread::Builder::new().spawn_scoped(scope, move || b(to_b))?;
        let result = compare(&mut from_a, &mut from_b);
        // A thread that waits to hand rows over would wait for ever.
        drop((from_a, from_b));
        let join = |reader: thread::ScopedJoinHandle<'_, T>| {
            reader
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        };
        let sides = Sides {
            a: join(a),
            b: join(b),
        };
        Ok((sides, result))
    })
}

/// In which passes over a snapshot framed as `own` its tables come in the order of `wanted`: each pass
/// reads the whole snapshot and takes the rows of some tables.
#[must_use]
pub fn passes(own: Framing, wanted: Framing) -> Vec<Vec<Table>> {
    let place = |table| own.tag(table);
    let mut passes: Vec<Vec<Table>> = Vec::new();
    for table in wanted.tables() {
        match passes.last_mut() {
            Some(pass) if pass.last().is_some_and(|last| place(*last) < place(table)) => {
                pass.push(table);
            }
            _ => passes.push(vec![table]),
        }
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_framing_takes_one_pass_and_two_take_two() {
        let (sealed, counted) = (Framing::Sealed, Framing::Counted);
        assert_eq!(passes(sealed, sealed), [Table::ALL.to_vec()]);
        assert_eq!(passes(counted, counted), [counted.tables().to_vec()]);
        let [objects, pooled, pools] = Table::ALL;
        assert_eq!(
            passes(counted, sealed),
            [vec![objects, pooled], vec![pools]]
        );
        assert_eq!(
            passes(sealed, counted),
            [vec![objects, pools], vec![pooled]]
        );
    }
}
