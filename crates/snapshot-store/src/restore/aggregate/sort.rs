//! Sorting objects by blob ID in bounded memory: runs that are sorted in memory and written to files
//! without a name. `merge` reads them.
//!
//! The key space is cut into parts by the first bits of the blob ID, and each run knows where its
//! parts begin, so that threads can merge parts side by side. That blob IDs are hashes makes the parts
//! equally large; nothing but speed depends on it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use snapshot_format::BlobId;

use super::Sorted;
use super::object::{BlobObject, MAX_LEN};
use crate::publish;

/// Bytes that are written to a run at a time.
const WRITE_BUFFER: usize = 256 << 10;

/// How many parts the key space is cut into: a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    bits: u32,
}

/// Most parts: each run keeps an offset for each.
const MAX_PART_BITS: u32 = 10;

impl Parts {
    /// About `wanted` parts.
    pub(crate) fn about(wanted: u64) -> Self {
        let bits = u64::BITS - wanted.saturating_sub(1).leading_zeros();
        Self {
            bits: bits.min(MAX_PART_BITS),
        }
    }

    pub(crate) const fn count(self) -> usize {
        1 << self.bits
    }

    fn of(self, prefix: u64) -> usize {
        let part = prefix.checked_shr(u64::BITS - self.bits).unwrap_or(0);
        usize::try_from(part).unwrap_or(usize::MAX)
    }
}

/// What objects were written or read, whatever their order: proof that none was lost or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) objects: u64,
    checks: u64,
}

impl Sum {
    pub(super) fn add(&mut self, object: &[u8]) {
        self.objects += 1;
        self.checks = self.checks.wrapping_add(u64::from(crc32c::crc32c(object)));
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.objects += other.objects;
        self.checks = self.checks.wrapping_add(other.checks);
    }
}

/// A sorted run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) file: Arc<File>,
    /// Where each part begins, and where the last ends.
    pub(super) starts: Vec<u64>,
}

/// Takes objects and makes runs of them.
pub(crate) struct Sorter<'a> {
    scratch: &'a Path,
    /// Bytes of memory.
    budget: usize,
    objects: Vec<u8>,
    /// The first bytes of each object's blob ID, and where the object begins.
    index: Vec<(u64, usize)>,
    file: Option<Arc<File>>,
    length: u64,
    sorted: Sorted,
}

impl<'a> Sorter<'a> {
    /// A sorter that holds `budget` bytes in memory and writes runs into the directory `scratch`.
    pub(crate) fn new(scratch: &'a Path, parts: Parts, budget: usize) -> Self {
        Self {
            scratch,
            budget,
            objects: Vec::new(),
            index: Vec::new(),
            file: None,
            length: 0,
            sorted: Sorted::none(parts),
        }
    }

    /// Takes one object.
    pub(crate) fn push(&mut self, blob_id: &BlobId, object: &BlobObject) -> io::Result<()> {
        if self.objects.capacity() == 0 {
            // All at once: growing would take twice the memory for a while.
            let slot = size_of::<(u64, usize)>();
            let objects = self.budget / 4 * 3;
            self.objects.reserve_exact(objects + MAX_LEN);
            self.index.reserve_exact((self.budget - objects) / slot + 1);
        }
        let start = self.objects.len();
        object.write(blob_id, &mut self.objects);
        let written = self.objects.get(start..).unwrap_or_default();
        self.sorted.sum.add(written);
        self.index.push((prefix(blob_id), start));
        let room = self.objects.capacity() - self.objects.len() >= MAX_LEN;
        if room && self.index.len() < self.index.capacity() {
            Ok(())
        } else {
            self.spill()
        }
    }

