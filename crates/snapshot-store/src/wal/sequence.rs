//! The rule that no write is missing: each batch starts where the one before it ended.
//!
//! It reads the 12-byte header of a write batch and no further. RocksDB numbers every operation, so
//! in a database that is written through its log alone the numbers have no holes, within a file and
//! from file to file. RocksDB itself does not compare them. What leaves a hole without any loss is
//! ingesting table files or writing with the log switched off, neither of which a node does; a hole
//! is an error, since nothing else tells a lost block or file.

use std::path::{Path, PathBuf};

use super::error::{Fault, WalError};
use super::records::{HEAD, Log, Record};

/// RocksDB packs a sequence number and an operation type into 64 bits.
const MAX_SEQUENCE: u64 = (1 << 56) - 1;

/// Follows the sequence numbers over the files of a database.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The number that the next batch must start with, and the file that led there.
    next: Option<(u64, PathBuf)>,
    /// Whether the file in `next` is the one being read.
    in_file: bool,
    operations: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl Chain {
    /// Operations in the batches so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    /// Sequence numbers of the first and the last operation.
    pub(super) fn range(&self) -> (Option<u64>, Option<u64>) {
        (self.first, self.last)
    }

    /// Starts the next file.
    pub(super) fn begin_file(&mut self) {
        self.in_file = false;
    }

    /// Forgets what has to come next, because the batches up to it could not be followed.
    pub(super) fn interrupt(&mut self) {
        self.next = None;
    }

    /// Takes the next batch.
    pub(super) fn push(&mut self, log: Log<'_>, record: &Record) -> Result<(), WalError> {
        if record.length < HEAD as u64 {
            let fault = Fault::ShortBatch {
                expected: HEAD,
                got: record.length,
            };
            return Err(log.damaged(record.offset, fault));
        }
        let [s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2, c3] = record.head;
        let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let count = u64::from(u32::from_le_bytes([c0, c1, c2, c3]));
        if sequence > MAX_SEQUENCE {
            return Err(log.damaged(record.offset, Fault::SequenceTooLarge { got: sequence }));
        }
        self.compare(log.path, record.offset, sequence)?;
        if count > 0 {
            self.first.get_or_insert(sequence);
            self.last = Some(sequence + count - 1);
            self.operations += count;
        }
        self.advance(log.path, sequence + count);
        Ok(())
    }

    fn compare(&self, path: &Path, offset: u64, got: u64) -> Result<(), WalError> {
        let Some((expected, previous)) = &self.next else {
            return Ok(());
        };
        if got == *expected {
            return Ok(());
        }
        let (path, previous, expected) = (path.to_path_buf(), previous.clone(), *expected);
        Err(if got > expected {
            WalError::SequenceGap {
                path,
                offset,
                expected,
                got,
                previous,
            }
        } else {
            WalError::SequenceOverlap {
                path,
                offset,
                expected,
                got,
                previous,
            }
        })
    }

    fn advance(&mut self, path: &Path, to: u64) {
        match &mut self.next {
            Some((next, _)) if self.in_file => *next = to,
            next => *next = Some((to, path.to_path_buf())),
        }
        self.in_file = true;
    }
}
