//! `restore`: a snapshot to the tables of a node, verified before anything is touched.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use snapshot_format::{Digest, Epoch, EventId, Framing, TransactionDigest};
use snapshot_store::SnapshotSummary;
use snapshot_store::restore::{
    self, Action, AggregateSummary, FamilySummary, Plan, RestoreError, RestoreOptions,
    RestoreReport, RestoreWarning, ToldCursor, VerifiedSnapshot,
};

use crate::args::WalMode;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::output::{Output, Shown};
use crate::progress::Unit;
use crate::report::{DigestLine, SnapshotReport, bytes, seconds};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "The snapshot is verified before anything is written. A new database appears complete or not at all.\n",
    "Tables are replaced in a clone of the database, which takes its place by one rename: until then the\n",
    "database is not written to. Interrupted, run the same command again. docs/recovery.md is the runbook.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot restore snapshot_epoch_25.bin --db /data/db --expect-digest 0123456789abcdef \\\n",
    "      --expect-epoch 25\n",
    "      makes the database /data/db, which does not exist yet\n",
    "  blob-snapshot restore snapshot_epoch_25.bin --db /data/db --replace-tables --dry-run\n",
    "      says what stands in the way of replacing the tables of a stopped node, and does nothing\n",
    "  blob-snapshot restore snapshot_epoch_25.chunk-*-of-3.bin --db /data/db\n",
    "      all chunks of one snapshot, in any order"
);

/// Options of `restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The snapshot file, or all chunks of one snapshot
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshot: Vec<PathBuf>,
    /// Directory of the database: one that does not exist yet, or with --replace-tables a stopped node's
    #[arg(long, value_name = "DIR")]
    db: PathBuf,
    /// The trusted digest, 16 hex digits; of chunks, that of the whole snapshot in one file
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<Digest>,
    /// The epoch that the snapshot must be of
    #[arg(long, value_name = "N")]
    expect_epoch: Option<Epoch>,
    /// Replace the six blob info tables of the database that is there; everything else in it stays
    #[arg(long)]
    replace_tables: bool,
    /// Keep the database as it was before --replace-tables, as <DIR>.old
    #[arg(long, requires = "replace_tables")]
    keep_old: bool,
    /// What to do with a write-ahead log of the database that is incomplete or corrupt
    #[arg(long, value_name = "MODE", default_value = "absolute")]
    wal_recovery: WalMode,
    /// Say what would be done and what stands in the way, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Index of the first event that the node can still get
    #[arg(long, value_name = "N")]
    first_available_event: Option<u64>,
    /// Threads that build; by default one for each processor, at most 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=crate::args::MAX_THREADS))]
    threads: Option<u16>,
    #[command(flatten)]
    cursor: CursorArgs,
}

/// Where a node goes on, for a snapshot that does not know it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Event cursor, for a snapshot made offline that has none")]
struct CursorArgs {
    /// Transaction digest of the event that began the epoch
    #[arg(long, value_name = "BASE58", requires = "event_seq")]
    event_tx_digest: Option<TransactionDigest>,
    /// Sequence number of that event in its transaction
    #[arg(long, value_name = "N", requires = "event_tx_digest")]
    event_seq: Option<u64>,
    /// Index of the next event to process
    #[arg(long, value_name = "N")]
    next_event_index: Option<u64>,
}

impl RestoreArgs {
    fn options(&self) -> RestoreOptions {
        let cursor = &self.cursor;
        // clap sees to it that the digest and the sequence number come together.
        let event_id =
            cursor
                .event_tx_digest
                .zip(cursor.event_seq)
                .map(|(tx_digest, event_seq)| EventId {
                    tx_digest,
                    event_seq,
                });
        RestoreOptions {
            expect_digest: self.expect_digest,
            expect_epoch: self.expect_epoch,
            replace_tables: self.replace_tables,
            keep_old: self.keep_old,
            wal_recovery: self.wal_recovery.into(),
            cursor: ToldCursor {
                event_id,
                next_event_index: cursor.next_event_index,
            },
            first_available_event: self.first_available_event,
            threads: self
                .threads
                .and_then(|threads| usize::from(threads).try_into().ok()),
            ..RestoreOptions::default()
        }
    }
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    snapshot: SnapshotReport,
    db: String,
    action: &'static str,
    dry_run: bool,
    /// Bytes of disk needed, by estimate, and free.
    needed_bytes: u64,
    free_bytes: Option<u64>,
    /// What vouches for the bytes: the expected `digest`, the snapshot's own `checksum`, or `nothing`.
    proven_by: &'static str,
    /// What stands in the way; only of a dry run, as otherwise it is an error.
    findings: Vec<String>,
    /// `null` if nothing was done.
    restored: Option<Restored>,
    seconds: Times,
}

