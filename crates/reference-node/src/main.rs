//! The program `reference-node`: makes databases to look at and to measure with, and runs nodes to see
//! what they leave behind.
//!
//! Arguments and output only; the work is the library's.

use std::error::Error;
use std::io::{ErrorKind, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use node_hook::{DIRECTORY, Mode};
use reference_node::bench_db::{BenchDb, BenchPlan, KeyOrder, make_bench_db};
use reference_node::follow::{Follow, Kill, Told, follow};
use reference_node::make::take_empty_dir;
use reference_node::make_db::{DemoDb, DemoPlan, make_db};
use reference_node::point::Point;
use reference_node::simulation::{
    self, BoundaryReport, Cluster, EventStream, Mutation, Run, Statistics,
};
use serde::Serialize;

/// Seeds after which a simulation says how far it is.
const PROGRESS_EVERY: u64 = 500;

/// Makes databases like those of a storage node
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a realistic database and a checkpoint of it at an epoch boundary
    ///
    /// DIR/db is the database, closed with part of its rows only in the write-ahead log;
    /// DIR/checkpoint_epoch_<N> is a checkpoint with the same rows. Both are the same for the same
    /// arguments, as far as rows go.
    MakeDb(MakeDb),
    /// Make a large database quickly: rows of per_object_blob_info only, in DIR/db
    BenchDb(MakeBenchDb),
    /// Run clusters of nodes with everything going wrong that can, and check that all nodes that take
    /// a snapshot take the same one
    Simulate(Simulate),
    /// Run one such cluster and show what each node had at each boundary; its files stay
    Cluster(ShowCluster),
    /// Run a node, with blob info snapshots on, along a stream of events from where it stands to the end
    ///
    /// DIR/db is its database. The events are those of the seed, so that the process may end at any
    /// moment, be it by SIGKILL, and the next one goes on.
    Follow(FollowStream),
}

#[derive(Debug, Args)]
struct ShowCluster {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    dir: PathBuf,
    /// Seed of everything
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nodes
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Epochs to live through
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Events in each epoch
    #[arg(long, default_value_t = 2000)]
    events: usize,
    /// Print what each node had as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FollowStream {
    /// The node's directory, made if missing
    #[arg(long)]
    dir: PathBuf,
    /// Seed of the events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Epochs of the stream; with 0, the node only starts and finishes what was interrupted
    #[arg(long, default_value_t = 6)]
    epochs: u32,
    /// Events of each epoch before the one that ends it
    #[arg(long, default_value_t = 60)]
    events_per_epoch: u64,
    /// What is kept of each boundary
    #[arg(long, value_enum, default_value_t = Keep::Checkpoint)]
    mode: Keep,
    /// Wait for background work at the start and after each boundary, not only at the end
    #[arg(long)]
    settle: bool,
    /// Die by SIGKILL before the K-th step of the hook's work on disk, from 0
    #[arg(long, value_name = "K", conflicts_with = "kill_at_point")]
    kill_at_step: Option<u64>,
    /// Die by SIGKILL at this point of the node's own work
    #[arg(long, value_name = "NAME", value_parser = point())]
    kill_at_point: Option<Point>,
    /// How often the node gets past that point before
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "kill_at_point"
    )]
    passes: u64,
    /// Print each line as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keep {
    /// A checkpoint
    Checkpoint,
    /// A snapshot, made in the background
    Snapshot,
}

impl From<FollowStream> for Follow {
    fn from(args: FollowStream) -> Self {
        let at_point = args.kill_at_point.map(|point| Kill::Point {
            point,
            passes: args.passes,
        });
        Self {
            dir: args.dir,
            stream: EventStream {
                seed: args.seed,
                epochs: args.epochs,
                events_per_epoch: args.events_per_epoch,
            },
            mode: match args.mode {
                Keep::Checkpoint => Mode::Checkpoint,
                Keep::Snapshot => Mode::Snapshot,
            },
            settle: args.settle,
            kill: args.kill_at_step.map(Kill::Step).or(at_point),
        }
    }
}

/// The names of the points, for the help and for suggestions.
fn point() -> impl TypedValueParser<Value = Point> {
    PossibleValuesParser::new(Point::ALL.map(Point::name)).try_map(|name| name.parse::<Point>())
}

