//! What stands in the way of a restore, all of it found before anything is written.
//!
//! Nothing here writes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use snapshot_format::{Digest, Epoch};

use super::RestoreOptions;
use super::cursor::{CursorError, Resume};
use super::error::RestoreError;
use super::marker;
use super::source::{VerifiedSnapshot, objects};
use crate::open::{self, OpenError, OpenOptions};
use crate::publish;
use crate::space;

/// Something that stands in the way of a restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The snapshot is another one than expected.
    #[error("the snapshot's digest is {got}, expected {expected}: get the one that is vouched for")]
    WrongDigest {
        /// As told.
        expected: Digest,
        /// As found.
        got: Digest,
    },
    /// The snapshot is of another epoch.
    #[error("the snapshot's epoch is {got}, expected {expected}: get the one that is vouched for")]
    WrongEpoch {
        /// As told.
        expected: Epoch,
        /// As found.
        got: Epoch,
    },
    /// What was told of the event cursor does not fit the snapshot.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Events that must be replayed are gone.
    #[error(
        "the snapshot ends before event {next}, but the first event that is still there is {first}: \
         get the snapshot of a later epoch"
    )]
    EventsGone {
        /// The first event that is still there.
        first: u64,
        /// The event to go on with.
        next: u64,
    },
    /// A database is there.
    #[error(
        "{} already holds a database: name a directory that does not exist", path.display()
    )]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// An unfinished restore is there.
    #[error(
        "{} holds an unfinished restore{}: replace its tables, as the first run did", path.display(),
        digest.map_or_else(String::new, |digest| format!(" of snapshot {digest}"))
    )]
    Unfinished {
        /// The target.
        path: PathBuf,
        /// The snapshot that was being restored, if known.
        digest: Option<Digest>,
    },
    /// Something else is there.
    #[error("{} is {what}: name a directory that does not exist", path.display())]
    InTheWay {
        /// The target.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// There is no database whose tables could be replaced.
    #[error(
        "{} holds no database, so there are no tables to replace: check the path", path.display()
    )]
    NothingToReplace {
        /// The target.
        path: PathBuf,
    },
    /// The directory above the target is missing.
    #[error("there is no directory {}: create it first, or check the path", path.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// This user may not write.
    #[error("no permission to write in {}: run as the user that the node runs as", path.display())]
    NoPermission {
        /// The directory.
        path: PathBuf,
    },
    /// The database is in use, or damaged.
    #[error(transparent)]
    Database(#[from] Box<OpenError>),
    /// There is too little room.
    #[error(
        "{needed} bytes are needed, but the file system of {} has {available} free: free some, or \
         choose a path on another one", path.display()
    )]
    TooLittleSpace {
        /// The target.
        path: PathBuf,
        /// Bytes needed, by estimate.
        needed: u64,
        /// Bytes free for this user.
        available: u64,
    },
}

impl Finding {
    /// Whether the snapshot is not the one expected, as against a target that cannot be used.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(self, Self::WrongDigest { .. } | Self::WrongEpoch { .. })
    }
}

/// What a restore would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make a new database.
    Create,
    /// Replace the tables of the database that is there.
    Replace,
    /// Finish what an interrupted run began: replace the tables of a half-done database.
    Finish,
    /// Nothing: the target holds exactly these tables already.
    Nothing,
}

/// What was found out before anything is written.
#[derive(Debug)]
pub struct Preflight {
    /// The target, without links.
    pub target: PathBuf,
    /// What is to be done with it.
    pub action: Action,
    /// Bytes needed, by an estimate that is rather too high.
    pub needed: u64,
    /// Bytes free, if the file system tells.
    pub available: Option<u64>,
    /// All that stands in the way.
    pub findings: Vec<Finding>,
}

/// Looks at snapshot and target.
///
/// # Errors
///
/// If something cannot be examined.
pub(super) fn look(
    snapshot: &VerifiedSnapshot,
    target: &Path,
    options: &RestoreOptions,
) -> Result<Preflight, RestoreError> {
    let mut findings: Vec<Finding> = Vec::new();
    let summary = snapshot.summary();
    trust(snapshot, options, &mut findings);
    match Resume::of(&summary.header, &options.cursor) {
        Ok(Resume::Known {
            next_event_index: next,
            ..
        }) => {
            let gone = options.first_available_event.filter(|first| *first > next);
            findings.extend(gone.map(|first| Finding::EventsGone { first, next }));
        }
        Ok(Resume::Unknown) => {}
        Err(error) => findings.push(error.into()),
    }
    let target = resolve(target)?;
    let action = look_at_target(&target, options, &mut findings)?;
    let needed = needed(snapshot);
    let available = space::available(&target).ok();
    if let Some(available) = available.filter(|available| *available < needed) {
        findings.push(Finding::TooLittleSpace {
            path: target.clone(),
            needed,
            available,
        });
    }
    Ok(Preflight {
        target,
        action,
        needed,
        available,
        findings,
    })
}

