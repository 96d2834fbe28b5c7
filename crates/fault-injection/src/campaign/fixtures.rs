//! What the commands are tried on, made once: a node's database with data of its own beside the tables
//! of a snapshot, part of it not flushed, the snapshots of two nodes, and nodes with artifacts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use reference_node::make_db::{DemoDb, DemoPlan, make_db};

/// Rows of the databases, about: small, so that one is copied in a millisecond.
const ENTRIES: u64 = 300;

/// Events of an epoch of the nodes that the hook is tried in.
pub(crate) const EVENTS_PER_EPOCH: u64 = 20;

/// Epochs that those nodes have behind them.
pub(crate) const EPOCHS: u32 = 2;

/// Seed of their events.
pub(crate) const SEED: u64 = 1;

/// Chunks of the sets.
const CHUNKS: u64 = 3;

/// The programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) blob_snapshot: PathBuf,
    pub(crate) reference_node: PathBuf,
    pub(crate) itself: PathBuf,
}

impl Programs {
    /// Those beside this one, unless the environment names others.
    ///
    /// # Errors
    ///
    /// If one is not there.
    pub(crate) fn find() -> Result<Self> {
        let itself = std::env::current_exe()?;
        let named = |variable, name| {
            let path = std::env::var_os(variable)
                .map_or_else(|| itself.with_file_name(name), PathBuf::from);
            path.canonicalize()
                .with_context(|| format!("{} is not built", path.display()))
        };
        Ok(Self {
            blob_snapshot: named("BLOB_SNAPSHOT_BIN", "blob-snapshot")?,
            reference_node: named("REFERENCE_NODE", "reference-node")?,
            itself: itself.clone(),
        })
    }
}

/// All that cases begin with, in one directory.
#[derive(Debug)]
pub(crate) struct Fixtures {
    pub(crate) dir: PathBuf,
    /// Epoch of the database.
    pub(crate) epoch: String,
    /// Epoch of the other node's snapshot.
    pub(crate) other_epoch: String,
    /// Sizes at which the two snapshots are cut into as many chunks.
    pub(crate) chunk_sizes: [String; 2],
    /// Modes of the hook.
    pub(crate) modes: Vec<&'static str>,
}

impl Fixtures {
    /// Makes them in `dir`.
    ///
    /// # Errors
    ///
    /// If a program fails.
    pub(crate) fn make(programs: &Programs, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let made = [(1, 5), (2, 7)].map(|(seed, epochs)| {
            let plan = DemoPlan {
                entries: ENTRIES,
                seed,
                epochs,
            };
            make_db(&dir.join(format!("made-{seed}")), &plan)
        });
        let [ours, theirs] = made;
        let (ours, theirs) = (ours?, theirs?);
        fs::rename(&ours.database, dir.join("db"))?;
        let checkpoint = dir.join("checkpoint");
        fs::rename(&ours.checkpoint, &checkpoint)?;
        let create = |made: &DemoDb, from: &Path, framing: &str, name: &str| {
            let mut create = Command::new(&programs.blob_snapshot);
            create
                .args(["create", "--framing", framing, "--db"])
                .arg(from);
            create.args([
                "--epoch",
                &made.epoch.to_string(),
                "--event-seq",
                &made.event_seq.to_string(),
            ]);
            create.args(["--event-tx-digest", &made.event_tx_digest.to_string()]);
            create.args(["--next-event-index", &made.next_event_index.to_string()]);
            must(create.arg("--output").arg(dir.join(name)))
        };
        create(&ours, &checkpoint, "sealed", "a.bin")?;
        create(&theirs, &theirs.checkpoint, "sealed", "b.bin")?;
        create(&ours, &checkpoint, "counted", "a.counted")?;
        let size = |name: &str| Ok::<_, anyhow::Error>(fs::metadata(dir.join(name))?.len());
        let chunk_sizes =
            [size("a.bin")?, size("b.bin")?].map(|size| (size / CHUNKS + 600).to_string());
        for (name, limit) in ["a", "b"].iter().zip(&chunk_sizes) {
            let set = dir.join(format!("{name}-set"));
            fs::create_dir(&set)?;
            let mut split = Command::new(&programs.blob_snapshot);
            split.arg("split").arg(dir.join(format!("{name}.bin")));
            must(
                split
                    .args(["--max-chunk-size", limit])
                    .arg("-o")
                    .arg(set.join("out.bin")),
            )?;
            let count = fs::read_dir(&set)?.count() as u64;
            ensure!(count == CHUNKS, "{count} chunks were made of {name}.bin");
        }
        let help = Command::new(&programs.reference_node)
            .args(["follow", "--help"])
            .output()?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let known = |mode: &&'static str| help.contains(&format!("- {mode}:"));
        let modes: Vec<_> = ["checkpoint", "snapshot", "live"]
            .into_iter()
            .filter(known)
            .collect();
        for mode in &modes {
            let node = dir.join(format!("node-{mode}"));
            let mut follow = Command::new(&programs.reference_node);
            must(
                follow
                    .args(follow_arguments(mode, EPOCHS))
                    .arg("--dir")
                    .arg(&node),
            )?;
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            epoch: ours.epoch.to_string(),
            other_epoch: theirs.epoch.to_string(),
            chunk_sizes,
            modes,
        })
    }
}

/// What makes a node follow its stream up to that epoch.
pub(crate) fn follow_arguments(mode: &str, epochs: u32) -> Vec<String> {
    let text = format!(
        "follow --mode {mode} --seed {SEED} --epochs {epochs} --events-per-epoch {EVENTS_PER_EPOCH} --settle"
    );
    text.split(' ').map(str::to_owned).collect()
}

fn must(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}: {stderr}",
        output.status
    );
    Ok(())
}