#[derive(Debug, Args)]
struct Simulate {
    /// Seeds to run
    #[arg(long, default_value_t = 100, value_name = "N")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Directory in which the nodes run [default: in memory, if there is room]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seeds under way at a time [default: one for each processor]
    #[arg(long)]
    threads: Option<usize>,
    /// In each cluster, let a node lose its database and start again from another's snapshot
    #[arg(long)]
    restore: bool,
    /// Make every node make a mistake, to see it found
    #[arg(long, value_name = "MISTAKE", value_parser = mutation())]
    mutate: Option<Mutation>,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

/// The names of the mistakes, for the help and for suggestions.
fn mutation() -> impl TypedValueParser<Value = Mutation> {
    PossibleValuesParser::new(Mutation::ALL.map(Mutation::name))
        .try_map(|name| name.parse::<Mutation>())
}

#[derive(Debug, Args)]
struct MakeDb {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    dir: PathBuf,
    /// Rows of the three tables at the end, about
    #[arg(long, default_value_t = 20_000)]
    entries: u64,
    /// Seed of the events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Epochs to live through
    #[arg(long, default_value_t = 6)]
    epochs: u32,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct MakeBenchDb {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    dir: PathBuf,
    /// Rows
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Seed of the rows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the rows, from 0 to 1, that have merge operands in level 0
    #[arg(long, default_value_t = 0.0)]
    unmerged_share: f64,
    /// How the object IDs are spread
    #[arg(long, value_enum, default_value_t = Keys::Random)]
    keys: Keys,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keys {
    /// Evenly over all IDs, as on a node
    Random,
    /// 0, 1, 2 and so on
    Sequential,
}

impl From<Keys> for KeyOrder {
    fn from(keys: Keys) -> Self {
        match keys {
            Keys::Random => Self::Random,
            Keys::Sequential => Self::Sequential,
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::MakeDb(args) => {
            let plan = DemoPlan {
                entries: args.entries,
                seed: args.seed,
                epochs: args.epochs,
            };
            let made = make_db(&args.dir, &plan)?;
            print(args.json, &made, || describe_demo(&made))
        }
        Command::BenchDb(args) => {
            let plan = BenchPlan {
                rows: args.rows,
                seed: args.seed,
                keys: args.keys.into(),
                unmerged_share: args.unmerged_share,
            };
            let made = make_bench_db(&args.dir, &plan)?;
            print(args.json, &made, || describe_bench(&made))
        }
        Command::Cluster(args) => {
            take_empty_dir(&args.dir)?;
            let cluster = Cluster {
                nodes: Some(args.nodes),
                epochs: Some(args.epochs),
                events: Some(args.events),
                ..Cluster::new(args.seed)
            };
            let mut boundaries = Vec::new();
            let counts = simulation::simulate(&cluster, &args.dir, |boundary| {
                boundaries.push(boundary.clone());
            })?;
            print(args.json, &boundaries, || {
                describe_cluster(&args.dir, &boundaries, &counts)
            })
        }
        Command::Simulate(args) => {
            let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let run = Run {
                first: args.seed,
                count: args.seeds,
                restore: args.restore || args.mutate.is_some_and(Mutation::is_of_restore),
                mutation: args.mutate,
                root: args.dir.unwrap_or_else(simulation::default_root),
                threads: args.threads.unwrap_or(threads),
            };
            let counts = simulation::run(&run, |done| {
                if done % PROGRESS_EVERY == 0 {
                    eprintln!("{done} of {} seeds", run.count);
                }
            })?;
            print(args.json, &counts, || describe_simulation(&run, &counts))
        }
        Command::Follow(args) => {
            let json = args.json;
            Ok(follow(&args.into(), move |told| print_at_once(json, told))?)
        }
    }
}

/// One line, which has reached the reader when this returns: the process may not live any longer.
fn print_at_once(json: bool, told: &Told) {
    let line = match json {
        true => serde_json::to_string(told).unwrap_or_else(|error| error.to_string()),
        false => told.to_string(),
    };
    let mut out = std::io::stdout().lock();
    // Who does not read any more does not keep a node from its work.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Where all else is printed.
fn print(
    json: bool,
    made: &impl Serialize,
    describe: impl FnOnce() -> Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let lines = if json {
        vec![serde_json::to_string_pretty(made)?]
    } else {
        describe()
    };
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    match written {
        // Who reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn describe_demo(made: &DemoDb) -> Vec<String> {
    let mut lines = made.done.clone();
    lines.extend(
        made.tables
            .iter()
            .map(|(table, rows)| format!("{table:<28} {rows:>10} rows")),
    );
    lines.push(format!("epoch        {}", made.epoch));
    lines.push(format!(
        "began with   {}:{}",
        made.event_tx_digest, made.event_seq
    ));
    lines.push(format!("next event   {}", made.next_event_index));
    lines.push(format!("database     {}", made.database.display()));
    lines.push(format!("checkpoint   {}", made.checkpoint.display()));
    lines
}

fn describe_bench(made: &BenchDb) -> Vec<String> {
    let storage = made.storage.total();
    vec![
        format!(
            "rows         {}, {} of them unmerged",
            made.rows, made.unmerged_rows
        ),
        format!(
            "compacted    {} entries, {} bytes",
            storage.compacted.entries, storage.compacted.bytes
        ),
        format!(
            "level 0      {} entries, {} bytes",
            storage.level_0.entries, storage.level_0.bytes
        ),
        format!("database     {}", made.database.display()),
    ]
}

fn describe_simulation(run: &Run, counts: &Statistics) -> Vec<String> {
    let last = run.first.saturating_add(run.count.saturating_sub(1));
    let mut lines = vec![
        format!(
            "seeds {} to {last}: {} clusters, {} nodes, {} starts, {} events",
            run.first, counts.seeds, counts.nodes, counts.starts, counts.events
        ),
        format!(
            "{} boundaries compared between nodes; {} checkpoints and snapshots compared byte for byte, \
             in both framings: all the same",
            counts.boundaries_compared, counts.artifacts_compared
        ),
    ];
    if counts.restores > 0 {
        lines.push(format!(
            "{} nodes restored from a snapshot; {} rows of aggregate_blob_info compared with a node that \
             saw all events, exact where they must be; they differ where they may:",
            counts.restores, counts.aggregate_rows_compared
        ));
        let inexact = counts.inexact.iter();
        lines.extend(inexact.map(|(kind, count)| format!("{count:>9}  {kind}")));
    }
    for (what, total, by_kind) in [
        ("answers of the hook", None, &counts.outcomes),
        ("crashes", Some(counts.crash_count()), &counts.crashes),
        ("other faults", Some(counts.fault_count()), &counts.faults),
    ] {
        lines.push(match total {
            Some(total) => format!("{what}: {total}"),
            None => format!("{what}:"),
        });
        lines.extend(
            by_kind
                .iter()
                .map(|(kind, count)| format!("{count:>9}  {kind}")),
        );
    }
    lines
}

/// A table of digests, a line for each boundary and a column for each node.
fn describe_cluster(dir: &Path, boundaries: &[BoundaryReport], counts: &Statistics) -> Vec<String> {
    let Some(last) = boundaries.last() else {
        return Vec::new();
    };
    let column = |text: String| format!("  {text:<20}");
    let heads = (0..last.nodes.len()).map(|number| column(format!("node {number}")));
    let modes = last.nodes.iter().map(|node| match node.mode {
        Mode::Checkpoint => column("keeps checkpoints".to_owned()),
        Mode::Snapshot => column("keeps snapshots".to_owned()),
    });
    let mut lines = vec![
        format!("epoch{}", heads.collect::<String>()),
        format!("     {}", modes.collect::<String>()),
    ];
    let mut remarks = Vec::new();
    for BoundaryReport { epoch, nodes } in boundaries {
        let digests = nodes.iter().enumerate().map(|(number, node)| {
            if let Some(remark) = &node.remark {
                remarks.push(format!(
                    "node {number} at the boundary to epoch {epoch}: {remark}"
                ));
            }
            column(node.digest.clone().unwrap_or_else(|| "none".to_owned()))
        });
        let digests: String = digests.collect();
        lines.push(format!("{:>5}{digests}", epoch.0));
    }
    let crashes = last
        .nodes
        .iter()
        .map(|node| column(count(node.crashes, "crash", "crashes")));
    lines.push(format!("     {}", crashes.collect::<String>()));
    lines.append(&mut remarks);
    lines.push(format!(
        "{} checkpoints and snapshots compared byte for byte, in both framings, with {} and {} on the way",
        counts.artifacts_compared,
        count(counts.crash_count(), "crash", "crashes"),
        count(counts.fault_count(), "other fault", "other faults")
    ));
    for number in 0..last.nodes.len() {
        let directory = dir.join(format!("node-{number}")).join(DIRECTORY);
        lines.push(format!(
            "node {number} keeps them in {}",
            directory.display()
        ));
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
