//! `fingerprint`: a small document by which nodes find out where their snapshots differ.

use std::path::PathBuf;

use clap::Args;
use snapshot_tools::fingerprint::{Focus, Prefix};

use crate::args::{OpenArgs, TableArg};
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::fingerprints::take;
use crate::header::HeaderArgs;
use crate::output::Output;
use crate::source::{Reader, Source, note_unproven};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The result is one line of JSON of at most 16 KiB: header, digests of the snapshot in both framings,\n",
    "numbers of rows, and digests of each table by ranges of keys. Ranges are the same on every node, so\n",
    "`compare` finds the one that differs, and says which to look at next. With --prefix a range is\n",
    "looked at closely: its parts, its keys once they are few, or the row of a whole key.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot fingerprint snapshot_epoch_11.bin > node-a.json\n",
    "  blob-snapshot compare node-a.json node-b.json node-c.json\n",
    "  blob-snapshot fingerprint snapshot_epoch_11.bin --table per_object_blob_info --prefix ab\n",
    "  blob-snapshot fingerprint checkpoint_epoch_11 | jq .content"
);

/// Options of `fingerprint`.
#[derive(Debug, Args)]
pub(crate) struct FingerprintArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Look at this table closely; by default at all of them
    #[arg(long, value_name = "TABLE")]
    table: Option<TableArg>,
    /// Look at keys of the table that begin with these hex digits; 64 digits name one row
    #[arg(long, value_name = "HEX", requires = "table")]
    prefix: Option<Prefix>,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// Runs the command.
pub(crate) fn run(args: &FingerprintArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let source = Source::of(&args.path);
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(std::slice::from_ref(&source), out);
    let focus = match args.table {
        Some(table) => Focus::Range(table.into(), args.prefix.unwrap_or(Prefix::EMPTY)),
        None => Focus::All,
    };
    let mut input = reader.open(&source, out)?;
    note_unproven(&source, input.framing(), out);
    let print = take(&source, &mut input, focus, args.chunk, true, out)?;
    if input.is_stream() {
        out.note("the digest in the other framing takes reading the input again: give a file");
    }
    out.document(&print)?;
    Ok(Exit::Ok)
}
