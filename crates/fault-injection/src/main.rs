//! The program `fault-injection`: fails or kills programs at each of their file operations, and checks
//! that what they leave keeps their promises.
//!
//! Dispatch only. `cargo xtask faults` builds and starts it; `docs/testing.md` says what is tried.

mod campaign;
mod launch;
mod node;
mod supervise;
mod syscalls;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use syscalls::Sight;

/// Fails or kills every command at each of its file operations, and checks what it leaves
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Part>,
    #[command(flatten)]
    campaign: campaign::Options,
}

/// What the campaign is made of, as processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// Run any program, list its file operations below a directory, and let one of them go wrong
    Watch {
        /// The directory
        #[arg(long, value_name = "DIR")]
        below: PathBuf,
        /// Number of the operation that goes wrong, from 1
        #[arg(long, value_name = "N", requires = "kind")]
        at: Option<usize>,
        /// What goes wrong: eio, enospc, eacces, full, read, torn or kill
        #[arg(long)]
        kind: Option<campaign::Kind>,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Become a program that is watched
    #[command(hide = true)]
    Launch {
        #[arg(long, value_enum)]
        sight: Sight,
        #[arg(last = true)]
        program: Vec<OsString>,
    },
    /// Be a node for a while
    #[command(hide = true)]
    Node {
        database: PathBuf,
        actions: Vec<node::Action>,
    },
    /// Say what a database holds besides the tables of a snapshot
    #[command(hide = true)]
    Others { database: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<bool> {
    match cli.command {
        None => return campaign::run(&cli.campaign),
        Some(Part::Watch {
            below,
            at,
            kind,
            program,
        }) => watch(&below, kind, at, &program)?,
        Some(Part::Launch { sight, program }) => launch::launch(sight, &program)?,
        Some(Part::Node { database, actions }) => node::live(&database, &actions)?,
        Some(Part::Others { database }) => println!("{}", node::others(&database)?),
    }
    Ok(true)
}

/// Runs a program and prints its operations, those that can go wrong in this way if one is named.
fn watch(
    below: &Path,
    kind: Option<campaign::Kind>,
    at: Option<usize>,
    program: &[OsString],
) -> Result<()> {
    let (name, arguments) = program.split_first().context("no program")?;
    let output = tempfile::tempdir()?;
    let plan = supervise::Plan {
        program: Path::new(name),
        arguments,
        dir: &std::env::current_dir()?,
        watched: &below.canonicalize()?,
        counts: &|class| kind.is_none_or(|kind| kind.counts(class)),
        sight: kind.map_or(Sight::All, campaign::Kind::sight),
        output: output.path(),
    };
    let ran = supervise::run(&plan, at.zip(kind.map(campaign::Kind::fault)))?;
    for (number, operation) in ran.operations.iter().enumerate() {
        println!(
            "{} {} {}",
            number + 1,
            operation.name,
            operation.path.display()
        );
    }
    println!("{:?}\n{}{}", ran.ended, ran.stdout, ran.stderr);
    Ok(())
}
