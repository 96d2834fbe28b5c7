//! `cargo xtask demo`: the main job on a database made for it, with every command shown.
//!
//! A reader can repeat each line that starts with `$`. What the programs claim is compared as well: a
//! demo that prints two different digests for one content fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::second_opinion::{decoder, digests};
use super::{bench, setup};
use crate::sh::Cmd;
use crate::{cargo, repo, say};

/// Says that a directory was made by this task and may be deleted by it.
const MARKER: &str = ".made-by-xtask-demo";

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rows of the three tables, about
    #[arg(long, default_value_t = 20_000)]
    entries: u64,
    /// Seed of the made-up events; the same seed gives the same digests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to put everything [default: demo/ in cargo's target directory]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What `reference-node make-db --json` prints.
#[derive(Debug, Deserialize)]
struct Made {
    epoch: u32,
    /// The database of the node, closed.
    database: PathBuf,
    /// The checkpoint that it took at the boundary.
    checkpoint: PathBuf,
    /// The event that began the epoch.
    event_tx_digest: String,
    event_seq: u64,
    next_event_index: u64,
    /// Rows per table.
    tables: BTreeMap<String, u64>,
    /// What was done to the tables, in plain words.
    done: Vec<String>,
}

/// Runs the demo.
///
/// # Errors
///
/// When something is missing, a command fails, or two that must agree do not.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let stage = Stage {
        programs: bench::build_programs()?,
        dir: prepare(options.dir.clone())?,
    };
    say::heading("demo");
    say::paragraph("To repeat what follows by hand, first:");
    say::line(&format!("$ cd {}", stage.dir.display()));
    say::line(&format!("$ export PATH={}:$PATH", stage.programs.display()));

    let made = stage.make_database(options)?;
    let sealed = stage.sealed(&made)?;
    let counted = stage.counted(&made)?;
    stage.inspect(&sealed)?;
    stage.second_opinion(&[&sealed, &counted])?;
    stage.damage(&sealed)?;
    stage.cluster(options)?;
    stage.close(&made, &sealed, &counted);
    Ok(())
}

/// The programs, and the directory that they work in: all paths are relative to it.
struct Stage {
    programs: PathBuf,
    dir: PathBuf,
}

/// A snapshot file and its digest.
struct Snapshot {
    file: String,
    digest: String,
}

impl Stage {
    fn make_database(&self, options: &Options) -> Result<Made> {
        say::heading("1. A storage node lives through several epochs");
        let (entries, seed) = (options.entries.to_string(), options.seed.to_string());
        let printed = self
            .program("reference-node")
            .args([
                "make-db",
                "--dir",
                ".",
                "--entries",
                &entries,
                "--seed",
                &seed,
                "--json",
            ])
            .run_quietly()?;
        let mut made: Made = serde_json::from_str(&printed)
            .with_context(|| format!("reference-node printed something else: {printed}"))?;
        for path in [&mut made.database, &mut made.checkpoint] {
            *path = path.strip_prefix(".").unwrap_or(path).to_owned();
        }
        for line in &made.done {
            say::paragraph(&format!("- {line}"));
        }
        say::paragraph(&format!(
            "At the boundary to epoch {} it took a checkpoint, {}. Rows in it:",
            made.epoch,
            made.checkpoint.display()
        ));
        for (table, rows) in &made.tables {
            say::note(&format!("  {table:<30} {rows:>10}"));
        }
        Ok(made)
    }

    fn sealed(&self, made: &Made) -> Result<Snapshot> {
        say::heading("2. From the checkpoint to a snapshot file, in the sealed framing");
        let file = format!("snapshot_epoch_{}.bin", made.epoch);
        let create = self.create(made, &file).run_and_read()?;
        let verify = self.blob_snapshot("verify").arg(&file).run_and_read()?;
        say::paragraph(
            "`digest` reads it from the file, and computes it from a database without writing one: \
             here the checkpoint, and the database that the node left behind, part of it still in \
             the write-ahead log. That is how operators compare nodes.",
        );
        let digest = self
            .blob_snapshot("digest")
            .args(["--epoch", &made.epoch.to_string(), &file])
            .args([&made.checkpoint, &made.database])
            .run_and_read()?;
        let digest = agreed(&[&create, &verify, &digest])?;
        Ok(Snapshot { file, digest })
    }

