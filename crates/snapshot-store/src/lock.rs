//! Whether a running process holds a RocksDB database.
//!
//! RocksDB holds a POSIX record lock on the file `LOCK` for as long as a database is open for
//! writing. To ask about it, it is not taken, and nothing is created, so a database on a read-only file
//! system or of another user can be asked about too. [`hold`] takes it, as RocksDB does.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

/// How long the lock of a process that was killed is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who holds a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// There is no `LOCK` file, as in a checkpoint.
    Absent,
    /// Nobody holds the lock: the database was closed, or copied.
    Free,
    /// A running process has the database open for writing.
    Held {
        /// Its process ID, unless it runs in another container or on another machine.
        pid: Option<u32>,
    },
}

/// Why the lock of a database cannot be asked about.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot tell from {path} whether a node is running: {source}; make it readable, or copy the \
     database while the node is stopped"
)]
#[non_exhaustive]
pub struct LockError {
    /// The lock file, or its directory if that is what cannot be read.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// The lock of a database, held until this is dropped: meanwhile nobody else opens it for writing.
#[derive(Debug)]
pub struct HeldLock {
    /// None if the database has no lock file, as nobody ever opened it for writing.
    file: Option<File>,
}

/// The lock files that this process holds by [`HeldLock`]: device and inode. Whoever opened and closed one
/// would drop its lock.
static HELD: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

fn id(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Takes the lock of the RocksDB database in `db_dir`; the inner error is the process
/// ID of who else has it, if known.
///
/// Nothing is created. [`holder`] takes a lock that is held so for free, and does not drop it.
///
/// # Errors
///
/// [`LockError`] if the directory does not exist, or the lock file cannot be opened for writing.
pub fn hold(db_dir: &Path) -> Result<Result<HeldLock, Option<u32>>, LockError> {
    let path = db_dir.join("LOCK");
    let fail = |source| LockError {
        path: path.clone(),
        source,
    };
    match holder(db_dir)? {
        LockState::Free => {}
        LockState::Absent => return Ok(Ok(HeldLock { file: None })),
        LockState::Held { pid } => return Ok(Err(pid)),
    }
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let inode = id(&fs::metadata(&path).map_err(fail)?);
    if held.contains(&inode) {
        return Ok(Err(Some(std::process::id())));
    }
    let file = OpenOptions::new().write(true).open(&path).map_err(fail)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        // It was taken since it was asked about.
        Err(Errno::AGAIN | Errno::ACCESS) => return Ok(Err(None)),
        Err(errno) => return Err(fail(errno.into())),
    }
    held.push(inode);
    let file = Some(file);
    Ok(Ok(HeldLock { file }))
}

impl HeldLock {
    /// Whether nobody can have opened the database, now in `db_dir`, for writing since: one without a lock
    /// file has none still.
    #[must_use]
    pub fn is_held(&self, db_dir: &Path) -> bool {
        let path = db_dir.join("LOCK");
        match &self.file {
            None => fs::symlink_metadata(path).is_err(),
            Some(file) => match (file.metadata(), fs::metadata(path)) {
                (Ok(held), Ok(named)) => id(&held) == id(&named),
                _ => false,
            },
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Some(Ok(held)) = self.file.as_ref().map(File::metadata) {
            let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|inode| *inode != id(&held));
        }
    }
}

/// Tells who holds the RocksDB database in `db_dir`.
///
/// A process that has the database open itself is told so too, if `/proc` is mounted: the kernel
/// would not report its own lock, and would drop it when the file is closed here. One that was killed and is
/// being torn down is waited for, some seconds at most.
///
/// # Errors
///
/// [`LockError`] if the directory does not exist or the lock file cannot be read.
pub fn holder(db_dir: &Path) -> Result<LockState, LockError> {
    /// Keeps a second caller from taking the first one's file for the database's own.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let path = db_dir.join("LOCK");
    let fail = |path: &Path, source| LockError {
        path: path.to_path_buf(),
        source,
    };
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if fs::metadata(&path).is_ok_and(|lock| held.contains(&id(&lock))) {
        return Ok(LockState::Free);
    }
    match open_in_this_process(&path) {
        Ok(true) => {
            return Ok(LockState::Held {
                pid: Some(std::process::id()),
            });
        }
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::metadata(db_dir).map_err(|source| fail(db_dir, source))?;
            return Ok(LockState::Absent);
        }
        Err(source) => return Err(fail(&path, source)),
    }
    let file = open(&path).map_err(|source| fail(&path, source))?;
    let patience = Instant::now() + PATIENCE;
    loop {
        let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
            .map_err(|errno| fail(&path, errno.into()))?;
        let Some(lock) = lock else {
            return Ok(LockState::Free);
        };
        // The kernel gives 0 or -1 for a process that has no ID here.
        let pid = lock
            .pid
            .and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        if !pid.is_some_and(is_dying) || Instant::now() >= patience {
            return Ok(LockState::Held { pid });
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether the process was killed and is not gone yet: it does nothing more, but has its locks until the
/// kernel has torn it down. Whoever killed it may well ask in that moment.
fn is_dying(pid: u32) -> bool {
    /// Being torn down, in the flags of `/proc/PID/stat`.
    const PF_EXITING: u64 = 0x4;
    /// SIGKILL in the sets of `/proc/PID/status`.
    const SIGKILL: u64 = 1 << 8;

    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stat = read("stat");
    // The name before may hold anything, a parenthesis too.
    let mut fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .skip(1);
    let is_gone = matches!(fields.next(), Some("Z" | "X"));
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u64>().ok());
    let status = read("status");
    let mut pending = status
        .lines()
        .filter_map(|line| {
            line.strip_prefix("SigPnd:")
                .or_else(|| line.strip_prefix("ShdPnd:"))
        })
        .filter_map(|set| u64::from_str_radix(set.trim(), 16).ok());
    is_gone
        || flags.is_some_and(|flags| flags & PF_EXITING != 0)
        || pending.any(|set| set & SIGKILL != 0)
}

/// Opens the lock file without ever waiting, whatever kind of file it is.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
}

/// Whether this process has the file at `path` open.
fn open_in_this_process(path: &Path) -> io::Result<bool> {
    let wanted = fs::metadata(path)?;
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return Ok(false);
    };
    Ok(descriptors
        .filter_map(|entry| fs::metadata(entry.ok()?.path()).ok())
        .any(|open| open.dev() == wanted.dev() && open.ino() == wanted.ino()))
}
