//! Several files that appear together, in the place of others if need be.
//!
//! No system call exchanges several files at once, and a set of old and new ones may look whole to whoever reads
//! it. So the old ones are out of the way before the first new one has its name:
//!
//! 1. The new files are written to `new` in the directory `.<name>.chunks.tmp` beside them, its *stage*, and
//!    synced. Nothing else is touched.
//! 2. What they are, each with its inode number and length, is written to `set` in the stage and synced.
//! 3. The old files of these names, and others that the set replaces too, are moved to `old` in the stage, both directories synced.
//! 4. The new files get their names, and the directory is synced.
//! 5. The directory `done` is made in the stage and synced, and the stage removed.
//!
//! A lock on `set` keeps other runs out. Whatever ends a run in between, the next one of the same name takes back
//! what it finds: without a complete `set`, only files in `new` exist; with `done`, or with all new files in
//! place, the old ones go; else the new files that have their names, known by their inodes, are removed, all of
//! them before the first old one is moved back. So at any moment the old files or the new ones are whole, in
//! place or in the stage, and never are some of both in place. Nothing is removed that is not known to be of the
//! run that was ended. A failed step is taken back likewise, at once.
//!
//! The stage has a fixed name, since it is to be found again; a directory of that name that is none is refused.

mod record;
mod stage;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use self::record::Member;
use self::stage::{NEW, OLD, Stage, stage_path};
use super::directory::{sync_dir, tolerated};
use super::error::{PublishError, PublishWarning};
use super::staging;
use super::{AtomicFile, Place, Replace, io_error, rename};

/// A step by which a [`FileSet`] takes its place, told before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetStep {
    /// The names of the new files in the stage are synced, and recorded.
    Record,
    /// An old file is moved aside; told for each.
    MoveAside,
    /// The old files' new names are synced.
    SyncAside,
    /// A new file gets its name; told for each.
    Place,
    /// The new files' names are synced.
    SyncDirectory,
    /// That all is done is recorded.
    Done,
}

/// Files in the making that will appear together; dropped without [`publish`](Self::publish), nothing of them
/// remains.
#[derive(Debug)]
pub struct FileSet {
    stage: Stage,
    replace: Replace,
    members: Vec<Member>,
    /// Names of files that go with the old ones, though no new ones take their names.
    others: Vec<OsString>,
    warnings: Vec<PublishWarning>,
}

