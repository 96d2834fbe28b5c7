//! Steps of the hook's work on disk, told one by one, so that a test can fail or crash at each.
//!
//! A node has no use for this. What a test does with it is the test's business.

use std::io;
use std::path::Path;

/// A step of the work on disk, told before it is taken, so that the next one told is also the end of
/// the one before. The last of a piece of work is followed by one that ends in `-ed` or `Done`.
///
/// The comments name the path that is told with the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The directory of all artifacts is listed: that directory.
    ReadDirectory,
    /// The directory of all artifacts is made: that directory.
    MakeDirectory,
    /// Its name is made durable: the storage directory.
    SyncStorage,

    /// The store makes the checkpoint, in a directory with its unfinished name: that directory.
    MakeCheckpoint,
    /// The record of the boundary is written: the record, inside the checkpoint.
    WriteRecord,
    /// The record is synced: the record.
    SyncRecord,
    /// The checkpoint's list of files is synced: the checkpoint's final path, as from here on.
    SyncCheckpoint,
    /// The checkpoint gets its name.
    RenameCheckpoint,
    /// The directory that names it is synced.
    SyncCheckpointName,
    /// The checkpoint is there for good.
    CheckpointDone,

    /// The snapshot is begun, under its unfinished name: its final path, as in all that follow.
    WriteSnapshot,
    /// Bytes are appended to it.
    AppendSnapshot,
    /// It is synced.
    SyncSnapshot,
    /// It is read back.
    ReadSnapshot,
    /// It gets its name.
    RenameSnapshot,
    /// The directory that names it is synced.
    SyncSnapshotName,
    /// The snapshot is there for good.
    SnapshotDone,

    /// Something that is not sound is moved out of the way, as its name is needed: its path until then.
    SetAside,
    /// A finished checkpoint that has to go is given its unfinished name: its path until then.
    RenameOld,
    /// The directory is synced after that: the checkpoint's path until then.
    SyncOldName,
    /// A file, or a directory with all that is in it, is removed: its path.
    Remove,
    /// It is gone, but its name may come back after a power failure: its path.
    Removed,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 22] = [
        Self::ReadDirectory,
        Self::MakeDirectory,
        Self::SyncStorage,
        Self::MakeCheckpoint,
        Self::WriteRecord,
        Self::SyncRecord,
        Self::SyncCheckpoint,
        Self::RenameCheckpoint,
        Self::SyncCheckpointName,
        Self::CheckpointDone,
        Self::WriteSnapshot,
        Self::AppendSnapshot,
        Self::SyncSnapshot,
        Self::ReadSnapshot,
        Self::RenameSnapshot,
        Self::SyncSnapshotName,
        Self::SnapshotDone,
        Self::SetAside,
        Self::RenameOld,
        Self::SyncOldName,
        Self::Remove,
        Self::Removed,
    ];
}

/// Is told each step before it is taken, on the thread that takes it.
///
/// Nothing on the disk is changed without a step: a probe that fails every step from one on makes the
/// hook leave the disk as a crash at that step would.
pub trait Probe: Send + Sync + 'static {
    /// Is told that `step` on `path` comes next.
    ///
    /// # Errors
    ///
    /// An error takes the step's place.
    fn step(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// The probe of a node: nothing is watched.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoProbe;

impl Probe for NoProbe {
    fn step(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
