//! A node's database, its registry, and the hook on them, for tests.

#![allow(dead_code, reason = "each test binary uses some of it")]

pub(crate) mod probe;
pub(crate) mod store;

use std::fs;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_hook::{
    BlobInfoSnapshotConfig, DIRECTORY, EpochBoundary, Mode, NodeStore, Outcome, Probe, SnapshotHook,
};
use prometheus::{Registry, TextEncoder};
use rocksdb::{ColumnFamilyDescriptor, DB, Options};
use snapshot_format::{
    BlobId, ChunkPosition, Epoch, EventCursor, EventId, Header, PerObjectBlobInfo,
    PerObjectBlobInfoV1, SealedHeader, StoragePoolInfo, StoragePoolInfoV1, TransactionDigest,
};
use snapshot_store::merge::MergeFailures;
use snapshot_store::node::RocksDbStore;
use snapshot_store::schema::{self, ColumnFamily, LATEST_HANDLED_EVENT_INDEX_KEY};
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, create};
use tempfile::TempDir;

/// The feature, on.
pub(crate) fn config(mode: Mode) -> BlobInfoSnapshotConfig {
    BlobInfoSnapshotConfig {
        enabled: true,
        mode,
        checkpoint_timeout_secs: NonZeroU64::new(60).expect("not 0"),
    }
}

/// The boundary of `epoch`, at event `100 * epoch`.
pub(crate) fn boundary(epoch: u32) -> EpochBoundary {
    EpochBoundary {
        epoch: Epoch(epoch),
        event_id: EventId {
            tx_digest: TransactionDigest::new([epoch as u8; 32]),
            event_seq: u64::from(epoch) + 1,
        },
        event_index: u64::from(epoch) * 100,
        catching_up: false,
    }
}

/// The header of the snapshot of a boundary.
pub(crate) fn header(boundary: &EpochBoundary) -> Header {
    Header::Sealed(SealedHeader {
        epoch: boundary.epoch,
        event_cursor: EventCursor {
            event_id: Some(boundary.event_id),
            element_index: boundary.event_index + 1,
        },
        prev_snapshot_blob_id: BlobId::ZERO,
        chunk: ChunkPosition::WHOLE,
    })
}

/// The column families of a node's database, and one that is not of this project.
pub(crate) fn families() -> Vec<ColumnFamilyDescriptor> {
    let failures = MergeFailures::new();
    let ours = ColumnFamily::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    });
    let others = ["default", "slivers"];
    let others = others.map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    ours.into_iter().chain(others).collect()
}

pub(crate) fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options
}

/// A key that begins with `n`.
pub(crate) fn key(n: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_be_bytes());
    key
}

/// Writes the rows `from..to` into two of the tables.
pub(crate) fn write_rows(db: &DB, from: u32, to: u32) {
    let objects = db.cf_handle("per_object_blob_info").expect("there");
    let pools = db.cf_handle("storage_pool_info").expect("there");
    let slivers = db.cf_handle("slivers").expect("there");
    for n in from..to {
        let object = PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
            blob_id: BlobId::new([n as u8; 32]),
            registered_epoch: Epoch(n),
            certified_epoch: (n % 2 == 0).then_some(Epoch(n)),
            end_epoch: Epoch(n + 1),
            deletable: n % 3 == 0,
            event: boundary(n).event_id,
            deleted: false,
        });
        db.put_cf(objects, key(n), object.encode())
            .expect("written");
        if n % 10 == 0 {
            let pool = StoragePoolInfo::V1(StoragePoolInfoV1 {
                start_epoch: Epoch(n),
                end_epoch: Epoch(n + 1),
            });
            db.put_cf(pools, key(n), pool.encode()).expect("written");
        }
        db.put_cf(slivers, key(n), [n as u8; 500]).expect("written");
    }
}

/// Writes the index of the latest handled event, as a node does with each event.
pub(crate) fn handled(db: &DB, index: u64) {
    let family = db.cf_handle("latest_handled_event_index").expect("there");
    db.put_cf(family, LATEST_HANDLED_EVENT_INDEX_KEY, index.to_le_bytes())
        .expect("written");
}

/// A node's storage directory with its database.
pub(crate) struct Node {
    storage: TempDir,
    pub(crate) db: Arc<DB>,
}

impl Node {
    /// A database with some rows, part of them not yet flushed.
    pub(crate) fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    pub(crate) fn new_in(dir: &Path) -> Self {
        let storage = tempfile::tempdir_in(dir).expect("a directory");
        let path = storage.path().join("db");
        let db = DB::open_cf_descriptors(&database_options(), path, families()).expect("opened");
        write_rows(&db, 0, 300);
        for name in ["per_object_blob_info", "slivers"] {
            db.flush_cf(db.cf_handle(name).expect("there"))
                .expect("flushed");
        }
        write_rows(&db, 200, 400);
        let db = Arc::new(db);
        Self { storage, db }
    }