/// What was restored.
#[derive(Debug, Serialize)]
struct Restored {
    tables: Vec<FamilySummary>,
    aggregate: AggregateSummary,
    event_id: Option<EventId>,
    next_event_index: Option<u64>,
    ended_objects: u64,
    deleted_objects: u64,
}

/// Seconds of each stage; 0 of those that were not come to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Times {
    verify: f64,
    preflight: f64,
    build: f64,
    aggregate: f64,
    /// Installing, and deriving the digest again from what was installed.
    install: f64,
}

impl Times {
    fn total(self) -> f64 {
        self.verify + self.preflight + self.build + self.aggregate + self.install
    }
}

/// Runs the command.
pub(crate) fn run(args: &RestoreArgs, out: &mut Output) -> Result<Exit, CliError> {
    let mut times = Times::default();
    if !args.dry_run {
        restore::recover(&args.snapshot, &args.db, &args.options())?;
    }
    let snapshot = stage(out, "reading", Unit::Bytes, &mut times.verify, |progress| {
        VerifiedSnapshot::read(&args.snapshot, progress)
    })?;
    let start = Instant::now();
    let plan = Plan::new(snapshot, &args.db, &args.options())?;
    times.preflight = start.elapsed().as_secs_f64();
    if args.dry_run {
        return say_plan(args, plan, times, out);
    }
    let snapshot = *plan.snapshot().summary();
    let preflight = (plan.preflight().needed, plan.preflight().available);
    let report = if plan.preflight().action == Action::Nothing {
        plan.nothing_to_do()?
    } else {
        let tables = stage(out, "building", Unit::Bytes, &mut times.build, |progress| {
            plan.build(progress)
        })?;
        let built = stage(
            out,
            "aggregating",
            Unit::Rows,
            &mut times.aggregate,
            |progress| tables.build_aggregate(progress),
        )?;
        stage(
            out,
            "installing",
            Unit::Rows,
            &mut times.install,
            |progress| built.install(progress),
        )?
    };
    out.line(DigestLine(&snapshot))?;
    warn(&report, out);
    out.line(proof(args, &snapshot).1)?;
    say(&report, times, out)?;
    let restored = (report.action != Action::Nothing).then(|| Restored {
        tables: report.families.clone(),
        aggregate: report.aggregate,
        event_id: report.event_id,
        next_event_index: report.next_event_index,
        ended_objects: report.ended_objects,
        deleted_objects: report.deleted_objects,
    });
    out.object(&Report {
        snapshot: (&snapshot).into(),
        db: report.target.display().to_string(),
        action: word(report.action),
        dry_run: false,
        needed_bytes: preflight.0,
        free_bytes: preflight.1,
        proven_by: proof(args, &snapshot).0,
        findings: Vec::new(),
        restored,
        seconds: times,
    })?;
    Ok(Exit::Ok)
}

/// What vouches for the bytes of the snapshot, for programs and for people.
fn proof(args: &RestoreArgs, snapshot: &SnapshotSummary) -> (&'static str, &'static str) {
    match (args.expect_digest, snapshot.header.framing()) {
        (Some(_), _) => ("digest", "the snapshot has the expected digest"),
        (None, Framing::Sealed) => (
            "checksum",
            "the snapshot has its own checksum, so it is undamaged; whose it is was not proven, as no digest \
             was expected",
        ),
        (None, Framing::Counted) => (
            "nothing",
            "the snapshot has rows that can be decoded, and no checksum: that it is undamaged was not proven, \
             as no digest was expected; compare the digest with another node's",
        ),
    }
}

/// Runs one stage, and keeps its time.
fn stage<T>(
    out: &Output,
    what: &'static str,
    unit: Unit,
    time: &mut f64,
    job: impl FnOnce(&snapshot_store::Progress) -> Result<T, RestoreError>,
) -> Result<T, CliError> {
    let start = Instant::now();
    let done = out.meter().during(what, unit, job)?;
    *time = start.elapsed().as_secs_f64();
    Ok(done)
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Replace => "replace",
        _ => "nothing",
    }
}

