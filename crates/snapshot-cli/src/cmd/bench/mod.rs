//! `bench-blob-info-snapshot`: how fast this machine creates, verifies, loads and compresses a
//! snapshot of a database, and how large it is.
//!
//! `steps` does the work and keeps the time, `scratch` finds room for temporary files; this file has
//! the options and the looks.

mod scratch;
mod steps;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use snapshot_format::PerTable;
use snapshot_store::SnapshotSummary;
use snapshot_store::publish::is_special;

use self::scratch::Scratch;
use crate::args::OpenArgs;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::outlet::{self, Content};
use crate::output::{Output, Shown};
use crate::report::{DigestLine, SnapshotReport, bytes, rate, seconds};
use crate::source::{self, Source};
use crate::target::is_stdout;

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Temporary files lie in a directory of their own beside the output, or else beside the database,\n",
    "or else in $TMPDIR, wherever there is room; it is deleted at the end, after an error too. Input\n",
    "is read from the page cache where the system has it there: run twice for steady figures.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot bench-blob-info-snapshot --db-path /data/checkpoint_epoch_11\n",
    "  blob-snapshot bench-blob-info-snapshot --db-path checkpoint_epoch_11 --output s.bin \\\n",
    "      --zstd-levels 1,19 --skip-bulk-load --json"
);

/// Options of `bench-blob-info-snapshot`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Directory of the database: a checkpoint, or the database of a stopped node
    #[arg(long, value_name = "DIR", alias = "db")]
    db_path: PathBuf,
    /// Keep the snapshot in this file; by default it is a temporary one
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long, short)]
    force: bool,
    /// Levels of Zstandard to compress the snapshot with, 1 to 22; or none
    #[arg(long, value_name = "LEVELS", default_value = "1,3,9")]
    zstd_levels: Levels,
    /// Do not load the snapshot into a scratch database
    #[arg(long)]
    skip_bulk_load: bool,
    /// Where to make the directory for temporary files
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// Levels of Zstandard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels(Vec<i32>);

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let level = |text: &str| {
            let level = text
                .trim()
                .parse()
                .ok()
                .filter(|level| (1..=22).contains(level));
            level.ok_or_else(|| format!("`{text}` is not a level from 1 to 22"))
        };
        text.split(',')
            .map(level)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    database: String,
    /// Absent if it was temporary.
    output: Option<String>,
    scratch: String,
    #[serde(flatten)]
    snapshot: SnapshotReport,
    bytes_per_row: Option<f64>,
    create: Step,
    verify: Step,
    bulk_load: Option<LoadStep>,
    zstd: Vec<ZstdStep>,
}

/// A measured step.
#[derive(Clone, Copy, Debug, Serialize)]
struct Step {
    seconds: f64,
    bytes_per_second: f64,
    rows_per_second: f64,
    #[serde(skip)]
    time: Duration,
}

/// The bulk load.
#[derive(Debug, Serialize)]
struct LoadStep {
    #[serde(flatten)]
    step: Step,
    files: PerTable<u64>,
    bytes: PerTable<u64>,
}

/// One level of Zstandard.
#[derive(Debug, Serialize)]
struct ZstdStep {
    level: i32,
    compressed: u64,
    /// Uncompressed to compressed size.
    ratio: f64,
    compress: Step,
    decompress: Step,
}

impl Step {
    fn new(time: Duration, summary: &SnapshotSummary) -> Self {
        Self {
            seconds: time.as_secs_f64(),
            bytes_per_second: rate(summary.size, time),
            rows_per_second: rate(summary.counts.total(), time),
            time,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    if let Some(dir) = &args.scratch_dir {
        outlet::require_outside(dir, dir, "--scratch-dir")?;
    }
    if let Some(output) = &args.output {
        outlet::check(
            output,
            Content::Snapshot,
            &[Source::Database(args.db_path.clone())],
        )?;
        if is_stdout(output) || is_special(output).unwrap_or(false) {
            let name = output.display().to_string();
            return Err(CliError::NotAFile { name });
        }
    }
    let header = args.header.resolve(&args.db_path, out)?;
    let database = source::open(&args.db_path, &args.open, out)?;
    let scratch = Scratch::make(args, &database, header.framing())?;
    out.note(format_args!(
        "temporary files lie in {}",
        scratch.path().display()
    ));

    let temporary = scratch.path().join("snapshot.bin");
    let snapshot = args.output.as_deref().unwrap_or(&temporary);
    let (summary, create_time, verify_time) =
        steps::create(args, &database, &header, snapshot, out)?;
    drop(database);
    let bulk_load = if args.skip_bulk_load {
        None
    } else {
        Some(steps::bulk_load(snapshot, &scratch, &summary, out)?)
    };
    let levels = args.zstd_levels.0.iter();
    let zstd = levels
        .map(|level| steps::zstd(*level, snapshot, &scratch, &summary, out))
        .collect::<Result<_, _>>()?;

    let rows = summary.counts.total();
    let report = Report {
        database: args.db_path.display().to_string(),
        output: args
            .output
            .as_deref()
            .map(|path| path.display().to_string()),
        scratch: scratch.path().display().to_string(),
        snapshot: (&summary).into(),
        bytes_per_row: (rows > 0).then(|| summary.size as f64 / rows as f64),
        create: Step::new(create_time, &summary),
        verify: Step::new(verify_time, &summary),
        bulk_load,
        zstd,
    };
    scratch.remove(out);
    say(out, &summary, &report)?;
    Ok(Exit::Ok)
}

fn say(out: &mut Output, summary: &SnapshotSummary, report: &Report) -> Result<(), CliError> {
    out.line(DigestLine(summary))?;
    for (table, count) in summary.counts.iter() {
        out.line(format_args!("  {table:27} {count:>12} rows"))?;
    }
    let per_row = report.bytes_per_row.map_or_else(String::new, |per_row| {
        format!(", {per_row:.1} bytes per row")
    });
    out.line(format_args!(
        "  {} bytes ({}){per_row}",
        summary.size,
        bytes(summary.size)
    ))?;
    if let Some(path) = &report.output {
        out.line(format_args!("  kept in {}", Shown(path)))?;
    }
    out.line("")?;
    out.line(format_args!(
        "{:27} {:>12} {:>16} {:>14}",
        "step", "time", "snapshot bytes/s", "rows/s"
    ))?;
    out.line(step_line("serialize + write + sync", &report.create))?;
    out.line(step_line("read + decode + verify", &report.verify))?;
    if let Some(load) = &report.bulk_load {
        out.line(step_line("bulk load into a database", &load.step))?;
    }
    for zstd in &report.zstd {
        let ZstdStep {
            level,
            ratio,
            compressed,
            ..
        } = zstd;
        out.line(step_line(
            &format!("zstd level {level}, compress"),
            &zstd.compress,
        ))?;
        out.line(step_line(
            &format!("zstd level {level}, decompress"),
            &zstd.decompress,
        ))?;
        out.line(format_args!(
            "  {ratio:.2} times smaller: {compressed} bytes"
        ))?;
    }
    out.object(report)
}

fn step_line(name: &str, step: &Step) -> String {
    format!(
        "{name:27} {:>12} {:>16} {:>14.0}",
        seconds(step.time),
        format!("{}/s", bytes(step.bytes_per_second as u64)),
        step.rows_per_second
    )
}
