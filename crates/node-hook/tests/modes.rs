//! Both modes from the boundary to the files, on every kind of database a node may have.

mod common;

use std::fs;
use std::sync::Arc;

use common::probe::Gate;
use common::{Node, boundary, config, database_options, families, handled, header, write_rows};
use node_hook::{DIRECTORY, Mode, Outcome, SkipReason, SnapshotHook, Step};
use prometheus::Registry;
use rocksdb::{DB, DBWithThreadMode, MultiThreaded, OptimisticTransactionDB, SingleThreaded};
use snapshot_store::node::RocksDbStore;
use snapshot_store::{Progress, verify_file};

#[tokio::test]
async fn mode_checkpoint_keeps_the_latest_checkpoint() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    let expected = node.snapshot_now(&boundary(7));
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    let checkpoint = node.path("checkpoint_epoch_7");
    assert!(Node::snapshot_of(&checkpoint, &boundary(7)) == expected);
    // It is a database of its own, with everything in it.
    let other = DB::open_cf_descriptors(&database_options(), &checkpoint, families());
    let other = other.expect("opened");
    let slivers = other.cf_handle("slivers").expect("there");
    assert!(
        other
            .get_cf(slivers, common::key(399))
            .expect("read")
            .is_some()
    );
    drop(other);

    write_rows(&node.db, 400, 500);
    let expected = node.snapshot_now(&boundary(8));
    assert_eq!(hook.boundary(8).await, Outcome::Taken);
    assert_eq!(node.names(), ["checkpoint_epoch_8"]);
    let checkpoint = node.path("checkpoint_epoch_8");
    assert!(Node::snapshot_of(&checkpoint, &boundary(8)) == expected);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test]
async fn mode_snapshot_writes_what_create_writes_of_the_checkpoint() {
    let node = Node::new();
    // The same tables, by way of a checkpoint that stays.
    let other = node.hook(Mode::Checkpoint);
    assert_eq!(other.boundary(7).await, Outcome::Taken);
    let expected = Node::snapshot_of(&node.path("checkpoint_epoch_7"), &boundary(7));
    fs::remove_dir_all(node.directory()).expect("removed");

    let hook = node.hook(Mode::Snapshot);
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    let path = node.path("snapshot_epoch_7.bin");
    assert!(fs::read(&path).expect("there") == expected);
    let summary = verify_file(&path, &Progress::new()).expect("sound");
    assert_eq!(summary.header, header(&boundary(7)));

    write_rows(&node.db, 400, 450);
    let expected = node.snapshot_now(&boundary(8));
    assert_eq!(hook.boundary(8).await, Outcome::Taken);
    assert_eq!(node.names(), ["snapshot_epoch_8.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_8.bin")).expect("there") == expected);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_written_after_the_boundary_are_not_in_its_snapshot() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    let (gate, keeper) = Gate::at(Step::WriteSnapshot);
    let hook = node.hook_with_probe(Mode::Snapshot, gate);
    // The boundary is through, and the snapshot is not even begun.
    let outcome = hook.hook.on_epoch_boundary(boundary(7)).await;
    assert_eq!(outcome, Outcome::Taken);
    keeper.wait();
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    write_rows(&node.db, 350, 600);
    for name in ["per_object_blob_info", "storage_pool_info"] {
        let family = node.db.cf_handle(name).expect("there");
        node.db.flush_cf(family).expect("flushed");
        node.db
            .compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
    }
    keeper.open();
    hook.hook.idle().await;
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
}

/// The hook on a database of some kind.
macro_rules! on {
    ($name:ident, $database:ty) => {
        #[tokio::test]
        async fn $name() {
            let node = Node::new();
            let expected = node.snapshot_now(&boundary(7));
            handled(&node.db, 699);
            let storage = node.close();

            let path = storage.path().join("db");
            let database = <$database>::open_cf_descriptors(&database_options(), path, families());
            let store = Arc::new(RocksDbStore::new(Arc::new(database.expect("opened"))));
            let registry = Registry::new();
            let hook =
                SnapshotHook::builder(config(Mode::Snapshot), storage.path(), &registry, store);
            let hook = hook.build().expect("a new registry");
            assert!(matches!(
                hook.on_epoch_boundary(boundary(6)).await,
                Outcome::Skipped(SkipReason::Reprocessing {
                    latest_handled: 699,
                    ..
                })
            ));
            assert_eq!(hook.on_epoch_boundary(boundary(7)).await, Outcome::Taken);
            hook.idle().await;
            let path = storage.path().join(DIRECTORY).join("snapshot_epoch_7.bin");
            assert!(fs::read(path).expect("there") == expected);
        }
    };
}

on!(a_plain_database, DBWithThreadMode<SingleThreaded>);
on!(a_multi_threaded_database, DBWithThreadMode<MultiThreaded>);
on!(
    a_database_with_optimistic_transactions,
    OptimisticTransactionDB<SingleThreaded>
);
on!(
    a_multi_threaded_database_with_optimistic_transactions,
    OptimisticTransactionDB<MultiThreaded>
);

#[test]
fn a_node_can_share_the_hook_and_spawn_its_handler() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    fn is_spawned<T: Send>(_: &T) {}
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    is_shared(&hook.hook);
    is_spawned(&hook.hook.on_epoch_boundary(boundary(7)));
    assert!(
        node.names().is_empty(),
        "nothing is done before it is awaited"
    );
}
