//! `convert`: the same content in the other framing, or under a header that says more.

use std::path::PathBuf;
use std::slice;

use clap::Args;
use snapshot_format::{BlobId, Digest, Framing, Header};
use snapshot_tools::header::Origin;

use crate::args::OpenArgs;
use crate::error::{CliError, Unexpected, UsageError};
use crate::exit::{Exit, with_exit_codes};
use crate::header::{FramingArg, HeaderArgs};
use crate::input::Input;
use crate::output::{Output, Shown};
use crate::source::{Reader, Source, require_whole};
use crate::target::OutputArgs;

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The input is verified before anything is written. Without --framing, a file is written in the\n",
    "framing it does not have. What the header says is kept; options fill in what it leaves open, and\n",
    "cannot contradict it. A counted file always has the event cursor: a snapshot made offline needs\n",
    "it told. A counted file has no checksum, and a sealed one has: the digest that the node logged must\n",
    "be given, or --without-digest.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot convert snapshot_epoch_11.bin --expect-digest 0123456789abcdef --output sealed.bin\n",
    "  blob-snapshot convert sealed.bin --framing counted --event-tx-digest <BASE58> --event-seq 1 \\\n",
    "      --next-event-index 35939 --output snapshot_epoch_11.bin\n",
    "  blob-snapshot convert - --without-digest --output sealed.bin.zst < snapshot_epoch_11.bin"
);

/// Options of `convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The digest the input must have, 16 hex digits
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<Digest>,
    /// Make a sealed file of a counted one, which has no checksum, without its digest
    #[arg(long, conflicts_with = "expect_digest")]
    without_digest: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

impl ConvertArgs {
    /// Whether a checksum is made for what has none and is compared with no digest.
    fn seals_unproven(&self, input: &Input) -> bool {
        input.origin() == Origin::Found
            && input.framing() == Framing::Counted
            && self.header.framing != Some(FramingArg::Counted)
            && self.expect_digest.is_none()
    }
}

/// Runs the command.
pub(crate) fn run(args: &ConvertArgs, out: &mut Output) -> Result<Exit, CliError> {
    let source = Source::of(&args.path);
    if matches!(source, Source::Database(_)) {
        args.header.check()?;
    }
    args.output.prepare(slice::from_ref(&source), out)?;
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    let mut input = reader.open(&source, out)?;
    if args.seals_unproven(&input) && !args.without_digest {
        let name = source.name();
        return Err(UsageError::NoDigest { name }.into());
    }
    let summary = out.meter().during(input.what(), input.unit(), |progress| {
        input.read_first(progress, |_| {})
    })?;
    require_whole(&summary.header, &source.name(), false)?;
    if let Some(expected) = args
        .expect_digest
        .filter(|digest| *digest != summary.digest)
    {
        out.refusal(&Unexpected::Digest {
            name: source.name(),
            expected,
            got: summary.digest,
        });
        return Ok(Exit::No);
    }
    if args.seals_unproven(&input) {
        out.warn(format_args!(
            "{} has no checksum of its own and was compared with no digest: the checksum of the new file says \
             that nothing changed since, not that these are the rows its node wrote",
            Shown(&source.name())
        ));
    }
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
