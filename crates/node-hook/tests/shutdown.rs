//! A hook that is dropped, or whose runtime shuts down, while a snapshot is being written.

mod common;

use std::fs;
use std::sync::Arc;

use common::probe::{Gate, GateKeeper};
use common::{Node, boundary};
use node_hook::{Mode, Outcome, Step};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

/// A node whose snapshot of epoch 7 is being written, on a runtime of its own.
fn writing() -> (Node, Runtime, common::Hook, GateKeeper) {
    let node = Node::new();
    let (gate, keeper) = Gate::at(Step::AppendSnapshot);
    let hook = node.hook_with_probe(Mode::Snapshot, gate);
    let runtime = runtime();
    let outcome = runtime.block_on(hook.hook.on_epoch_boundary(boundary(7)));
    assert_eq!(outcome, Outcome::Taken);
    // The job is handed to a thread by the runtime.
    let keeper = runtime.block_on(async {
        let waiting = tokio::task::spawn_blocking(move || {
            keeper.wait();
            keeper
        });
        waiting.await.expect("no panic")
    });
    (node, runtime, hook, keeper)
}

/// Only the checkpoint is left, and the next start makes the snapshot of it.
fn resumed(node: &Node, keeper: &GateKeeper) {
    keeper.wait_for(Step::Removed);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    let expected = Node::snapshot_of(&node.path("checkpoint_epoch_7"), &boundary(7));
    let hook = node.hook(Mode::Snapshot);
    runtime().block_on(hook.start());
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
}

#[test]
fn a_dropped_hook_gives_the_snapshot_up() {
    let (node, _runtime, hook, keeper) = writing();
    let failures = hook.failures();
    let registry = hook.registry.clone();
    drop(hook);
    keeper.open();
    resumed(&node, &keeper);
    let name = "blob_info_snapshot_error_total{stage=\"serialize\"}";
    assert_eq!(
        (failures, common::metric(&registry, name)),
        (0.0, Some(0.0))
    );
}

#[test]
fn a_runtime_that_shuts_down_does_not_wait_for_the_snapshot() {
    let (node, runtime, hook, keeper) = writing();
    // The hook itself lives on, as it may in a static.
    runtime.shutdown_background();
    keeper.open();
    resumed(&node, &keeper);
    assert_eq!(hook.failures(), 0.0);
}

#[test]
fn a_snapshot_in_the_making_does_not_keep_the_database_open() {
    let (node, runtime, hook, keeper) = writing();
    drop(hook);
    assert_eq!(Arc::strong_count(&node.db), 1);
    keeper.open();
    keeper.wait_for(Step::Removed);
    drop(runtime);
    let storage = node.close();
    let path = storage.path().join("db");
    let reopened =
        rocksdb::DB::open_cf_descriptors(&common::database_options(), path, common::families());
    assert!(reopened.is_ok());
}

#[test]
fn jobs_that_were_not_begun_are_left_to_the_next_start() {
    let node = Node::new();
    let hook = node.hook(Mode::Snapshot);
    let runtime = runtime();
    let outcome = runtime.block_on(hook.hook.on_epoch_boundary(boundary(7)));
    assert_eq!(outcome, Outcome::Taken);
    drop(hook);
    drop(runtime);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
}
