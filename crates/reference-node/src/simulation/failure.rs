//! How a simulation fails: a promise that was not kept, or the rig itself.

use std::io;
use std::path::PathBuf;

use node_hook::Outcome;
use snapshot_format::{BlobId, Epoch};

use crate::error::NodeError;

/// What was found wrong with a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A snapshot is not what every honest node must have.
    #[error("{artifact} differs from what every node must have, {framing}: {difference}")]
    Differs {
        /// The checkpoint or snapshot.
        artifact: String,
        /// The framing.
        framing: &'static str,
        /// How, in short.
        difference: String,
    },
    /// Something with a finished name cannot be read.
    #[error("{artifact} has its final name, but does not read: {cause}")]
    NotWhole {
        /// The checkpoint or snapshot.
        artifact: String,
        /// Why.
        cause: String,
    },
    /// It is of an epoch that never began, or not yet.
    #[error("{artifact} is of no boundary that the node was at")]
    Unknown {
        /// The checkpoint or snapshot.
        artifact: String,
    },
    /// The hook answered what it had no reason to.
    #[error(
        "the hook answered {got:?}, but it should have {expected}; {faults} faults struck meanwhile"
    )]
    Outcome {
        /// Its answer.
        got: Outcome,
        /// What it should have done.
        expected: String,
        /// How many faults struck.
        faults: usize,
    },
    /// What was durable is gone.
    #[error("of epoch {epoch} something was durable, but all that is left is: {left}")]
    Lost {
        /// The epoch.
        epoch: Epoch,
        /// What is left.
        left: String,
    },
    /// More is left than should be.
    #[error("{problem}: {left}")]
    Leftovers {
        /// What is wrong.
        problem: &'static str,
        /// What is there.
        left: String,
    },
    /// The boundary's artifact is missing although nothing went wrong.
    #[error("nothing went wrong at the boundary, but {missing} is not there; there is: {left}")]
    Missing {
        /// What should be there.
        missing: String,
        /// What is there.
        left: String,
    },
    /// A restored node knows something else of a blob than one that saw all events.
    #[error("{what} for blob {blob_id}: a restored node has {restored}, another {whole}")]
    Aggregate {
        /// The blob.
        blob_id: BlobId,
        /// What differs.
        what: String,
        /// The restored node's row.
        restored: String,
        /// The row of the node that saw all events.
        whole: String,
    },
    /// A restore failed, or its tables do not agree with each other.
    #[error("restored from a snapshot: {0}")]
    Restore(String),
    /// A file that is not the hook's was touched.
    #[error("{} is not the hook's, but was changed or removed", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The node stopped although nothing of its own failed.
    #[error("the node failed: {0}")]
    Node(#[from] NodeError),
    /// The rig does not work.
    #[error("the simulation itself failed: {0}")]
    Io(#[from] io::Error),
    /// The rig does not work.
    #[error("the simulation itself failed: {0}")]
    Rig(String),
}

/// A finding, with where it was made.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, node {node}, epoch {epoch}: {finding}")]
pub struct Failure {
    /// The seed, which shows it again.
    pub seed: u64,
    /// The node, from 0.
    pub node: usize,
    /// The epoch that began when it was found, or last.
    pub epoch: Epoch,
    /// What was found.
    #[source]
    pub finding: Finding,
}
