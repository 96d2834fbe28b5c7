//! `compare`: which of several snapshots, checkpoints and fingerprints agree, where the others differ, and
//! what to run next.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use snapshot_tools::compare::{OfEpoch, compare};
use snapshot_tools::fingerprint::{Focus, InputKind, RangeDigest};

use crate::args::OpenArgs;
use crate::comparisons::{Inputs, Unusable, advice, lines, next};
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::fingerprints::{Printed, load, take};
use crate::header::HeaderArgs;
use crate::output::Output;
use crate::source::{Reader, Source};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Any mix of fingerprints, snapshot files of either framing, checkpoints. All rows are compared, and\n",
    "headers as far as both sides know what they say. Where fingerprints look at a range closely, what\n",
    "is not a fingerprint is looked at there too. Ask until a key is named; with both files at hand,\n",
    "`diff` shows all rows that differ at once.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot compare node-a.json node-b.json node-c.json\n",
    "  blob-snapshot compare snapshot_epoch_11.bin checkpoint_epoch_11 node-b.json\n",
    "  blob-snapshot compare *.json --json | jq .next"
);

/// Options of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Fingerprints, snapshot files, checkpoints, databases of stopped nodes; - is standard input
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    agree: bool,
    inputs: Vec<InputReport<'a>>,
    /// Inputs that could not be used.
    unusable: Vec<Unusable>,
    epochs: &'a [OfEpoch],
    /// What to run next, and compare.
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct InputReport<'a> {
    path: &'a str,
    /// What the fingerprint was taken of.
    of: &'a str,
    kind: InputKind,
    rows: u64,
    content: RangeDigest,
}

/// Runs the command.
pub(crate) fn run(args: &CompareArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let sources = Source::all(&args.paths)?;
    let inputs = gather(args, &sources, out);
    let comparison = compare(&inputs.prints);
    let next = next(&comparison, &inputs);
    for line in lines(&comparison, &inputs) {
        out.line(line)?;
    }
    for line in advice(&next) {
        out.line(line)?;
    }
    let agree = comparison.agree() && inputs.exit.is_none();
    let reports = inputs.prints.iter().zip(&inputs.names);
    out.object(&Report {
        agree,
        inputs: reports
            .map(|(print, path)| InputReport {
                path,
                of: &print.input,
                kind: print.kind,
                rows: print.rows(),
                content: print.content,
            })
            .collect(),
        unusable: inputs.unusable,
        epochs: &comparison.epochs,
        next,
    })?;
    let answer = if comparison.agree() {
        Exit::Ok
    } else {
        Exit::No
    };
    Ok(inputs.exit.map_or(answer, |exit| exit.max(answer)))
}

/// Reads the fingerprints, and takes those of the rest where they look.
fn gather(args: &CompareArgs, sources: &[Source], out: &mut Output) -> Inputs {
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(sources, out);
    let mut opened: Vec<(usize, Result<Printed, CliError>)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let printed = reader
            .open(source, out)
            .and_then(|input| load(input, &source.name()));
        opened.push((index, printed));
    }
    let focus = common_focus(opened.iter().filter_map(|(_, printed)| match printed {
        Ok(Printed::Document(print)) => Some(print.focus()),
        _ => None,
    }));
    let mut inputs = Inputs::default();
    for (source, (_, printed)) in sources.iter().zip(opened) {
        let is_document = matches!(printed, Ok(Printed::Document(_)));
        let print = printed.and_then(|printed| match printed {
            Printed::Document(print) => Ok(*print),
            Printed::Snapshot(mut input) => take(source, &mut input, focus, args.chunk, false, out),
        });
        inputs.add(source.name(), is_document, print, out);
    }
    inputs
}

/// Where all of several fingerprints that look closely look; everywhere if they do not agree.
fn common_focus(focuses: impl Iterator<Item = Focus>) -> Focus {
    let mut close = focuses.filter(|focus| *focus != Focus::All);
    match close.next() {
        Some(first) if close.all(|focus| focus == first) => first,
        _ => Focus::All,
    }
}