    fn counted(&self, made: &Made) -> Result<Snapshot> {
        say::heading("3. The same content in the counted framing, as released nodes write it");
        let file = format!("snapshot_epoch_{}.counted.bin", made.epoch);
        let create = self
            .create(made, &file)
            .args(["--framing", "counted"])
            .args(["--event-tx-digest", &made.event_tx_digest])
            .args(["--event-seq", &made.event_seq.to_string()])
            .args(["--next-event-index", &made.next_event_index.to_string()])
            .run_and_read()?;
        let verify = self.blob_snapshot("verify").arg(&file).run_and_read()?;
        let digest = self.blob_snapshot("digest").arg(&file).run_and_read()?;
        let digest = agreed(&[&create, &verify, &digest])?;
        say::paragraph("Other bytes, so another digest: compare digests of one framing only.");
        Ok(Snapshot { file, digest })
    }

    fn inspect(&self, sealed: &Snapshot) -> Result<()> {
        say::heading("4. What is inside");
        let inspect = self.blob_snapshot("inspect").arg(&sealed.file);
        inspect.run_and_read().map(drop)
    }

    fn second_opinion(&self, files: &[&Snapshot]) -> Result<()> {
        say::heading("5. A second opinion: a decoder in Python that shares no code with the above");
        let decoder = decoder(Cmd::new("python3"), &repo::root()?).dir(&self.dir);
        for Snapshot { file, digest } in files {
            let printed = decoder.clone().arg(file).run_and_read()?;
            agreed(&[digest, &printed])
                .with_context(|| format!("the second decoder disagrees about {file}"))?;
        }
        say::paragraph("It finds the same digests.");
        Ok(())
    }

    fn damage(&self, sealed: &Snapshot) -> Result<()> {
        say::heading("6. One bit of a copy is flipped");
        let (from, to) = (self.dir.join(&sealed.file), self.dir.join("damaged.bin"));
        let mut bytes =
            fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let middle = bytes.len() / 2;
        let byte = bytes.get_mut(middle).context("the snapshot is empty")?;
        *byte ^= 1;
        fs::write(&to, &bytes).with_context(|| format!("cannot write {}", to.display()))?;
        // Exit code 1: the answer is no.
        self.blob_snapshot("verify")
            .arg("damaged.bin")
            .run_and_expect(1)?;
        say::paragraph(&format!(
            "Refused, with exit code 1: the lowest bit of byte {middle} is not what it was."
        ));
        Ok(())
    }

    fn cluster(&self, options: &Options) -> Result<()> {
        say::heading("7. A small cluster over several epochs, with crashes");
        say::paragraph(
            "Each node follows the same events in its own time: it flushes, compacts, collects garbage \
             and crashes when it sees fit. At each boundary the hook takes a checkpoint or a snapshot. \
             These are the digests that they come to:",
        );
        let (dir, nodes) = ("cluster", 4);
        let cluster = self
            .program("reference-node")
            .args(["cluster", "--dir", dir, "--seed", &options.seed.to_string()])
            .args(["--nodes", &nodes.to_string()]);
        cluster.run_and_read()?;
        let artifacts = self.artifacts(dir)?;
        ensure!(
            !artifacts.is_empty(),
            "no node of the cluster has a checkpoint or snapshot"
        );
        say::paragraph("What the nodes have kept, looked at from outside:");
        let (checkpoints, snapshots): (Vec<_>, Vec<_>) = artifacts
            .into_iter()
            .partition(|artifact| self.dir.join(artifact).is_dir());
        for same in [checkpoints, snapshots] {
            if !same.is_empty() {
                self.blob_snapshot("digest").args(&same).run_and_read()?;
            }
        }
        say::paragraph(
            "A snapshot has the boundary's cursor in its header, and a checkpoint has no header, so \
             compare like with like.",
        );
        Ok(())
    }

    /// The newest checkpoint or snapshot of each node of a cluster.
    fn artifacts(&self, dir: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for node in names(&self.dir.join(dir))? {
            let kept = PathBuf::from(dir).join(node).join("blob_info_snapshots");
            let Ok(names) = names(&self.dir.join(&kept)) else {
                continue;
            };
            let ours = |name: &&String| {
                let checkpoint = name.strip_prefix("checkpoint_epoch_");
                let snapshot = name.strip_prefix("snapshot_epoch_");
                let snapshot = snapshot.and_then(|name| name.strip_suffix(".bin"));
                let epoch = checkpoint.or(snapshot);
                epoch.is_some_and(|epoch| {
                    epoch
                        .parse::<u32>()
                        .is_ok_and(|number| number.to_string() == epoch)
                })
            };
            found.extend(names.iter().filter(ours).map(|name| kept.join(name)));
        }
        Ok(found)
    }

