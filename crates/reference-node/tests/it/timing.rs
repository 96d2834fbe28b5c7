//! The claim that snapshots rest on: nodes that work at different times have the same rows.

use reference_node::families::Tuning;
use reference_node::{Handled, NodeConfig, ReferenceNode};
use rocksdb::DBCompressionType;

use crate::support::{aggregate, all_tables, dir, node, snapshot_tables, stream};

/// A node that flushes and compacts all the time.
fn busy() -> NodeConfig {
    NodeConfig {
        tuning: Tuning {
            write_buffer_bytes: 64 << 10,
            auto_compaction: true,
            compression: DBCompressionType::Lz4,
            block_bytes: 4 << 10,
        },
        phase_two_delay: 3,
        cursor_interval: 1,
        ..NodeConfig::default()
    }
}

#[test]
fn rows_do_not_depend_on_when_a_node_flushes_and_compacts() {
    for seed in 1..=3 {
        let (quiet_dir, busy_dir) = (dir(), dir());
        let mut quiet = node(quiet_dir.path());
        let mut busy = ReferenceNode::open(busy_dir.path(), busy()).expect("the node starts");
        let mut boundaries = 0;
        for event in &stream(seed, 6, 1500) {
            let handled = quiet.handle_now(event).expect("a valid event");
            busy.handle_now(event).expect("a valid event");
            match event.index % 1000 {
                311 => busy
                    .tables()
                    .flush(["storage_pool_info", "aggregate_blob_info"]),
                623 => busy.tables().compact(),
                _ => Ok(()),
            }
            .expect("flush or compact");
            if matches!(handled, Handled::Boundary(..)) {
                boundaries += 1;
                let rows = snapshot_tables(quiet.tables());
                assert!(
                    rows.iter().all(|table| !table.is_empty()),
                    "event {}",
                    event.index
                );
                assert_eq!(
                    rows,
                    snapshot_tables(busy.tables()),
                    "event {}",
                    event.index
                );
                assert_eq!(aggregate(quiet.tables()), aggregate(busy.tables()));
            }
        }
        assert_eq!(boundaries, 6);
    }
}

#[test]
fn every_row_of_a_database_can_be_merged() {
    let dir = dir();
    let mut node = node(dir.path());
    for event in &stream(11, 4, 2000) {
        node.handle_now(event).expect("a valid event");
    }
    let before = all_tables(node.tables());
    assert_eq!(node.tables().merge_failures().last(), None);
    node.tables()
        .compact()
        .expect("compaction merges everything");
    assert_eq!(all_tables(node.tables()), before);
    assert_eq!(node.tables().merge_failures().last(), None);
}
