//! What a seed stands for: how many nodes, how each goes about its work, and what goes wrong.

use std::io;
use std::num::NonZeroU64;

use node_hook::{BlobInfoSnapshotConfig, Mode, Step};
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rocksdb::DBCompressionType;

use super::fault::{Effect, Fault, Loss, Trigger, Work};
use super::{Cluster, CrashAt};
use crate::families::Tuning;
use crate::node::NodeConfig;
use crate::point::Point;
use crate::workload::Mix;

/// A cluster and its fate.
#[derive(Clone, Debug)]
pub(crate) struct ClusterPlan {
    /// Events of each epoch before the one that ends it.
    pub(crate) epochs: Vec<usize>,
    pub(crate) nodes: Vec<NodePlan>,
}

/// A node and its fate.
#[derive(Clone, Debug)]
pub(crate) struct NodePlan {
    pub(crate) config: NodeConfig,
    /// Whether its directory of checkpoints and snapshots is there before it first starts.
    pub(crate) directory: bool,
    /// One for each epoch.
    pub(crate) epochs: Vec<EpochPlan>,
}

/// What happens to a node in an epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct EpochPlan {
    /// Whether it is catching up at the boundary that ends the epoch.
    pub(crate) catching_up: bool,
    pub(crate) faults: Vec<Fault>,
    /// The background step after the boundary that waits until the next boundary is over.
    pub(crate) hold: Option<u32>,
    /// After which events of the epoch the node does something of its own.
    pub(crate) upkeep: Vec<(usize, Upkeep)>,
}

/// What a node does when it sees fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// Flushes all memtables.
    Flush,
    /// Flushes those of some column families, so that logs stay.
    FlushSome,
    Compact,
    /// Stops in good order and starts again.
    Restart,
}

const AN_HOUR: NonZeroU64 = NonZeroU64::new(3600).expect("3600 is not 0");

/// Lifetimes are short, so that every boundary has something to collect, and more blobs turn out
/// invalid than do on the network.
pub(crate) const MIX: Mix = Mix {
    register: 330,
    certify: 290,
    extend: 60,
    delete: 70,
    invalidate: 20,
    register_pooled: 120,
    certify_pooled: 100,
    delete_pooled: 25,
    create_pool: 30,
    extend_pool: 15,
    deletable_percent: 50,
    known_blob_percent: 25,
    max_lifetime: 4,
    max_extension: 3,
};

impl ClusterPlan {
    /// The plan of a cluster. Without faults, nodes differ only in how they go about their work.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        // Another stream of random numbers than the events'.
        let mut rng = ChaCha8Rng::seed_from_u64(cluster.seed);
        rng.set_stream(1);
        let epoch_count = cluster.epochs.unwrap_or_else(|| rng.random_range(2..=4));
        let node_count = cluster.nodes.unwrap_or_else(|| rng.random_range(2..=4));
        let epochs: Vec<usize> = (0..epoch_count)
            .map(|_| {
                let drawn = rng.random_range(20..=120);
                cluster.events.unwrap_or(drawn)
            })
            .collect();
        let mut nodes: Vec<NodePlan> = (0..node_count)
            // The first one has no mishaps.
            .map(|number| NodePlan::new(&mut rng, &epochs, cluster.faults && number > 0))
            .collect();
        if let Some(place) = cluster.crash_at {
            Self::crash_at(&mut rng, place, &mut nodes);
        }
        Self { epochs, nodes }
    }

    /// Replaces what goes wrong by a crash at one place, for nodes of both modes in turn.
    fn crash_at(rng: &mut ChaCha8Rng, place: CrashAt, nodes: &mut [NodePlan]) {
        let modes = [Mode::Checkpoint, Mode::Snapshot].into_iter().cycle();
        for (node, mode) in nodes.iter_mut().skip(1).zip(modes) {
            node.config.blob_info_snapshot.enabled = true;
            node.config.blob_info_snapshot.mode = mode;
            for epoch in &mut node.epochs {
                let trigger = match place {
                    CrashAt::Point(point) => Trigger::Point(point),
                    CrashAt::Step(step) => Trigger::Step(step),
                };
                epoch.faults = vec![Fault {
                    trigger,
                    after: 0,
                    effect: Effect::Crash(loss(rng)),
                }];
                epoch.catching_up = false;
                epoch.hold = None;
            }
        }
    }
}

impl NodePlan {
    fn new(rng: &mut ChaCha8Rng, epochs: &[usize], faults: bool) -> Self {
        let mode = pick(rng, &[Mode::Checkpoint, Mode::Snapshot]);
        let blob_info_snapshot = BlobInfoSnapshotConfig {
            enabled: !faults || rng.random_range(0..20) > 0,
            mode,
            // Never reached: a slow machine must not decide what happens.
            checkpoint_timeout_secs: AN_HOUR,
        };
        let compression = [
            DBCompressionType::None,
            DBCompressionType::Snappy,
            DBCompressionType::Lz4,
            DBCompressionType::Zstd,
            DBCompressionType::Zlib,
        ];
        let config = NodeConfig {
            blob_info_snapshot,
            tuning: Tuning {
                write_buffer_bytes: pick(rng, &[64 << 10, 64 << 20]),
                auto_compaction: rng.random(),
                compression: pick(rng, &compression),
                block_bytes: pick(rng, &[1 << 10, 4 << 10, 64 << 10]),
            },
            finisher_delay: pick(rng, &[0, 1, 5, 40, 1000]),
            phase_two_delay: pick(rng, &[0, 3, 30, 200]),
            consistency_check_delay: pick(rng, &[0, 10, 100]),
            cursor_interval: pick(rng, &[1, 8, 32]),
        };
        let directory = rng.random_range(0..4) > 0;
        let epochs = epochs.iter();
        let epochs = epochs.map(|&events| EpochPlan::new(rng, events, mode, faults));
        Self {
            config,
            directory,
            epochs: epochs.collect(),
        }
    }
}

