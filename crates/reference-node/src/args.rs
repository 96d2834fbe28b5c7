//! The arguments of `reference-node`, and what they stand for. Nothing is done here.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use node_hook::Mode;
use reference_node::bench_db::KeyOrder;
use reference_node::follow::{Follow, Kill};
use reference_node::point::Point;
use reference_node::simulation::{EventStream, Mutation};

/// Makes databases like those of a storage node
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
pub(crate) struct ShowCluster {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Seed of everything
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Nodes
    #[arg(long, default_value_t = 4)]
    pub(crate) nodes: usize,
    /// Epochs to live through
    #[arg(long, default_value_t = 5)]
    pub(crate) epochs: usize,
    /// Events in each epoch
    #[arg(long, default_value_t = 2000)]
    pub(crate) events: usize,
    /// Print what each node had as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FollowStream {
    /// The node's directory, made if missing
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Seed of the events
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Epochs of the stream; with 0, the node only starts and finishes what was interrupted
    #[arg(long, default_value_t = 6)]
    pub(crate) epochs: u32,
    /// Events of each epoch before the one that ends it
    #[arg(long, default_value_t = 60)]
    pub(crate) events_per_epoch: u64,
    /// What is kept of each boundary
    #[arg(long, value_enum, default_value_t = Keep::Checkpoint)]
    pub(crate) mode: Keep,
    /// Wait for background work at the start and after each boundary, not only at the end
    #[arg(long)]
    pub(crate) settle: bool,
    /// Die by SIGKILL before the K-th step of the hook's work on disk, from 0
    #[arg(long, value_name = "K", conflicts_with = "kill_at_point")]
    pub(crate) kill_at_step: Option<u64>,
    /// Die by SIGKILL at this point of the node's own work
    #[arg(long, value_name = "NAME", value_parser = point())]
    pub(crate) kill_at_point: Option<Point>,
    /// How often the node gets past that point before
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "kill_at_point"
    )]
    pub(crate) passes: u64,
    /// Print each line as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Keep {
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
pub(crate) struct Simulate {
    /// Seeds to run
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,
    /// Directory in which the nodes run [default: in memory, if there is room]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Seeds under way at a time [default: one for each processor]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// In each cluster, let a node lose its database and start again from another's snapshot
    #[arg(long)]
    pub(crate) restore: bool,
    /// Make every node make a mistake, to see it found
    #[arg(long, value_name = "MISTAKE", value_parser = mutation())]
    pub(crate) mutate: Option<Mutation>,
    /// Print the counts as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The names of the mistakes, for the help and for suggestions.
fn mutation() -> impl TypedValueParser<Value = Mutation> {
    PossibleValuesParser::new(Mutation::ALL.map(Mutation::name))
        .try_map(|name| name.parse::<Mutation>())
}

#[derive(Debug, Args)]
pub(crate) struct MakeDb {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Rows of the three tables at the end, about
    #[arg(long, default_value_t = 20_000)]
    pub(crate) entries: u64,
    /// Seed of the events
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Epochs to live through
    #[arg(long, default_value_t = 6)]
    pub(crate) epochs: u32,
    /// Print what was made as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MakeBenchDb {
    /// Directory to make, or an empty one (hidden files aside)
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Rows
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) rows: u64,
    /// Seed of the rows
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Share of the rows, from 0 to 1, that have merge operands in level 0
    #[arg(long, default_value_t = 0.0)]
    pub(crate) unmerged_share: f64,
    /// How the object IDs are spread
    #[arg(long, value_enum, default_value_t = Keys::Random)]
    pub(crate) keys: Keys,
    /// Print what was made as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Keys {
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