/// The findings of a dry run.
fn say_plan(
    args: &RestoreArgs,
    plan: Plan,
    times: Times,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let preflight = plan.preflight();
    let shown = preflight.target.display().to_string();
    out.line(DigestLine(plan.snapshot().summary()))?;
    out.line(proof(args, plan.snapshot().summary()).1)?;
    warn_database(&preflight.warnings, out);
    let free = preflight
        .available
        .map_or_else(|| "unknown".to_owned(), bytes);
    out.line(format_args!(
        "would {} {}: about {} needed, {free} free",
        match preflight.action {
            Action::Create => "make the new database",
            Action::Replace => "replace the blob info tables of",
            _ => "do nothing, as the tables are there already, in",
        },
        Shown(&shown),
        bytes(preflight.needed),
    ))?;
    let passed = preflight.findings.is_empty();
    if passed {
        out.line("preflight passed")?;
    }
    let findings: Vec<String> = preflight.findings.iter().map(ToString::to_string).collect();
    out.object(&Report {
        snapshot: plan.snapshot().summary().into(),
        db: shown,
        action: word(preflight.action),
        dry_run: true,
        needed_bytes: preflight.needed,
        free_bytes: preflight.available,
        proven_by: proof(args, plan.snapshot().summary()).0,
        findings,
        restored: None,
        seconds: times,
    })?;
    // It ends as the run that is not dry does.
    if !passed {
        plan.nothing_to_do()?;
    }
    Ok(Exit::Ok)
}

/// Says what should be known of the database.
fn warn_database(warnings: &[RestoreWarning], out: &mut Output) {
    for warning in warnings {
        match warning {
            RestoreWarning::Owner { path } => out.warn(format_args!(
                "{} and perhaps more have another owner or group than they should, as this user may not \
                 change it: make them those of the user that the node runs as, with chown",
                Shown(&path.display().to_string())
            )),
            RestoreWarning::Database(warning) => out.warn(warning),
            _ => {}
        }
    }
}

/// Says what makes the restored tables less useful than they could be.
fn warn(report: &RestoreReport, out: &mut Output) {
    warn_database(&report.warnings, out);
    if report.next_event_index.is_none() {
        out.warn(
            "a node cannot resume from these tables: the snapshot does not say which event is next, so \
             event_cursor and latest_handled_event_index are empty; restore again with \
             --event-tx-digest, --event-seq and --next-event-index, or from a node's own snapshot",
        );
    }
    if report.ended_objects > 0 {
        out.warn(format_args!(
            "{} objects had ended when epoch {} began: the snapshot was not made directly after garbage \
             collection, or its epoch is not the true one",
            report.ended_objects,
            report.snapshot.header.epoch()
        ));
    }
    if report.deleted_objects > 0 {
        out.warn(format_args!(
            "{} objects are marked as deleted and count in no row of aggregate_blob_info",
            report.deleted_objects
        ));
    }
}

fn say(report: &RestoreReport, times: Times, out: &mut Output) -> Result<(), CliError> {
    let shown = report.target.display().to_string();
    if report.action == Action::Nothing {
        return out.line(format_args!(
            "{} holds exactly these tables already; nothing was done",
            Shown(&shown)
        ));
    }
    for family in &report.families {
        out.line(format_args!(
            "  {:27} {:>12} rows",
            family.name, family.rows
        ))?;
    }
    let aggregate = &report.aggregate;
    out.line(format_args!(
        "aggregate_blob_info: rebuilt from {} objects; counts and end epochs are exact, the event of \
         permanent_total may differ from a node's in {} rows, that of permanent_certified in {}",
        aggregate.objects,
        aggregate.permanent_total_event_in_doubt,
        aggregate.permanent_certified_event_in_doubt,
    ))?;
    if let (Some(event), Some(next)) = (report.event_id, report.next_event_index) {
        out.line(format_args!(
            "event cursor: next is event {next}, after event {} of transaction {}",
            event.event_seq, event.tx_digest
        ))?;
    }
    let time = |seconds_: f64| seconds(std::time::Duration::from_secs_f64(seconds_));
    out.line(format_args!(
        "restored {} in {}: read in {}, built in {}, aggregated in {}, installed and read back with \
         the same digest in {}",
        Shown(&shown),
        time(times.total()),
        time(times.verify),
        time(times.build),
        time(times.aggregate),
        time(times.install),
    ))?;
    out.line("next: start the node; it replays the events since, and its next digest must be the network's")
}
