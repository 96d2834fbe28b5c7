//! Blob info snapshots in a storage node: one hook at the epoch boundary.
//!
//! The node makes a [`SnapshotHook`] when it starts, calls [`SnapshotHook::start`] once, and awaits
//! [`SnapshotHook::on_epoch_boundary`] in its handler of `EpochChangeStart`: after the first phase of
//! garbage collection, before the epoch change is executed. `docs/lifecycle.md` says why there, and what
//! the hook promises: it never fails the epoch, and the pause is that of a RocksDB checkpoint.
//!
//! ```
//! # use std::{path::Path, sync::Arc};
//! use node_hook::{BlobInfoSnapshotConfig, BuildError, EpochBoundary, SnapshotHook};
//! use rocksdb::{DBWithThreadMode, MultiThreaded};
//! use snapshot_store::node::RocksDbStore;
//!
//! struct Node {
//!     snapshots: SnapshotHook, // beside the node's other parts
//! }
//!
//! impl Node {
//!     fn start(
//!         config: BlobInfoSnapshotConfig, // the section `blob_info_snapshot` of the node's own
//!         storage_path: &Path,
//!         registry: &prometheus::Registry,
//!         database: &Arc<DBWithThreadMode<MultiThreaded>>,
//!     ) -> Result<Self, BuildError> {
//!         let store = Arc::new(RocksDbStore::new(Arc::clone(database)));
//!         let snapshots =
//!             SnapshotHook::builder(config, storage_path, registry, store).build()?;
//!         snapshots.start(); // cleans up in the background
//!         Ok(Self { snapshots })
//!     }
//!
//!     async fn on_epoch_change_start(&self, boundary: EpochBoundary) {
//!         self.wait_until_earlier_events_are_processed().await;
//!         self.collect_garbage(boundary.epoch).await;
//!         self.snapshots.on_epoch_boundary(boundary).await;
//!         self.execute_epoch_change(boundary.epoch).await;
//!     }
//! #   async fn wait_until_earlier_events_are_processed(&self) {}
//! #   async fn collect_garbage(&self, _: snapshot_format::Epoch) {}
//! #   async fn execute_epoch_change(&self, _: snapshot_format::Epoch) {}
//! }
//! ```
//!
//! No type of RocksDB is in this crate's interface. [`NodeStore`] is what it needs of the node's store,
//! and [`snapshot_store::node::RocksDbStore`] has it for RocksDB databases.

mod artifacts;
mod background;
mod boundary;
mod claim;
mod config;
mod error;
mod hook;
mod metrics;
mod panics;
mod probe;
pub mod retention;
mod start;
mod turns;
mod work;

pub use artifacts::DIRECTORY;
pub use boundary::{EpochBoundary, SkipReason, decide};
pub use config::{BlobInfoSnapshotConfig, Mode};
pub use error::{BuildError, Stage};
pub use hook::{Outcome, SnapshotHook, SnapshotHookBuilder};
pub use probe::{Probe, Step};
pub use snapshot_store::node::{NodeStore, StoreError};