impl FileSet {
    /// Begins a set of files that belong to `whole`, in whose directory they will lie, and first takes back
    /// what a run that was killed left of one.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if another run makes one, if that cannot be taken back, or if the directory may not be
    /// written.
    pub fn begin(whole: &Path, replace: Replace) -> Result<Self, PublishError> {
        let stage = Stage::enter(whole, true)?.ok_or_else(|| PublishError::Busy {
            path: whole.to_path_buf(),
            tmp: stage_path(whole),
        })?;
        let new = stage.path.join(NEW);
        fs::create_dir(&new).map_err(|source| PublishError::classify("create", &new, 0, source))?;
        Ok(Self {
            stage,
            replace,
            members: Vec::new(),
            others: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Takes back what a run that was killed left of a set of files that belong to `whole`, if there is such.
    /// Tells whether files were put back.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn recover(whole: &Path) -> Result<bool, PublishError> {
        match Stage::enter(whole, false)? {
            Some(stage) => {
                let put_back = stage.put_back;
                stage.leave();
                Ok(put_back)
            }
            None => Ok(false),
        }
    }

    /// Starts to write the file of the set that will be at `path`, in the directory of the set.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it exists and must not be replaced, or cannot be made.
    pub fn file(&self, path: &Path) -> Result<AtomicFile, PublishError> {
        let fail = |source| PublishError::classify("create", path, 0, source);
        match fs::symlink_metadata(path) {
            Ok(_) if self.replace == Replace::Refuse => {
                return Err(PublishError::Exists {
                    path: path.to_path_buf(),
                });
            }
            Ok(old) if old.is_dir() => {
                return Err(PublishError::IsDirectory {
                    path: path.to_path_buf(),
                });
            }
            // Neither is a link followed, nor what is no file moved aside.
            Ok(old) if !old.is_file() => {
                return Err(PublishError::Occupied {
                    path: self.stage.whole.clone(),
                    tmp: path.to_path_buf(),
                });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let tmp = self.stage.path.join(NEW).join(staging::file_name(path)?);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(tmp)
            .map_err(fail)?;
        Ok(AtomicFile::new(
            file,
            path.to_path_buf(),
            Place::Member(self.replace),
        ))
    }

    /// Makes the set take the place of `path` too, a file in its directory whose name it does not take.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if that is no name of a file.
    pub fn replace_too(&mut self, path: &Path) -> Result<(), PublishError> {
        self.others.push(staging::file_name(path)?.to_os_string());
        Ok(())
    }

    /// Takes a file of the set that is complete, and syncs it.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it is not complete or cannot be made durable.
    pub fn add(&mut self, mut file: AtomicFile) -> Result<(), PublishError> {
        let path = file.path.clone();
        file.sync()?;
        // One of them speaks for all.
        if self.warnings.is_empty() {
            self.warnings.append(&mut file.warnings);
        }
        let metadata = file.file.metadata();
        let metadata = metadata.map_err(|source| io_error("look at", &path, source))?;
        self.members.push(Member {
            name: staging::file_name(&path)?.to_os_string(),
            inode: metadata.ino(),
            length: metadata.len(),
        });
        Ok(())
    }

    /// Gives all files their names.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if anything failed, after which the files that were there are there again; if that
    /// failed too, [`PublishError::NotPutBack`] says where they are.
    pub fn publish(self) -> Result<Vec<PublishWarning>, PublishError> {
        self.publish_watched(|_| Ok(()))
    }

    /// As [`publish`](Self::publish), telling `before` each step before it is taken.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). An error of `before` stands for one of the step, which is not taken.
    pub fn publish_watched(
        mut self,
        mut before: impl FnMut(SetStep) -> io::Result<()>,
    ) -> Result<Vec<PublishWarning>, PublishError> {
        // From here on old files may be in the stage.
        self.stage.disposable = false;
        match self.exchange(&mut before) {
            Ok(()) => {
                let Self {
                    stage, warnings, ..
                } = self;
                stage.leave();
                Ok(warnings)
            }
            Err(source) => match self.stage.take_back(&self.members) {
                Ok(_) => {
                    self.stage.leave();
                    Err(source)
                }
                Err(_) => Err(PublishError::NotPutBack {
                    stage: self.stage.path.clone(),
                    source: Box::new(source),
                }),
            },
        }
    }

    fn exchange(
        &mut self,
        before: &mut impl FnMut(SetStep) -> io::Result<()>,
    ) -> Result<(), PublishError> {
        let stage = &self.stage;
        let whole = &stage.whole;
        let failed = |source| PublishError::Sync {
            path: whole.clone(),
            source,
        };
        before(SetStep::Record)
            .and_then(|()| sync_dir(&stage.path.join(NEW)))
            .and_then(|()| record::write(&stage.record, &self.members))
            .and_then(|()| stage.sync())
            .map_err(failed)?;

        if self.replace == Replace::Allow {
            let old = stage.path.join(OLD);
            fs::create_dir(&old).map_err(|source| io_error("create", &old, source))?;
            let members = self.members.iter().map(|member| &member.name);
            for name in members.chain(&self.others) {
                let path = whole.with_file_name(name);
                match before(SetStep::MoveAside).and_then(|()| fs::rename(&path, old.join(name))) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.map_err(|source| io_error("move aside", &path, source))?,
                }
            }
            before(SetStep::SyncAside)
                .and_then(|()| sync_dir(&old))
                .and_then(|()| stage.sync())
                .map_err(failed)?;
        }

        for member in &self.members {
            let path = stage.named(member);
            let tmp = stage.path.join(NEW).join(&member.name);
            before(SetStep::Place)
                .and_then(|()| rename::rename_new(&tmp, &path, rename::link_new))
                .map_err(|source| rename::rename_error(&path, source))?;
        }
        let synced = before(SetStep::SyncDirectory).and_then(|()| stage.dir.sync_all());
        if !tolerated(synced).map_err(failed)? {
            self.warnings.push(PublishWarning::Directory {
                path: whole.clone(),
            });
        }
        before(SetStep::Done)
            .and_then(|()| stage.mark_done())
            .map_err(failed)
    }
}
