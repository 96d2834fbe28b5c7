//! `cargo xtask simulate`: clusters of nodes with faults, seed by seed.
//!
//! The simulation is the reference node's; here it is only built and started.

use std::path::PathBuf;

use anyhow::Result;

use super::{bench, setup};
use crate::say;
use crate::sh::Cmd;

/// Which seeds to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seeds to run
    #[arg(long, default_value_t = 100, value_name = "N")]
    seeds: u64,
    /// The first of them; with `--seeds 1` a failure is shown again
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// In each cluster, let a node lose its database and start again from another's snapshot
    #[arg(long)]
    restore: bool,
    /// Make every node make a mistake, to see it found (an unknown one lists them)
    #[arg(long, value_name = "MISTAKE")]
    mutate: Option<String>,
    /// Directory in which the nodes run [default: in memory, if there is room]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Passed to `reference-node simulate` as it is
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the simulation.
///
/// # Errors
///
/// When it does not build, or a promise is not kept.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let programs = bench::build_programs()?;
    say::heading("simulate: real nodes, real files, seeded faults");
    let mut simulate = Cmd::new(programs.join("reference-node")).arg("simulate");
    let (seeds, seed) = (options.seeds.to_string(), options.seed.to_string());
    simulate = simulate.args(["--seeds", &seeds, "--seed", &seed]);
    if options.restore {
        simulate = simulate.arg("--restore");
    }
    if let Some(mistake) = &options.mutate {
        simulate = simulate.args(["--mutate", mistake]);
    }
    if let Some(dir) = &options.dir {
        simulate = simulate.arg("--dir").arg(dir);
    }
    simulate.args(&options.rest).run()
}
