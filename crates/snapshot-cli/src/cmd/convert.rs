//! `convert`: the same content in the other framing, or under a header that says more.

use std::path::PathBuf;

use clap::Args;
use snapshot_format::{BlobId, Header};

use crate::args::OpenArgs;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::output::{Output, Shown};
use crate::source::{Reader, Source, require_whole};
use crate::target::{OutputArgs, require_outside};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The input is verified before anything is written. Without --framing, a file is written in the\n",
    "framing it does not have. What the header says is kept; options fill in what it leaves open, and\n",
    "cannot contradict it. A counted file always has the event cursor: a snapshot made offline needs\n",
    "it told.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot convert snapshot_epoch_11.bin --framing sealed --output sealed.bin\n",
    "  blob-snapshot convert sealed.bin --framing counted --event-tx-digest <BASE58> --event-seq 1 \\\n",
    "      --next-event-index 35939 --output snapshot_epoch_11.bin\n",
    "  blob-snapshot convert - --output sealed.bin.zst < snapshot_epoch_11.bin"
);

/// Options of `convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ConvertArgs, out: &mut Output) -> Result<Exit, CliError> {
    let source = Source::of(&args.path);
    if let Source::Database(path) = &source {
        args.header.check()?;
        require_outside(&args.output.output, path)?;
    }
    args.output.prepare(out)?;
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    let mut input = reader.open(&source, out)?;
    let summary = out.meter().during(input.what(), input.unit(), |progress| {
        input.read_first(progress, |_| {})
    })?;
    require_whole(&summary.header, &source.name(), false)?;
    let header = match source {
        // Made of the options already.
        Source::Database(_) => summary.header,
        _ => args.header.converted(&summary.header)?,
    };
    if let (Header::Sealed(from), Header::Counted(_)) = (&summary.header, &header)
        && from.prev_snapshot_blob_id != BlobId::ZERO
    {
        out.warn(format_args!(
            "the counted framing does not hold the previous snapshot's blob ID, which {} says is {}",
            Shown(&source.name()),
            from.prev_snapshot_blob_id
        ));
    }
    args.output.deliver(out, |sink, progress| {
        input.write_as(&header, &summary, sink, progress)
    })?;
    Ok(Exit::Ok)
}
