//! A realistic database: several epochs of events and garbage collection, caught at a boundary with
//! its entries in every state that a reader must cope with.
//!
//! Which events happen is `workload`'s business, what they do that of the node. Here is only when
//! the node flushes, compacts and stops.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use snapshot_format::{Epoch, PerTable, TransactionDigest};
use snapshot_store::naming::{ArtifactKind, ArtifactName};

use crate::event::{Event, EventKind};
use crate::families::{self, SLIVERS_IN_BLOB_FILES, Tuning};
use crate::make::{DATABASE, MakeError, Scratch, at_least, take_empty_dir};
use crate::node::{Boundary, Handled, NodeConfig, ReferenceNode};
use crate::storage::Storage;
use crate::workload::{FIRST_EPOCH, Mix, Workload};

/// Fewest live rows: with fewer, some state of entries would have none.
pub const MIN_ENTRIES: u64 = 100;

/// Fewest epochs: one to compact, one for level 0, one for the write-ahead log.
pub const MIN_EPOCHS: u32 = 3;

/// What database to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoPlan {
    /// Rows of the three tables at the end, or a few more. At least [`MIN_ENTRIES`].
    pub entries: u64,
    /// Seed of the events: the same one gives the same rows.
    pub seed: u64,
    /// Epochs the node lives through. At least [`MIN_EPOCHS`].
    pub epochs: u32,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoDb {
    /// The epoch that begins at the boundary where the node stopped.
    pub epoch: Epoch,
    /// The node's database as it was closed, with a write-ahead log. Same rows as the checkpoint.
    pub database: PathBuf,
    /// The checkpoint, a directory `checkpoint_epoch_<epoch>`.
    pub checkpoint: PathBuf,
    /// The transaction of the event that began the epoch.
    pub event_tx_digest: TransactionDigest,
    /// The event's place in that transaction.
    pub event_seq: u64,
    /// The index of the event after it.
    pub next_event_index: u64,
    /// The index of the last event applied to the tables.
    pub latest_handled_event_index: Option<u64>,
    /// Rows of the three tables.
    pub tables: PerTable<u64>,
    /// The seed.
    pub seed: u64,
    /// Events by kind, by their names on Sui.
    pub events: BTreeMap<&'static str, u64>,
    /// Rows that garbage collection dropped.
    pub collected: PerTable<u64>,
    /// Where the entries of the database are.
    pub storage: Storage,
    /// What was done, in plain words.
    pub done: Vec<String>,
}

/// Makes a database and a checkpoint of it in `dir`, which must be empty or missing.
///
/// # Errors
///
/// If `dir` is not empty, the plan is too small, or the node fails. What was made until then stays.
pub fn make_db(dir: &Path, plan: &DemoPlan) -> Result<DemoDb, MakeError> {
    at_least("the number of entries", plan.entries, MIN_ENTRIES)?;
    at_least(
        "the number of epochs",
        plan.epochs.into(),
        MIN_EPOCHS.into(),
    )?;
    take_empty_dir(dir)?;
    let database = dir.join(DATABASE);
    let mut life = Life::begin(&database, plan)?;
    let boundary = life.live(plan)?;
    let checkpoint =
        dir.join(ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch).to_string());
    let made = life.describe(plan, &boundary, database, checkpoint)?;
    // Closes the database as a crash would, so that it keeps its write-ahead log.
    drop(life);
    make_checkpoint(&made.database, &made.checkpoint)?;
    Ok(made)
}

/// A node, the events it follows, and what has become of them.
struct Life {
    node: ReferenceNode,
    workload: Workload,
    events: BTreeMap<&'static str, u64>,
    collected: PerTable<u64>,
}

impl Life {
    fn begin(database: &Path, plan: &DemoPlan) -> Result<Self, MakeError> {
        Ok(Self {
            node: ReferenceNode::open(database, config())?,
            workload: Workload::new(plan.seed, Mix::default()),
            events: EventKind::NAMES.into_iter().map(|name| (name, 0)).collect(),
            collected: PerTable::default(),
        })
    }

    /// Lives through all epochs and stops at the last boundary, before the node finishes it.
    fn live(&mut self, plan: &DemoPlan) -> Result<Boundary, MakeError> {
        let epochs = u64::from(plan.epochs);
        let compacted_epochs = epochs / 2;
        for epoch in 1..epochs {
            self.grow_to(share(plan.entries, epoch, epochs))?;
            self.pass_boundary()?;
            if epoch == compacted_epochs {
                self.node.tables().compact()?;
            } else if epoch > compacted_epochs {
                // A family that is rarely flushed keeps old logs alive, as on a node.
                self.flush(epoch + 1 == epochs)?;
            }
        }
        // What comes after the middle of the last epoch is only in the log.
        self.grow_to(share(plan.entries, 2 * epochs - 1, 2 * epochs))?;
        self.flush(true)?;
        self.grow_to(plan.entries)?;
        let event = self.workload.begin_epoch();
        self.count(&event);
        let boundary = self.node.reach_boundary(&event)?;
        self.count_collected(&boundary);
        Ok(boundary)
    }

