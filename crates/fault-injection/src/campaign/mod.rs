//! The campaign: what is tried, on several threads, and what came of it.
//!
//! What there is to try stands in `commands` and `interleave`, which of it is tried in `choose`, what
//! must hold afterwards in `promises`, `database` and `hook`.

mod choose;
mod commands;
mod database;
mod fixtures;
mod hook;
mod interleave;
mod promises;
mod tally;
mod tree;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reference_node::simulation;

use crate::supervise::Ran;
use choose::{Case, Subject, What};
pub(crate) use commands::Kind;
use fixtures::{Fixtures, Programs};
use promises::{Broken, Tried, judge};
use tally::Tally;
use worker::Worker;

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Try one case alone, and keep its directory
    #[arg(long, value_name = "COMMAND/KIND/N")]
    case: Option<String>,
    /// Only this command (may be given several times; an unknown one lists them)
    #[arg(long, value_name = "COMMAND")]
    only: Vec<String>,
    /// Only these kinds of faults: eio, enospc, eacces, full, read, torn, kill, random
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Only every K-th operation
    #[arg(long, value_name = "K", default_value_t = 1)]
    every: usize,
    /// At most this many faults, chosen by the seed
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// At most this many interleavings of readers with a node, chosen by the seed
    #[arg(long, value_name = "N", default_value_t = 1000)]
    interleavings: usize,
    /// Kills of `restore --replace-tables` at random moments
    #[arg(long, value_name = "N", default_value_t = 1000)]
    random_kills: usize,
    /// Chooses what is tried
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Cases under way at a time [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Directory to work in [default: in memory, if there is room]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs the campaign. Returns whether every promise was kept.
///
/// # Errors
///
/// If something cannot be tried.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = Programs::find()?;
    let root = options.dir.clone().unwrap_or_else(simulation::default_root);
    let dir = tempfile::Builder::new()
        .prefix("faults-")
        .tempdir_in(root)?;
    let fixtures = Fixtures::make(&programs, &dir.path().join("fixtures"))?;
    let worker = |name: &str| Worker::new(&programs, &fixtures, dir.path().join(name));
    let tally = Tally::default();
    let subjects = choose::subjects(options, &worker("alone")?, &tally)?;
    let cases = choose::cases(options, &subjects, &tally)?;
    if options.case.is_some() {
        let [case] = &*cases else {
            bail!("no such case")
        };
        let kept = alone(&worker("alone")?, case, options.seed)?;
        println!(
            "its directory is {}",
            dir.keep().join("alone/case").display()
        );
        return Ok(kept);
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = |number: usize| -> Result<()> {
        let worker = worker(&format!("worker-{number}"))?;
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tried = attempt(&worker, case, options.seed);
            let tried = tried.with_context(|| format!("case {case}"))?;
            tally.note(case, tried.as_ref().map(|(_, broken)| broken), cases.len());
        }
        Ok(())
    };
    thread::scope(|scope| {
        let start = |number| scope.spawn(move || work(number));
        let threads: Vec<_> = (0..options.jobs.unwrap_or(threads)).map(start).collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => bail!("a worker panicked"),
            })
    })?;
    Ok(tally.tell())
}

/// Tries a case; nothing is returned if the program did not come so far.
fn attempt(worker: &Worker<'_>, case: &Case<'_>, seed: u64) -> Result<Option<(Ran, Broken)>> {
    let at = case.at;
    match (case.subject, case.what) {
        (Subject::Writer(command, reference), What::Fault(kind)) => {
            worker.begin(&command.inputs)?;
            let ran = if kind == Kind::Random {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(at as u64);
                worker.killed(
                    command,
                    reference.duration.mul_f64(rng.random_range(0.0..1.1)),
                )?
            } else {
                let counts = |class| kind.counts(class);
                worker.command(
                    command,
                    false,
                    (kind.sight(), &counts),
                    Some((at, kind.fault())),
                )?
            };
            if ran.hit.is_none() && kind != Kind::Random {
                return Ok(None);
            }
            let tried = Tried {
                command,
                kind,
                ran: &ran,
            };
            let broken = judge(worker, reference, &tried)?;
            Ok(Some((ran, broken)))
        }
        (Subject::Reader(reader, answers), What::Meeting(scenario)) => {
            interleave::case(worker, reader, answers, scenario, at)
        }
        _ => Ok(None),
    }
}

/// Tries one case and tells all of it.
fn alone(worker: &Worker<'_>, case: &Case<'_>, seed: u64) -> Result<bool> {
    let Some((ran, broken)) = attempt(worker, case, seed)? else {
        println!("{case}: the program did not come so far");
        return Ok(true);
    };
    if let Some(hit) = &ran.hit {
        println!("{case}: at {} of {}", hit.name, hit.path.display());
    }
    println!(
        "it ended with {:?}\n{}{}",
        ran.ended, ran.stdout, ran.stderr
    );
    for words in &broken {
        println!("violation: {words}");
    }
    Ok(broken.is_empty())
}
