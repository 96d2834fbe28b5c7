//! Checkpoints of a node's database: whole, durable, or not there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;
use snapshot_store::naming::UNFINISHED_SUFFIX;
use snapshot_store::publish::{self, PublishError};

use crate::error::NodeError;
use crate::tables::Tables;

/// Makes a checkpoint at `path` by way of `<path>.tmp`; one that a crash or a failure has left is made
/// again.
///
/// RocksDB flushes all memtables, links the SST files and syncs what is inside; the name is made
/// durable here.
pub(crate) fn create(tables: &Tables, path: &Path) -> Result<(), NodeError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(PublishError::Exists {
            path: path.to_path_buf(),
        }
        .into());
    }
    let tmp = unfinished(path);
    remove_if_there(&tmp)?;
    Checkpoint::new(tables.database())
        .and_then(|checkpoint| checkpoint.create_checkpoint(&tmp))
        .map_err(|source| tables.database_error("make a checkpoint of", source))?;
    Ok(publish::publish_dir(&tmp, path)?)
}

fn remove_if_there(path: &Path) -> Result<(), NodeError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(NodeError::Io {
            action: "remove",
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED_SUFFIX);
    name.into()
}
