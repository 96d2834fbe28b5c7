//! How long event processing stands still at an epoch boundary, against a checkpoint alone.
//!
//! Both are taken of one open database, in turns, each time with as many rows in its memtables and in
//! the write-ahead log. The hook's background work of the boundary before is over by then.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use node_hook::{
    BlobInfoSnapshotConfig, DIRECTORY, EpochBoundary, Mode, NodeStore, Outcome, SnapshotHook,
    StoreError,
};
use prometheus::Registry;
use reference_node::families::Tuning;
use reference_node::tables::Tables;
use rocksdb::{DB, WriteBatch};
use snapshot_format::{Epoch, EventId, TransactionDigest};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1};
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::node::RocksDbStore;
use snapshot_store::publish::publish_dir;
use snapshot_store::schema::{ColumnFamily, LATEST_HANDLED_EVENT_INDEX_KEY};
use snapshot_store::{Progress, verify_file};
use tokio::runtime::{self, Runtime};

use super::{Bench, named};
use crate::database::{self, Layout, Made};
use crate::machine;
use crate::measure::{Samples, Took, alternate, median, time};
use crate::report::{Goal, Row, Unit};

/// The sizes measured: the number of rows divided by these.
const PARTS: [u64; 3] = [200, 20, 2];

/// The bar is the checkpoint alone; a tenth is what times on a disk differ by.
const GOAL: Goal = Goal::bar(1.1);

/// Rows of each of the two large tables that are written before each measurement.
const DIRTY_ROWS: usize = 10_000;

/// Rows of a write batch: an event writes a few.
const BATCH_ROWS: usize = 4;

/// The node of which checkpoints are taken.
struct Node {
    tables: Tables,
    store: Arc<RocksDbStore<DB>>,
    runtime: Runtime,
    /// What is written before each measurement: rows as they are already.
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    latest_handled: u64,
}

/// The hook of a node in one mode, in a storage directory of its own.
struct Hooked {
    hook: SnapshotHook,
    storage: PathBuf,
    mode: Mode,
    epoch: u32,
    timed: Arc<TimedStore>,
    /// How much of each pause was RocksDB's checkpoint, from 0 to 1.
    shares: Vec<f64>,
}

/// The node's store, and how long it took to make the latest checkpoint.
struct TimedStore {
    store: Arc<RocksDbStore<DB>>,
    nanos: AtomicU64,
}

impl NodeStore for TimedStore {
    fn create_checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let start = Instant::now();
        let made = self.store.create_checkpoint(path);
        let nanos = start.elapsed().as_nanos() as u64;
        self.nanos.store(nanos, Ordering::Release);
        made
    }

    fn latest_handled_event_index(&self) -> Result<Option<u64>, StoreError> {
        self.store.latest_handled_event_index()
    }
}

impl Bench {
    /// Two lines for each size, one for each mode.
    pub(super) fn pause(&self, say: &mut impl FnMut(&str)) -> Result<Vec<Row>> {
        let mut table = Vec::new();
        for part in PARTS {
            let rows = (self.rows / part).max(1);
            say(&format!("pause at the boundary, {rows} rows"));
            let scratch = self.dir.join("scratch");
            let made = database::make(&scratch, rows, Layout::Compacted)?;
            table.extend(self.pause_of(&made, &scratch)?);
            fs::remove_dir_all(&scratch)?;
        }
        Ok(table)
    }

    fn pause_of(&self, made: &Made, scratch: &Path) -> Result<Vec<Row>> {
        let node = Node::open(&made.path)?;
        let mut checkpoint = node.hooked(scratch.join("checkpoint"), Mode::Checkpoint)?;
        let mut snapshot = node.hooked(scratch.join("snapshot"), Mode::Snapshot)?;
        let alone = scratch.join("alone");
        let [in_checkpoint, in_snapshot, bare, durable] = &alternate(
            self.runs,
            [
                &mut || checkpoint.boundary(&node),
                &mut || snapshot.boundary(&node),
                &mut || node.checkpoint(&alone, false),
                &mut || node.checkpoint(&alone, true),
            ],
        )?;
        checkpoint.check(&node, made)?;
        snapshot.check(&node, made)?;
        let rows = made.counts.per_object_blob_info;
        Ok(vec![
            row(&checkpoint, rows, in_checkpoint, bare, durable),
            row(&snapshot, rows, in_snapshot, bare, durable),
        ])
    }
}

impl Node {
    fn open(path: &Path) -> Result<Self> {
        let tuning = Tuning {
            // A compaction in the background would hit one side or the other.
            auto_compaction: false,
            ..Tuning::default()
        };
        let tables = Tables::open(path, tuning)?;
        let mut rows = Vec::new();
        tables.scan(ColumnFamily::PerObjectBlobInfo, |key, value| {
            if rows.len() < DIRTY_ROWS {
                rows.push((key.to_vec(), value.to_vec()));
            }
            Ok(())
        })?;
        let latest = tables.latest_handled_event_index();
        Ok(Self {
            store: Arc::new(RocksDbStore::new(Arc::clone(tables.database()))),
            runtime: runtime::Builder::new_current_thread()
                .enable_time()
                .build()?,
            latest_handled: latest.context("the database has handled no event")?,
            rows,
            tables,
        })
    }

