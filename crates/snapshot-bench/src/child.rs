//! One step in a process of its own, for the memory it takes at its peak.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use snapshot_format::{Epoch, Header, SealedHeader};
use snapshot_store::publish::Replace;
use snapshot_store::restore::{RestoreOptions, restore};
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, create_file, verify_file};

use crate::steps::divergence;

/// What a child does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Task {
    /// Opens a database and does nothing with it.
    Open {
        /// The database.
        db: PathBuf,
    },
    /// Creates a snapshot.
    Create {
        /// The database.
        db: PathBuf,
        /// The file.
        output: PathBuf,
    },
    /// Does nothing.
    Nothing,
    /// Verifies a snapshot.
    Verify {
        /// The file.
        snapshot: PathBuf,
    },
    /// Compares two snapshots row by row.
    Diff {
        /// A file.
        a: PathBuf,
        /// Another.
        b: PathBuf,
    },
    /// Restores a snapshot.
    Restore {
        /// The file.
        snapshot: PathBuf,
        /// The database to make.
        db: PathBuf,
    },
}

/// Does a task in this process and prints the process's peak memory in KiB.
///
/// # Errors
///
/// If the task fails.
pub fn run(task: &Task) -> Result<u64> {
    match task {
        Task::Nothing => {}
        Task::Open { db } => {
            Database::open(db, &OpenOptions::default())?;
        }
        Task::Create { db, output } => {
            let database = Database::open(db, &OpenOptions::default())?;
            let header = Header::Sealed(SealedHeader::offline(Epoch(1)));
            let options = CreateOptions::default();
            create_file(
                &database,
                &header,
                output,
                Replace::Allow,
                &options,
                &Progress::new(),
            )?;
        }
        Task::Verify { snapshot } => {
            verify_file(snapshot, &Progress::new())?;
        }
        Task::Diff { a, b } => {
            divergence::differences(a, b)?;
        }
        Task::Restore { snapshot, db } => {
            let files = [snapshot.clone()];
            restore(&files, db, &RestoreOptions::default(), &Progress::new())?;
        }
    }
    peak_kib()
}

/// The most memory this process had at any time, in KiB.
fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .context("/proc/self/status has no VmHWM")
}

/// Does a task in a new process of the program `program` (this one, run with the hidden subcommand
/// `child`) and returns its peak memory in bytes.
///
/// # Errors
///
/// If the process cannot be started or fails.
pub fn peak_bytes(program: &Path, task: &Task) -> Result<u64> {
    let mut command = Command::new(program);
    command.arg("child");
    match task {
        Task::Nothing => command.arg("nothing"),
        Task::Open { db } => command.arg("open").arg(db),
        Task::Create { db, output } => command.arg("create").arg(db).arg(output),
        Task::Verify { snapshot } => command.arg("verify").arg(snapshot),
        Task::Diff { a, b } => command.arg("diff").arg(a).arg(b),
        Task::Restore { snapshot, db } => command.arg("restore").arg(snapshot).arg(db),
    };
    let output = command.output().context("cannot run a child process")?;
    ensure!(
        output.status.success(),
        "a child process failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let kib: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kib * 1024)
}
