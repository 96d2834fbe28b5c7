//! The directory in which a set is made, and how what a killed run left there is taken back.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::super::directory::{self, sync_dir, sync_open};
use super::super::error::PublishError;
use super::super::staging::{self, parent};
use super::super::{io_error, rename};
use super::record::{self, Member};

/// What the stage may hold.
const RECORD: &str = "set";
pub(super) const NEW: &str = "new";
pub(super) const OLD: &str = "old";
const DONE: &str = "done";

/// The directory in which a set is made, held by a lock.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) path: PathBuf,
    pub(super) whole: PathBuf,
    /// The directory that names the set.
    pub(super) dir: File,
    pub(super) record: File,
    /// Whether entering it put old files back.
    pub(super) put_back: bool,
    /// What is in it is of no use to anybody.
    pub(super) disposable: bool,
}

impl Stage {
    /// Enters the stage of `whole` and takes back what is found there. If there is none, makes one or returns
    /// `None`.
    pub(super) fn enter(whole: &Path, create: bool) -> Result<Option<Self>, PublishError> {
        /// More rounds are lost only to other runs that do the same right now.
        const ROUNDS: u32 = 8;

        staging::file_name(whole)?;
        let path = stage_path(whole);
        let fail = |source| PublishError::classify("create", whole, 0, source);
        for _ in 0..ROUNDS {
            let dir = match directory::open_parent(whole) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !create => {
                    return Ok(None);
                }
                dir => dir.map_err(fail)?,
            };
            let found = match fs::symlink_metadata(&path) {
                Ok(_) => true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(source) => return Err(fail(source)),
            };
            match (found, create) {
                (true, _) => require_stage(whole, &path)?,
                (false, false) => return Ok(None),
                (false, true) => match fs::create_dir(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    other => other.map_err(fail)?,
                },
            }
            let file = path.join(RECORD);
            let record = match open_record(&file) {
                Ok(record) => record,
                // The run that made it has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    // If it is empty.
                    let _ = fs::remove_dir(&path);
                    return Err(fail(source));
                }
            };
            if !staging::try_lock(&record).map_err(fail)? {
                return Err(PublishError::Busy {
                    path: whole.to_path_buf(),
                    tmp: path,
                });
            }
            if !staging::names(&file, &record) {
                continue;
            }
            let mut stage = Self {
                path,
                whole: whole.to_path_buf(),
                dir,
                record,
                put_back: false,
                disposable: false,
            };
            stage.settle()?;
            return Ok(Some(stage));
        }
        Err(PublishError::Busy {
            path: whole.to_path_buf(),
            tmp: path,
        })
    }

    /// Takes back or finishes what a run that was ended left here.
    fn settle(&mut self) -> Result<(), PublishError> {
        let fail = |source| io_error("read", &self.path, source);
        let done = self.path.join(DONE).is_dir();
        match record::read(&self.record).map_err(fail)? {
            _ if done => {}
            record::Found::Foreign => return Err(not_stage(&self.whole, &self.path)),
            record::Found::Incomplete => {
                // Nothing is moved aside before the record is complete.
                if is_filled(&self.path.join(OLD)).map_err(fail)? {
                    return Err(not_stage(&self.whole, &self.path));
                }
            }
            record::Found::Members(members) => {
                let placed = members
                    .iter()
                    .all(|member| member.is_at(&self.named(member)));
                if placed {
                    let synced = self.sync().and_then(|()| self.mark_done());
                    synced.map_err(|source| io_error("finish", &self.path, source))?;
                } else {
                    self.put_back = self.take_back(&members)?;
                }
            }
        }
        self.disposable = true;
        self.clear()
            .map_err(|source| io_error("clear", &self.path, source))
    }

    /// Puts the old files back in the place of the new ones, and tells whether there were any.
    pub(super) fn take_back(&mut self, members: &[Member]) -> Result<bool, PublishError> {
        self.disposable = false;
        let failed = |source| PublishError::Sync {
            path: self.whole.clone(),
            source,
        };
        for member in members {
            let path = self.named(member);
            if member.is_at(&path) {
                fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
            }
        }
        self.sync().map_err(failed)?;
        let old = self.path.join(OLD);
        let mut put_back = false;
        let entries = match fs::read_dir(&old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect),
        };
        // They are more than the members, where the set replaces others too.
        for entry in entries.map_err(|source| io_error("read", &old, source))? {
            let from = entry.path();
            let path = self.whole.with_file_name(entry.file_name());
            match rename::rename_new(&from, &path, rename::link_new) {
                Ok(()) => put_back = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(PublishError::Foreign {
                        path,
                        stage: self.path.clone(),
                    });
                }
                Err(source) => return Err(io_error("put back", &path, source)),
            }
        }
        self.sync().map_err(failed)?;
        self.disposable = true;
        Ok(put_back)
    }

    /// Where a file of the set belongs.
    pub(super) fn named(&self, member: &Member) -> PathBuf {
        self.whole.with_file_name(&member.name)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        sync_dir(&self.path)?;
        sync_open(&self.dir).map(drop)
    }

    pub(super) fn mark_done(&self) -> io::Result<()> {
        fs::create_dir(self.path.join(DONE))?;
        sync_dir(&self.path)
    }

    /// Removes everything in the stage but the record, which is emptied.
    fn clear(&self) -> io::Result<()> {
        for name in [OLD, NEW] {
            remove_all(&self.path.join(name))?;
        }
        self.record.set_len(0)?;
        self.record.sync_all()?;
        remove_all(&self.path.join(DONE))
    }

    /// Removes the stage. Best effort: the next run removes what stays.
    pub(super) fn leave(mut self) {
        self.disposable = true;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.disposable && self.clear().is_ok() {
            let _ =
                fs::remove_file(self.path.join(RECORD)).and_then(|()| fs::remove_dir(&self.path));
        }
    }
}

/// Where the set that belongs to `whole` is made.
pub(super) fn stage_path(whole: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(whole.file_name().unwrap_or_default());
    name.push(".chunks.tmp");
    parent(whole).join(name)
}

fn open_record(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Refuses what has the stage's name and is none.
fn require_stage(whole: &Path, path: &Path) -> Result<(), PublishError> {
    let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if !is_dir(path) {
        return Err(not_stage(whole, path));
    }
    let fail = |source| io_error("read", path, source);
    let entries = match fs::read_dir(path) {
        // The run that made it has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(fail)?,
    };
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let known = match entry.file_name().to_str() {
            Some(RECORD) => is_file(&entry.path()),
            Some(NEW | OLD | DONE) => is_dir(&entry.path()),
            _ => false,
        };
        // What is gone by now was no user's.
        if !known && entry.path().symlink_metadata().is_ok() {
            return Err(not_stage(whole, path));
        }
    }
    Ok(())
}

fn not_stage(whole: &Path, stage: &Path) -> PublishError {
    PublishError::NotStage {
        path: whole.to_path_buf(),
        stage: stage.to_path_buf(),
    }
}

fn is_filled(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
