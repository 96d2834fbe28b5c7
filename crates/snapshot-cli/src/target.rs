//! Where a command writes a snapshot: what is refused before, and the proof before it is seen.
//!
//! The writing itself, whole or not at all, is the library's.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use snapshot_store::publish::{Destination, PublishWarning, Replace};
use snapshot_store::read_back::read_back;
use snapshot_store::transport::OutputFile;
use snapshot_store::{Progress, SnapshotSummary};

use crate::error::{CliError, UsageError};
use crate::outlet::{self, Content};
use crate::output::{Output, Shown};
use crate::progress::Unit;
use crate::report::{DigestLine, SnapshotReport, bytes};
use crate::source::{Proof, Source};

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
    /// What reading it back proved; `null` if it was not.
    proof: Option<Proof>,
}

impl OutputArgs {
    /// Whether the output is standard output, which then carries nothing else.
    pub(crate) fn is_stdout(&self) -> bool {
        is_stdout(&self.output)
    }

    /// Refuses a terminal, and what would cost one of `inputs`, before anything is read.
    pub(crate) fn prepare(&self, inputs: &[Source], out: &mut Output) -> Result<(), CliError> {
        outlet::check(&self.output, Content::Snapshot, inputs)?;
        if self.is_stdout() {
            if io::stdout().is_terminal() {
                return Err(UsageError::Terminal.into());
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
        let to_stdout = self.is_stdout();
        let (summary, verified) = if to_stdout {
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
            let time = publish(file, &self.output, &summary, !self.no_verify, out)?;
            (summary, time.is_some())
        };
        let proof = verified.then(|| Proof::of_written(summary.header.framing()));
        let name = (!to_stdout).then(|| self.output.display().to_string());
        out.line(DigestLine(&summary))?;
        out.line(format_args!(
            "wrote {}: {} bytes ({}); {}",
            Shown(name.as_deref().unwrap_or("standard output")),
            summary.size,
            bytes(summary.size),
            Proof::said(proof),
        ))?;
        out.object(&Report {
            snapshot: (&summary).into(),
            output: name,
            verified,
            proof,
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

/// Whether an output is standard output, by whatever name. What cannot be an output at all, whoever creates it says.
pub(crate) fn is_stdout(output: &Path) -> bool {
    matches!(Destination::of(output), Ok(Destination::Stdout))
}

/// Reads a file that is written back, unless told not to, and only then lets it appear. Returns how long it
/// took to read it.
pub(crate) fn publish(
    file: OutputFile,
    path: &Path,
    written: &SnapshotSummary,
    verify: bool,
    out: &mut Output,
) -> Result<Option<Duration>, CliError> {
    let mut file = file.finish()?;
    let mut time = None;
    if verify && file.is_file() {
        file.sync()?;
        let start = Instant::now();
        let meter = out.meter();
        meter
            .during("verifying", Unit::Bytes, |progress| {
                read_back(&mut file, written, progress)
            })
            .map_err(|source| CliError::read_back(path, source))?;
        time = Some(start.elapsed());
    }
    let warnings = file.commit()?;
    warn_of(&warnings, out);
    Ok(time)
}

/// Says what outputs that are in place lack.
pub(crate) fn warn_of(warnings: &[PublishWarning], out: &mut Output) {
    for warning in warnings {
        out.warn(warning);
    }
}

/// The directory that an output lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
