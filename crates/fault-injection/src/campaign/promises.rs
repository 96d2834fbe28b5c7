//! What a command promises: judged by what is there after a fault, and after the same command again.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::commands::{Command, Kind, Promise};
use super::hook::ARTIFACTS;
use super::tree::{Entry, Tree};
use super::worker::{Worker, last_line};
use crate::node::Action;
use crate::supervise::{Ended, Operation, Ran};
use crate::syscalls::Sight;

/// What a command does when nothing happens to it.
pub(crate) struct Reference {
    pub(crate) before: Tree,
    pub(crate) after: Tree,
    /// Its file operations, reads included.
    pub(crate) operations: Vec<Operation>,
    /// Digest of the database afterwards, and what else it held before and after.
    pub(super) digest: String,
    pub(super) others: [Option<Value>; 2],
    /// How long `restore --replace-tables` takes when nothing watches it.
    pub(super) duration: Duration,
}

/// What is broken, in words.
pub(crate) type Broken = Vec<String>;

impl Reference {
    /// Runs a command without a fault. The words say what was wrong even so.
    ///
    /// # Errors
    ///
    /// If it cannot be run, or does not succeed.
    pub(crate) fn new(worker: &Worker<'_>, command: &Command) -> Result<(Self, Broken)> {
        worker.begin(&command.inputs)?;
        let before = worker.tree()?;
        let has_others = command.promise == Promise::Replaced;
        let others = || {
            worker
                .others()
                .map(|others| others.ok().filter(|_| has_others))
        };
        let others_before = if has_others { others()? } else { None };
        let ran = worker.command(command, false, (Sight::All, &|_| true), None)?;
        anyhow::ensure!(
            ran.ended == Ended::Code(0),
            "{}: {}",
            command.name,
            last_line(&ran)
        );
        let after = worker.tree()?;
        let mut reference = Self {
            before,
            after,
            operations: ran.operations.clone(),
            digest: String::new(),
            duration: Duration::ZERO,
            others: [others_before, None],
        };
        let mut broken = Broken::new();
        if matches!(command.promise, Promise::NewDatabase | Promise::Replaced) {
            let digest = worker.digest(&worker.fixtures.other_epoch)?;
            reference.digest = digest.unwrap_or_else(|error| {
                broken.push(format!("the new database has no digest: {error}"));
                String::new()
            });
            reference.others[1] = if has_others { others()? } else { None };
            if reference.others[0] != reference.others[1] {
                broken.push("rows or files of other column families changed".to_owned());
            }
        }
        for path in reference
            .before
            .0
            .keys()
            .filter(|path| !path.starts_with("db"))
        {
            let is_output = command.arguments.iter().any(|name| Path::new(name) == path)
                || command.promise == Promise::Chunks;
            if !is_output
                && !matches!(command.promise, Promise::Hook(_))
                && reference.before.0.get(path) != reference.after.0.get(path)
            {
                broken.push(format!("{} changed", path.display()));
            }
        }
        if has_others {
            worker.begin(&command.inputs)?;
            reference.duration = worker.duration(command)?;
        }
        Ok((reference, broken))
    }

    /// How many operations of the command a kind of fault can happen to.
    pub(crate) fn operations(&self, kind: Kind, promise: Promise) -> usize {
        let hook = matches!(promise, Promise::Hook(_)) && !kind.kills();
        let counted = self.operations.iter().filter(|operation| {
            let place = operation.path.to_string_lossy();
            kind.counts(operation.class) && (!hook || place.contains(ARTIFACTS))
        });
        counted.count()
    }

    /// Whether the file with this inode number is one that the command was to leave, or its directory.
    fn names(&self, worker: &Worker<'_>, inode: u64) -> bool {
        let case = worker.case();
        let paths = self.after.0.keys().map(|path| case.join(path));
        let is_it = |path: &Path| {
            path.symlink_metadata()
                .is_ok_and(|found| found.ino() == inode)
        };
        is_it(&case) || paths.into_iter().any(|path| is_it(&path))
    }

    /// What the command makes or changes.
    fn outputs(&self) -> BTreeSet<&Path> {
        self.before.differences(&self.after).into_iter().collect()
    }
}

/// What happened to a command.
pub(crate) struct Tried<'a> {
    pub(crate) command: &'a Command,
    pub(crate) kind: Kind,
    pub(crate) ran: &'a Ran,
}

/// Judges what a command left.
///
/// # Errors
///
/// If a program that is needed for it cannot be run.
pub(crate) fn judge(
    worker: &Worker<'_>,
    reference: &Reference,
    tried: &Tried<'_>,
) -> Result<Broken> {
    let mut broken = ended(worker, reference, tried);
    match tried.command.promise {
        Promise::Files | Promise::Chunks => files(worker, reference, tried, &mut broken)?,
        Promise::NewDatabase | Promise::Replaced => {
            super::database::judge(worker, reference, tried, &mut broken)?;
        }
        Promise::Hook(mode) => super::hook::judge(worker, reference, tried, mode, &mut broken)?,
    }
    Ok(broken)
}

/// An exit code that is known, no panic, and no success without a sync that failed.
fn ended(worker: &Worker<'_>, reference: &Reference, tried: &Tried<'_>) -> Broken {
    let Tried { command, kind, ran } = tried;
    let mut broken = Broken::new();
    let hook = matches!(command.promise, Promise::Hook(_));
    match ran.ended {
        Ended::Signal(Signal::SIGKILL) if kind.kills() => {}
        Ended::Code(0) if hook => {}
        Ended::Code(0 | 3) if !hook => {}
        _ => broken.push(last_line(ran)),
    }
    if ["panicked at", "terminate called", "core dumped"]
        .iter()
        .any(|word| ran.stderr.contains(word))
    {
        broken.push(format!("panic: {}", last_line(ran)));
    }
    let failed = ran.hit.as_ref().filter(|_| !kind.kills() && !hook);
    if let Some(Operation {
        name: "fsync" | "fdatasync",
        path,
        inode: Some(inode),
        ..
    }) = failed
        && ran.ended == Ended::Code(0)
        && reference.names(worker, *inode)
    {
        let path = path.display();
        broken.push(format!("success although the sync of {path} failed"));
    }
    broken
}

