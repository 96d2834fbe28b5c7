//! What can go wrong behind the hook. None of it crosses the hook: it is logged and counted.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use snapshot_format::{Digest, Epoch};
use snapshot_store::node::StoreError;
use snapshot_store::publish::PublishError;
use snapshot_store::space::SpaceError;
use snapshot_store::{CreateError, OpenError, VerifyError};

use crate::retention::Doubt;

/// Which part of the work failed: the label `stage` of the error counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Deciding whether to act.
    Decide,
    /// Making the checkpoint.
    Checkpoint,
    /// Writing the snapshot.
    Serialize,
    /// Removing what is superseded.
    Retention,
    /// Finishing what a crash interrupted.
    Start,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 5] = [
        Self::Decide,
        Self::Checkpoint,
        Self::Serialize,
        Self::Retention,
        Self::Start,
    ];

    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Checkpoint => "checkpoint",
            Self::Serialize => "serialize",
            Self::Retention => "retention",
            Self::Start => "start",
        }
    }
}

/// Why a hook cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The metrics cannot be registered.
    #[error(
        "cannot register the metrics of blob info snapshots: {0}; a registry takes those of one hook"
    )]
    Metrics(#[from] prometheus::Error),
}

/// Why work behind the hook failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HookError {
    /// The node's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or directory could not be read, made or removed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done, a verb phrase.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The record of a checkpoint may not be on the disk.
    #[error("{} could not be made durable and is discarded", path.display())]
    SyncRecord {
        /// The record.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The checkpoint could not get its name, or the snapshot could not be made durable.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is not enough room.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The checkpoint cannot be opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// The snapshot cannot be written.
    #[error(transparent)]
    Create(Box<CreateError>),
    /// The snapshot is not whole, or cannot be read.
    #[error(transparent)]
    Verify(Box<VerifyError>),
    /// A checkpoint does not say of which boundary it is.
    #[error("{} does not say of which boundary it is: {cause}", path.display())]
    NoRecord {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// What is there is of another boundary.
    #[error("{} is of another boundary: it has {got}, expected {expected}", path.display())]
    OtherBoundary {
        /// The checkpoint or snapshot.
        path: PathBuf,
        /// The boundary in question.
        expected: String,
        /// What it has.
        got: String,
    },
    /// The snapshot that was written reads as another one.
    #[error(
        "{} was written with digest {expected} and reads with {got}: the disk or the memory is faulty; \
         it is discarded",
        path.display()
    )]
    ReadBack {
        /// The snapshot.
        path: PathBuf,
        /// The digest of what was written.
        expected: Digest,
        /// The digest of what was read.
        got: Digest,
    },
    /// What is there is whole, but of a boundary that this node cannot have met.
    #[error("{} is left alone, and costs nothing older: {doubt}; move it away", path.display())]
    Doubtful {
        /// The checkpoint or snapshot.
        path: PathBuf,
        /// Why it is not believed.
        doubt: Doubt,
    },
    /// Something that is not ours has the name.
    #[error("{} is in the way and is no {expected}; move it away", path.display())]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The checkpoint took too long; the boundary went on without it.
    #[error(
        "the checkpoint of epoch {epoch} took longer than {limit:?} (checkpoint_timeout_secs); event \
         processing goes on, and the checkpoint is discarded once it is done"
    )]
    Timeout {
        /// The epoch.
        epoch: Epoch,
        /// The limit.
        limit: Duration,
    },
    /// An earlier checkpoint that took too long still does.
    #[error(
        "the checkpoint of epoch {epoch} is still being made, so none is begun now; look at the \
         database's disk and log"
    )]
    StillRunning {
        /// The earlier epoch.
        epoch: Epoch,
    },
    /// A later boundary came before the snapshot was begun.
    #[error(
        "epoch {epoch} gets no snapshot, as the boundary of epoch {by} came before it was begun"
    )]
    Overtaken {
        /// The epoch.
        epoch: Epoch,
        /// The later one.
        by: Epoch,
    },
    /// Code that the hook called panicked, which is a bug.
    #[error("panicked: {0}; this is a bug, please report it")]
    Panicked(String),
    /// There is no tokio runtime, or none any more.
    #[error("there is no tokio runtime to work on: {0}; call the hook on the node's")]
    NoRuntime(String),
    /// The hook was dropped, or its runtime shut down. No failure: the next start goes on.
    #[error("stopped")]
    Stopped,
}

impl HookError {
    /// An I/O error of doing `action` to `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path: path.clone(),
            source,
        }
    }

    /// Whether an artifact was read and found not to be what its name says, as against not read.
    pub(crate) fn is_verdict(&self) -> bool {
        match self {
            Self::Verify(error) => error.is_verdict(),
            Self::Open(error) => error.is_verdict(),
            Self::OtherBoundary { .. } | Self::NoRecord { .. } => true,
            _ => false,
        }
    }

    /// Whether something may not have reached the disk: it must be discarded and built again, as a
    /// second sync could succeed without the lost pages.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(
            self,
            Self::SyncRecord { .. }
                | Self::Publish(PublishError::Sync { .. } | PublishError::SyncDirectory { .. })
        )
    }

    /// Whether the final name was given, but may not be durable.
    pub(crate) fn is_unsynced_name(&self) -> bool {
        matches!(self, Self::Publish(PublishError::SyncDirectory { .. }))
    }

    /// The message and its causes on one line, as far as they say something new: many messages end in
    /// that of their cause.
    pub(crate) fn one_line(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let said = cause.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            next = cause.source();
        }
        text
    }
}

impl From<OpenError> for HookError {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<CreateError> for HookError {
    fn from(error: CreateError) -> Self {
        Self::Create(Box::new(error))
    }
}

impl From<VerifyError> for HookError {
    fn from(error: VerifyError) -> Self {
        Self::Verify(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_each_cause_once() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = HookError::from(StoreError::new("create a checkpoint", full));
        assert_eq!(
            error.one_line(),
            "cannot create a checkpoint: no storage space"
        );
        let error = HookError::from(SpaceError::Io {
            path: PathBuf::from("/x"),
            source: io::Error::other("why"),
        });
        assert_eq!(error.one_line(), "cannot tell the free space at /x: why");
    }
}
