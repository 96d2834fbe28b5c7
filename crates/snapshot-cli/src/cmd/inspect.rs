//! `inspect`: what a snapshot holds: header, counts, sizes, epoch ranges.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use snapshot_format::{BlobId, Header, PerTable, Table, limits};
use snapshot_store::SnapshotSummary;
use snapshot_tools::statistics::{EpochRange, Statistics, TableStatistics};

use crate::args::OpenArgs;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::output::{Output, Shown};
use crate::report::{DigestLine, SnapshotReport, bytes};
use crate::source::{Proof, Reader, Source, note_unproven};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The whole input is read and verified. One chunk of several is shown as what it is.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot inspect snapshot_epoch_11.bin\n",
    "  blob-snapshot inspect /data/blob_info_snapshots/checkpoint_epoch_11\n",
    "  blob-snapshot inspect snapshot_epoch_11.bin --json | jq .tables"
);

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    path: String,
    kind: &'static str,
    /// What was proven besides that it follows the format; `null` of a database.
    proof: Option<Proof>,
    #[serde(flatten)]
    snapshot: SnapshotReport,
    /// Bytes that are no rows: header, section frames, trailer.
    overhead: u64,
    tables: PerTable<TableStatistics>,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let source = Source::of(&args.path);
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(std::slice::from_ref(&source), out);
    let mut statistics = Statistics::default();
    let summary = reader.read(&source, out, |event| statistics.event(&event))?;
    let tables = statistics.finish();
    let in_rows: u64 = tables.iter().map(|(_, table)| table.bytes).sum();
    let overhead = summary.size.saturating_sub(in_rows);

    note_unproven(&source, summary.header.framing(), out);
    doubts(&tables, &summary, out);
    for line in lines(&source, &summary, overhead, &tables) {
        out.line(line)?;
    }
    out.object(&Report {
        path: source.name(),
        kind: source.kind(),
        proof: Proof::of(&source, summary.header.framing()),
        snapshot: (&summary).into(),
        overhead,
        tables,
    })?;
    Ok(Exit::Ok)
}

/// Warns of rows that garbage collection deletes before a boundary's snapshot.
fn doubts(tables: &PerTable<TableStatistics>, summary: &SnapshotSummary, out: &mut Output) {
    for (table, statistics) in tables.iter() {
        let kinds = [
            ("expired by then", statistics.expired),
            ("deleted", statistics.deleted),
        ];
        for (kind, rows) in kinds {
            if let Some(rows @ 1..) = rows {
                out.warn(format_args!(
                    "{rows} rows of {table} are {kind}: garbage collection of epoch {} had not run",
                    summary.header.epoch()
                ));
            }
        }
    }
}

fn lines(
    source: &Source,
    summary: &SnapshotSummary,
    overhead: u64,
    tables: &PerTable<TableStatistics>,
) -> Vec<String> {
    let mut lines = vec![DigestLine(summary).to_string(), String::new()];
    let name = source.name();
    let input = match source {
        Source::Stdin => "standard input".to_owned(),
        Source::File(_) | Source::Special(_) => format!("file {}", Shown(&name)),
        Source::Database(_) => format!("database {}", Shown(&name)),
    };
    lines.extend(fields(input, summary).map(|(name, value)| format!("{name:14} {value}")));
    lines.push(String::new());
    lines.extend(rows_and_bytes(summary, overhead, tables));
    lines.push(String::new());
    lines.extend(epochs(tables));
    lines
}

fn fields(input: String, summary: &SnapshotSummary) -> impl Iterator<Item = (&str, String)> {
    let header = &summary.header;
    let cursor = header.event_cursor();
    let chunk = match header.chunk() {
        chunk if chunk.is_whole() => "the whole snapshot".to_owned(),
        chunk => format!("{chunk}, counting from 0: not a whole snapshot"),
    };
    let previous = match header {
        Header::Sealed(header) if header.prev_snapshot_blob_id == BlobId::ZERO => {
            "unknown".to_owned()
        }
        Header::Sealed(header) => header.prev_snapshot_blob_id.to_string(),
        Header::Counted(_) => "not held by this framing".to_owned(),
    };
    let event = cursor
        .event_id
        .map_or_else(|| "unknown".to_owned(), |event| event.to_string());
    [
        ("input", input),
        (
            "framing",
            format!("{}, version {}", header.framing(), limits::VERSION),
        ),
        ("epoch", header.epoch().to_string()),
        ("event", event),
        ("next event", cursor.element_index.to_string()),
        ("previous blob", previous),
        ("chunk", chunk),
        (
            "size",
            format!("{} bytes ({})", summary.size, bytes(summary.size)),
        ),
    ]
    .into_iter()
}

fn rows_and_bytes(
    summary: &SnapshotSummary,
    overhead: u64,
    tables: &PerTable<TableStatistics>,
) -> Vec<String> {
    let line = |name: &str, cells: [String; 7]| {
        let [rows, bytes, rest @ ..] = cells;
        let rest: String = rest.iter().map(|cell| format!(" {cell:>11}")).collect();
        format!("{name:27} {rows:>10} {bytes:>12}{rest}")
    };
    let head = [
        "rows",
        "bytes",
        "certified",
        "uncertified",
        "permanent",
        "deletable",
        "deleted",
    ];
    let mut lines = vec![line("table", head.map(str::to_owned))];
    for table in Table::ALL {
        let of = &tables[table];
        let rest = [
            of.certified,
            of.uncertified,
            of.permanent,
            of.deletable,
            of.deleted,
        ];
        let [certified, uncertified, permanent, deletable, deleted] = rest.map(or_dash);
        let (rows, bytes) = (of.rows.to_string(), of.bytes.to_string());
        let cells = [
            rows,
            bytes,
            certified,
            uncertified,
            permanent,
            deletable,
            deleted,
        ];
        lines.push(line(table.name(), cells));
    }
    let (rows, size) = (summary.counts.total(), summary.size);
    lines.push(format!(
        "{:27} {:>10} {overhead:>12}",
        "header, frames, trailer", ""
    ));
    lines.push(format!("{:27} {rows:>10} {size:>12}", "all"));
    lines
}

fn epochs(tables: &PerTable<TableStatistics>) -> Vec<String> {
    let line = |name: &str, cells: [String; 4]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>22}")).collect();
        format!("{name:27}{cells}")
    };
    let head = ["registered", "certified", "start", "end"];
    let mut lines = vec![line("epochs, least to greatest", head.map(str::to_owned))];
    for (table, of) in tables.iter() {
        let ranges = [
            of.registered_epoch,
            of.certified_epoch,
            of.start_epoch,
            of.end_epoch,
        ];
        lines.push(line(table.name(), ranges.map(range)));
    }
    lines
}

fn or_dash(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn range(range: Option<EpochRange>) -> String {
    match range {
        Some(EpochRange { min, max }) if min == max => min.to_string(),
        Some(EpochRange { min, max }) => format!("{min} to {max}"),
        None => "-".to_owned(),
    }
}
