//! The commands, one file each: its options, its help, what it does and how its result looks.
//!
//! None of them prints but through [`Output`].

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod digest;
pub(crate) mod dump;
pub(crate) mod fingerprint;
pub(crate) mod get;
pub(crate) mod inspect;
pub(crate) mod join;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod shell;
pub(crate) mod split;
pub(crate) mod verify;

use crate::args::Command;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;

/// Does what the command line says.
pub(crate) fn run(command: Command, out: &mut Output) -> Result<Exit, CliError> {
    match command {
        Command::Create(args) => create::run(&args, out),
        Command::Verify(args) => verify::run(&args, out),
        Command::Inspect(args) => inspect::run(&args, out),
        Command::Restore(args) => restore::run(&args, out),
        Command::Check(args) => check::run(&args, out),
        Command::Digest(args) => digest::run(&args, out),
        Command::Fingerprint(args) => fingerprint::run(&args, out),
        Command::Compare(args) => compare::run(&args, out),
        Command::Diff(args) => diff::run(&args, out),
        Command::Report(args) => report::run(&args, out),
        Command::Completions(args) => shell::completions(&args, out),
        Command::Man(args) => shell::man(&args, out),
        Command::Get(args) => get::run(&args, out),
        Command::Dump(args) => dump::run(&args, out),
        Command::Convert(args) => convert::run(&args, out),
        Command::Split(args) => split::run(&args, out),
        Command::Join(args) => join::run(&args, out),
        Command::BenchBlobInfoSnapshot(args) => bench::run(&args, out),
    }
}
