//! Restore equals replay: a node loses its database, starts again from another node's snapshot, replays
//! the events after it, and is from then on like the others.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use snapshot_format::{BlobId, Epoch, Header};
use snapshot_store::check::{CheckOptions, check};
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::publish::Replace;
use snapshot_store::restore::{RestoreOptions, restore};
use snapshot_store::schema::ColumnFamily;
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, create_file};

use super::aggregates;
use super::failure::Finding;
use super::member::{Member, Stream};
use super::model::headers;
use super::mutation::Mutation;
use super::stats::Statistics;
use crate::event::EventKind;

/// What a seed decides about the restore.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RestorePlan {
    /// The node that loses its database; never the first.
    pub(crate) victim: usize,
    /// The boundary after which it does, by number; never the last.
    pub(crate) boundary: usize,
    /// Whether only its blob info tables are replaced.
    replace_tables: bool,
    /// Whether a checkpoint is serialized in the counted framing.
    counted: bool,
}

impl RestorePlan {
    /// The plan of a seed, for a cluster that has more than one node and more than one epoch.
    pub(crate) fn new(seed: u64, nodes: usize, epochs: usize) -> Option<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX);
        let (nodes, epochs) = (u64::try_from(nodes).ok()?, u64::try_from(epochs).ok()?);
        if nodes < 2 || epochs < 2 {
            return None;
        }
        Some(Self {
            victim: usize::try_from(rng.random_range(1..nodes)).ok()?,
            boundary: usize::try_from(rng.random_range(0..epochs - 1)).ok()?,
            replace_tables: rng.random(),
            counted: rng.random(),
        })
    }

    /// Does it, if a node has a snapshot of the last boundary of the stream.
    pub(crate) fn carry_out(
        &self,
        members: &mut [Member<'_>],
        stream: Stream<'_>,
        mutation: Option<Mutation>,
    ) -> Result<Option<Restored>, Finding> {
        let Some((event, expected)) = stream.boundaries.last() else {
            return Ok(None);
        };
        let epoch = expected.epoch;
        let [sealed, counted] = headers(epoch, event);
        let header = if self.counted { counted } else { sealed };
        let mut source = None;
        for (number, member) in members.iter().enumerate() {
            if number != self.victim && source.is_none() {
                source = snapshot_of(&member.artifacts(), epoch, &header, member.scratch())?;
            }
        }
        let (Some(source), Some(victim)) = (source, members.get_mut(self.victim)) else {
            return Ok(None);
        };
        victim.lose_database(self.replace_tables)?;
        let database = victim.database();
        let options = RestoreOptions {
            expect_epoch: Some(epoch),
            replace_tables: self.replace_tables && database.exists(),
            ..RestoreOptions::default()
        };
        let files = [source];
        let report = restore(&files, &database, &options, &Progress::new())
            .map_err(|error| Finding::Restore(error.to_string()))?;
        let next = event.index + 1;
        if report.next_event_index != Some(next) {
            let got = report.next_event_index;
            return Err(Finding::Restore(format!(
                "the node would go on with event {got:?} instead of {next}"
            )));
        }
        check_tables(&database, epoch, victim.scratch())?;
        if mutation == Some(Mutation::WrongAggregateRule) {
            Mutation::miscount(&database)?;
        }
        let marked = stream.events.iter().filter_map(|event| match event.kind {
            EventKind::InvalidBlobId { blob_id, .. } => Some(blob_id),
            _ => None,
        });
        Ok(Some(Restored {
            node: self.victim,
            invalid: marked.collect(),
        }))
    }
}

/// A node that was restored.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub(crate) node: usize,
    /// Blob IDs that were marked invalid before, which no snapshot says.
    invalid: HashSet<BlobId>,
}

impl Restored {
    /// Compares what it knows of all blobs with a node that saw all events, right after a boundary.
    pub(crate) fn compare(
        &self,
        members: &[Member<'_>],
        epoch: Epoch,
        stats: &mut Statistics,
    ) -> Result<(), Finding> {
        let (Some(whole), Some(restored)) = (members.first(), members.get(self.node)) else {
            return Ok(());
        };
        let (whole, restored) = (whole.aggregates()?, restored.aggregates()?);
        let compared = aggregates::compare(&whole, &restored, epoch, &self.invalid)?;
        stats.aggregate_rows_compared += compared.rows;
        for (what, count) in compared.inexact {
            *stats.inexact.entry(what).or_default() += count;
        }
        Ok(())
    }
}

/// The snapshot of `epoch` from what a node keeps, if it has it.
fn snapshot_of(
    artifacts: &Path,
    epoch: Epoch,
    header: &Header,
    scratch: &Path,
) -> Result<Option<PathBuf>, Finding> {
    let path = |kind| artifacts.join(ArtifactName::finished(kind, epoch).to_string());
    let snapshot = path(ArtifactKind::Snapshot);
    if snapshot.exists() {
        return Ok(Some(snapshot));
    }
    let checkpoint = path(ArtifactKind::Checkpoint);
    if !checkpoint.exists() {
        return Ok(None);
    }
    let database = Database::open(&checkpoint, &OpenOptions::default());
    let database = database.map_err(|error| Finding::Rig(error.to_string()))?;
    let file = scratch.join("restored-from.bin");
    let (options, progress) = (CreateOptions::default(), Progress::new());
    create_file(
        &database,
        header,
        &file,
        Replace::Allow,
        &options,
        &progress,
    )
    .map_err(|error| Finding::Rig(error.to_string()))?;
    Ok(Some(file))
}

/// What `blob-snapshot check` says of the restored tables.
fn check_tables(database: &Path, epoch: Epoch, scratch: &Path) -> Result<(), Finding> {
    let options = OpenOptions::default();
    let opened = Database::open_column_families(database, &ColumnFamily::ALL, &options);
    let opened = opened.map_err(|error| Finding::Restore(error.to_string()))?;
    fs::create_dir_all(scratch)?;
    let options = CheckOptions {
        epoch: Some(epoch),
        scratch: scratch.to_path_buf(),
    };
    let mut found = Vec::new();
    check(&opened, &options, &Progress::new(), |violation| {
        found.push(violation.to_string());
    })
    .map_err(|error| Finding::Restore(error.to_string()))?;
    match found.first() {
        None => Ok(()),
        Some(first) => Err(Finding::Restore(format!(
            "{} violations, the first: {first}",
            found.len()
        ))),
    }
}
