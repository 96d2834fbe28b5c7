//! `kill -9` of a real process, at every step of the hook's work on disk, at every point of the node's
//! own, and while it goes about its work: whatever comes next, nothing is lost and nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use node_hook::Step;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reference_node::follow::Told;
use reference_node::point::Point;
use reference_node::simulation::{self, EventStream, Oracle};
use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use tempfile::TempDir;

const SIGKILL: i32 = 9;

/// Of each epoch: enough that all that a boundary leaves for later comes within it.
const EVENTS_PER_EPOCH: u64 = 40;

/// No process gets there.
const ENDLESS: u32 = u32::MAX;

/// Steps up to the end of the first snapshot, whose checkpoint is removed, or of the second checkpoint,
/// for which the first is: there is every kind of step among them.
const STEPS: u64 = 36;

/// Kinds of step of each mode.
const STEPS_OF_CHECKPOINT: usize = 14;
const STEPS_OF_SNAPSHOT: usize = 21;

/// A node, and all that its processes told.
struct Life {
    dir: TempDir,
    kind: ArtifactKind,
    seed: u64,
    rng: ChaCha8Rng,
    deaths: usize,
    /// The newest epoch that a process told to have an artifact of, and to have begun.
    taken: Epoch,
    begun: Epoch,
}

impl Life {
    fn new(kind: ArtifactKind, seed: u64) -> Self {
        Self {
            dir: tempfile::tempdir_in(simulation::default_root()).expect("a directory"),
            kind,
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            deaths: 0,
            taken: Epoch(0),
            begun: Epoch(1),
        }
    }

    fn storage(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    fn spawn(&self, storage: &Path, epochs: u32, args: &[&str]) -> Child {
        let mode = match self.kind {
            ArtifactKind::Checkpoint => "checkpoint",
            ArtifactKind::Snapshot => "snapshot",
        };
        Command::new(env!("CARGO_BIN_EXE_reference-node"))
            .args(["follow", "--json", "--mode", mode, "--dir"])
            .arg(storage)
            .args(["--seed", &self.seed.to_string()])
            .args(["--epochs", &epochs.to_string()])
            .args(["--events-per-epoch", &EVENTS_PER_EPOCH.to_string()])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs")
    }

    /// Reads what a process tells until it ends, and kills it after `lines` lines.
    fn listen(&mut self, child: &mut Child, lines: Option<usize>) -> Vec<Told> {
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut told = Vec::new();
        for line in out.lines() {
            let line = line.expect("text");
            let line: Told = serde_json::from_str(&line).unwrap_or_else(|error| {
                panic!("{error} in {line}");
            });
            if let Told::Boundary { epoch, outcome, .. } = &line {
                assert!(!outcome.starts_with("failed"), "{line}");
                self.begun = Epoch(*epoch);
                if outcome == "taken" {
                    self.taken = Epoch(*epoch);
                }
            }
            told.push(line);
            if Some(told.len()) == lines {
                child.kill().expect("it is there until it is waited for");
            }
        }
        told
    }

    /// A process that dies by SIGKILL. Returns what it was about, if it killed itself.
    fn die(&mut self, args: &[&str], lines: Option<usize>) -> Option<String> {
        let mut child = self.spawn(&self.storage(), ENDLESS, args);
        let told = self.listen(&mut child, lines);
        let status = child.wait().expect("it ends");
        assert_eq!(
            status.signal(),
            Some(SIGKILL),
            "{args:?}: {status}, {told:?}"
        );
        self.deaths += 1;
        self.check_restart();
        told.into_iter().find_map(|told| match told {
            Told::Dying { at, .. } => Some(at),
            _ => None,
        })
    }

    /// A process that kills itself before that step. Returns the kind of step.
    fn die_at_step(&mut self, step: u64, args: &[&str]) -> String {
        let number = step.to_string();
        let at = self.die(&[args, &["--kill-at-step", &number]].concat(), None);
        at.expect("it killed itself")
    }

    /// A new node takes the place of this one.
    fn begin_again(&mut self) {
        match fs::remove_dir_all(self.storage()) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => (self.taken, self.begun) = (Epoch(0), Epoch(1)),
        }
    }

    /// Starts a node on a copy of what a death left, so that the next process finds all of it again and
    /// may die of it too.
    fn check_restart(&mut self) {
        let copy = self.dir.path().join("copy");
        copy_tree(&self.storage(), &copy);
        let present = self.run_to_end(&copy, 0);
        let newest = present.iter().map(|name| name.epoch).max();
        assert!(
            newest.unwrap_or(Epoch(0)) >= self.taken,
            "epoch {} was taken, but there is only {present:?}",
            self.taken
        );
        fs::remove_dir_all(&copy).expect("removed");
    }

