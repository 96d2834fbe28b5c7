//! Development tasks, run as `cargo xtask <task>` (the alias is in `.cargo/config.toml`).
//!
//! This crate never depends on RocksDB, so a task starts within seconds on a clean machine and can
//! say what is missing. Each task is one file under `tasks/`; here is only the dispatch.

mod cargo;
mod golden;
mod repo;
mod say;
mod sh;
mod tasks;
mod toml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Development tasks of this workspace",
    version
)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check what a build needs, and install it where that is possible
    Setup,
    /// Everything that has to hold before a change lands
    Test(tasks::test::Options),
    /// From a database to a verified snapshot, step by step, with what each step shows
    Demo(tasks::demo::Options),
    /// Run clusters of nodes with everything going wrong that can, and compare what they write
    Simulate(tasks::simulate::Options),
    /// Fail or kill every command at each of its file operations, and check what it leaves
    Faults(tasks::faults::Options),
    /// Measure the whole job against the baseline and print one table
    Bench(tasks::bench::Options),
    /// Write the golden vectors of the current format version
    RegenGolden {
        /// Write nothing; fail if a vector would change
        #[arg(long)]
        check: bool,
        /// Rewrite vectors although their version is released
        #[arg(long, conflicts_with = "check")]
        allow_break: bool,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Setup => tasks::setup::run(),
        Task::Test(options) => tasks::test::run(&options),
        Task::Demo(options) => tasks::demo::run(&options),
        Task::Simulate(options) => tasks::simulate::run(&options),
        Task::Faults(options) => tasks::faults::run(&options),
        Task::Bench(options) => tasks::bench::run(&options),
        Task::RegenGolden { check, allow_break } => golden::run(check, allow_break),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
