//! A directory for the benchmark's temporary files, on a file system that has room for them.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use snapshot_format::{Framing, max_size};
use snapshot_store::open::Database;
use snapshot_store::space;
use tempfile::TempDir;

use super::BenchArgs;
use crate::error::CliError;
use crate::output::Output;
use crate::target::directory_of;

/// A directory that is deleted with all that is in it when it is dropped. One that a killed run left
/// behind is deleted by the next run.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: TempDir,
    /// Locked as long as the directory is in use.
    _lock: File,
}

/// Room beyond what the snapshot's size tells, in bytes: a database's own files.
const MARGIN: u64 = 16 << 20;

/// What the names of these directories begin with.
const PREFIX: &str = ".blob-snapshot-bench-";

/// The name of the lock file.
const LOCK: &str = "lock";

impl Scratch {
    /// Makes the directory where there is room.
    ///
    /// A node's own disk is what operators want to know about, so the output's and the database's come
    /// first; the directory for temporary files is often memory.
    pub(super) fn make(
        args: &BenchArgs,
        database: &Database,
        framing: Framing,
    ) -> Result<Self, CliError> {
        let snapshot = max_size(framing, &database.estimated_counts());
        // The loaded tables and one compressed file, neither larger than the snapshot, and with no
        // output the snapshot itself.
        let files: u64 = if args.output.is_some() { 2 } else { 3 };
        let needed = snapshot.saturating_mul(files).saturating_add(MARGIN);

        let mut tried = Vec::new();
        for parent in candidates(args) {
            match make_in(&parent, needed) {
                Ok(scratch) => return Ok(scratch),
                Err(why) => tried.push(format!("{} ({why})", parent.display())),
            }
        }
        Err(CliError::NoScratch { needed, tried })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Deletes the directory, and says so if that fails.
    pub(super) fn remove(self, out: &mut Output) {
        let path = self.path().to_path_buf();
        if let Err(error) = self.dir.close() {
            out.warn(format_args!("cannot delete {}: {error}", path.display()));
        }
    }
}

fn candidates(args: &BenchArgs) -> Vec<PathBuf> {
    if let Some(told) = &args.scratch_dir {
        return vec![told.clone()];
    }
    let beside_output = args
        .output
        .as_deref()
        .map(|path| directory_of(path).to_path_buf());
    let beside_database = args
        .db_path
        .canonicalize()
        .ok()
        .and_then(|db| db.parent().map(Path::to_path_buf));
    beside_output
        .into_iter()
        .chain(beside_database)
        .chain([env::temp_dir()])
        .collect()
}

fn make_in(parent: &Path, needed: u64) -> Result<Scratch, String> {
    remove_leftovers(parent);
    let free = space::available(parent).map_err(|error| error.to_string())?;
    if free < needed {
        return Err(format!("{free} bytes free"));
    }
    let make = || {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // It gets its name once it is locked, so that no other run takes the directory for a leftover.
        let unnamed = dir.path().join("new-lock");
        let lock = File::create_new(&unnamed)?;
        lock.try_lock()?;
        fs::rename(unnamed, dir.path().join(LOCK))?;
        Ok(Scratch { dir, _lock: lock })
    };
    make().map_err(|error: io::Error| error.to_string())
}

/// Deletes what killed runs left in `parent`: directories of ours whose lock nobody holds.
fn remove_leftovers(parent: &Path) {
    let ours = |entry: &fs::DirEntry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX))
    };
    for entry in fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(ours)
    {
        let unused = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if unused {
            // A leftover that stays does no harm to the figures.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
