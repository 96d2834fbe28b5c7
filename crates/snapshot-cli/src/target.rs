//! Where a command writes a snapshot: what is refused before, and the proof afterwards.
//!
//! The writing itself, whole or not at all, is the library's.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use snapshot_store::publish::{Replace, is_special};
use snapshot_store::transport::OutputFile;
use snapshot_store::{Progress, SnapshotSummary, verify_file};

use crate::error::{CliError, ReadBackError, UsageError};
use crate::output::{Output, Shown};
use crate::progress::Unit;
use crate::report::{DigestLine, SnapshotReport, bytes};

/// Where one file goes.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// Where to write, compressed if the name ends in .zst; - is standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace the output if it exists
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Do not read the file back to verify it
    #[arg(long)]
    pub(crate) no_verify: bool,
}

/// A snapshot that was written, as JSON.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    snapshot: SnapshotReport,
    /// `null` for standard output.
    output: Option<String>,
    verified: bool,
}

impl OutputArgs {
    /// Whether the output is standard output, which then carries nothing else.
    pub(crate) fn is_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }

    /// Refuses a terminal, before anything is read.
    pub(crate) fn prepare(&self, out: &mut Output) -> Result<(), UsageError> {
        if self.is_stdout() {
            if io::stdout().is_terminal() {
                return Err(UsageError::Terminal);
            }
            out.leave_stdout_to_snapshot();
        }
        Ok(())
    }

    /// Writes the snapshot that `write` makes, reads it back, and says what it is.
    pub(crate) fn deliver(
        &self,
        out: &mut Output,
        write: impl FnOnce(&mut dyn Write, &Progress) -> Result<SnapshotSummary, CliError>,
    ) -> Result<(), CliError> {
        let meter = out.meter();
        let (summary, verified) = if self.is_stdout() {
            let mut stdout = stdout()?;
            let summary = meter.during("writing", Unit::Bytes, |progress| {
                write(&mut stdout, progress)
            })?;
            (summary, false)
        } else {
            let mut file = OutputFile::create(&self.output, replace(self.force))?;
            let summary = meter.during("writing", Unit::Bytes, |progress| {
                write(&mut file, progress)
            })?;
            file.commit()?;
            let verify = !self.no_verify && !is_special(&self.output).unwrap_or(false);
            if verify {
                read_back(&self.output, &summary, out)?;
            }
            (summary, verify)
        };
        let name = (!self.is_stdout()).then(|| self.output.display().to_string());
        out.line(DigestLine(&summary))?;
        out.line(format_args!(
            "wrote {}: {} bytes ({}); {}",
            Shown(name.as_deref().unwrap_or("standard output")),
            summary.size,
            bytes(summary.size),
            if verified {
                "read back and verified"
            } else {
                "not read back"
            },
        ))?;
        out.object(&Report {
            snapshot: (&summary).into(),
            output: name,
            verified,
        })
    }
}

/// Standard output, not through `io::stdout()`, which looks for line ends in every write.
pub(crate) fn stdout() -> Result<File, CliError> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    stdout.map(File::from).map_err(CliError::Stdout)
}

/// What `--force` means.
pub(crate) const fn replace(force: bool) -> Replace {
    if force {
        Replace::Allow
    } else {
        Replace::Refuse
    }
}

/// Keeps the output out of the database's directory, where the current directory may well be.
pub(crate) fn require_outside(output: &Path, database: &Path) -> Result<(), UsageError> {
    match (directory_of(output).canonicalize(), database.canonicalize()) {
        (Ok(parent), Ok(database)) if parent.starts_with(&database) => {
            Err(UsageError::InsideDatabase {
                path: output.to_path_buf(),
            })
        }
        // What does not exist is found out, and said, by whoever opens it.
        _ => Ok(()),
    }
}

/// Verifies a file just written, and removes it if it is not what was written.
pub(crate) fn read_back(
    path: &Path,
    written: &SnapshotSummary,
    out: &Output,
) -> Result<Duration, CliError> {
    let start = Instant::now();
    let read = out.meter().during("verifying", Unit::Bytes, |progress| {
        verify_file(path, progress)
    });
    let time = start.elapsed();
    let source = match read {
        Ok(read) if read == *written => return Ok(time),
        Ok(read) => ReadBackError::Digest {
            expected: written.digest,
            got: read.digest,
        },
        Err(error) => error.into(),
    };
    // If even that fails, the message still says not to use it.
    let _ = fs::remove_file(path);
    Err(CliError::ReadBack {
        path: path.to_path_buf(),
        source: Box::new(source),
    })
}

/// The directory that an output lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
