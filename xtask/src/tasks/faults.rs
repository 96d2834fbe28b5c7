//! `cargo xtask faults`: every command fails, or is killed, at every file operation.
//!
//! The campaign is a program of its own, `fault-injection`; here it is only built and started.

use std::ffi::OsString;

use anyhow::Result;

use super::{bench, setup};
use crate::say;
use crate::sh::Cmd;

/// What `cargo xtask test` tries: some of everything, in about a minute.
const BOUNDED: &[&str] = &[
    "--count",
    "400",
    "--interleavings",
    "100",
    "--random-kills",
    "20",
];

/// What to try.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed to `fault-injection` as it is; `--help` lists what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs the campaign.
///
/// # Errors
///
/// When it does not build, or a promise is not kept.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let programs = bench::build_programs()?;
    say::heading("faults: every command, every file operation");
    Cmd::new(programs.join("fault-injection"))
        .args(&options.rest)
        .run()
}

/// Runs a bounded selection of the campaign.
///
/// # Errors
///
/// As for [`run`].
pub(crate) fn run_bounded() -> Result<()> {
    run(&Options {
        rest: BOUNDED.iter().map(OsString::from).collect(),
    })
}
