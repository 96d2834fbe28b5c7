//! What a check finds, and why one cannot be made.

use std::fmt;
use std::io;
use std::path::PathBuf;

use snapshot_format::{BlobId, Epoch, ObjectId, ValueError};

use crate::scan::ScanError;
use crate::schema::ColumnFamily;

/// Why tables could not be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A table could not be read.
    #[error("{}: {source}", path.display())]
    Scan {
        /// The database's directory.
        path: PathBuf,
        /// Why.
        source: ScanError,
    },
    /// Objects could not be sorted on disk.
    #[error("cannot sort objects in temporary files in {}: {source}", dir.display())]
    Spill {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Something that is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The table.
    pub family: ColumnFamily,
    /// The row's key.
    pub key: Vec<u8>,
    /// What is wrong.
    pub problem: Problem,
}

impl Violation {
    /// The key as it is printed elsewhere: as an object ID, a blob ID, or failing that in hex.
    #[must_use]
    pub fn key_text(&self) -> String {
        let id = <[u8; 32]>::try_from(self.key.as_slice());
        match (self.family, id) {
            (ColumnFamily::AggregateBlobInfo, Ok(id)) => BlobId::new(id).to_string(),
            (_, Ok(id)) => ObjectId::new(id).to_string(),
            _ if self.key.is_empty() => "(empty key)".to_owned(),
            _ => self.key.iter().fold(String::from("0x"), |text, byte| {
                text + &format!("{byte:02x}")
            }),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.family, self.key_text(), self.problem)
    }
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The key is not an ID.
    #[error("the key has {got} bytes, expected 32")]
    KeyLength {
        /// Its length.
        got: usize,
    },
    /// A table of one row has another.
    #[error("this table has no such key")]
    UnknownKey,
    /// The value cannot be read.
    #[error("the value is not canonical: {0}")]
    Value(ValueError),
    /// An event index is not a u64.
    #[error("the value has {got} bytes, expected 8")]
    IndexLength {
        /// Its length.
        got: usize,
    },
    /// Something begins after its end.
    #[error("it begins in epoch {begin}, but ends in epoch {end}")]
    EndsBeforeItBegins {
        /// The first epoch.
        begin: Epoch,
        /// The end epoch.
        end: Epoch,
    },
    /// An object was certified before it was registered.
    #[error("it was certified in epoch {certified}, but registered in epoch {registered}")]
    CertifiedBeforeRegistered {
        /// The epoch of certification.
        certified: Epoch,
        /// The epoch of registration.
        registered: Epoch,
    },
    /// The row should have been collected.
    #[error("it ended in epoch {end}, so it should be gone at the beginning of epoch {epoch}")]
    Ended {
        /// The end epoch.
        end: Epoch,
        /// The epoch of the tables.
        epoch: Epoch,
    },
    /// The row should have been collected.
    #[error("it is marked as deleted, so it should be gone at the beginning of epoch {epoch}")]
    Deleted {
        /// The epoch of the tables.
        epoch: Epoch,
    },
    /// A pooled object has no pool.
    #[error("its storage pool {pool} is not in storage_pool_info")]
    NoPool {
        /// The pool.
        pool: ObjectId,
    },
    /// A blob ID with objects has no aggregate row.
    #[error("{objects} objects stand for this blob, but it has no row here")]
    NoAggregate {
        /// How many.
        objects: u64,
    },
    /// A count is not that of the objects.
    #[error("{field} is {got}, but the objects give {expected}")]
    Count {
        /// The field.
        field: &'static str,
        /// As the objects give it.
        expected: u64,
        /// As the row says.
        got: u64,
    },
    /// Permanent objects are counted otherwise than they are.
    #[error("{field} is {}, but the objects give {}", permanent(*got), permanent(*expected))]
    Permanent {
        /// The field.
        field: &'static str,
        /// Count and end epoch as the objects give them.
        expected: Option<(u64, Epoch)>,
        /// As the row says.
        got: Option<(u64, Epoch)>,
    },
    /// A blob is certified since some epoch without anything certified, or the other way round.
    #[error(
        "initial_certified_epoch is {}, but {} certified",
        since.map_or_else(|| "absent".to_owned(), |epoch| epoch.to_string()),
        if *certified { "something is" } else { "nothing is" }
    )]
    CertifiedSince {
        /// The field.
        since: Option<Epoch>,
        /// Whether an object is certified.
        certified: bool,
    },
    /// An event was handled that the cursor does not have behind it.
    #[error("event {latest} was handled, but event_cursor says that {next} is next")]
    HandledBeyondCursor {
        /// The latest event handled.
        latest: u64,
        /// The next event by the cursor.
        next: u64,
    },
}

fn permanent(value: Option<(u64, Epoch)>) -> String {
    value.map_or_else(
        || "absent".to_owned(),
        |(count, end)| format!("{count} until epoch {end}"),
    )
}
