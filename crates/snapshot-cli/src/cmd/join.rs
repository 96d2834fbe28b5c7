//! `join`: the chunk files of a snapshot to one file.

use std::path::PathBuf;

use clap::Args;
use snapshot_store::chunks::join;

use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::output::Output;
use crate::source::{self, Source};
use crate::target::OutputArgs;

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "All chunks of one snapshot, in any order. Each is verified; if they are not one whole snapshot,\n",
    "nothing is written. The result is what `create` writes without --max-chunk-size, and has the\n",
    "same digest.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot join snapshot_epoch_11.chunk-*.bin --output snapshot_epoch_11.bin\n",
    "  blob-snapshot join snapshot_epoch_11.chunk-*.bin.zst --output - | sha256sum"
);

/// Options of `join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The chunk files
    #[arg(required = true, value_name = "CHUNK")]
    chunks: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &JoinArgs, out: &mut Output) -> Result<Exit, CliError> {
    let chunks = Source::all(&args.chunks)?;
    source::require_files(&chunks)?;
    args.output.prepare(&chunks, out)?;
    args.output.deliver(out, |sink, progress| {
        Ok(join(&args.chunks, sink, progress)?)
    })?;
    Ok(Exit::Ok)
}
