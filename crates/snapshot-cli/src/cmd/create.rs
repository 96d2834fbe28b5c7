//! `create`: a database to a snapshot file, its digest, and proof that the file is sound.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::slice;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use snapshot_format::{Framing, Header};
use snapshot_store::SnapshotSummary;
use snapshot_store::chunks::chunks_beside;
use snapshot_store::create::create;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::open::Database;
use snapshot_store::transport::OutputFile;

use crate::args::{ByteSize, OpenArgs};
use crate::cmd::split::{Cut, warn_of_chunks};
use crate::error::{CliError, UsageError};
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::input::Input;
use crate::outlet::{self, Content};
use crate::output::{Output, Shown};
use crate::progress::Unit;
use crate::report::{DigestLine, SnapshotReport, bytes, seconds};
use crate::source::{self, Proof, Source};
use crate::target::{is_stdout, publish, replace, stdout};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The file is read back and verified, and then appears under its name, whole and durable, or\n",
    "not at all. The first line of the result is the one to compare with other nodes.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot create --db /data/blob_info_snapshots/checkpoint_epoch_11\n",
    "      writes snapshot_epoch_11.bin in the current directory\n",
    "  blob-snapshot create --db checkpoint_epoch_11 --output snapshot_epoch_11.bin.zst\n",
    "  blob-snapshot create --db checkpoint_epoch_11 --framing counted --event-tx-digest <BASE58> \\\n",
    "      --event-seq 1 --next-event-index 35939\n",
    "      the bytes a node since v1.51 writes, if the cursor is that of the boundary"
);

/// Options of `create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Directory of the database: a checkpoint, or the database of a stopped node
    #[arg(long, value_name = "DIR", alias = "db-path")]
    db: PathBuf,
    /// Where to write, compressed if the name ends in .zst; - is standard output [default: snapshot_epoch_<N>.bin in this directory]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long, short)]
    force: bool,
    /// Cut the snapshot into chunk files of at most this size, if it is larger: 4096, 64KiB, 100MiB, 1GiB
    #[arg(long, value_name = "SIZE")]
    max_chunk_size: Option<ByteSize>,
    /// Do not read the file back to verify it
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    snapshot: SnapshotReport,
    /// `null` for standard output.
    output: Option<String>,
    verified: bool,
    /// What reading it back proved; `null` if it was not.
    proof: Option<Proof>,
    /// Seconds from opening the database to the durable file, without reading it back.
    create_seconds: f64,
    /// Seconds to read it back.
    verify_seconds: Option<f64>,
}

/// Runs the command.
pub(crate) fn run(args: &CreateArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let to_stdout = args.output.as_deref().is_some_and(is_stdout);
    let source = Source::Database(args.db.clone());
    if let Some(output) = &args.output {
        outlet::check(output, Content::Snapshot, slice::from_ref(&source))?;
    }
    if to_stdout {
        if io::stdout().is_terminal() {
            return Err(UsageError::Terminal.into());
        }
        out.leave_stdout_to_snapshot();
    }
    let header = args.header.resolve(&args.db, out)?;
    let path = (!to_stdout).then(|| output_path(args, &header));
    if let Some(path) = &path {
        outlet::check(path, Content::Snapshot, slice::from_ref(&source))?;
    }
    if let Some(limit) = args.max_chunk_size {
        return write_chunks(args, limit, header, path, out);
    }

    let start = Instant::now();
    let database = source::open(&args.db, &args.open, out)?;
    let (summary, verify_time) = match &path {
        Some(path) => {
            let file = OutputFile::create(path, replace(args.force))?;
            let (file, summary) = write(args, database, &header, file, out)?;
            let time = publish(file, path, &summary, !args.no_verify, out)?;
            warn_of_chunks(path, &chunks_beside(path, 1), out);
            (summary, time)
        }
        None => (write(args, database, &header, stdout()?, out)?.1, None),
    };
    let create_time = start
        .elapsed()
        .saturating_sub(verify_time.unwrap_or_default());
    say(out, &summary, path.as_deref(), create_time, verify_time)?;
    Ok(Exit::Ok)
}

fn write_chunks(
    args: &CreateArgs,
    limit: ByteSize,
    header: Header,
    path: Option<PathBuf>,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let path = path.ok_or(UsageError::ChunksToStdout)?;
    let name = args.db.display().to_string();
    if header.framing() == Framing::Counted {
        return Err(UsageError::CountedHasNoChunks { name }.into());
    }
    let cut = Cut {
        limit,
        output: &path,
        force: args.force,
        no_verify: args.no_verify,
    };
    cut.check(&Source::Database(args.db.clone()))?;
    cut.recover(out)?;
    let database = source::open(&args.db, &args.open, out)?;
    let mut input = Input::database(database, header, args.open.create_options());
    cut.write(&mut input, &name, out)
}

/// Writes the snapshot, and closes the database.
fn write<W: Write>(
    args: &CreateArgs,
    database: Database,
    header: &Header,
    mut sink: W,
    out: &Output,
) -> Result<(W, SnapshotSummary), CliError> {
    let options = args.open.create_options();
    let summary = out.meter().during("writing", Unit::Rows, |progress| {
        create(&database, header, &mut sink, &options, progress)
    })?;
    drop(database);
    Ok((sink, summary))
}

fn output_path(args: &CreateArgs, header: &Header) -> PathBuf {
    args.output.clone().unwrap_or_else(|| {
        ArtifactName::finished(ArtifactKind::Snapshot, header.epoch())
            .to_string()
            .into()
    })
}

fn say(
    out: &mut Output,
    summary: &SnapshotSummary,
    path: Option<&Path>,
    create_time: Duration,
    verify_time: Option<Duration>,
) -> Result<(), CliError> {
    let proof = verify_time.map(|_| Proof::of_written(summary.header.framing()));
    let name = path.map(|path| path.display().to_string());
    let shown = name.as_deref().unwrap_or("standard output");
    out.line(DigestLine(summary))?;
    for (table, count) in summary.counts.iter() {
        out.line(format_args!("  {table:27} {count:>12} rows"))?;
    }
    out.line(format_args!(
        "wrote {}: {} bytes ({}) in {}; {}",
        Shown(shown),
        summary.size,
        bytes(summary.size),
        seconds(create_time),
        match verify_time {
            Some(time) => format!("{} in {}", Proof::said(proof), seconds(time)),
            None => Proof::said(proof).to_owned(),
        },
    ))?;
    out.object(&Report {
        snapshot: summary.into(),
        output: name,
        verified: verify_time.is_some(),
        proof,
        create_seconds: create_time.as_secs_f64(),
        verify_seconds: verify_time.map(|time| time.as_secs_f64()),
    })
}
