//! The directory of checkpoints and snapshots: listing it, and every change to it. All calls block.
//!
//! Each change is told to the probe before it is made. What is wanted, and when, is for the caller.

mod checkpoint;
mod record;
mod snapshot;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::publish::{self, PublishStep};

use crate::error::HookError;
use crate::probe::{Probe, Step};

pub(crate) use self::checkpoint::Checkpointed;
pub(crate) use self::record::BoundaryRecord;

/// The directory below the node's storage path in which checkpoints and snapshots are.
pub const DIRECTORY: &str = "blob_info_snapshots";

/// What the name of an artifact that is not sound ends in, once it is moved out of the way.
const ASIDE: &str = "unsound";

/// How many of one name are moved out of the way before somebody has to look.
const SET_ASIDE_AT_MOST: u32 = 9;

/// The directory of one node's artifacts.
pub(crate) struct Artifacts {
    storage: PathBuf,
    path: PathBuf,
    probe: Arc<dyn Probe>,
    /// Whether the name of the directory is known to be durable.
    named: AtomicBool,
}

impl Artifacts {
    pub(crate) fn new(storage: &Path, probe: Arc<dyn Probe>) -> Self {
        Self {
            storage: storage.to_path_buf(),
            path: storage.join(DIRECTORY),
            probe,
            named: AtomicBool::new(false),
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of an artifact.
    pub(crate) fn path_of(&self, name: ArtifactName) -> PathBuf {
        self.path.join(name.to_string())
    }

    fn step(&self, step: Step, action: &'static str, path: &Path) -> Result<(), HookError> {
        self.probe
            .step(step, path)
            .map_err(HookError::io(action, path))
    }

    /// Tells the probe each step of publishing `path`.
    fn publish_steps<'a>(
        &'a self,
        path: &'a Path,
        steps: [Step; 3],
    ) -> impl FnMut(PublishStep) -> io::Result<()> + 'a {
        let [sync, rename, sync_directory] = steps;
        move |step| {
            let step = match step {
                PublishStep::Sync => sync,
                PublishStep::Rename => rename,
                PublishStep::SyncDirectory => sync_directory,
            };
            self.probe.step(step, path)
        }
    }

    /// What of ours is there. A directory that does not exist holds nothing.
    ///
    /// The name alone makes something unfinished ours, whatever it is. Under a finished name, a file
    /// that should be a directory, or the other way round, was put there by somebody else.
    pub(crate) fn list(&self) -> Result<Vec<ArtifactName>, HookError> {
        let fail = HookError::io("read", &self.path);
        self.step(Step::ReadDirectory, "read", &self.path)?;
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(&fail)?;
            let Some(name) = entry.file_name().to_str().and_then(ArtifactName::parse) else {
                continue;
            };
            let file_type = entry.file_type().map_err(&fail)?;
            let as_it_should_be = match name.kind {
                ArtifactKind::Checkpoint => file_type.is_dir(),
                ArtifactKind::Snapshot => file_type.is_file(),
            };
            if name.unfinished || as_it_should_be {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes an artifact. One that is gone already is no error.
    ///
    /// A finished checkpoint's name is taken away first, so that a crash half-way leaves nothing that
    /// looks finished.
    pub(crate) fn remove(&self, name: ArtifactName) -> Result<(), HookError> {
        let path = self.path_of(name);
        if name.kind == ArtifactKind::Snapshot || name.unfinished {
            return self.remove_all(&path);
        }
        let doomed = self.path_of(unfinished(name));
        self.remove_all(&doomed)?;
        self.step(Step::RenameOld, "remove", &path)?;
        match fs::rename(&path, &doomed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(HookError::io("remove", &path))?,
        }
        self.step(Step::SyncOldName, "sync", &path)?;
        publish::sync_dir(&self.path).map_err(HookError::io("sync", &self.path))?;
        self.remove_all(&doomed)
    }

    /// Moves an artifact that is not sound to a name that is none of ours, and returns its new path.
    pub(crate) fn set_aside(&self, name: ArtifactName) -> Result<PathBuf, HookError> {
        let path = self.path_of(name);
        let mut aside = self.path.join(format!("{name}.{ASIDE}"));
        for number in 2..=SET_ASIDE_AT_MOST {
            if fs::symlink_metadata(&aside).is_err() {
                break;
            }
            aside = self.path.join(format!("{name}.{ASIDE}-{number}"));
        }
        if fs::symlink_metadata(&aside).is_ok() {
            let expected = "thing of the hook's, nor are those beside it";
            return Err(HookError::InTheWay {
                path: aside,
                expected,
            });
        }
        self.step(Step::SetAside, "move away", &path)?;
        fs::rename(&path, &aside).map_err(HookError::io("move away", &path))?;
        publish::sync_dir(&self.path).map_err(HookError::io("sync", &self.path))?;
        Ok(aside)
    }

    /// Removes what is at `path`: a file, a link, or a directory with all that is in it.
    fn remove_all(&self, path: &Path) -> Result<(), HookError> {
        let fail = HookError::io("remove", path);
        let is_dir = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fail(error)),
        };
        self.step(Step::Remove, "remove", path)?;
        let removed = if is_dir {
            // What is mounted below is somebody else's.
            publish::remove_tree(path)
        } else {
            fs::remove_file(path)
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(fail)?,
        }
        self.step(Step::Removed, "remove", path)
    }

    /// Removes what a failure left of an artifact that was being made: never one that is durable.
    fn discard(&self, name: ArtifactName, error: &HookError) {
        let finished = error.is_unsynced_name().then_some(name);
        for name in finished.into_iter().chain([unfinished(name)]) {
            if let Err(error) = self.remove(name) {
                // The failure before it is the one to report; what stays is tried again later.
                tracing::warn!(%name, error = error.one_line(), "cannot be discarded");
            }
        }
    }

    /// Makes the directory, durably.
    fn make_directory(&self) -> Result<(), HookError> {
        if self.named.load(Ordering::Acquire) && self.path.is_dir() {
            return Ok(());
        }
        self.step(Step::MakeDirectory, "create", &self.path)?;
        let new = match fs::create_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            other => other
                .map(|()| true)
                .map_err(HookError::io("create", &self.path))?,
        };
        // One that was there may be of a run that was killed before it got this far.
        let synced = self
            .step(Step::SyncStorage, "sync", &self.storage)
            .and_then(|()| {
                publish::sync_dir(&self.storage).map_err(HookError::io("sync", &self.storage))
            });
        if synced.is_err() && new {
            // Made again next time: a second sync of this one would prove nothing.
            if self.step(Step::Remove, "remove", &self.path).is_ok() {
                let _ = fs::remove_dir(&self.path);
            }
        }
        synced?;
        self.named.store(true, Ordering::Release);
        Ok(())
    }
}

/// The same artifact while it is being made.
const fn unfinished(name: ArtifactName) -> ArtifactName {
    ArtifactName {
        unfinished: true,
        ..name
    }
}
