//! Epoch boundaries: what is left after garbage collection, and checkpoints.

use std::fs;

use reference_node::{Handled, NodeError};
use snapshot_store::publish::PublishError;

use crate::recount::{assert_aggregate_counts_the_objects, assert_nothing_ended};
use crate::support::{all_tables, dir, handle_all, node, stream, tables};

#[test]
fn after_each_boundary_nothing_has_ended_and_the_counts_are_right() {
    let mut recounted = Vec::new();
    let mut collected = [0; 3];
    for seed in 1..=3 {
        let dir = dir();
        let mut node = node(dir.path());
        for event in &stream(seed, 6, 1500) {
            let Handled::Boundary(boundary, _) = node.handle_now(event).expect("a valid event")
            else {
                continue;
            };
            assert!(!boundary.reprocessing);
            assert!(assert_nothing_ended(node.tables(), boundary.epoch) > 0);
            recounted.push(assert_aggregate_counts_the_objects(node.tables()));
            collected[0] += boundary.collected.pools;
            collected[1] += boundary.collected.objects;
            collected[2] += boundary.collected.pooled_objects;
        }
    }
    // The checks mean something only if every case occurred.
    assert!(collected.iter().all(|&count| count > 0), "{collected:?}");
    let sum = |count: fn(&crate::recount::Recounted) -> usize| recounted.iter().map(count).sum();
    let counts: [usize; 4] = [
        sum(|found| found.blobs),
        sum(|found| found.invalid),
        sum(|found| found.version_2),
        sum(|found| found.of_several_objects),
    ];
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}

#[test]
fn a_checkpoint_has_all_rows_and_changes_none() {
    let dir = dir();
    let mut node = node(&dir.path().join("db"));
    handle_all(&mut node, &stream(5, 3, 800));
    let before = all_tables(node.tables());
    let path = dir.path().join("checkpoint_epoch_4");
    // As a crash leaves it.
    fs::create_dir(path.with_extension("tmp")).expect("mkdir");
    fs::write(path.with_extension("tmp").join("CURRENT"), "half").expect("write");

    node.checkpoint(&path).expect("a checkpoint");
    assert!(!path.with_extension("tmp").exists());
    assert_eq!(all_tables(node.tables()), before);
    assert_eq!(all_tables(&tables(&path)), before);

    let again = node.checkpoint(&path);
    assert!(
        matches!(
            again,
            Err(NodeError::Publish {
                source: PublishError::Exists { .. }
            })
        ),
        "{again:?}"
    );
    assert!(!path.with_extension("tmp").exists());
}