    fn hooked(&self, storage: PathBuf, mode: Mode) -> Result<Hooked> {
        fs::create_dir(&storage)?;
        let config = BlobInfoSnapshotConfig {
            enabled: true,
            mode,
            ..BlobInfoSnapshotConfig::default()
        };
        let timed = Arc::new(TimedStore {
            store: Arc::clone(&self.store),
            nanos: AtomicU64::new(0),
        });
        let store = Arc::clone(&timed) as Arc<dyn NodeStore>;
        Ok(Hooked {
            hook: SnapshotHook::builder(config, &storage, &Registry::new(), store).build()?,
            storage,
            mode,
            epoch: 1,
            timed,
            shares: Vec::new(),
        })
    }

    /// Gets memtables and the write-ahead log to where they are at the end of an epoch.
    fn write_rows(&self) -> Result<()> {
        let db = self.tables.database();
        let family = |family: ColumnFamily| {
            db.cf_handle(family.name())
                .context("a node has all column families")
        };
        let objects = family(ColumnFamily::PerObjectBlobInfo)?;
        let aggregate = family(ColumnFamily::AggregateBlobInfo)?;
        let latest = family(ColumnFamily::LatestHandledEventIndex)?;
        let info = BlobInfo::V1(BlobInfoV1::Invalid {
            epoch: Epoch(1),
            event: event_id(),
        })
        .encode();
        for rows in self.rows.chunks(BATCH_ROWS) {
            let mut batch = WriteBatch::default();
            for (key, value) in rows {
                batch.put_cf(objects, key, value);
                batch.put_cf(aggregate, key, &info);
            }
            let index = self.latest_handled.to_le_bytes();
            batch.put_cf(latest, LATEST_HANDLED_EVENT_INDEX_KEY, index);
            db.write(batch)?;
        }
        self.tables.advance_cursor(event_id(), 1)?;
        let entries = db.property_int_value_cf(objects, "rocksdb.num-entries-active-mem-table")?;
        ensure!(
            entries == Some(self.rows.len() as u64),
            "{} rows were written, but the memtable has {entries:?}",
            self.rows.len()
        );
        Ok(())
    }

    /// A checkpoint as anybody takes one; `durable` gives it its name as the hook does.
    fn checkpoint(&self, path: &Path, durable: bool) -> Result<Took> {
        let tmp = path.with_extension("tmp");
        machine::settle(path.parent().unwrap_or(path))?;
        self.write_rows()?;
        let ((), took) = time(|| {
            self.store.create_checkpoint(&tmp)?;
            if durable {
                publish_dir(&tmp, path)?;
            }
            Ok(())
        })?;
        fs::remove_dir_all(if durable { path } else { &tmp })?;
        Ok(took)
    }
}

impl Hooked {
    /// A boundary as the node's handler waits for it.
    fn boundary(&mut self, node: &Node) -> Result<Took> {
        self.epoch += 1;
        let boundary = EpochBoundary {
            epoch: Epoch(self.epoch),
            event_id: event_id(),
            event_index: node.latest_handled + 1,
            catching_up: false,
        };
        machine::settle(&self.storage)?;
        node.write_rows()?;
        let (outcome, took) =
            time(|| Ok(node.runtime.block_on(self.hook.on_epoch_boundary(boundary))))?;
        ensure!(outcome == Outcome::Taken, "the hook answered {outcome:?}");
        let inside = self.timed.nanos.load(Ordering::Acquire) as f64 / 1e9;
        self.shares.push(inside / took.wall.as_secs_f64());
        // What it left for the background must not disturb the next measurement.
        node.runtime.block_on(self.hook.idle());
        Ok(took)
    }

    /// The last boundary has its artifact, and no other is left.
    fn check(&self, node: &Node, made: &Made) -> Result<()> {
        node.runtime.block_on(self.hook.idle());
        let directory = self.storage.join(DIRECTORY);
        let kind = match self.mode {
            Mode::Checkpoint => ArtifactKind::Checkpoint,
            Mode::Snapshot => ArtifactKind::Snapshot,
        };
        let name = ArtifactName::finished(kind, Epoch(self.epoch)).to_string();
        let mut left = Vec::new();
        for entry in fs::read_dir(&directory)? {
            left.push(entry?.file_name());
        }
        ensure!(left == [&*name], "{left:?} is left, not {name}");
        if self.mode == Mode::Snapshot {
            let summary = verify_file(&directory.join(name), &Progress::new())?;
            ensure!(summary.counts == made.counts, "the snapshot has other rows");
        }
        Ok(())
    }
}

const fn event_id() -> EventId {
    EventId {
        tx_digest: TransactionDigest::new([1; 32]),
        event_seq: 0,
    }
}

fn row(hooked: &Hooked, rows: u64, pause: &Samples, bare: &Samples, durable: &Samples) -> Row {
    let mode = match hooked.mode {
        Mode::Checkpoint => "checkpoint",
        Mode::Snapshot => "snapshot",
    };
    Row {
        what: format!("pause at the boundary, mode {mode}"),
        on: format!("{rows} rows"),
        ratio: pause.median() / bare.median(),
        unit: Unit::TimesAsLong,
        goal: GOAL,
        ours: millis(pause),
        other: format!("{} checkpoint alone", millis(bare)),
        // The share is taken within each pause, where a disk that others use cannot spoil it.
        bound_by: format!(
            "the disk: {:.0} % of each pause in RocksDB, the rest makes it durable; {} such a checkpoint \
             without the hook",
            100.0 * median(&hooked.shares),
            millis(durable),
        ),
        samples: named(&[
            ("pause", pause),
            ("checkpoint alone", bare),
            ("checkpoint alone, with its name durable", durable),
        ]),
    }
}

fn millis(samples: &Samples) -> String {
    format!(
        "{:.1} ms +-{:.0} %",
        samples.median() * 1e3,
        samples.spread() * 100.0
    )
}
