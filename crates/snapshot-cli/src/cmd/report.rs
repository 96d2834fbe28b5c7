//! `report`: one page that shows whether snapshots are sane, to be opened in a browser.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use snapshot_store::publish::{PublishError, is_special};
use snapshot_store::transport::OutputFile;
use snapshot_tools::overview::Collector;
use snapshot_tools::overview::checks::Level;

use crate::args::OpenArgs;
use crate::error::{CliError, UsageError};
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::outlet::{self, Content};
use crate::output::{Output, Shown, one_line};
use crate::overviews::{Findings, Shot, Unreadable};
use crate::report::DigestLine;
use crate::report_html;
use crate::source::{Reader, Source, note_unproven};
use crate::target::{is_stdout, replace};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The page is one file that loads nothing: mail it, attach it to a ticket, open it from disk. It\n",
    "begins with a verdict. Inputs of one epoch are compared, with a map of where their keys differ;\n",
    "inputs of several epochs show growth. The answer is no if something is there that a sound node\n",
    "does not have, or inputs of one epoch differ. An input that cannot be read is named on the page.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot report snapshot_epoch_11.bin --output report.html\n",
    "  blob-snapshot report node-a.bin node-b.bin node-c.bin --output compared.html\n",
    "  blob-snapshot report archive/snapshot_epoch_*.bin --output growth.html --force"
);

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Snapshot files, checkpoints, databases of stopped nodes; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where to write the page; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the output if it exists
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// `null` for standard output.
    output: Option<String>,
    #[serde(flatten)]
    findings: &'a Findings,
}

/// Runs the command.
pub(crate) fn run(args: &ReportArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let sources = Source::all(&args.paths)?;
    outlet::check(&args.output, Content::Page, &sources)?;
    let to_stdout = is_stdout(&args.output);
    if to_stdout {
        if io::stdout().is_terminal() {
            return Err(UsageError::PageToTerminal.into());
        }
        out.leave_stdout_to_snapshot();
    }
    if !to_stdout
        && !args.force
        && args.output.exists()
        && !is_special(&args.output).unwrap_or(false)
    {
        // Said before an hour of reading, and held to when the page is written.
        return Err(PublishError::Exists {
            path: args.output.clone(),
        }
        .into());
    }
    let (findings, unusable) = gather(args, &sources, out);
    if findings.snapshots.is_empty() {
        return Ok(unusable);
    }
    let page = report_html::page(&findings);
    write(
        &page,
        (!to_stdout).then_some(args.output.as_path()),
        args.force,
    )?;
    say(&findings, args, to_stdout, out)?;
    let answer = match findings.verdict {
        Level::Bad => Exit::No,
        _ => Exit::Ok,
    };
    Ok(unusable.max(answer))
}

/// Reads all inputs, one after the other.
fn gather(args: &ReportArgs, sources: &[Source], out: &mut Output) -> (Findings, Exit) {
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(sources, out);
    let (mut shots, mut unreadable, mut exit) = (Vec::new(), Vec::new(), Exit::Ok);
    for source in sources {
        match look(reader, source, out) {
            Ok(shot) => shots.push(shot),
            Err(error) => {
                out.error(&error, error.exit());
                exit = exit.max(error.exit());
                unreadable.push(Unreadable {
                    path: source.name(),
                    error: one_line(&error),
                });
            }
        }
    }
    (Findings::new(shots, unreadable), exit)
}

fn look(reader: Reader<'_>, source: &Source, out: &mut Output) -> Result<Shot, CliError> {
    let mut input = reader.open(source, out)?;
    let mut collector = Collector::new(input.origin());
    let summary = out.meter().during(input.what(), input.unit(), |progress| {
        input.read(progress, |event| collector.event(&event))
    })?;
    note_unproven(source, input.framing(), out);
    let overview = collector.finish().ok_or_else(|| CliError::Diff {
        what: "a snapshot has no header".to_owned(),
    })?;
    out.line(format_args!(
        "{}  {}",
        DigestLine(&summary),
        Shown(&source.name())
    ))?;
    Ok(Shot::new(source.name(), source.kind(), &summary, overview))
}

fn write(page: &str, path: Option<&Path>, force: bool) -> Result<(), CliError> {
    let Some(path) = path else {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(page.as_bytes())
            .and_then(|()| stdout.flush());
        return written.map_err(CliError::Stdout);
    };
    let mut file = OutputFile::create(path, replace(force))?;
    file.write_all(page.as_bytes())
        .map_err(|source| CliError::Page {
            path: path.to_path_buf(),
            source,
        })?;
    file.commit()?;
    Ok(())
}

fn say(
    findings: &Findings,
    args: &ReportArgs,
    to_stdout: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    for (index, check) in findings.checks() {
        let word = match check.level {
            Level::Good => continue,
            Level::Doubt => "doubtful",
            Level::Bad => "bad",
        };
        let path = index.and_then(|index| findings.shot(index));
        let path = path.map_or_else(String::new, |shot| format!("{}: ", Shown(&shot.path)));
        out.line(format_args!("{word}: {path}{}", check.text))?;
    }
    out.line(format_args!(
        "verdict: {}",
        report_html::verdict(findings.verdict)
    ))?;
    let output = (!to_stdout).then(|| args.output.display().to_string());
    if let Some(output) = &output {
        out.line(format_args!("page: {}", Shown(output)))?;
    }
    out.object(&Report { output, findings })
}