    fn close(&self, made: &Made, sealed: &Snapshot, counted: &Snapshot) {
        say::heading("What you saw");
        say::paragraph(
            "A node keeps what it knows about blobs in RocksDB. At an epoch boundary three of its \
             tables are the same on every honest node, so each of them writes the same bytes and \
             prints the same digest. You made such tables, wrote their snapshot in both framings, \
             had two independent decoders verify it, saw a damaged copy refused, and saw a cluster \
             agree at every boundary, crashes or not.",
        );
        let dir = self.dir.display();
        for (what, file, digest) in [
            ("sealed", sealed.file.as_str(), sealed.digest.as_str()),
            ("counted", &counted.file, &counted.digest),
            ("made from", &made.checkpoint.to_string_lossy(), ""),
        ] {
            say::note(format!("  {what:<10} {dir}/{file}  {digest}").trim_end());
        }
        say::paragraph(
            "`blob-snapshot --help` shows the rest; docs/format.md describes the bytes. `create` \
             run again refuses to replace a file, unless told --force.",
        );
    }

    fn create(&self, made: &Made, file: &str) -> Cmd {
        let create = self
            .blob_snapshot("create")
            .arg("--db")
            .arg(&made.checkpoint);
        create.args(["--output", file])
    }

    fn blob_snapshot(&self, command: &str) -> Cmd {
        self.program("blob-snapshot").arg(command)
    }

    fn program(&self, name: &str) -> Cmd {
        Cmd::program(&self.programs, name).dir(&self.dir)
    }
}

/// The one digest that all of these outputs print, at least once each.
fn agreed(outputs: &[&str]) -> Result<String> {
    let mut found: Vec<&str> = Vec::new();
    for output in outputs {
        let here = digests(output);
        ensure!(!here.is_empty(), "no digest in `{}`", output.trim());
        found.extend(here);
    }
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [digest] => Ok((*digest).to_owned()),
        _ => bail!(
            "these must be one digest, but are {}: {}",
            found.len(),
            found.join(", ")
        ),
    }
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let name = entry?.file_name();
        names.extend(name.to_str().map(ToOwned::to_owned));
    }
    names.sort();
    Ok(names)
}

/// An empty directory to work in; an old one is deleted only if this task made it.
fn prepare(wanted: Option<PathBuf>) -> Result<PathBuf> {
    let dir = match wanted {
        Some(dir) => std::path::absolute(&dir)
            .with_context(|| format!("cannot resolve {}", dir.display()))?,
        None => cargo::members()?.target_directory.join("demo"),
    };
    if dir.exists() {
        let empty = fs::read_dir(&dir)
            .with_context(|| format!("cannot list {}", dir.display()))?
            .next()
            .is_none();
        if dir.join(MARKER).is_file() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot delete {}", dir.display()))?;
        } else if !empty {
            bail!(
                "{} is not empty and not from an earlier demo; name another --dir",
                dir.display()
            );
        }
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    fs::write(dir.join(MARKER), "")
        .with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_print_two_digests_or_none_do_not_agree() {
        let (one, two) = ("0123456789abcdef", "fedcba9876543210");
        let both = format!("{one}\n{one}");
        assert_eq!(agreed(&[one, &both]).unwrap(), one);
        assert!(agreed(&[one, two]).is_err());
        assert!(agreed(&[one, "nothing"]).is_err());
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let dir = std::env::temp_dir().join(format!("xtask-demo-{}", std::process::id()));
        fs::create_dir_all(dir.join("precious")).unwrap();
        assert!(prepare(Some(dir.clone())).is_err());
        assert!(dir.join("precious").is_dir());
        fs::remove_dir_all(&dir).unwrap();

        fs::create_dir_all(&dir).unwrap();
        prepare(Some(dir.clone())).unwrap();
        fs::write(dir.join("old"), "").unwrap();
        prepare(Some(dir.clone())).unwrap();
        assert!(!dir.join("old").exists() && dir.join(MARKER).is_file());
        fs::remove_dir_all(&dir).unwrap();
    }
}
