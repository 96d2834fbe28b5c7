//! Why a node stops.

use std::io;
use std::path::PathBuf;

use snapshot_format::ValueError;
use snapshot_store::merge::MergeFailure;
use snapshot_store::publish::PublishError;

use crate::point::Point;

/// Why an operation on a node's tables failed. A node that meets one stops and is restarted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// RocksDB refused.
    #[error("cannot {action} the database {}: {source}", path.display())]
    Database {
        /// What was done.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// The cause.
        source: rocksdb::Error,
    },
    /// A column family that every node has is not there.
    #[error(
        "the database {} has no column family {name}; it was not made by this node", path.display()
    )]
    MissingColumnFamily {
        /// The database.
        path: PathBuf,
        /// The column family.
        name: String,
    },
    /// A merge operand does not fit its row, which means that the events were not valid.
    #[error("cannot merge row {failure}; the event stream is not a valid one")]
    Merge {
        /// The row and the cause.
        failure: MergeFailure,
    },
    /// A stored value cannot be read.
    #[error("cannot read row {key} of {table}: {source}")]
    Value {
        /// The column family.
        table: &'static str,
        /// The row's key in hex.
        key: String,
        /// What is wrong.
        source: ValueError,
    },
    /// An event is not the next one.
    #[error("event {got} does not follow: the next event must be {expected}; replay from there")]
    Gap {
        /// The index of the next event to handle.
        expected: u64,
        /// The index of the event that came.
        got: u64,
    },
    /// An event that begins no epoch was given as a boundary.
    #[error("event {index} is no EpochChangeStart; handle it as an event")]
    NotABoundary {
        /// The event's index.
        index: u64,
    },
    /// The hook could not be made.
    #[error("cannot make the hook for blob info snapshots: {source}")]
    Hook {
        /// The cause.
        #[from]
        source: node_hook::BuildError,
    },
    /// The hook has to be awaited.
    #[error("event {index} has to wait for the hook; handle it on a tokio runtime")]
    Waits {
        /// The event's index.
        index: u64,
    },
    /// A test stopped the node, as a crash would.
    #[error("stopped at {point:?}")]
    Stopped {
        /// Where.
        point: Point,
    },
    /// A checkpoint could not be given its name.
    #[error("cannot publish the checkpoint: {source}")]
    Publish {
        /// The cause.
        #[from]
        source: PublishError,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
