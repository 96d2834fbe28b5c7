//! `blob-snapshot`: blob info snapshots on the command line.
//!
//! This file parses, dispatches and ends the process. One file per command lies in `cmd`; only
//! `output` prints. What a snapshot is and how it is made stands in the libraries.

#![allow(
    rustdoc::invalid_html_tags,
    reason = "doc comments of arguments are the text of --help, which no HTML is made of"
)]

mod args;
mod cmd;
mod comparisons;
mod differences;
mod dump;
mod error;
mod exit;
mod fingerprints;
mod header;
mod hint;
mod input;
mod outlet;
mod output;
mod overviews;
mod progress;
mod report;
mod report_html;
mod rows;
mod source;
mod target;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::Cli;
use crate::exit::Exit;
use crate::hint::Options;
use crate::output::Output;

fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, Options::of(matches.subcommand_name())))
    });
    let exit = match parsed {
        Ok((cli, options)) => run(cli, options),
        Err(error) => explain(&error),
    };
    ExitCode::from(exit.code())
}

fn run(cli: Cli, options: Options) -> Exit {
    let mut out = Output::new(&cli.global, options);
    cmd::run(cli.command, &mut out).unwrap_or_else(|error| {
        let exit = error.exit();
        out.error(&error, exit);
        exit
    })
}

/// Prints what clap has to say: help and version, or what is wrong with the command line.
fn explain(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        return Output::help(&error.render()).map_or_else(
            |error| {
                Output::plain().error(&error, error.exit());
                error.exit()
            },
            |()| Exit::Ok,
        );
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        Output::usage_as_json(&error.render().to_string());
    } else {
        let _ = error.print();
    }
    Exit::Usage
}
