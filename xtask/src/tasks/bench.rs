//! `cargo xtask bench`: builds the benchmarks and runs the table of the whole job.

use std::path::PathBuf;

use anyhow::Result;

use super::setup;
use crate::sh::Cmd;
use crate::{cargo, repo, say};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rows of per_object_blob_info in the database that is measured
    #[arg(long)]
    rows: Option<u64>,
    /// Also write the table as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also run the criterion benches of encoder, decoder and merge operators
    #[arg(long)]
    criterion: bool,
    /// Passed to snapshot-bench as it is (`-- --help` lists what it takes)
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the benchmarks.
///
/// # Errors
///
/// When something is missing, does not build, or a benchmark fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let programs = build_programs()?;
    say::heading("bench: the whole job against the baseline, in one run");
    let mut bench = Cmd::new(programs.join("snapshot-bench"));
    if let Some(rows) = options.rows {
        bench = bench.args(["--rows", &rows.to_string()]);
    }
    if let Some(json) = &options.json {
        bench = bench.arg("--json").arg(json);
    }
    bench.args(&options.rest).run()?;
    if options.criterion {
        say::heading("bench: criterion");
        // `--profile release`, so that nothing of RocksDB is compiled for a profile of its own.
        let flags = [
            "bench",
            "--locked",
            "--workspace",
            "--profile",
            "release",
            "--bench",
            "*",
        ];
        Cmd::cargo().args(flags).dir(repo::root()?).run()?;
    }
    Ok(())
}

/// Builds every program of the workspace and returns the directory they are in.
///
/// Always the whole workspace: a smaller selection can mean other features of a shared dependency,
/// and with them another build of RocksDB.
///
/// # Errors
///
/// When cargo fails.
pub(crate) fn build_programs() -> Result<PathBuf> {
    say::heading("build");
    setup::warn_if_cold()?;
    let flags = ["build", "--locked", "--release", "--workspace", "--bins"];
    Cmd::cargo().args(flags).dir(repo::root()?).run()?;
    Ok(cargo::members()?.target_directory.join("release"))
}
