//! `verify`: whether snapshot files are sound, and the ones expected.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use snapshot_format::{Digest, Epoch, Framing};
use snapshot_store::SnapshotSummary;

use crate::error::{CliError, Unexpected};
use crate::exit::{Exit, with_exit_codes};
use crate::header::FramingArg;
use crate::output::{Output, Shown, one_line};
use crate::report::{DigestLine, SnapshotReport};
use crate::source::{Proof, Source, note_unproven, require_whole};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "A file is sound if it follows every rule of the format to its last byte. The digest of a counted\n",
    "file is not in the file, so damage to a value does not show by itself: compare it with the one its\n",
    "node logged, with --expect-digest.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot verify snapshot_epoch_11.bin\n",
    "  blob-snapshot verify snapshot_epoch_11.bin --expect-digest 0123456789abcdef --expect-epoch 11\n",
    "  blob-snapshot verify snapshot_epoch_11.bin.zst"
);

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Snapshot files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The digest each file must have, 16 hex digits
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<Digest>,
    /// The epoch each file must be of
    #[arg(long, value_name = "N")]
    expect_epoch: Option<Epoch>,
    /// The framing each file must have
    #[arg(long, value_name = "FRAMING")]
    expect_framing: Option<FramingArg>,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    files: Vec<FileReport>,
}

/// What is to be said of one file.
#[derive(Debug, Serialize)]
struct FileReport {
    path: String,
    ok: bool,
    /// Whether it is a sound snapshot; `null` if it could not be read.
    sound: Option<bool>,
    /// What was proven of a sound one besides.
    proof: Option<Proof>,
    #[serde(flatten)]
    snapshot: Option<SnapshotReport>,
    problems: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, out: &mut Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Ok;
    let mut files = Vec::new();
    for source in Source::all(&args.files)? {
        let name = source.name();
        let report = match source.decode(out, |_| {}) {
            Ok(summary) => {
                let problems = problems(args, &name, &summary, out);
                let framing = summary.header.framing();
                let expected = args.expect_digest == Some(summary.digest);
                let proof = if expected {
                    Some(Proof::ExpectedDigest)
                } else {
                    note_unproven(&source, framing, out);
                    Proof::of(&source, framing)
                };
                if problems.is_empty() {
                    out.line(format_args!(
                        "{}: ok{}, {}",
                        Shown(&name),
                        if proof == Some(Proof::Rules) {
                            " (no checksum)"
                        } else {
                            ""
                        },
                        DigestLine(&summary)
                    ))?;
                } else {
                    exit = exit.max(Exit::No);
                }
                FileReport {
                    path: name,
                    ok: problems.is_empty(),
                    sound: Some(true),
                    proof,
                    snapshot: Some((&summary).into()),
                    problems,
                }
            }
            Err(error) => {
                let is_verdict = error.is_verdict();
                let code = if is_verdict { Exit::No } else { error.exit() };
                exit = exit.max(code);
                out.error(&error, code);
                FileReport {
                    path: name,
                    ok: false,
                    sound: is_verdict.then_some(false),
                    proof: None,
                    snapshot: None,
                    problems: vec![one_line(&error)],
                }
            }
        };
        files.push(report);
    }
    out.object(&Report {
        ok: exit == Exit::Ok,
        files,
    })?;
    Ok(exit)
}

/// How a sound file is not as expected; each is said.
fn problems(args: &VerifyArgs, name: &str, summary: &SnapshotSummary, out: &Output) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = require_whole(&summary.header, name, args.chunk) {
        out.error(&error, Exit::No);
        problems.push(error.to_string());
    }
    for reason in differences(args, name, summary) {
        out.refusal(&reason);
        problems.push(reason.to_string());
    }
    problems
}

fn differences(
    args: &VerifyArgs,
    name: &str,
    summary: &SnapshotSummary,
) -> impl Iterator<Item = Unexpected> {
    let (digest, epoch) = (summary.digest, summary.header.epoch());
    let framing = summary.header.framing();
    let name = || name.to_owned();
    let wrong_digest = args
        .expect_digest
        .filter(|expected| *expected != digest)
        .map(|expected| Unexpected::Digest {
            name: name(),
            expected,
            got: digest,
        });
    let wrong_epoch = args
        .expect_epoch
        .filter(|expected| *expected != epoch)
        .map(|expected| Unexpected::Epoch {
            name: name(),
            expected,
            got: epoch,
        });
    let wrong_framing = args
        .expect_framing
        .map(Framing::from)
        .filter(|expected| *expected != framing)
        .map(|expected| Unexpected::Framing {
            name: name(),
            expected,
            got: framing,
        });
    [wrong_digest, wrong_epoch, wrong_framing]
        .into_iter()
        .flatten()
}
