//! The settings of the feature, as they stand in the node's configuration file.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `blob_info_snapshot` of the node's YAML configuration (`docs/lifecycle.md`,
/// "Configuration"). A key it does not know is refused, and one that is missing has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobInfoSnapshotConfig {
    /// Whether anything is done at all. Off unless said otherwise.
    pub enabled: bool,
    /// What is kept of each boundary.
    pub mode: Mode,
    /// Seconds after which the boundary goes on without its checkpoint. What the checkpoint holds
    /// then may be past the boundary, so it is discarded once it is done.
    pub checkpoint_timeout_secs: NonZeroU64,
}

/// What is kept of each boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A RocksDB checkpoint of the whole database.
    #[default]
    Checkpoint,
    /// A snapshot file, made in the background from a checkpoint that is then removed.
    Snapshot,
}

/// A checkpoint takes a second or so; no node should stand still for longer than this.
const CHECKPOINT_TIMEOUT_SECS: NonZeroU64 = NonZeroU64::new(60).expect("60 is not 0");

impl Default for BlobInfoSnapshotConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            mode: Mode::default(),
            checkpoint_timeout_secs: CHECKPOINT_TIMEOUT_SECS,
        }
    }
}

impl BlobInfoSnapshotConfig {
    pub(crate) const fn checkpoint_timeout(&self) -> Duration {
        Duration::from_secs(self.checkpoint_timeout_secs.get())
    }
}
