//! A node as a process of its own: follows a seeded stream of events to its end, and dies by SIGKILL
//! where it is told to.
//!
//! What happens is told to the caller, line by line; nothing is printed here.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use node_hook::{BlobInfoSnapshotConfig, Mode, Outcome, Probe, Step};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::runtime;
use tokio::task::yield_now;

use crate::error::NodeError;
use crate::event::Event;
use crate::make::DATABASE;
use crate::node::{Handled, Instruments, NodeConfig, ReferenceNode};
use crate::point::{Point, Watch};
use crate::simulation::EventStream;

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct Follow {
    /// The node's storage directory, made if missing. Its database is [`DATABASE`] in it.
    pub dir: PathBuf,
    /// The events.
    pub stream: EventStream,
    /// What is kept of each boundary.
    pub mode: Mode,
    /// Waits for background work at the start and after each boundary, so that the steps of a run
    /// come in the same order whenever it is repeated. Otherwise only at the end.
    pub settle: bool,
    /// Where the process dies, if it is to.
    pub kill: Option<Kill>,
}

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// Before the step of the hook's work on disk with this number, from 0.
    Step(u64),
    /// At a point of the node's own work.
    Point {
        /// Which.
        point: Point,
        /// How often the node gets past it before.
        passes: u64,
    },
}

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Told {
    /// It is open, and its hook is started.
    Started {
        /// The index of the event that it goes on with.
        next_event_index: u64,
    },
    /// It is through a boundary.
    Boundary {
        /// The epoch that begins.
        epoch: u32,
        /// The index of the event that begins it.
        event_index: u64,
        /// What the hook answered.
        outcome: String,
    },
    /// The process dies now.
    Dying {
        /// The step or point it has come to.
        at: String,
        /// What the step is about.
        path: Option<PathBuf>,
    },
    /// The stream is at its end, and background work is done.
    Ended {
        /// The index of the event that would come next.
        next_event_index: u64,
        /// Steps of the hook's work on disk in this process.
        steps: u64,
    },
}

