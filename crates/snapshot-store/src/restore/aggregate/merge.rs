//! The merge of sorted runs: the objects of one part in the order of their blob IDs, in bounded memory.
//!
//! How runs are made stands in `sort`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use snapshot_format::BlobId;

use super::object::{BlobObject, MAX_LEN};
use super::sort::{Run, Sum};

/// Least bytes that are read of a run at a time, however many runs there are.
const MIN_READ_BUFFER: usize = 4 << 10;

/// Most bytes that are read of a run at a time.
const MAX_READ_BUFFER: usize = 256 << 10;

/// Hands out the objects of one part of all runs in the order of their blob IDs.
pub(crate) struct Merge<'a> {
    readers: Vec<RunReader<'a>>,
    /// The next object's blob ID of each reader that has one.
    heap: BinaryHeap<Reverse<(BlobId, usize)>>,
    sum: Sum,
}

impl<'a> Merge<'a> {
    /// Merges part number `part` with `budget` bytes of memory.
    pub(crate) fn new(runs: &'a [Run], part: usize, budget: usize) -> io::Result<Self> {
        let mut merge = Self {
            readers: Vec::new(),
            heap: BinaryHeap::new(),
            sum: Sum::default(),
        };
        let bounds = |run: &Run| Some((*run.starts.get(part)?, *run.starts.get(part + 1)?));
        let filled = || {
            let bounds = runs.iter().filter_map(|run| Some((run, bounds(run)?)));
            bounds.filter(|(_, (start, end))| start < end)
        };
        let each = budget / filled().count().max(1);
        for (run, (start, end)) in filled() {
            let mut reader = RunReader {
                file: &run.file,
                next: start,
                end,
                buffer: Vec::new(),
                at: 0,
                capacity: each.clamp(MIN_READ_BUFFER, MAX_READ_BUFFER),
            };
            if let Some(blob_id) = reader.peek()? {
                merge.heap.push(Reverse((blob_id, merge.readers.len())));
                merge.readers.push(reader);
            }
        }
        Ok(merge)
    }

    /// The next object; an error if a run has not what was written.
    pub(crate) fn next(&mut self) -> io::Result<Option<(BlobId, BlobObject)>> {
        let Some(mut top) = self.heap.peek_mut() else {
            return Ok(None);
        };
        let Reverse((_, number)) = *top;
        let Some(reader) = self.readers.get_mut(number) else {
            return Err(changed());
        };
        let (object, bytes) = reader.take()?;
        self.sum.add(bytes);
        match reader.peek()? {
            Some(blob_id) => *top = Reverse((blob_id, number)),
            None => {
                PeekMut::pop(top);
            }
        }
        Ok(Some(object))
    }

    /// The objects handed out so far.
    pub(crate) const fn sum(&self) -> Sum {
        self.sum
    }
}

/// Reads one part of one run.
struct RunReader<'a> {
    file: &'a File,
    /// Where to read next, and up to where.
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How far the buffer is used.
    at: usize,
    capacity: usize,
}

impl RunReader<'_> {
    /// The blob ID of the next object.
    fn peek(&mut self) -> io::Result<Option<BlobId>> {
        let left = self.buffer.len() - self.at;
        if left < MAX_LEN && self.next < self.end {
            self.refill()?;
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        match rest.first_chunk() {
            Some(blob_id) => Ok(Some(BlobId::new(*blob_id))),
            None if rest.is_empty() => Ok(None),
            None => Err(changed()),
        }
    }

    /// The next object, and the bytes it takes.
    fn take(&mut self) -> io::Result<((BlobId, BlobObject), &[u8])> {
        let all = self.buffer.get(self.at..).unwrap_or_default();
        let mut rest = all;
        let object = BlobObject::read(&mut rest).ok_or_else(changed)?;
        let length = all.len() - rest.len();
        self.at += length;
        Ok((object, all.get(..length).unwrap_or_default()))
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let kept = self.buffer.len();
        let wanted = u64::try_from(self.capacity - kept.min(self.capacity)).unwrap_or(u64::MAX);
        let wanted = usize::try_from(wanted.min(self.end - self.next)).unwrap_or(self.capacity);
        self.buffer.reserve_exact(wanted);
        self.buffer.resize(kept + wanted, 0);
        let space = self.buffer.get_mut(kept..).unwrap_or_default();
        self.file.read_exact_at(space, self.next)?;
        self.next += wanted as u64;
        Ok(())
    }
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what was written does not read back; do not trust this disk or memory",
    )
}