    /// Closes the database.
    pub(crate) fn close(self) -> TempDir {
        let Self { storage, db } = self;
        assert_eq!(
            Arc::strong_count(&db),
            1,
            "somebody keeps the database open"
        );
        storage
    }

    pub(crate) fn storage(&self) -> &Path {
        self.storage.path()
    }

    /// The directory of checkpoints and snapshots.
    pub(crate) fn directory(&self) -> PathBuf {
        self.storage().join(DIRECTORY)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// What is in it.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.directory())
    }

    pub(crate) fn store(&self) -> Arc<dyn NodeStore> {
        Arc::new(RocksDbStore::new(Arc::clone(&self.db)))
    }

    pub(crate) fn hook(&self, mode: Mode) -> Hook {
        self.hook_on(config(mode), self.store(), None)
    }

    pub(crate) fn hook_with_store(&self, mode: Mode, store: Arc<dyn NodeStore>) -> Hook {
        self.hook_on(config(mode), store, None)
    }

    pub(crate) fn hook_with_probe(&self, mode: Mode, probe: Arc<dyn Probe>) -> Hook {
        self.hook_on(config(mode), self.store(), Some(probe))
    }

    pub(crate) fn hook_on(
        &self,
        config: BlobInfoSnapshotConfig,
        store: Arc<dyn NodeStore>,
        probe: Option<Arc<dyn Probe>>,
    ) -> Hook {
        let registry = Registry::new();
        let mut builder = SnapshotHook::builder(config, self.storage(), &registry, store);
        if let Some(probe) = probe {
            builder = builder.probe(probe);
        }
        let hook = builder.build().expect("a new registry");
        Hook { hook, registry }
    }

    /// What `blob-snapshot create` writes of a checkpoint with the cursor of `boundary`.
    pub(crate) fn snapshot_of(checkpoint: &Path, boundary: &EpochBoundary) -> Vec<u8> {
        let database = Database::open(checkpoint, &OpenOptions::default()).expect("whole");
        let mut bytes = Vec::new();
        let options = CreateOptions::default();
        create(
            &database,
            &header(boundary),
            &mut bytes,
            &options,
            &Progress::new(),
        )
        .expect("sound");
        bytes
    }

    /// The snapshot of the tables as they are now.
    pub(crate) fn snapshot_now(&self, boundary: &EpochBoundary) -> Vec<u8> {
        let dir = tempfile::tempdir_in(self.storage()).expect("a directory");
        let path = dir.path().join("checkpoint");
        self.store().create_checkpoint(&path).expect("a checkpoint");
        Self::snapshot_of(&path, boundary)
    }
}

/// A hook and the registry of its metrics.
pub(crate) struct Hook {
    pub(crate) hook: SnapshotHook,
    pub(crate) registry: Registry,
}

impl Hook {
    /// Starts, and waits for the end of what that does.
    pub(crate) async fn start(&self) {
        self.hook.start();
        self.hook.idle().await;
    }

    /// Gets through a boundary and what follows in the background.
    pub(crate) async fn boundary(&self, epoch: u32) -> Outcome {
        let outcome = self.hook.on_epoch_boundary(boundary(epoch)).await;
        self.hook.idle().await;
        outcome
    }

    /// The value of a metric, given as its name without prefix, with its labels if it has any.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        metric(&self.registry, &format!("blob_info_snapshot_{name}"))
    }

    /// The number of failures in all stages.
    pub(crate) fn failures(&self) -> f64 {
        let stages = node_hook::Stage::ALL.map(|stage| self.failures_in(stage.name()));
        stages.iter().sum()
    }

    pub(crate) fn failures_in(&self, stage: &str) -> f64 {
        self.metric(&format!("error_total{{stage=\"{stage}\"}}"))
            .expect("there from the start")
    }
}

/// The text of a registry, as Prometheus scrapes it.
pub(crate) fn scraped(registry: &Registry) -> String {
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("text")
}

pub(crate) fn metric(registry: &Registry, name: &str) -> Option<f64> {
    let text = scraped(registry);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().expect("a number"))
}

/// The names in a directory, sorted; none if it is not there.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

/// What tells one file from another that has taken its name since.
pub(crate) fn identity(path: &Path) -> (u64, i64, i64) {
    let metadata = fs::metadata(path).expect("there");
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("there");
    bytes[at] ^= 1;
    // A new file: others may be links to the same.
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
}

/// Cuts the last bytes off a file.
pub(crate) fn truncate(path: &Path, bytes: usize) {
    let mut content = fs::read(path).expect("there");
    content.truncate(content.len() - bytes);
    fs::remove_file(path).expect("removed");
    fs::write(path, content).expect("written");
}

/// The files in a directory whose names begin or end like this.
pub(crate) fn files_like(dir: &Path, part: &str) -> Vec<PathBuf> {
    let like = |name: &String| name.starts_with(part) || name.ends_with(part);
    let names = names(dir).into_iter().filter(like);
    names.map(|name| dir.join(name)).collect()
}
