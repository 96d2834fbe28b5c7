//! Every reason to do nothing, and that nothing is then done.

mod common;

use std::fs;
use std::sync::Arc;

use common::probe::Recorder;
use common::store::{Act, Wilful};
use common::{Node, boundary, config, handled, scraped};
use node_hook::{BlobInfoSnapshotConfig, EpochBoundary, Mode, Outcome, SkipReason};

#[tokio::test]
async fn the_feature_is_off_by_default() {
    let node = Node::new();
    // A store that panics whenever it is asked.
    let (store, _hanging) = Wilful::new(node.store());
    store.on_index(Act::Panic);
    store.on_checkpoint(Act::Panic);
    let hook = node.hook_on(BlobInfoSnapshotConfig::default(), store, None);
    hook.start().await;
    assert_eq!(
        hook.boundary(7).await,
        Outcome::Skipped(SkipReason::Disabled)
    );
    assert!(!node.directory().exists());
    assert_eq!(scraped(&hook.registry), "", "no metrics either");
}

#[tokio::test]
async fn genesis_and_catching_up_are_skipped_without_asking_the_store() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        let (store, _hanging) = Wilful::new(node.store());
        store.on_index(Act::Panic);
        let hook = node.hook_with_store(mode, store);
        assert_eq!(
            hook.boundary(0).await,
            Outcome::Skipped(SkipReason::Genesis)
        );
        let behind = EpochBoundary {
            catching_up: true,
            ..boundary(7)
        };
        assert_eq!(
            hook.hook.on_epoch_boundary(behind).await,
            Outcome::Skipped(SkipReason::CatchingUp)
        );
        assert!(!node.directory().exists());
        assert_eq!(hook.failures(), 0.0);
    }
}

#[tokio::test]
async fn an_event_that_is_processed_again_is_skipped() {
    let node = Node::new();
    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Checkpoint, probe.clone());
    for latest_handled in [700, 701, u64::MAX] {
        handled(&node.db, latest_handled);
        let reason = SkipReason::Reprocessing {
            latest_handled,
            boundary: 700,
        };
        assert_eq!(hook.boundary(7).await, Outcome::Skipped(reason));
    }
    assert!(probe.told().is_empty(), "{:?}", probe.told());
    assert!(!node.directory().exists());

    handled(&node.db, 699);
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test]
async fn a_skipped_boundary_leaves_what_is_there() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    handled(&node.db, 900);
    assert!(matches!(hook.boundary(8).await, Outcome::Skipped(_)));
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
}

#[tokio::test]
async fn off_means_that_leftovers_stay() {
    let node = Node::new();
    let names = ["checkpoint_epoch_4.tmp", "snapshot_epoch_3.bin"];
    fs::create_dir_all(node.path(names[0])).expect("made");
    fs::write(node.path(names[1]), "old").expect("written");
    let off = BlobInfoSnapshotConfig {
        enabled: false,
        ..config(Mode::Snapshot)
    };
    let probe = Recorder::new();
    let hook = node.hook_on(off, node.store(), Some(Arc::clone(&probe) as _));
    hook.start().await;
    assert_eq!(
        hook.boundary(7).await,
        Outcome::Skipped(SkipReason::Disabled)
    );
    assert_eq!(node.names(), names);
}
