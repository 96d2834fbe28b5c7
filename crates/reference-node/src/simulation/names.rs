//! A directory whose names survive a power failure only if they were synced.
//!
//! The files are real, and what is in them is kept: the hook syncs that before a name says it is
//! there. What is modelled is the directory: a name that was made, changed or removed since the last
//! sync may be as it was before, each on its own, in any combination.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, ThreadId};

use node_hook::Step;
use rand::Rng;

use super::tree;

/// A change of names that no sync has made durable yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// `to` was `from` before.
    Renamed { from: PathBuf, to: PathBuf },
    /// `path` was removed; what it was is kept aside.
    Removed { path: PathBuf, kept: PathBuf },
}

/// A directory that is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory {
    /// The one of checkpoints and snapshots.
    Artifacts,
    /// The one it is in.
    Storage,
}

/// The names in a node's directory of checkpoints and snapshots.
#[derive(Debug)]
pub(crate) struct Names {
    /// Where removed things are kept, on the same file system.
    aside: PathBuf,
    pending: Vec<Change>,
    /// The directory itself, if its own name is not synced.
    made: Option<PathBuf>,
    /// Who is syncing which directory just now: it is done when that thread goes on.
    syncing: Option<(ThreadId, Directory)>,
    /// Whether a sync of the directory makes anything durable: not in one deliberate mutation.
    sync_works: bool,
    kept: u64,
}

impl Names {
    pub(crate) const fn new(aside: PathBuf, sync_works: bool) -> Self {
        Self {
            aside,
            pending: Vec::new(),
            made: None,
            syncing: None,
            sync_works,
            kept: 0,
        }
    }

    /// The thread that was syncing has gone on.
    pub(crate) fn goes_on(&mut self) {
        if let Some((thread, directory)) = self.syncing
            && thread == thread::current().id()
        {
            self.synced(directory);
        }
    }

    /// All work has ended well.
    pub(crate) fn idle(&mut self) {
        if let Some((_, directory)) = self.syncing {
            self.synced(directory);
        }
    }

    /// The sync that was under way never was: the process is gone.
    pub(crate) const fn interrupted(&mut self) {
        self.syncing = None;
    }

    /// The directory is gone.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
        self.made = None;
        self.syncing = None;
    }

    fn synced(&mut self, directory: Directory) {
        self.syncing = None;
        match directory {
            Directory::Artifacts if self.sync_works => self.pending.clear(),
            Directory::Artifacts => {}
            Directory::Storage => self.made = None,
        }
    }

    /// A step is about to be taken.
    pub(crate) fn step(&mut self, step: Step, path: &Path) -> io::Result<()> {
        let unfinished = with_suffix(path, ".tmp");
        match step {
            Step::RenameCheckpoint | Step::RenameSnapshot => self.pending.push(Change::Renamed {
                from: unfinished,
                to: path.to_path_buf(),
            }),
            Step::RenameOld => self.pending.push(Change::Renamed {
                from: path.to_path_buf(),
                to: unfinished,
            }),
            Step::Remove => {
                self.kept += 1;
                let kept = self.aside.join(self.kept.to_string());
                tree::link(path, &kept)?;
                self.pending.push(Change::Removed {
                    path: path.to_path_buf(),
                    kept,
                });
            }
            Step::SyncCheckpointName | Step::SyncSnapshotName | Step::SyncOldName => {
                self.syncing = Some((thread::current().id(), Directory::Artifacts));
            }
            Step::MakeDirectory if !exists(path) => self.made = Some(path.to_path_buf()),
            Step::SyncStorage => {
                self.syncing = Some((thread::current().id(), Directory::Storage));
            }
            _ => {}
        }
        Ok(())
    }

    /// The power fails: each change that was not synced is undone, or not.
    pub(crate) fn power_failure(&mut self, rng: &mut impl Rng) -> io::Result<()> {
        for change in std::mem::take(&mut self.pending).into_iter().rev() {
            if rng.random_range(0..2) == 0 {
                continue;
            }
            let (now, before) = match change {
                Change::Renamed { from, to } => (to, from),
                Change::Removed { path, kept } => (kept, path),
            };
            // What is left of an unfinished artifact is nothing to keep.
            if before
                .extension()
                .is_some_and(|extension| extension == "tmp")
                && exists(&now)
            {
                tree::remove(&before)?;
            }
            // Another change may have taken the one away or made the other.
            if exists(&now) && !exists(&before) {
                fs::rename(now, before)?;
            }
        }
        if let Some(made) = self.made.take()
            && rng.random_range(0..2) == 1
        {
            tree::remove(&made)?;
        }
        tree::remove(&self.aside)?;
        fs::create_dir_all(&self.aside)
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    /// What is there after a power failure, over many draws, for a new name that was or was not synced
    /// before an older one was removed.
    fn survivors(sync: bool, sync_works: bool) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for seed in 0..32 {
            let dir = tempfile::tempdir().unwrap();
            let (aside, at) = (dir.path().join("aside"), dir.path().join("at"));
            fs::create_dir(&aside).unwrap();
            fs::create_dir(&at).unwrap();
            let (old, new) = (at.join("old"), at.join("new"));
            fs::write(&old, "").unwrap();
            fs::write(at.join("new.tmp"), "").unwrap();
            let mut names = Names::new(aside, sync_works);
            names.step(Step::RenameSnapshot, &new).unwrap();
            fs::rename(at.join("new.tmp"), &new).unwrap();
            if sync {
                names.step(Step::SyncSnapshotName, &new).unwrap();
                names.goes_on();
            }
            names.step(Step::Remove, &old).unwrap();
            fs::remove_file(&old).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            names.power_failure(&mut rng).unwrap();
            let mut left: Vec<String> = fs::read_dir(&at)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            left.sort();
            found.push(left);
        }
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_be_undone() {
        let always: [&[&str]; 2] = [&["new"], &["new", "old"]];
        assert_eq!(survivors(true, true), always);
        let any: [&[&str]; 4] = [&["new"], &["new", "old"], &["new.tmp"], &["new.tmp", "old"]];
        assert_eq!(survivors(false, true), any);
        assert_eq!(survivors(true, false), any);
    }
}
