//! What stands in the way of a restore, all of it found before anything is written. (A link is tried beside
//! the target, and removed: whether it can be made does not show otherwise.)

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::RestoreOptions;
use super::clone::{BYTEWISE, MAX_OPEN_FILES, REVERSE, is_linked, walk};
use super::cursor;
use super::error::{Finding, RestoreError, io_error};
use super::report::RestoreWarning;
use super::source::{VerifiedSnapshot, objects};
use super::staging::{self, Left, Staging};
use crate::cursor::EventCursor;
use crate::limits;
use crate::lock::{self, HeldLock};
use crate::open::{self, OpenError, OpenOptions};
use crate::options_file::OptionsFile;
use crate::publish;
use crate::space::{self, SpaceError};
use crate::wal;

/// Bytes that a name may have.
const MAX_NAME: usize = 255;

/// What a restore would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make a new database.
    Create,
    /// Replace the tables of the database that is there.
    Replace,
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
    /// What should be known of the database that is there.
    pub warnings: Vec<RestoreWarning>,
    /// Where the database lies that is there: at the target, unless a run was killed between two renames.
    pub(super) current: PathBuf,
    /// Where a node goes on.
    pub(super) resume: Option<EventCursor>,
    /// The lock of that database, from before it was looked at.
    pub(super) lock: Option<HeldLock>,
}

/// Looks at snapshot and target.
pub(super) fn look(
    snapshot: &VerifiedSnapshot,
    target: &Path,
    options: &RestoreOptions,
) -> Result<Preflight, RestoreError> {
    let mut findings: Vec<Finding> = Vec::new();
    let summary = snapshot.summary();
    trust(snapshot, options, &mut findings);
    let resume = cursor::resume(&summary.header, &options.cursor).unwrap_or_else(|error| {
        findings.push(error.into());
        None
    });
    if let Some(next) = resume.map(|cursor| cursor.next_event_index()) {
        let gone = options.first_available_event.filter(|first| *first > next);
        findings.extend(gone.map(|first| Finding::EventsGone { first, next }));
    }
    let target = resolve(target)?;
    let mut current = target.clone();
    match staging::left(&target)? {
        Left::Displaced { old } => findings.push(Finding::Displaced {
            path: target.clone(),
            old,
        }),
        Left::Old {
            unnamed: Some(new), ..
        } => current = new,
        _ => {}
    }
    let inside = snapshot.files().iter();
    let inside = inside.filter(|file| staging::has(&target, file)).cloned();
    findings.extend(inside.map(|path| Finding::Temporary { path }));
    let mut preflight = Preflight {
        current,
        action: Action::Create,
        needed: needed(snapshot),
        available: space::available(&target).ok(),
        findings,
        resume,
        warnings: Vec::new(),
        lock: None,
        target,
    };
    preflight.look_at_target(options)?;
    // A file system that cannot be asked is in nobody's way.
    if let Err(error @ SpaceError::TooLittle { .. }) =
        space::require(&preflight.target, preflight.needed)
    {
        preflight.findings.push(Finding::Space(error));
    }
    Ok(preflight)
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
pub(super) fn resolve(target: &Path) -> Result<PathBuf, RestoreError> {
    match target.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(io_error("read", target)),
    }
    match (publish::parent(target).canonicalize(), target.file_name()) {
        (Ok(parent), Some(name)) => Ok(parent.join(name)),
        // Found again below, and said.
        _ => Ok(target.to_path_buf()),
    }
}