impl EpochPlan {
    fn new(rng: &mut ChaCha8Rng, events: usize, mode: Mode, faults: bool) -> Self {
        let upkeep = (0..rng.random_range(0..3)).map(|_| {
            let at = rng.random_range(0..events.max(1));
            let kinds = [
                Upkeep::Flush,
                Upkeep::FlushSome,
                Upkeep::Compact,
                Upkeep::Restart,
            ];
            (at, pick(rng, &kinds))
        });
        let upkeep = upkeep.collect();
        if !faults {
            return Self {
                upkeep,
                ..Self::default()
            };
        }
        let faults = (0..rng.random_range(0..3)).map(|_| fault(rng, events, mode));
        Self {
            upkeep,
            faults: faults.collect(),
            catching_up: rng.random_range(0..10) == 0,
            hold: (rng.random_range(0..6) == 0).then(|| rng.random_range(0..12)),
        }
    }
}

/// A fault within an epoch of so many events.
fn fault(rng: &mut ChaCha8Rng, events: usize, mode: Mode) -> Fault {
    let background_steps = match mode {
        Mode::Checkpoint => 8,
        Mode::Snapshot => 20,
    };
    match rng.random_range(0..100) {
        // A crash of the node itself.
        0..25 => {
            let point = pick(rng, &Point::ALL);
            let after = match point {
                Point::Event | Point::Applied | Point::Handled => {
                    let events = u32::try_from(events).unwrap_or(u32::MAX);
                    rng.random_range(0..events.max(1))
                }
                _ => 0,
            };
            let effect = Effect::Crash(loss(rng));
            Fault {
                trigger: Trigger::Point(point),
                after,
                effect,
            }
        }
        // A crash somewhere in the hook's work, or an operation of it that fails.
        25..50 => {
            let after = rng.random_range(0..14);
            let effect = mishap(rng);
            Fault {
                trigger: Trigger::Work(Work::Boundary),
                after,
                effect,
            }
        }
        50..75 => {
            let after = rng.random_range(0..background_steps);
            let effect = mishap(rng);
            Fault {
                trigger: Trigger::Work(Work::Background),
                after,
                effect,
            }
        }
        // At a step that comes rarely.
        75..85 => {
            let step = pick(rng, &Step::ALL);
            let effect = mishap(rng);
            let after = rng.random_range(0..2);
            Fault {
                trigger: Trigger::Step(step),
                after,
                effect,
            }
        }
        85..95 => {
            let effects = [
                Effect::Fail(io::ErrorKind::Other),
                Effect::Panic,
                Effect::HalfThenFail,
                Effect::HalfThenCrash(Loss::Process),
                Effect::HalfThenCrash(Loss::Power),
            ];
            let effect = pick(rng, &effects);
            Fault {
                trigger: Trigger::CreateCheckpoint,
                after: 0,
                effect,
            }
        }
        _ => {
            let effect = Effect::Fail(io::ErrorKind::Other);
            Fault {
                trigger: Trigger::LatestHandled,
                after: 0,
                effect,
            }
        }
    }
}

/// A crash while the node starts, if it is to have one.
pub(crate) fn crash_at_start(rng: &mut impl Rng) -> Option<Fault> {
    if rng.random_range(0..4) > 0 {
        return None;
    }
    let trigger = match rng.random_range(0..4) {
        0 => Trigger::Point(Point::Opened),
        _ => Trigger::Work(Work::Start),
    };
    let after = match trigger {
        Trigger::Work(_) => rng.random_range(0..14),
        _ => 0,
    };
    Some(Fault {
        trigger,
        after,
        effect: Effect::Crash(loss(rng)),
    })
}

/// An operation that fails while the node starts, if one is to.
pub(crate) fn failure_at_start(rng: &mut impl Rng) -> Option<Fault> {
    if rng.random_range(0..8) > 0 {
        return None;
    }
    Some(Fault {
        trigger: Trigger::Work(Work::Start),
        after: rng.random_range(0..10),
        effect: failure(rng),
    })
}

fn mishap(rng: &mut impl Rng) -> Effect {
    if rng.random_range(0..3) > 0 {
        Effect::Crash(loss(rng))
    } else {
        failure(rng)
    }
}

fn failure(rng: &mut impl Rng) -> Effect {
    let kinds = [
        // As a directory that cannot be read, a failed fsync, and a disk that is full.
        Effect::Fail(io::ErrorKind::PermissionDenied),
        Effect::Fail(io::ErrorKind::Other),
        Effect::DiskFull,
    ];
    pick(rng, &kinds)
}

fn loss(rng: &mut impl Rng) -> Loss {
    pick(rng, &[Loss::Process, Loss::Power])
}

fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    let place = rng.random_range(0..choices.len().max(1) as u64);
    choices[usize::try_from(place).unwrap_or(0)]
}
