//! `check`: whether the tables of a database agree with each other.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use snapshot_format::Epoch;
use snapshot_store::check::{CheckOptions, CheckReport, Violation, check};
use snapshot_store::open::Database;
use snapshot_store::schema::ColumnFamily;

use crate::args::OpenArgs;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::outlet;
use crate::output::{Output, Shown};
use crate::progress::Unit;
use crate::source;

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Every row of the three snapshot tables is looked at by itself, and the objects of each blob ID are\n",
    "counted and compared with its row in aggregate_blob_info. Each violation gets a line with the row's\n",
    "key. Nothing is written into the database, and nothing is repaired.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot check --db /data/db\n",
    "  blob-snapshot check --db /data/blob_info_snapshots/checkpoint_epoch_25 --epoch 25\n",
    "      also says which rows should have been collected when epoch 25 began"
);

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Directory of the database: a checkpoint, or the database of a stopped node
    #[arg(long, value_name = "DIR")]
    db: PathBuf,
    /// The epoch that has just begun; without it, nothing is said of rows that have ended
    #[arg(long, value_name = "N")]
    epoch: Option<Epoch>,
    /// Where to make temporary files, about as many bytes as the object tables have [default: TMPDIR]
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    db: String,
    epoch: Option<Epoch>,
    #[serde(flatten)]
    checked: CheckReport,
    /// The first of them.
    listed: Vec<ViolationReport>,
}

/// One violation as JSON.
#[derive(Debug, Serialize)]
struct ViolationReport {
    table: &'static str,
    key: String,
    problem: String,
}

/// Violations that the JSON object lists: it is held in memory. Lines of text have no limit.
const LISTED: usize = 10_000;

/// Runs the command.
pub(crate) fn run(args: &CheckArgs, out: &mut Output) -> Result<Exit, CliError> {
    if let Some(dir) = &args.scratch_dir {
        outlet::require_outside(dir, dir, "--scratch-dir")?;
    }
    let database = source::open_families(&args.db, &ColumnFamily::ALL, &args.open, out)?;
    let mut listed = Vec::new();
    let mut printed = Ok(());
    let checked = look(args, &database, out, |violation, out| {
        if printed.is_ok() {
            let line = violation.to_string();
            printed = out.line(Shown(&line));
        }
        if listed.len() < LISTED {
            listed.push(ViolationReport {
                table: violation.family.name(),
                key: violation.key_text(),
                problem: violation.problem.to_string(),
            });
        }
    })?;
    printed?;
    let ok = checked.violations == 0;
    let name = args.db.display().to_string();
    out.line(format_args!(
        "{}: {}, {} objects, {} storage pools, {} aggregate rows ({} invalid, {} awaiting collection)",
        Shown(&name),
        match checked.violations {
            0 => "ok".to_owned(),
            1 => "1 violation".to_owned(),
            several => format!("{several} violations"),
        },
        checked.rows.per_object_blob_info + checked.rows.per_object_pooled_blob_info,
        checked.rows.storage_pool_info,
        checked.aggregate_rows,
        checked.invalid_rows,
        checked.awaiting_collection,
    ))?;
    if checked.next_event_index.is_none() {
        out.note("event_cursor is empty: a node cannot go on from these tables");
    }
    out.object(&Report {
        ok,
        db: name,
        epoch: args.epoch,
        checked,
        listed,
    })?;
    Ok(if ok { Exit::Ok } else { Exit::No })
}

fn look(
    args: &CheckArgs,
    database: &Database,
    out: &mut Output,
    mut on_violation: impl FnMut(&Violation, &mut Output),
) -> Result<CheckReport, CliError> {
    let options = CheckOptions {
        epoch: args.epoch,
        scratch: args.scratch_dir.clone().unwrap_or_else(std::env::temp_dir),
    };
    let meter = out.meter();
    meter.during("checking", Unit::Rows, |progress| {
        check(database, &options, progress, |violation| {
            on_violation(violation, out);
        })
        .map_err(CliError::from)
    })
}
