//! `digest`: the digests of snapshots and checkpoints, one line each, and whether they agree.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use snapshot_format::{ChunkPosition, Digest, Epoch, Framing, Header, Table};
use snapshot_store::SnapshotSummary;

use crate::args::OpenArgs;
use crate::error::{CliError, Unexpected};
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::output::{Output, Shown, one_line};
use crate::report::SnapshotReport;
use crate::source::{Reader, Source, require_whole};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Each line is a digest, two spaces, and the path. Inputs of the same framing and epoch must agree.\n",
    "A directory is a database, whose snapshot is made but not written: as `create` would, with the\n",
    "same options. With an epoch and no cursor given, digests of two nodes agree exactly when their\n",
    "tables do.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot digest snapshot_epoch_11.bin\n",
    "  blob-snapshot digest node-a/checkpoint_epoch_11 node-b/checkpoint_epoch_11\n",
    "  blob-snapshot digest checkpoint_epoch_11 --expect 0123456789abcdef"
);

/// Options of `digest`.
#[derive(Debug, Args)]
pub(crate) struct DigestArgs {
    /// Snapshot files, checkpoints, databases of stopped nodes; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The digest each input must have, 16 hex digits
    #[arg(long, value_name = "DIGEST", alias = "expect-digest")]
    expect: Option<Digest>,
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
struct Report {
    /// Whether inputs of the same framing and epoch agree, and with `--expect`.
    agree: bool,
    inputs: Vec<InputReport>,
}

/// What is to be said of one input.
#[derive(Debug, Serialize)]
struct InputReport {
    path: String,
    kind: &'static str,
    #[serde(flatten)]
    snapshot: Option<SnapshotReport>,
    error: Option<String>,
}

/// Inputs that must agree.
struct Group {
    framing: Framing,
    epoch: Epoch,
    chunk: ChunkPosition,
    members: Vec<(String, SnapshotSummary)>,
}

impl DigestArgs {
    const fn reader(&self) -> Reader<'_> {
        Reader {
            open: &self.open,
            header: &self.header,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &DigestArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let mut unusable = Exit::Ok;
    let mut inputs = Vec::new();
    let mut sound = Vec::new();
    let sources = Source::all(&args.paths)?;
    args.reader().doubt(&sources, out);
    for source in sources {
        let (path, kind) = (source.name(), source.kind());
        match summarize(args, &source, out) {
            Ok(summary) => {
                out.line(format_args!("{}  {}", summary.digest, Shown(&path)))?;
                sound.push((path.clone(), summary));
                let snapshot = Some((&summary).into());
                inputs.push(InputReport {
                    path,
                    kind,
                    snapshot,
                    error: None,
                });
            }
            Err(error) => {
                let exit = error.exit();
                out.error(&error, exit);
                unusable = unusable.max(exit);
                let error = Some(one_line(&error));
                inputs.push(InputReport {
                    path,
                    kind,
                    snapshot: None,
                    error,
                });
            }
        }
    }

    let mut answer = Exit::Ok;
    for reason in disagreements(args.expect, sound, out) {
        out.refusal(&reason);
        answer = Exit::No;
    }
    out.object(&Report {
        agree: answer == Exit::Ok && unusable == Exit::Ok,
        inputs,
    })?;
    Ok(answer.max(unusable))
}

fn summarize(
    args: &DigestArgs,
    source: &Source,
    out: &mut Output,
) -> Result<SnapshotSummary, CliError> {
    let summary = args.reader().summarize(source, out)?;
    let name = source.name();
    require_whole(&summary.header, &name, args.chunk)?;
    let framing = summary.header.framing();
    if args
        .header
        .framing
        .is_some_and(|wanted| Framing::from(wanted) != framing)
    {
        out.warn(format_args!(
            "{} is a {framing} file, and its digest that of its bytes: --framing is for databases",
            Shown(&name)
        ));
    }
    Ok(summary)
}

/// Everything that should agree and does not.
fn disagreements(
    expect: Option<Digest>,
    sound: Vec<(String, SnapshotSummary)>,
    out: &Output,
) -> Vec<Unexpected> {
    let unexpected = sound.iter().filter_map(|(name, summary)| {
        let expected = expect.filter(|expected| *expected != summary.digest)?;
        Some(Unexpected::Digest {
            name: name.clone(),
            expected,
            got: summary.digest,
        })
    });
    let mut reasons: Vec<Unexpected> = unexpected.collect();
    let groups = group(sound);
    if groups.len() > 1 {
        out.note("digests are compared among inputs of the same framing and epoch only");
    }
    reasons.extend(groups.iter().filter_map(Group::disagreement));
    reasons
}

fn group(sound: Vec<(String, SnapshotSummary)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, summary) in sound {
        let header = &summary.header;
        let (framing, epoch, chunk) = (header.framing(), header.epoch(), header.chunk());
        let same = |group: &&mut Group| {
            (group.framing, group.epoch, group.chunk) == (framing, epoch, chunk)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.members.push((name, summary)),
            None => {
                groups.push(Group {
                    framing,
                    epoch,
                    chunk,
                    members: vec![(name, summary)],
                });
            }
        }
    }
    groups
}

impl Group {
    fn disagreement(&self) -> Option<Unexpected> {
        let mut groups: Vec<(Digest, Vec<String>)> = Vec::new();
        for (name, summary) in &self.members {
            let name = Shown(name).to_string();
            match groups
                .iter_mut()
                .find(|(digest, _)| *digest == summary.digest)
            {
                Some((_, names)) => names.push(name),
                None => groups.push((summary.digest, vec![name])),
            }
        }
        // Stable, so that of two equally frequent ones the first given stays first.
        groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        (groups.len() > 1).then(|| Unexpected::Differ {
            framing: self.framing,
            epoch: self.epoch,
            why: self.why(),
            groups,
        })
    }

    /// In what they differ, as far as headers and counts tell.
    fn why(&self) -> String {
        let differs = |of: fn(&Header) -> Vec<u8>| {
            let mut all = self.members.iter().map(|(_, summary)| of(&summary.header));
            let first = all.next();
            all.any(|other| Some(other) != first)
        };
        if differs(Header::encode) {
            return "in their headers (event cursor or previous blob ID); compare snapshots made \
                    with the same ones"
                .to_owned();
        }
        let tables = Table::ALL
            .into_iter()
            .filter_map(|table| self.counts(table));
        let tables: Vec<String> = tables.collect();
        if tables.is_empty() {
            "in their rows, while headers and numbers of rows agree".to_owned()
        } else {
            format!("in the number of rows ({})", tables.join("; "))
        }
    }

    /// The different numbers of rows of a table, if they are different.
    fn counts(&self, table: Table) -> Option<String> {
        let mut counts: Vec<u64> = self
            .members
            .iter()
            .map(|(_, summary)| summary.counts[table])
            .collect();
        counts.sort_unstable();
        counts.dedup();
        let texts: Vec<String> = counts.iter().map(u64::to_string).collect();
        (texts.len() > 1).then(|| format!("{table}: {}", texts.join(" or ")))
    }
}
