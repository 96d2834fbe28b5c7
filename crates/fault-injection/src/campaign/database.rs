//! What `restore` promises: the database is there whole, or as it was, and the same command again ends it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::commands::Promise;
use super::promises::{Broken, Reference, Tried};
use super::tree::Tree;
use super::worker::{Worker, last_line};
use crate::supervise::{Ended, Operation};
use crate::syscalls::{Class, Sight};

/// Judges what `restore` left.
///
/// # Errors
///
/// If a program that is needed for it cannot be run.
pub(crate) fn judge(
    worker: &Worker<'_>,
    reference: &Reference,
    tried: &Tried<'_>,
    broken: &mut Broken,
) -> Result<()> {
    let Tried { command, kind, ran } = tried;
    let before = &reference.before;
    let now = worker.tree()?;
    let db = Path::new("db");
    for (path, entry) in before.0.iter().filter(|(path, _)| !path.starts_with(db)) {
        if now.0.get(path) != Some(entry) {
            broken.push(format!("{} changed", path.display()));
        }
    }
    let is_old = now.agree(before, db);
    if !is_old {
        whole(worker, reference, "the database that is there", broken)?;
    }
    if is_old && ran.ended == Ended::Code(0) {
        broken.push("success, and nothing was done".to_owned());
    }
    let unsynced = ran
        .hit
        .as_ref()
        .filter(|hit| !kind.kills() && hit.class == Class::Sync && hit.path.is_dir() && !is_old);
    if now == *before {
        return Ok(());
    }
    let again = worker.command(
        command,
        false,
        (Sight::Changes, &|class| class == Class::Sync),
        None,
    )?;
    if again.ended != Ended::Code(0) {
        broken.push(format!("the same command again: {}", last_line(&again)));
        return Ok(());
    }
    if let Some(Operation { path, .. }) = unsynced
        && !again.operations.iter().any(|sync| sync.path == *path)
    {
        broken.push(format!(
            "the same command again did not sync {}",
            path.display()
        ));
    }
    whole(
        worker,
        reference,
        "after the same command again the database",
        broken,
    )?;
    beside(&worker.tree()?, reference, broken);
    let check = worker.run(&worker.programs.blob_snapshot, &["check", "--db", "db"])?;
    if check.ended != Ended::Code(0) {
        broken.push(format!("check: {}", last_line(&check)));
    }
    if command.promise == Promise::Replaced {
        let node = worker.run(&worker.programs.itself, &["node", "db", "write", "flush"])?;
        if node.ended != Ended::Code(0) {
            broken.push(format!("a node does not start: {}", last_line(&node)));
        }
    }
    Ok(())
}

/// Nothing is beside the database that was not to be, and its directory is as it was.
fn beside(then: &Tree, reference: &Reference, broken: &mut Broken) {
    let outside = |path: &&Path| !path.starts_with("db");
    for path in then
        .differences(&reference.after)
        .into_iter()
        .filter(outside)
    {
        broken.push(format!(
            "after the same command again {} is left or changed",
            path.display()
        ));
    }
    let db = Path::new("db");
    if then.0.get(db) != reference.after.0.get(db) {
        broken.push("the database's directory has another mode".to_owned());
    }
    let unfinished = |path: &&PathBuf| path.to_string_lossy().contains("restore");
    for path in then.0.keys().filter(unfinished) {
        broken.push(format!(
            "after the same command again {} is left",
            path.display()
        ));
    }
}

/// The database is whole, and has what it had beside the tables.
fn whole(
    worker: &Worker<'_>,
    reference: &Reference,
    what: &str,
    broken: &mut Broken,
) -> Result<()> {
    match worker.digest(&worker.fixtures.other_epoch)? {
        Ok(digest) if digest == reference.digest => {}
        Ok(digest) => broken.push(format!(
            "{what} has digest {digest}, not {}",
            reference.digest
        )),
        Err(error) => broken.push(format!("{what} cannot be read: {error}")),
    }
    if let Some(expected) = &reference.others[1] {
        match worker.others()? {
            Ok(found) if found == *expected => {}
            Ok(found) => {
                let names = expected.as_object().into_iter().flat_map(|all| all.keys());
                let names: Vec<_> = names
                    .filter(|&name| found.get(name) != expected.get(name))
                    .collect();
                broken.push(format!("{what}: rows or files of {names:?} changed"));
            }
            Err(error) => broken.push(format!(
                "{what}: other column families cannot be read: {error}"
            )),
        }
    }
    Ok(())
}
