//! The program `reference-node`: makes databases to look at and to measure with, and runs nodes.
//!
//! Dispatch and printing only: `args` has the arguments, `describe` the words, and the work is the
//! library's.

mod args;
mod describe;

use std::error::Error;
use std::io::{ErrorKind, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser as _;
use reference_node::bench_db::{BenchPlan, make_bench_db};
use reference_node::follow::{Told, follow};
use reference_node::make::take_empty_dir;
use reference_node::make_db::{DemoPlan, make_db};
use reference_node::simulation::{self, Cluster, Mutation, Run};
use serde::Serialize;

use crate::args::{Cli, Command};

/// Seeds after which a simulation says how far it is.
const PROGRESS_EVERY: u64 = 500;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::MakeDb(args) => {
            let plan = DemoPlan {
                entries: args.entries,
                seed: args.seed,
                epochs: args.epochs,
            };
            let made = make_db(&args.dir, &plan)?;
            print(args.json, &made, || describe::demo(&made))
        }
        Command::BenchDb(args) => {
            let plan = BenchPlan {
                rows: args.rows,
                seed: args.seed,
                keys: args.keys.into(),
                unmerged_share: args.unmerged_share,
            };
            let made = make_bench_db(&args.dir, &plan)?;
            print(args.json, &made, || describe::bench(&made))
        }
        Command::Cluster(args) => {
            take_empty_dir(&args.dir)?;
            let cluster = Cluster {
                nodes: Some(args.nodes),
                epochs: Some(args.epochs),
                events: Some(args.events),
                ..Cluster::new(args.seed)
            };
            let mut boundaries = Vec::new();
            let counts = simulation::simulate(&cluster, &args.dir, |boundary| {
                boundaries.push(boundary.clone());
            })?;
            print(args.json, &boundaries, || {
                describe::cluster(&args.dir, &boundaries, &counts)
            })
        }
        Command::Simulate(args) => {
            let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let run = Run {
                first: args.seed,
                count: args.seeds,
                restore: args.restore || args.mutate.is_some_and(Mutation::is_of_restore),
                mutation: args.mutate,
                root: args.dir.unwrap_or_else(simulation::default_root),
                threads: args.threads.unwrap_or(threads),
            };
            let counts = simulation::run(&run, |done| {
                if done % PROGRESS_EVERY == 0 {
                    eprintln!("{done} of {} seeds", run.count);
                }
            })?;
            print(args.json, &counts, || describe::simulation(&run, &counts))
        }
        Command::Follow(args) => {
            let json = args.json;
            Ok(follow(&args.into(), move |told| print_at_once(json, told))?)
        }
    }
}

/// One line, which has reached the reader when this returns: the process may not live any longer.
fn print_at_once(json: bool, told: &Told) {
    let line = match json {
        true => serde_json::to_string(told).unwrap_or_else(|error| error.to_string()),
        false => told.to_string(),
    };
    let mut out = std::io::stdout().lock();
    // Who does not read any more does not keep a node from its work.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Where all else is printed.
fn print(
    json: bool,
    made: &impl Serialize,
    describe: impl FnOnce() -> Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let lines = if json {
        vec![serde_json::to_string_pretty(made)?]
    } else {
        describe()
    };
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    match written {
        // Who reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