    /// Writes what is left, and hands out all runs and what is in them.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        self.spill()?;
        Ok(self.sorted)
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.index.is_empty() {
            return Ok(());
        }
        let objects = &self.objects;
        let object = |start: usize| objects.get(start..).unwrap_or_default();
        self.index.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0)
                .then_with(|| object(a.1).get(..32).cmp(&object(b.1).get(..32)))
        });
        let file = match self.file.take() {
            Some(file) => file,
            None => Arc::new(publish::unnamed_file(self.scratch)?),
        };
        self.file = Some(Arc::clone(&file));
        let parts = self.sorted.parts;
        let mut out = io::BufWriter::with_capacity(WRITE_BUFFER, &*file);
        let mut starts = Vec::with_capacity(parts.count() + 1);
        for (prefix, start) in &self.index {
            while starts.len() <= parts.of(*prefix) {
                starts.push(self.length);
            }
            let all = object(*start);
            let mut rest = all;
            if BlobObject::read(&mut rest).is_none() {
                return Err(io::Error::other("an object changed in memory"));
            }
            let object = all.get(..all.len() - rest.len()).unwrap_or_default();
            out.write_all(object)?;
            self.length += object.len() as u64;
        }
        out.flush()?;
        drop(out);
        starts.resize(parts.count() + 1, self.length);
        self.sorted.runs.push(Run { file, starts });
        self.objects.clear();
        self.index.clear();
        Ok(())
    }
}

/// The first bytes of a blob ID as a number that orders as blob IDs do.
fn prefix(blob_id: &BlobId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blob_id.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    use snapshot_format::Epoch;

    use super::super::merge::Merge;
    use super::*;

    fn blob_id(number: u64, spread: u64) -> BlobId {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.wrapping_mul(spread).to_be_bytes());
        BlobId::new(bytes)
    }

    fn sorted(parts: Parts, budget: usize, spread: u64) -> (Vec<BlobId>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(dir.path(), parts, budget);
        for number in 0..5000 {
            let object = BlobObject::Deletable {
                certified_epoch: None,
                end_epoch: Epoch(1),
            };
            sorter
                .push(&blob_id(number % 2500, spread), &object)
                .unwrap();
        }
        let Sorted {
            runs, sum: written, ..
        } = sorter.finish().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut found = Vec::new();
        let mut read = Sum::default();
        for part in 0..parts.count() {
            let mut merge = Merge::new(&runs, part, 10_000).unwrap();
            while let Some((blob_id, _)) = merge.next().unwrap() {
                found.push(blob_id);
            }
            read.join(merge.sum());
        }
        assert_eq!(read, written);
        (found, runs.len())
    }

    #[test]
    fn any_number_of_runs_and_parts_gives_the_same_order() {
        // Spread over all parts, crowded into one, and all but equal.
        for spread in [u64::MAX / 2500, 0x0100_0000, 0] {
            let mut expected: Vec<BlobId> = (0..5000).map(|n| blob_id(n % 2500, spread)).collect();
            expected.sort();
            for wanted in [1, 2, 3, 64] {
                let (one_run, runs) = sorted(Parts::about(wanted), 1 << 20, spread);
                assert_eq!((&one_run, runs), (&expected, 1));
                let (many_runs, runs) = sorted(Parts::about(wanted), 8000, spread);
                assert_eq!(many_runs, expected);
                assert!(runs > 20, "{runs} runs");
            }
        }
    }

    #[test]
    fn parts_are_powers_of_two() {
        let counts = [0, 1, 2, 3, 4, 5, 1000, u64::MAX].map(|wanted| Parts::about(wanted).count());
        assert_eq!(counts, [1, 1, 2, 4, 4, 8, 1024, 1024]);
        assert_eq!(Parts::about(4).of(u64::MAX), 3);
        assert_eq!(Parts::about(1).of(u64::MAX), 0);
    }

    #[test]
    fn a_run_that_changed_is_an_error_or_changes_the_sum() {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(dir.path(), Parts::about(1), 1 << 16);
        for number in 0..10 {
            let certified_epoch = Some(Epoch(3));
            sorter
                .push(&blob_id(number, 5), &BlobObject::Pooled { certified_epoch })
                .unwrap();
        }
        let Sorted {
            runs, sum: written, ..
        } = sorter.finish().unwrap();
        for offset in [0, 40, 100, 369] {
            let mut byte = [0];
            runs[0].file.read_exact_at(&mut byte, offset).unwrap();
            runs[0].file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
            let mut merge = Merge::new(&runs, 0, 1 << 16).unwrap();
            let outcome = loop {
                match merge.next() {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            assert!(outcome.is_err() || merge.sum() != written, "byte {offset}");
            runs[0].file.write_all_at(&byte, offset).unwrap();
        }
    }
}
