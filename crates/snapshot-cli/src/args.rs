//! The command line as a whole, and the options that several commands share.
//!
//! A command's own options stand with the command. What options mean together is decided where they
//! are used: the header's in `header`.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use snapshot_format::{ParseIdError, Table};
use snapshot_store::create::CreateOptions;
use snapshot_store::open::{OpenOptions, WalRecovery};

use crate::cmd::{
    bench, check, compare, convert, create, diff, digest, dump, fingerprint, get, inspect, join,
    report, restore, shell, split, verify,
};
use crate::exit::with_exit_codes;

const HELP: &str = with_exit_codes!(
    "Examples:\n",
    "  blob-snapshot create --db /data/checkpoint_epoch_11\n",
    "  blob-snapshot verify snapshot_epoch_11.bin --expect-digest 0123456789abcdef\n",
    "  blob-snapshot digest node-*/checkpoint_epoch_11\n",
    "\n",
    "Each command has examples of its own: blob-snapshot <COMMAND> --help"
);

/// Blob info snapshots of Walrus storage nodes: made from a node's database, verified, compared.
#[derive(Debug, Parser)]
#[command(name = "blob-snapshot", bin_name = "blob-snapshot", version, after_help = HELP, max_term_width = 100)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct GlobalArgs {
    /// Print the result as one JSON object, and warnings and errors as JSON lines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no notes; results, warnings and errors remain
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colors; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorMode,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ColorMode {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a snapshot file from a checkpoint or a stopped node's database
    #[command(after_help = create::HELP)]
    Create(create::CreateArgs),
    /// Check that snapshot files are sound, and the ones expected
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
    /// Show what a snapshot or checkpoint holds
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::InspectArgs),
    /// Print the digests of snapshots and checkpoints, one line each, and compare them
    #[command(after_help = digest::HELP)]
    Digest(digest::DigestArgs),
    /// Print a small document by which nodes find out where their snapshots differ
    #[command(after_help = fingerprint::HELP)]
    Fingerprint(fingerprint::FingerprintArgs),
    /// Say which of several snapshots, checkpoints and fingerprints agree, and where the others differ
    #[command(after_help = compare::HELP)]
    Compare(compare::CompareArgs),
    /// Show each row that differs between two snapshots or checkpoints, and what it probably means
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
    /// Write a page that shows at a glance whether snapshots are sane, for any browser
    #[command(after_help = report::HELP)]
    Report(report::ReportArgs),
    /// Show rows by object ID, blob ID or storage pool ID
    #[command(after_help = get::HELP)]
    Get(get::GetArgs),
    /// Write rows as JSON lines, CSV or Parquet, for other programs to query
    #[command(after_help = dump::HELP)]
    Dump(dump::DumpArgs),
    /// Write a snapshot in the other framing, or with the event cursor it lacks
    #[command(after_help = convert::HELP)]
    Convert(convert::ConvertArgs),
    /// Cut a snapshot into chunk files of limited size
    #[command(after_help = split::HELP)]
    Split(split::SplitArgs),
    /// Join the chunk files of a snapshot to one file
    #[command(after_help = join::HELP)]
    Join(join::JoinArgs),
    /// Make a node's tables from a snapshot: a new database, or the tables of a stopped node's
    #[command(after_help = restore::HELP)]
    Restore(restore::RestoreArgs),
    /// Check that the tables of a database agree with each other
    #[command(after_help = check::HELP)]
    Check(check::CheckArgs),
    /// Print what completes commands and options in a shell
    #[command(after_help = shell::COMPLETIONS_HELP, hide = true)]
    Completions(shell::CompletionsArgs),
    /// Write a manual page for each command
    #[command(after_help = shell::MAN_HELP, hide = true)]
    Man(shell::ManArgs),
    /// Measure creating, verifying, loading and compressing a snapshot of a database
    #[command(after_help = bench::HELP)]
    BenchBlobInfoSnapshot(bench::BenchArgs),
}

/// More threads than this are a slip of the finger, and the system may refuse to start them.
pub(crate) const MAX_THREADS: i64 = 256;

/// How a database is opened and read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Database options")]
pub(crate) struct OpenArgs {
    /// What to do with a write-ahead log that does not read whole
    #[arg(long, value_name = "MODE", default_value = "absolute")]
    pub(crate) wal_recovery: WalMode,
    /// Open a database that a running process holds; what is read is then undefined
    #[arg(long)]
    pub(crate) allow_live: bool,
    /// Threads that read; by default one for each processor, at most 4. The bytes do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u16>,
}

/// A number of bytes, as `4096`, `64KiB`, `100MiB` or `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
        let parsed = units.into_iter().find_map(|(unit, shift)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(1 << shift)
        });
        parsed.map(Self).ok_or_else(|| ParseIdError {
            input: text.chars().take(100).collect(),
            expected: "a number of bytes: expected for example 4096, 64KiB, 100MiB or 1GiB",
        })
    }
}

/// A table as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableArg {
    /// Blob objects that own their storage
    #[value(name = "per_object_blob_info")]
    Objects,
    /// Blob objects whose storage belongs to a pool
    #[value(name = "per_object_pooled_blob_info")]
    Pooled,
    /// Storage pools
    #[value(name = "storage_pool_info")]
    Pools,
}

impl From<TableArg> for Table {
    fn from(table: TableArg) -> Self {
        match table {
            TableArg::Objects => Self::PerObjectBlobInfo,
            TableArg::Pooled => Self::PerObjectPooledBlobInfo,
            TableArg::Pools => Self::StoragePoolInfo,
        }
    }
}

/// What to do with a write-ahead log that does not read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WalMode {
    /// Fail: no row is ever missing in silence
    #[default]
    Absolute,
    /// Drop a last record that was cut off, with a warning
    TolerateTornTail,
    /// Drop everything from the first damaged record on, with a warning
    PointInTime,
}

impl From<WalMode> for WalRecovery {
    fn from(mode: WalMode) -> Self {
        match mode {
            WalMode::Absolute => Self::Absolute,
            WalMode::TolerateTornTail => Self::TolerateTornTail,
            WalMode::PointInTime => Self::PointInTime,
        }
    }
}

impl OpenArgs {
    /// The same for the library's opener.
    pub(crate) fn open_options(&self) -> OpenOptions {
        OpenOptions {
            wal_recovery: self.wal_recovery.into(),
            allow_live: self.allow_live,
        }
    }

    /// The same for the library's reader.
    pub(crate) fn create_options(&self) -> CreateOptions {
        CreateOptions {
            threads: self
                .threads
                .and_then(|threads| NonZeroUsize::new(threads.into())),
        }
    }
}