    /// Handles events until garbage collection would leave `rows` rows.
    fn grow_to(&mut self, rows: u64) -> Result<(), MakeError> {
        while self.workload.surviving_rows() < rows {
            let event = self.workload.next_event();
            self.count(&event);
            self.node.handle_now(&event)?;
        }
        Ok(())
    }

    fn pass_boundary(&mut self) -> Result<(), MakeError> {
        let event = self.workload.begin_epoch();
        self.count(&event);
        if let Handled::Boundary(boundary, _) = self.node.handle_now(&event)? {
            self.count_collected(&boundary);
        }
        Ok(())
    }

    fn flush(&self, keep_old_logs: bool) -> Result<(), MakeError> {
        let flushed =
            families::all().filter(|&name| !(keep_old_logs && name == SLIVERS_IN_BLOB_FILES));
        Ok(self.node.tables().flush(flushed)?)
    }

    fn count(&mut self, event: &Event) {
        *self.events.entry(event.kind.name()).or_default() += 1;
    }

    fn count_collected(&mut self, boundary: &Boundary) {
        self.collected.per_object_blob_info += boundary.collected.objects;
        self.collected.per_object_pooled_blob_info += boundary.collected.pooled_objects;
        self.collected.storage_pool_info += boundary.collected.pools;
    }

    fn describe(
        &self,
        plan: &DemoPlan,
        boundary: &Boundary,
        database: PathBuf,
        checkpoint: PathBuf,
    ) -> Result<DemoDb, MakeError> {
        let tables = self.node.tables();
        let storage = Storage::of(tables)?;
        let mut made = DemoDb {
            epoch: boundary.epoch,
            database,
            checkpoint,
            event_tx_digest: boundary.event_id.tx_digest,
            event_seq: boundary.event_id.event_seq,
            next_event_index: boundary.next_event_index(),
            latest_handled_event_index: tables.latest_handled_event_index(),
            tables: tables.count_rows()?,
            seed: plan.seed,
            events: self.events.clone(),
            collected: self.collected,
            storage,
            done: Vec::new(),
        };
        made.done = made.tell(plan);
        Ok(made)
    }
}

impl DemoDb {
    fn tell(&self, plan: &DemoPlan) -> Vec<String> {
        let kinds = self
            .events
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        let storage = self.storage.total();
        vec![
            format!(
                "the node followed {} events in epochs {FIRST_EPOCH} to {}: {}",
                self.next_event_index,
                plan.epochs,
                kinds.collect::<Vec<_>>().join(", ")
            ),
            format!(
                "garbage collection at {} boundaries dropped {} objects, {} pooled objects, {} pools",
                plan.epochs,
                self.collected.per_object_blob_info,
                self.collected.per_object_pooled_blob_info,
                self.collected.storage_pool_info
            ),
            format!(
                "compacted after epoch {}: {} entries, {} of them merge operands, {} bytes",
                plan.epochs / 2,
                storage.compacted.entries,
                storage.compacted.merge_operands,
                storage.compacted.bytes
            ),
            format!(
                "flushed to level 0 since then: {} entries, {} of them merge operands, {} bytes",
                storage.level_0.entries, storage.level_0.merge_operands, storage.level_0.bytes
            ),
            format!(
                "only in the write-ahead log: {} entries; it has {} files, {} bytes",
                storage.wal_entries, self.storage.wal_files, self.storage.wal_bytes
            ),
        ]
    }
}

/// Nothing happens but when it is told to.
fn config() -> NodeConfig {
    NodeConfig {
        tuning: Tuning {
            auto_compaction: false,
            ..Tuning::default()
        },
        ..NodeConfig::default()
    }
}

/// `part` of `parts` of a number.
fn share(number: u64, part: u64, parts: u64) -> u64 {
    let share = u128::from(number) * u128::from(part) / u128::from(parts.max(1));
    share.try_into().unwrap_or(number)
}

/// Makes a checkpoint of a closed database without changing it: that would flush its write-ahead
/// log, so the checkpoint is made of a copy.
fn make_checkpoint(database: &Path, checkpoint: &Path) -> Result<(), MakeError> {
    let copy = Scratch::create(database.with_extension("copy.tmp"))?;
    for entry in fs::read_dir(database).map_err(MakeError::io("list", database))? {
        let from = entry.map_err(MakeError::io("list", database))?.path();
        let Some(name) = from.file_name() else {
            continue;
        };
        let to = copy.path().join(name);
        if is_immutable(&from) {
            fs::hard_link(&from, &to).map_err(MakeError::io("link", &from))?;
        } else {
            fs::copy(&from, &to).map_err(MakeError::io("copy", &from))?;
        }
    }
    let node = ReferenceNode::open(copy.path(), config())?;
    node.checkpoint(checkpoint)?;
    Ok(())
}

/// Whether RocksDB never changes a file again.
fn is_immutable(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("sst" | "blob"))
}