    /// A process that comes to its end, and what is there after it, which is all as it must be.
    fn run_to_end(&mut self, storage: &Path, epochs: u32) -> Vec<ArtifactName> {
        let mut child = self.spawn(storage, epochs, &[]);
        let told = self.listen(&mut child, None);
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{status}: {told:?}");
        assert!(matches!(told.last(), Some(Told::Ended { .. })), "{told:?}");
        // A process may have died after the next epoch had begun, and before it told.
        let known = EventStream {
            epochs: epochs.max(self.begun.0),
            ..self.stream()
        };
        let oracle = Oracle::new(known).expect("the rows are sound");
        let checked = oracle.check(storage);
        checked.unwrap_or_else(|finding| panic!("{finding}; the node told {told:?}"))
    }

    /// The last process: gets two epochs further without dying, and has what it must have.
    fn end(mut self) -> usize {
        let epochs = self.begun.0 + 1;
        let present = self.run_to_end(&self.storage(), epochs);
        let last = Oracle::new(EventStream {
            epochs,
            ..self.stream()
        });
        let last = last.expect("the rows are sound").last_epoch();
        assert_eq!(Some(self.taken), last);
        assert_eq!(present, [ArtifactName::finished(self.kind, self.taken)]);
        self.deaths
    }

    fn stream(&self) -> EventStream {
        EventStream {
            seed: self.seed,
            epochs: 0,
            events_per_epoch: EVENTS_PER_EPOCH,
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("known").is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

/// Dies before each step of a new node; then again and again, further and further on, of what the death
/// before has left; and then while events are handled beside the hook's work.
fn killed_at_steps(kind: ArtifactKind, seed: u64, expected: usize) {
    let mut life = Life::new(kind, seed);
    let (mut hit, mut step, mut processes) = (BTreeSet::new(), 0, 0);
    while step < STEPS {
        life.begin_again();
        hit.insert(life.die_at_step(step, &["--settle"]));
        step += 1;
        processes += 1;
    }
    assert_eq!(hit.len(), expected, "{hit:?} of {:?}", Step::ALL);
    life.begin_again();
    step = 0;
    while step < STEPS {
        hit.insert(life.die_at_step(step, &["--settle"]));
        step += life.rng.random_range(1..=5);
        processes += 1;
    }
    for _ in 0..6 {
        let step = life.rng.random_range(0..STEPS);
        hit.insert(life.die_at_step(step, &[]));
        processes += 1;
    }
    assert_eq!(hit.len(), expected, "{hit:?} of {:?}", Step::ALL);
    assert_eq!(life.end(), processes);
}

/// Dies at each point of the node's own work, and whenever its parent has read enough.
fn killed_at_points_and_lines(kind: ArtifactKind, seed: u64) {
    let mut life = Life::new(kind, seed);
    for point in Point::ALL {
        let passes = match point {
            Point::Opened => 0,
            Point::Event | Point::Applied | Point::Handled => life.rng.random_range(0..90),
            _ => life.rng.random_range(0..2),
        };
        let passes = passes.to_string();
        let at = life.die(
            &["--kill-at-point", point.name(), "--passes", &passes],
            None,
        );
        assert_eq!(at, Some(format!("{point:?}")));
    }
    for _ in 0..6 {
        let lines = life.rng.random_range(1..=4);
        assert_eq!(life.die(&[], Some(lines)), None);
    }
    assert_eq!(life.end(), Point::ALL.len() + 6);
}

#[test]
fn a_checkpoint_survives_a_kill_at_each_step() {
    killed_at_steps(ArtifactKind::Checkpoint, 1, STEPS_OF_CHECKPOINT);
}

#[test]
fn a_snapshot_survives_a_kill_at_each_step() {
    killed_at_steps(ArtifactKind::Snapshot, 2, STEPS_OF_SNAPSHOT);
}

#[test]
fn a_checkpoint_survives_a_kill_at_any_moment() {
    killed_at_points_and_lines(ArtifactKind::Checkpoint, 3);
}

#[test]
fn a_snapshot_survives_a_kill_at_any_moment() {
    killed_at_points_and_lines(ArtifactKind::Snapshot, 4);
}

#[test]
fn a_database_that_followed_another_stream_is_refused() {
    let mut life = Life::new(ArtifactKind::Checkpoint, 5);
    life.run_to_end(&life.storage(), 1);
    life.seed = 6;
    let mut child = life.spawn(&life.storage(), 2, &[]);
    let told = life.listen(&mut child, None);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "{told:?}");
    assert_eq!(told.len(), 1, "{told:?}");
}
