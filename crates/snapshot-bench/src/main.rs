//! `snapshot-bench`: prints the table of the whole job, and writes it as JSON.
//!
//! It fails when something cannot be measured, never because of a figure.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use snapshot_bench::child::{self, Task};
use snapshot_bench::machine::{self, Machine, Watch};
use snapshot_bench::report::Report;
use snapshot_bench::steps::{Bench, Step};

/// Measures the whole job against the way the released node does it, in one run.
#[derive(Debug, Parser)]
#[command(
    name = "snapshot-bench",
    version,
    args_conflicts_with_subcommands = true
)]
struct Args {
    /// Rows of per_object_blob_info in the databases that are measured
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Runs of each side; at least 5 for figures that are to be quoted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Where databases and snapshots are made, on a disk; by default beside this program
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also write the table as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this step (may be given several times)
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Step>,
    /// Also measure the cost for each row at 1/2, 1, 5/2, 5 and 10 times as many rows
    #[arg(long)]
    growth: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One step in this process; prints its peak memory in KiB
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        task: Task,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    if let Some(Command::Child { task }) = args.command {
        writeln!(out, "{}", child::run(&task)?)?;
        return Ok(());
    }
    let program = env::current_exe()?;
    let parent = match args.dir {
        Some(dir) => dir,
        None => program
            .parent()
            .context("this program has no directory")?
            .to_path_buf(),
    };
    machine::require_disk(&parent)?;
    let dir = tempfile::Builder::new()
        .prefix("snapshot-bench-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
    let mut steps = if args.only.is_empty() {
        Step::DEFAULT.to_vec()
    } else {
        args.only
    };
    if args.growth {
        steps.push(Step::Growth);
    }
    let runs = usize::from(args.runs);
    let bench = Bench {
        dir: dir.path().to_path_buf(),
        rows: args.rows,
        runs,
        program,
    };
    let watch = Watch::start();
    let table = bench.run(&steps, |doing| eprintln!("{doing}"))?;
    let report = Report {
        machine: Machine::look(),
        noise: watch.noise(),
        rows: args.rows,
        runs,
        table,
    };
    out.write_all(report.text().as_bytes())?;
    if let Some(path) = args.json {
        fs::write(&path, report.json()? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    dir.close().context("cannot remove the scratch directory")
}