fn trust(snapshot: &VerifiedSnapshot, options: &RestoreOptions, findings: &mut Vec<Finding>) {
    let summary = snapshot.summary();
    let (digest, epoch) = (summary.digest, summary.header.epoch());
    let expected = options.expect_digest.filter(|expected| *expected != digest);
    findings.extend(expected.map(|expected| Finding::WrongDigest {
        expected,
        got: digest,
    }));
    let expected = options.expect_epoch.filter(|expected| *expected != epoch);
    findings.extend(expected.map(|expected| Finding::WrongEpoch {
        expected,
        got: epoch,
    }));
}

/// Bytes of disk that a restore takes at its peak: the tables as SST files, which are hardly larger
/// than the snapshot; the aggregate rows; and the objects that are sorted for these.
fn needed(snapshot: &VerifiedSnapshot) -> u64 {
    /// A row of `aggregate_blob_info` with its key, and its share of index and filter.
    const AGGREGATE_ROW: u64 = 170;
    /// An object on disk while it is sorted.
    const SORTED_OBJECT: u64 = 125;
    /// The database's own files.
    const MARGIN: u64 = 16 << 20;

    let summary = snapshot.summary();
    let objects = objects(&summary.counts);
    (summary.size + summary.size / 16)
        .saturating_add(objects.saturating_mul(AGGREGATE_ROW + SORTED_OBJECT))
        .saturating_add(MARGIN)
}

/// The target without links, so that what is made beside it is on its file system. What does not exist
/// has no links.
fn resolve(target: &Path) -> Result<PathBuf, RestoreError> {
    let unreadable = super::error::io_error("read", target);
    match target.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(unreadable),
    }
    match (publish::parent(target).canonicalize(), target.file_name()) {
        (Ok(parent), Some(name)) => Ok(parent.join(name)),
        // Found again below, and said.
        _ => Ok(target.to_path_buf()),
    }
}

fn look_at_target(
    target: &Path,
    options: &RestoreOptions,
    findings: &mut Vec<Finding>,
) -> Result<Action, RestoreError> {
    let parent = publish::parent(target);
    let path = || target.to_path_buf();
    let metadata = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if options.replace_tables {
                findings.push(Finding::NothingToReplace { path: path() });
            }
            if parent.is_dir() {
                require_writable(parent, findings);
            } else {
                let path = parent.to_path_buf();
                findings.push(Finding::NoParent { path });
            }
            return Ok(Action::Create);
        }
        other => other.map_err(super::error::io_error("read", target))?,
    };
    let in_the_way = |what| Finding::InTheWay { path: path(), what };
    if !metadata.is_dir() {
        findings.push(in_the_way("no directory"));
        return Ok(Action::Create);
    }
    let unfinished = marker::find(target);
    if unfinished.is_some() || target.join("CURRENT").exists() {
        return look_at_database(target, options, unfinished, findings);
    }
    if options.replace_tables {
        findings.push(Finding::NothingToReplace { path: path() });
    }
    let mut entries = fs::read_dir(target).map_err(super::error::io_error("read", target))?;
    if entries.next().is_some() {
        findings.push(in_the_way(
            "a directory that is not empty and holds no database",
        ));
    } else if fs::metadata(parent).is_ok_and(|above| above.dev() != metadata.dev()) {
        // It would have to be replaced by another directory.
        findings.push(in_the_way(
            "the top of a file system; name a directory in it that is new",
        ));
    }
    require_writable(parent, findings);
    Ok(Action::Create)
}

fn look_at_database(
    target: &Path,
    options: &RestoreOptions,
    unfinished: Option<marker::Unfinished>,
    findings: &mut Vec<Finding>,
) -> Result<Action, RestoreError> {
    let path = || target.to_path_buf();
    match unfinished {
        Some(unfinished) if !options.replace_tables => findings.push(Finding::Unfinished {
            path: path(),
            digest: unfinished.digest,
        }),
        None if !options.replace_tables => findings.push(Finding::Exists { path: path() }),
        _ => {}
    }
    if let Err(error) = open::examine(target, &OpenOptions::default()) {
        findings.push(Finding::Database(Box::new(error)));
    }
    require_writable(target, findings);
    Ok(match unfinished {
        Some(_) => Action::Finish,
        None => Action::Replace,
    })
}

fn require_writable(dir: &Path, findings: &mut Vec<Finding>) {
    if rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        findings.push(Finding::NoPermission {
            path: dir.to_path_buf(),
        });
    }
}
