//! The inner layer of the log format: logical records, whole or made up of fragments.
//!
//! It keeps the first bytes of a record and its length, never the rest, so a record of any length
//! costs the memory of one block. What those bytes mean is for the caller.

use std::io::Read;
use std::path::Path;

use super::error::{Fault, LogKind, WalError};
use super::physical::{Physical, PhysicalReader, Role, Stop};

/// Bytes kept of each record: the header of a write batch, a sequence number and a count.
pub(super) const HEAD: usize = 12;

/// A log file to read.
#[derive(Clone, Copy)]
pub(super) struct Log<'a> {
    pub(super) path: &'a Path,
    pub(super) kind: LogKind,
    pub(super) number: u64,
}

impl Log<'_> {
    pub(super) fn damaged(&self, offset: u64, fault: Fault) -> WalError {
        WalError::Damaged {
            path: self.path.to_path_buf(),
            kind: self.kind,
            offset,
            fault,
        }
    }

    pub(super) fn stopped(&self, stop: Stop) -> WalError {
        match stop {
            Stop::Io(source) => WalError::Io {
                path: self.path.to_path_buf(),
                source,
            },
            Stop::Fault { offset, fault } => self.damaged(offset, fault),
        }
    }
}

/// What the caller gets to see of a logical record.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// Offset of its first header, in bytes from the start of the file.
    pub(super) offset: u64,
    /// Its length, in bytes without headers.
    pub(super) length: u64,
    /// Its first bytes, zero beyond its length.
    pub(super) head: [u8; HEAD],
    /// Whether head and length are of compressed data.
    pub(super) compressed: bool,
}

/// What a whole file held.
#[derive(Clone, Copy, Default)]
pub(super) struct Contents {
    /// Bytes read, without the tail of a recycled file.
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) compressed: bool,
    pub(super) recycled_tail: bool,
}

/// Reads a log file to its end and hands out each logical record, in order.
pub(super) fn read_log<R: Read>(
    log: Log<'_>,
    source: R,
    mut each: impl FnMut(&Record) -> Result<(), WalError>,
) -> Result<Contents, WalError> {
    let mut reader = PhysicalReader::new(source, log.kind, log.number);
    let mut assembler = Assembler::default();
    let mut contents = Contents::default();
    while let Some(physical) = reader.next().map_err(|stop| log.stopped(stop))? {
        let finished = assembler
            .push(&physical)
            .map_err(|fault| log.damaged(physical.offset, fault))?;
        if let Some(record) = finished {
            each(&record)?;
            contents.records += 1;
        }
    }
    contents.bytes = reader.offset();
    contents.recycled_tail = reader.recycled_tail();
    contents.compressed = assembler.compressed;
    match assembler.open {
        Some(open) => Err(log.damaged(
            contents.bytes,
            Fault::Unfinished {
                started: open.offset,
            },
        )),
        None => Ok(contents),
    }
}

/// Puts fragments together.
#[derive(Default)]
struct Assembler {
    open: Option<Record>,
    /// Whether the file has begun with anything.
    begun: bool,
    compressed: bool,
}

impl Assembler {
    fn push(&mut self, physical: &Physical<'_>) -> Result<Option<Record>, Fault> {
        let first = !std::mem::replace(&mut self.begun, true);
        match physical.role {
            Role::Middle | Role::Last => {
                let mut record = self.open.take().ok_or(Fault::OrphanFragment)?;
                record.append(physical.payload);
                if physical.role == Role::Last {
                    return Ok(Some(record));
                }
                self.open = Some(record);
                return Ok(None);
            }
            Role::Full | Role::First | Role::Compression | Role::Metadata => {}
        }
        if let Some(open) = self.open {
            return Err(Fault::Interrupted {
                started: open.offset,
            });
        }
        match physical.role {
            Role::Compression if !first => return Err(Fault::LateCompression),
            Role::Compression => self.compressed = true,
            Role::Full => return Ok(Some(self.begin(physical))),
            Role::First => self.open = Some(self.begin(physical)),
            Role::Middle | Role::Last | Role::Metadata => {}
        }
        Ok(None)
    }

    fn begin(&self, physical: &Physical<'_>) -> Record {
        let mut record = Record {
            offset: physical.offset,
            length: 0,
            head: [0; HEAD],
            compressed: self.compressed,
        };
        record.append(physical.payload);
        record
    }
}

impl Record {
    fn append(&mut self, payload: &[u8]) {
        let known = usize::try_from(self.length).unwrap_or(HEAD).min(HEAD);
        for (slot, byte) in self.head.iter_mut().skip(known).zip(payload) {
            *slot = *byte;
        }
        self.length += payload.len() as u64;
    }
}
