//! What the tests share: streams of events, and looking at tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reference_node::event::Event;
use reference_node::families::Tuning;
use reference_node::tables::Tables;
use reference_node::workload::{Mix, Workload};
use reference_node::{Handled, NodeConfig, ReferenceNode};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2};
use snapshot_store::schema::ColumnFamily;
use tempfile::TempDir;

/// The rows of a table, merged.
pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The tables that a snapshot holds.
pub(crate) const SNAPSHOT_TABLES: [ColumnFamily; 3] = [
    ColumnFamily::PerObjectBlobInfo,
    ColumnFamily::PerObjectPooledBlobInfo,
    ColumnFamily::StoragePoolInfo,
];

pub(crate) fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory for the test")
}

/// The events of some whole epochs, each of which ends with the beginning of the next.
pub(crate) fn stream(seed: u64, epochs: usize, events_per_epoch: usize) -> Vec<Event> {
    let mut workload = Workload::new(seed, Mix::default());
    let mut events = Vec::new();
    for _ in 0..epochs {
        events.extend((0..events_per_epoch).map(|_| workload.next_event()));
        events.push(workload.begin_epoch());
    }
    events
}

pub(crate) fn node(path: &Path) -> ReferenceNode {
    ReferenceNode::open(path, NodeConfig::default()).expect("the node starts")
}

pub(crate) fn tables(path: &Path) -> Tables {
    Tables::open(path, Tuning::default()).expect("the tables open")
}

/// Lets the node handle each event and returns how many it skipped.
pub(crate) fn handle_all(node: &mut ReferenceNode, events: &[Event]) -> usize {
    let mut skipped = 0;
    for event in events {
        let handled = node.handle_now(event).expect("a valid event");
        skipped += usize::from(handled == Handled::Skipped);
    }
    skipped
}

pub(crate) fn dump(tables: &Tables, table: ColumnFamily) -> Rows {
    let mut rows = Rows::new();
    tables
        .scan(table, |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(())
        })
        .expect("every row can be read and merged");
    rows
}

/// The three tables of a snapshot.
pub(crate) fn snapshot_tables(tables: &Tables) -> [Rows; 3] {
    SNAPSHOT_TABLES.map(|table| dump(tables, table))
}

/// All six tables.
pub(crate) fn all_tables(tables: &Tables) -> [Rows; 6] {
    ColumnFamily::ALL.map(|table| dump(tables, table))
}

/// The aggregate rows that count something, or are invalid: when the others go is up to each node.
pub(crate) fn aggregate(tables: &Tables) -> BTreeMap<Vec<u8>, BlobInfo> {
    dump(tables, ColumnFamily::AggregateBlobInfo)
        .into_iter()
        .map(|(key, value)| (key, BlobInfo::decode(&value).expect("a value in BCS")))
        .filter(|(_, info)| !counts_nothing(info))
        .collect()
}

pub(crate) fn counts_nothing(info: &BlobInfo) -> bool {
    match info {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => {
            (row.count_deletable_total, row.permanent_total) == (0, None)
        }
        BlobInfo::V2(BlobInfoV2::Valid(row)) => {
            (
                row.count_deletable_total,
                row.permanent_total,
                row.count_pooled_refs_total,
            ) == (0, None, 0)
        }
        BlobInfo::V1(_) | BlobInfo::V2(_) => false,
    }
}

/// Copies the files of a database, those of the write-ahead log only if wanted.
pub(crate) fn copy_database(from: &Path, to: &Path, with_wal: bool) {
    fs::create_dir_all(to).expect("make the directory");
    for entry in fs::read_dir(from).expect("list the database") {
        let path = entry.expect("an entry").path();
        let is_wal = path.extension().is_some_and(|extension| extension == "log");
        if with_wal || !is_wal {
            let name = path.file_name().expect("a file");
            fs::copy(&path, to.join(name)).expect("copy a file");
        }
    }
}
