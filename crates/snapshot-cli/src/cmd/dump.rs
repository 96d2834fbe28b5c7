//! `dump`: rows as JSON lines, CSV or Parquet.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::slice;

use clap::Args;
use serde::Serialize;
use snapshot_format::{Header, ObjectId};
use snapshot_store::transport::OutputFile;
use snapshot_tools::columns::Columns;

use crate::args::OpenArgs;
use crate::dump::{Format, Writer};
use crate::error::{CliError, UsageError};
use crate::exit::{Exit, with_exit_codes};
use crate::input::Input;
use crate::outlet::{self, Content};
use crate::output::{Output, Shown};
use crate::rows::{FilterArgs, each_row};
use crate::source::{Reader, Source, note_unproven, require_whole};
use crate::target::{is_stdout, replace, stdout};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Rows of all tables have one set of columns: table, key, blob_id, registered_epoch,\n",
    "certified_epoch, start_epoch, end_epoch, deletable, deleted, storage_pool_id, event_tx_digest,\n",
    "event_seq. What a table does not have is empty, or null. The format is that of --format or of the\n",
    "output's name: .jsonl, .csv, .parquet, the first two also with .zst. Rows come before the input is\n",
    "verified to its end: exit code 3 says that they are not to be used, and an output file then does\n",
    "not appear.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot dump snapshot_epoch_11.bin --certified no | jq .blob_id\n",
    "  blob-snapshot dump checkpoint_epoch_11 --expiring-before 20 --output expiring.csv\n",
    "  blob-snapshot dump snapshot_epoch_11.bin.zst --output rows.parquet\n",
    "  duckdb -c \"select end_epoch, count(*) from 'rows.parquet' group by all order by 1\""
);

/// Options of `dump`.
#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Where to write; - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What to write [default: what the output's name says, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Replace the output if it exists
    #[arg(long, short)]
    force: bool,
    /// This storage pool and the rows of blobs in it; several may be given
    #[arg(long = "pool-id", alias = "pool", value_name = "0xHEX")]
    pools: Vec<ObjectId>,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    output: String,
    format: &'static str,
    rows: u64,
}

/// Runs the command.
pub(crate) fn run(args: &DumpArgs, out: &mut Output) -> Result<Exit, CliError> {
    let source = Source::of(&args.path);
    outlet::check(&args.output, Content::Rows, slice::from_ref(&source))?;
    let format = Format::of(&args.output, args.format).map_err(UsageError::from)?;
    let to_stdout = is_stdout(&args.output);
    if to_stdout {
        if format.is_binary() && io::stdout().is_terminal() {
            return Err(UsageError::Terminal.into());
        }
        out.leave_stdout_to_snapshot();
    }
    let mut input = Reader::open_rows(&source, &args.open, out)?;
    note_unproven(&source, input.framing(), out);
    if to_stdout {
        return match write(args, &mut input, format, stdout()?, out) {
            // Whoever closed the pipe has read enough.
            Err(CliError::Dump { source, .. })
                if source.kind() == io::ErrorKind::BrokenPipe && !format.is_binary() =>
            {
                Ok(Exit::Ok)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(Exit::Ok),
        };
    }
    let file = OutputFile::create(&args.output, replace(args.force))?;
    let (file, rows) = write(args, &mut input, format, file, out)?;
    file.commit()?;
    say(&args.output, format, rows, out)
}

/// Writes all rows that are wanted, and returns how many they are.
fn write<W: Write + Send>(
    args: &DumpArgs,
    input: &mut Input,
    format: Format,
    sink: W,
    out: &Output,
) -> Result<(W, u64), CliError> {
    let filter = args.filter.filter(&args.pools);
    let failed = |source| CliError::Dump {
        output: args.output.clone(),
        source,
    };
    let mut writer = Writer::new(format, sink).map_err(failed)?;
    let mut rows = 0;
    let whole = |header: &Header| {
        let name = Source::of(&args.path).name();
        require_whole(header, &name, args.chunk)
    };
    each_row(input, out, whole, |key, record| {
        if filter.admits(&key, record) {
            rows += 1;
            writer.row(&Columns::new(key, record)).map_err(failed)?;
        }
        Ok(())
    })?;
    Ok((writer.finish().map_err(failed)?, rows))
}

fn say(path: &Path, format: Format, rows: u64, out: &mut Output) -> Result<Exit, CliError> {
    let output = path.display().to_string();
    out.line(format_args!("wrote {}: {rows} rows", Shown(&output)))?;
    out.object(&Report {
        output,
        format: format.name(),
        rows,
    })?;
    Ok(Exit::Ok)
}