impl Preflight {
    fn look_at_target(&mut self, options: &RestoreOptions) -> Result<(), RestoreError> {
        let (target, current) = (self.target.clone(), self.current.clone());
        let path = || target.clone();
        let parent = publish::parent(&target);
        let mut above = parent.ancestors();
        if let Some(above) = above.find(|above| above.join("CURRENT").is_file()) {
            self.findings.push(Finding::InsideDatabase {
                path: path(),
                database: above.to_path_buf(),
            });
        }
        let above = parent.to_path_buf();
        if !parent.is_dir() {
            self.findings.push(Finding::NoParent { path: above });
        } else if rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            self.findings.push(Finding::NoPermission { path: above });
        }
        let in_the_way = |what| Finding::InTheWay { path: path(), what };
        let is_there = match fs::symlink_metadata(&current) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Ok(found) if !found.is_dir() => {
                self.findings.push(in_the_way("no directory"));
                return Ok(());
            }
            other => other.map(|_| true).map_err(io_error("read", &target))?,
        };
        if current.join("CURRENT").exists() {
            if !options.replace_tables {
                self.findings.push(Finding::Exists { path: path() });
            }
            self.action = Action::Replace;
            return self.look_at_database(options);
        }
        if options.replace_tables {
            self.findings
                .push(Finding::NothingToReplace { path: path() });
        }
        if !is_there {
            return Ok(());
        }
        self.look_for_mount().map_err(io_error("read", &target))?;
        let mut entries = fs::read_dir(&target).map_err(io_error("read", &target))?;
        if entries.next().is_some() {
            self.findings.push(in_the_way(
                "a directory that is not empty and holds no database",
            ));
        }
        Ok(())
    }

    /// Looks at what is beside the target, which is not in the way of doing nothing.
    pub(super) fn look_beside(&mut self, options: &RestoreOptions) -> Result<(), RestoreError> {
        let path = staging::temporary(&self.target);
        // A run that is not dry ends what a killed one began, and then looks.
        let ends = match staging::left(&self.target)? {
            Left::Old { keep, .. } => keep || options.keep_old,
            _ => false,
        };
        let replaces = self.action == Action::Replace;
        let is_taken = staging::kept_exists(&self.target);
        if (is_taken && ends) || (replaces && options.keep_old && (is_taken || ends)) {
            self.findings.push(staging::kept_finding(&self.target));
        }
        if self.action == Action::Nothing {
            return Ok(());
        }
        // Now, and not after all the work.
        let limits = limits::require_for_writing().err();
        self.findings.extend(limits.map(Finding::Limit));
        // RocksDB makes one name of the whole path, for its log.
        let clone = path.as_os_str().len() + "/db_LOG".len();
        let too_long = fs::symlink_metadata(&path)
            .is_err_and(|error| error.kind() == io::ErrorKind::InvalidFilename);
        if too_long || (replaces && clone > MAX_NAME) {
            let path = self.target.clone();
            self.findings.push(Finding::LongName { path });
        }
        if staging::is_occupied(&self.target).map_err(io_error("read", &path))? {
            self.findings.push(Finding::Occupied { path });
        }
        Ok(())
    }

    fn look_at_database(&mut self, options: &RestoreOptions) -> Result<(), RestoreError> {
        let current = self.current.clone();
        let examined = match lock::hold(&current).map_err(OpenError::from)? {
            Ok(lock) => {
                self.lock = Some(lock);
                let options = OpenOptions {
                    wal_recovery: options.wal_recovery,
                    ..OpenOptions::default()
                };
                open::examine(&current, &options)
            }
            Err(pid) => {
                let path = current.clone();
                Err(OpenError::InUse { path, pid })
            }
        };
        match examined {
            Ok(found) => self
                .warnings
                .extend(found.into_iter().map(RestoreWarning::Database)),
            Err(error) => {
                self.findings.push(error.into());
                return Ok(());
            }
        }
        if !options.replace_tables {
            return Ok(());
        }
        // A link is tried where the clone will be. Where a killed run left one, it could.
        let staging = Staging::create(&self.target).unwrap_or(None);
        let scratch = staging.as_ref().map(Staging::path);
        self.look_for_obstacles(scratch, options)
            .map_err(io_error("read", &current))
    }

    /// Whether the target is a mount point, whose place no other directory can take, or has one, which would be
    /// taken for part of the database.
    fn look_for_mount(&mut self) -> io::Result<()> {
        let found = publish::mount_point(&self.current)?;
        self.findings.extend(found.map(|path| {
            if path == self.current {
                Finding::MountPoint { path }
            } else {
                Finding::MountBelow { path }
            }
        }));
        Ok(())
    }

    /// What stands in the way of a clone of the database into the directory `scratch`, where a link is tried; and
    /// the bytes that are copied.
    fn look_for_obstacles(
        &mut self,
        scratch: Option<&Path>,
        options: &RestoreOptions,
    ) -> io::Result<()> {
        self.look_for_mount()?;
        if let Err(error) = self.look_at_families(options) {
            self.findings.push(error.into());
        }
        let Self {
            current, findings, ..
        } = self;
        let (mut copied, mut logs) = (0, 0_u64);
        // A file that is linked: one of another owner than this user, if there is one.
        let mut linked: Option<(bool, PathBuf)> = None;
        let user = rustix::process::geteuid().as_raw();
        walk(current, &mut |path, metadata| {
            let path = path.to_path_buf();
            if metadata.is_dir() {
            } else if !metadata.is_file() {
                findings.push(Finding::NotPlain { path });
            } else if is_linked(&path) {
                linked = linked.take().max(Some((metadata.uid() != user, path)));
            } else {
                copied += metadata.len();
                let is_log = path.extension().is_some_and(|it| it == "log");
                logs += if is_log { metadata.len() } else { 0 };
            }
            Ok(())
        })?;
        self.needed += copied;
        let path = current.clone();
        let (needed, available) = (logs.saturating_add(logs / 8), free_memory());
        if let (Some(scratch), Some((_, file))) = (scratch, linked)
            && let Err(source) = fs::hard_link(file, scratch.join("link"))
        {
            let path = path.clone();
            findings.push(Finding::CannotLink { path, source });
        }
        if needed > available {
            findings.push(Finding::TooLittleMemory {
                path,
                needed,
                available,
            });
        }
        Ok(())
    }

    /// What RocksDB would not open, or end the process for.
    fn look_at_families(&mut self, options: &RestoreOptions) -> Result<(), OpenError> {
        let path = &self.current;
        OptionsFile::newest(path)?;
        let families = wal::read_manifest(path)?.families;
        let tables: usize = families.values().map(|family| family.tables.len()).sum();
        open::require_open_files(path, tables.min(MAX_OPEN_FILES.into()) as u64)
            .unwrap_or_else(|error| self.findings.push(error.into()));
        for family in families.into_values() {
            if let Err(error) = open::require_family_files(path, &family) {
                self.findings.push(error.into());
            }
            let known = ["", BYTEWISE, REVERSE].contains(&family.comparator.as_str());
            if !known && options.other_families.of(&family.name).is_none() {
                self.findings.push(Finding::Comparator {
                    path: path.clone(),
                    family: family.name,
                    comparator: family.comparator,
                });
            }
        }
        Ok(())
    }
}

/// Bytes of memory that are free; all there could be if the kernel does not tell.
fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let free = lines.find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
    let kilobytes = free.and_then(|free| free.trim().parse::<u64>().ok());
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}
