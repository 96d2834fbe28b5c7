//! What the hook promises: the node's epoch goes on, what is good stays until something newer is whole,
//! and after a restart all is right.

use std::path::Path;

use anyhow::{Result, anyhow};
use reference_node::simulation::{EventStream, Oracle};
use snapshot_format::Epoch;
use snapshot_store::naming::ArtifactName;

use super::fixtures::{EPOCHS, EVENTS_PER_EPOCH, SEED, follow_arguments};
use super::promises::{Broken, Reference, Tried};
use super::tree::Tree;
use super::worker::{Worker, last_line};
use crate::supervise::Ended;

/// Where the hook keeps what it makes.
pub(super) const ARTIFACTS: &str = "node/blob_info_snapshots";

/// Judges what a node left.
///
/// # Errors
///
/// If a program that is needed for it cannot be run.
pub(crate) fn judge(
    worker: &Worker<'_>,
    reference: &Reference,
    tried: &Tried<'_>,
    mode: &str,
    broken: &mut Broken,
) -> Result<()> {
    if !tried.kind.kills() && !tried.ran.stdout.contains("ended before event") {
        broken.push("the node did not get to its last event".to_owned());
    }
    let now = worker.tree()?;
    let good = finished(&reference.before);
    let mut newest = Epoch(0);
    for (name, path) in &good {
        let newer = finished(&now)
            .into_iter()
            .any(|(found, _)| found.epoch > name.epoch);
        if !newer && !now.agree(&reference.before, Path::new(path)) {
            broken.push(format!(
                "{name} is gone or changed, and nothing newer is there"
            ));
        }
        newest = newest.max(name.epoch);
    }
    for (name, _) in finished(&now) {
        newest = newest.max(name.epoch);
    }
    // Started again, and then one epoch further.
    for (epochs, least) in [(0, newest), (EPOCHS + 2, Epoch(newest.0 + 1))] {
        let mut arguments = follow_arguments(mode, epochs);
        arguments.extend(["--dir".to_owned(), "node".to_owned()]);
        let again = worker.run(&worker.programs.reference_node, &arguments)?;
        if again.ended != Ended::Code(0) {
            broken.push(format!(
                "started again with {epochs} epochs: {}",
                last_line(&again)
            ));
            return Ok(());
        }
        let stream = EventStream {
            seed: SEED,
            epochs: EPOCHS + 2,
            events_per_epoch: EVENTS_PER_EPOCH,
        };
        let oracle = Oracle::new(stream).map_err(|error| anyhow!("{error}"))?;
        match oracle.check(&worker.case().join("node")) {
            Err(finding) => broken.push(format!("started again with {epochs} epochs: {finding}")),
            Ok(names) if names.iter().all(|name| name.epoch < least) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                broken.push(format!(
                    "started again with {epochs} epochs, only {names:?} is there"
                ));
            }
            Ok(_) => {}
        }
        let notes = worker.case().join(ARTIFACTS).join("notes.txt");
        if !notes.exists() {
            broken.push("a file of somebody else is gone".to_owned());
        }
    }
    Ok(())
}

/// What has the name of something finished, and its path.
fn finished(tree: &Tree) -> Vec<(ArtifactName, String)> {
    let named = tree.0.keys().filter_map(|path| {
        let name = path.strip_prefix(ARTIFACTS).ok()?.to_str()?;
        let parsed = ArtifactName::parse(name).filter(|name| !name.unfinished)?;
        Some((parsed, format!("{ARTIFACTS}/{name}")))
    });
    named.collect()
}