/// Why a node could not follow its stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The database has followed another stream.
    #[error(
        "event {index} of this stream is not the one that the database in {} has handled; give the \
         --seed it was made with, or another --dir", dir.display()
    )]
    OtherStream {
        /// The event's index.
        index: u64,
        /// The storage directory.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// For which directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Follows the stream from where the node stands to its end, and tells `say` what happens, on whatever
/// thread it happens.
///
/// # Errors
///
/// If the node fails, or has followed another stream before.
pub fn follow(
    plan: &Follow,
    say: impl Fn(&Told) + Send + Sync + 'static,
) -> Result<(), FollowError> {
    let failed = |action| {
        let path = plan.dir.clone();
        move |source| FollowError::Io {
            action,
            path,
            source,
        }
    };
    fs::create_dir_all(&plan.dir).map_err(failed("make the directory"))?;
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(failed("make a tokio runtime for the node in"))?;
    let death = Arc::new(Death {
        dir: plan.dir.clone(),
        kill: plan.kill,
        steps: AtomicU64::new(0),
        points: AtomicU64::new(0),
        say: Box::new(say),
    });
    let instruments = Instruments {
        watch: Some(Arc::clone(&death) as Arc<dyn Watch>),
        probe: Some(Arc::clone(&death) as Arc<dyn Probe>),
        store: None,
    };
    let database = plan.dir.join(DATABASE);
    let mut node = ReferenceNode::open_with(&database, config(plan.mode), instruments)?;
    runtime.block_on(live(plan, &mut node, &death))
}

/// From the start of the hook to the end of the stream.
async fn live(plan: &Follow, node: &mut ReferenceNode, death: &Death) -> Result<(), FollowError> {
    node.start();
    (death.say)(&Told::Started {
        next_event_index: node.next_event_index(),
    });
    settle(plan, node).await;
    let handled = node.tables().event_cursor()?;
    for event in plan.stream.events() {
        if let Some(cursor) = handled
            && cursor.next_event_index() == event.index + 1
            && cursor.event_id() != event.id
        {
            return Err(FollowError::OtherStream {
                index: event.index,
                dir: plan.dir.clone(),
            });
        }
        handle(plan, node, &event, death).await?;
    }
    node.snapshots().idle().await;
    (death.say)(&Told::Ended {
        next_event_index: node.next_event_index(),
        steps: death.steps.load(Ordering::Acquire),
    });
    Ok(())
}

async fn settle(plan: &Follow, node: &ReferenceNode) {
    if plan.settle {
        node.snapshots().idle().await;
    }
}

async fn handle(
    plan: &Follow,
    node: &mut ReferenceNode,
    event: &Event,
    death: &Death,
) -> Result<(), FollowError> {
    if let Handled::Boundary(boundary, outcome) = node.handle(event).await? {
        (death.say)(&Told::Boundary {
            epoch: boundary.epoch.0,
            event_index: boundary.event_index,
            outcome: match outcome {
                Outcome::Taken => "taken".to_owned(),
                Outcome::Skipped(reason) => format!("skipped: {reason}"),
                Outcome::Failed(stage) => format!("failed: {}", stage.name()),
            },
        });
        settle(plan, node).await;
    }
    // As the handlers of a node wait now and then; the hook's background tasks begin meanwhile.
    yield_now().await;
    Ok(())
}

/// Everything that is due later comes within an epoch of some dozens of events.
fn config(mode: Mode) -> NodeConfig {
    NodeConfig {
        blob_info_snapshot: BlobInfoSnapshotConfig {
            enabled: true,
            mode,
            ..BlobInfoSnapshotConfig::default()
        },
        finisher_delay: 5,
        phase_two_delay: 11,
        consistency_check_delay: 17,
        cursor_interval: 8,
        ..NodeConfig::default()
    }
}

/// Ends the process where it is to end.
struct Death {
    dir: PathBuf,
    kill: Option<Kill>,
    steps: AtomicU64,
    /// How often the node was at the point where it is to end.
    points: AtomicU64,
    say: Box<dyn Fn(&Told) + Send + Sync>,
}

impl Death {
    /// Does not return, unless the system refuses.
    fn die(&self, at: String, path: Option<&Path>) -> io::Error {
        (self.say)(&Told::Dying {
            at,
            path: path.map(Path::to_path_buf),
        });
        match kill_process(getpid(), Signal::KILL) {
            Ok(()) => io::Error::other("the process is alive after SIGKILL"),
            Err(error) => error.into(),
        }
    }
}

impl Probe for Death {
    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        let number = self.steps.fetch_add(1, Ordering::AcqRel);
        if self.kill == Some(Kill::Step(number)) {
            return Err(self.die(format!("{step:?}"), Some(path)));
        }
        Ok(())
    }
}

impl Watch for Death {
    fn at(&self, at: Point) -> Result<(), NodeError> {
        if let Some(Kill::Point { point, passes }) = self.kill
            && point == at
            && self.points.fetch_add(1, Ordering::AcqRel) == passes
        {
            return Err(NodeError::Io {
                action: "end the process of the node in",
                path: self.dir.clone(),
                source: self.die(format!("{at:?}"), None),
            });
        }
        Ok(())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { next_event_index } => {
                write!(f, "started, event {next_event_index} is next")
            }
            Self::Boundary {
                epoch,
                event_index,
                outcome,
            } => write!(f, "epoch {epoch} began with event {event_index}: {outcome}"),
            Self::Dying { at, path: None } => write!(f, "SIGKILL at {at}"),
            Self::Dying {
                at,
                path: Some(path),
            } => write!(f, "SIGKILL before {at} of {}", path.display()),
            Self::Ended {
                next_event_index,
                steps,
            } => write!(
                f,
                "ended before event {next_event_index}, after {steps} steps of the hook"
            ),
        }
    }
}
