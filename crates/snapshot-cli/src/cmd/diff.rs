//! `diff`: each row that differs between two snapshots, and what the differences probably mean.

use std::path::PathBuf;

use clap::Args;
use snapshot_format::{Framing, Header, Table};
use snapshot_store::limits::LimitError;
use snapshot_store::{Progress, SnapshotSummary};
use snapshot_tools::diff::{Collector, DiffError, DiffSummary, diff};
use snapshot_tools::rows::{Interrupted, RowReceiver, RowSender, passes, side_by_side};
use snapshot_tools::side::{Side, Sides};

use crate::args::{OpenArgs, TableArg};
use crate::differences::{Limit, Printer};
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::input::Input;
use crate::output::Output;
use crate::source::{Reader, Source, note_unproven, require_whole};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "A line is - and a row that only A has, + and a row that only B has, or M and the fields that differ.\n",
    "Then follow numbers for each table and field, and the likely cause. Both inputs are verified to\n",
    "their end. A header counts as far as both know what it says: a checkpoint has no event cursor.\n",
    "With --json each difference is an object on a line of its own, and the last line is the summary.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot diff node-a.bin node-b.bin\n",
    "  blob-snapshot diff snapshot_epoch_11.bin checkpoint_epoch_11 --limit 0\n",
    "  blob-snapshot diff node-a.bin node-b.bin --json --quiet | jq -r 'select(.key).key'"
);

/// Options of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Print at most so many rows, or all; the summary is of all [default: 100, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<Limit>,
    /// Print rows of this table only; the summary is of all
    #[arg(long, value_name = "TABLE")]
    table: Option<TableArg>,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// How the walk over both ended.
struct Walk {
    /// What each side is, or why it could not be read.
    sides: Sides<Result<SnapshotSummary, CliError>>,
    result: Result<DiffSummary, DiffError<Interrupted, CliError>>,
}

/// Runs the command.
pub(crate) fn run(args: &DiffArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    Source::all(&[args.a.clone(), args.b.clone()])?;
    let sources = Sides {
        a: Source::of(&args.a),
        b: Source::of(&args.b),
    };
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(&[sources.a.clone(), sources.b.clone()], out);
    let mut inputs = Sides {
        a: reader.open(&sources.a, out)?,
        b: reader.open(&sources.b, out)?,
    };
    for side in Side::ALL {
        note_unproven(&sources[side], inputs[side].framing(), out);
    }
    let order = order(&inputs)?;
    let mut printer = Printer::new(args.limit, args.table.map(Table::from), out);
    printer.begin(&sources, out)?;
    let (what, unit) = (inputs.a.what(), inputs.a.unit());
    let walk = out.meter().during(what, unit, |progress| {
        walk(
            &mut inputs,
            order,
            progress,
            args,
            &sources,
            &mut printer,
            out,
        )
    });
    finish(walk?, &sources, &printer, out)
}

/// The order of tables in which both can be walked over: that of one which can be read once only.
fn order(inputs: &Sides<Input>) -> Result<Framing, CliError> {
    let (a, b) = (&inputs.a, &inputs.b);
    match (a.is_stream(), b.is_stream()) {
        (true, true) if a.framing() != b.framing() => Err(CliError::TwoStreams),
        (false, true) => Ok(b.framing()),
        _ => Ok(a.framing()),
    }
}

/// Reads each side on a thread of its own, and walks over both on this one.
fn walk(
    inputs: &mut Sides<Input>,
    order: Framing,
    progress: &Progress,
    args: &DiffArgs,
    sources: &Sides<Source>,
    printer: &mut Printer,
    out: &mut Output,
) -> Result<Walk, CliError> {
    let origins = Sides {
        a: inputs.a.origin(),
        b: inputs.b.origin(),
    };
    let Sides { a, b } = inputs;
    let unwatched = Progress::new();
    let (sides, result) = side_by_side(
        |rows| feed(a, order, progress, rows),
        |rows| feed(b, order, &unwatched, rows),
        |a, b| {
            let headers = headers(a, b)?;
            for side in Side::ALL {
                require_whole(&headers[side], &sources[side].name(), args.chunk)
                    .map_err(DiffError::Consumer)?;
            }
            let both = Sides {
                a: (headers.a, origins.a),
                b: (headers.b, origins.b),
            };
            let mut collector = Collector::new(both, order);
            printer
                .headers(&collector.header_differences(), out)
                .map_err(DiffError::Consumer)?;
            diff(a, b, order, &mut collector, |row| printer.row(row, out))?;
            Ok(collector.finish())
        },
    )
    .map_err(|source| LimitError::threads(2, source))?;
    Ok(Walk { sides, result })
}

fn headers(
    a: &mut RowReceiver,
    b: &mut RowReceiver,
) -> Result<Sides<Header>, DiffError<Interrupted, CliError>> {
    let fail = |side| move |source| DiffError::Rows { side, source };
    Ok(Sides {
        a: a.header().map_err(fail(Side::A))?,
        b: b.header().map_err(fail(Side::B))?,
    })
}

/// Reads a side as often as it takes to send its tables in the order of `order`.
fn feed(
    input: &mut Input,
    order: Framing,
    progress: &Progress,
    mut rows: RowSender,
) -> Result<SnapshotSummary, CliError> {
    let mut first: Option<SnapshotSummary> = None;
    for pass in passes(input.framing(), order) {
        let summary = input.read(progress, |event| rows.event(&event, &pass))?;
        match &first {
            Some(first) => input.require_same(first, &summary)?,
            None => first = Some(summary),
        }
    }
    let summary = first.ok_or_else(|| CliError::Diff {
        what: "a snapshot has no tables".to_owned(),
    })?;
    rows.finish();
    Ok(summary)
}

/// Prints the summary, or says why there is none.
fn finish(
    walk: Walk,
    sources: &Sides<Source>,
    printer: &Printer,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let mut unusable = Exit::Ok;
    let mut read = Vec::new();
    for side in [walk.sides.a, walk.sides.b] {
        match side {
            Ok(summary) => read.push(summary),
            Err(error) => {
                let exit = error.exit();
                out.error(&error, exit);
                unusable = unusable.max(exit);
            }
        }
    }
    if unusable != Exit::Ok {
        return Ok(unusable);
    }
    let summary = match walk.result {
        Ok(summary) => summary,
        Err(DiffError::Consumer(error)) => return Err(error),
        Err(error) => {
            return Err(CliError::Diff {
                what: error.to_string(),
            });
        }
    };
    let [a, b] = read.as_slice() else {
        return Err(CliError::Diff {
            what: "one side was not read".to_owned(),
        });
    };
    let snapshots = Sides { a: *a, b: *b };
    printer.end(sources, &snapshots, &summary, out)?;
    Ok(if summary.is_same() {
        Exit::Ok
    } else {
        Exit::No
    })
}