fn files(
    worker: &Worker<'_>,
    reference: &Reference,
    tried: &Tried<'_>,
    broken: &mut Broken,
) -> Result<()> {
    let Tried { command, ran, .. } = tried;
    let Reference { before, after, .. } = reference;
    let (now, outputs) = (worker.tree()?, reference.outputs());
    let set = command.promise == Promise::Chunks;
    for (path, entry) in &before.0 {
        if !outputs.contains(path.as_path()) && now.0.get(path) != Some(entry) {
            broken.push(format!("{} changed", path.display()));
        }
    }
    for &output in &outputs {
        let found = now.0.get(output);
        let is_new = found == after.0.get(output);
        let told = tried.kind == Kind::Read && ran.ended == Ended::Code(3) && is_page(&now, output);
        let is_old = found == before.0.get(output) || set && found.is_none();
        if !is_new && !is_old && !told {
            let what = if found.is_some() {
                "is neither the old one nor the new one"
            } else {
                "is gone"
            };
            broken.push(format!("{} {what}", output.display()));
        }
        if ran.ended == Ended::Code(0) && !is_new {
            broken.push(format!("success without {}", output.display()));
        }
    }
    if set {
        mixture(worker, reference, &now, broken)?;
        if !holds(&now, before, &outputs) && !holds(&now, after, &outputs) {
            broken.push(
                "neither the old set nor the new one is there in whole, whatever the names"
                    .to_owned(),
            );
        }
    }
    if now == *before || now == *after {
        return Ok(());
    }
    let forced = command
        .arguments
        .iter()
        .any(|argument| argument == "--force");
    let exists = outputs.iter().any(|output| now.0.contains_key(*output));
    let again = worker.command(
        command,
        exists && !forced,
        (Sight::Nothing, &|_| false),
        None,
    )?;
    if again.ended != Ended::Code(0) {
        broken.push(format!("the same command again: {}", last_line(&again)));
        return Ok(());
    }
    let then = worker.tree()?;
    for path in then.differences(after) {
        let what = match (then.0.get(path), after.0.get(path)) {
            (Some(_), None) => "is left",
            (None, _) => "is missing",
            _ => "is wrong",
        };
        broken.push(format!(
            "after the same command again {} {what}",
            path.display()
        ));
    }
    Ok(())
}

/// Whether it is a complete page: one of `report`, which names an input that it cannot read.
fn is_page(now: &Tree, output: &Path) -> bool {
    bytes(now, output).is_some_and(|page| page.trim_ascii_end().ends_with(b"</html>"))
}

/// Whether a tree has what another has at these paths, under any names.
fn holds(now: &Tree, other: &Tree, outputs: &BTreeSet<&Path>) -> bool {
    let wanted = outputs.iter().filter_map(|path| bytes(other, path));
    wanted
        .into_iter()
        .all(|wanted| now.0.keys().any(|path| bytes(now, path) == Some(wanted)))
}

/// A set of chunks that looks complete, and has old ones and new ones.
fn mixture(
    worker: &Worker<'_>,
    reference: &Reference,
    now: &Tree,
    broken: &mut Broken,
) -> Result<()> {
    let is_chunk = |path: &&PathBuf| {
        let name = path.to_string_lossy();
        name.contains("chunk-") && !name.contains('/')
    };
    let chunks: Vec<&PathBuf> = now.0.keys().filter(is_chunk).collect();
    let counts: BTreeSet<String> = chunks.iter().filter_map(|path| count_of(path)).collect();
    for count in counts {
        let set: Vec<&PathBuf> = chunks
            .iter()
            .filter(|path| count_of(path).as_deref() == Some(&*count))
            .copied()
            .collect();
        let is_of = |tree: &Tree| set.iter().all(|path| now.0.get(*path) == tree.0.get(*path));
        if is_of(&reference.before) || is_of(&reference.after) {
            continue;
        }
        let names = set.iter().map(|path| path.to_string_lossy().into_owned());
        let arguments: Vec<String> = ["join".to_owned()]
            .into_iter()
            .chain(names)
            .chain(["-o".to_owned(), "../joined.bin".to_owned(), "-f".to_owned()])
            .collect();
        let joined = worker.run(&worker.programs.blob_snapshot, &arguments)?;
        if joined.ended == Ended::Code(0) {
            broken.push(format!(
                "the chunks of {count} join to a snapshot that is neither"
            ));
        }
    }
    Ok(())
}

fn count_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (_, count) = name.split_once("-of-")?;
    Some(count.split('.').next()?.to_owned())
}

/// Names of what a node has to run with, for the command line of a node.
pub(crate) fn names(actions: &[Action]) -> Vec<&'static str> {
    let name = |action: &Action| match action {
        Action::Write => "write",
        Action::Flush => "flush",
        Action::Wait => "wait",
    };
    actions.iter().map(name).collect()
}

/// Bytes of a file in a tree.
pub(crate) fn bytes<'a>(tree: &'a Tree, path: &Path) -> Option<&'a [u8]> {
    match tree.0.get(path)? {
        Entry::File { bytes, .. } => Some(bytes),
        _ => None,
    }
}
