//! Whatever fails, the boundary goes on, the failure is counted, and the next boundary is as good as ever.

mod common;

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::probe::{Ask, Gate, Recorder};
use common::store::{Act, Hanging, Wilful};
use common::{Node, boundary, handled, names};
use node_hook::{Mode, Outcome, Stage, Step};

const MODES: [Mode; 2] = [Mode::Checkpoint, Mode::Snapshot];

/// What a boundary leaves when all goes well.
fn left(mode: Mode, epoch: u32) -> String {
    match mode {
        Mode::Checkpoint => format!("checkpoint_epoch_{epoch}"),
        Mode::Snapshot => format!("snapshot_epoch_{epoch}.bin"),
    }
}

#[tokio::test]
async fn a_store_that_errs_or_panics_is_counted() {
    for mode in MODES {
        let node = Node::new();
        let (store, _hanging) = Wilful::new(node.store());
        let hook = node.hook_with_store(mode, store.clone());
        for (count, act) in [(1.0, Act::Fail), (2.0, Act::Panic)] {
            store.on_index(act);
            assert_eq!(hook.boundary(7).await, Outcome::Failed(Stage::Decide));
            assert_eq!(hook.failures_in("decide"), count);
            assert!(!node.directory().exists());
        }
        store.on_index(Act::Pass);
        for (count, act) in [(1.0, Act::Fail), (2.0, Act::Panic), (3.0, Act::Half)] {
            store.on_checkpoint(act);
            assert_eq!(hook.boundary(7).await, Outcome::Failed(Stage::Checkpoint));
            assert_eq!(hook.failures_in("checkpoint"), count);
            assert!(node.names().is_empty(), "{:?}", node.names());
        }
        store.on_checkpoint(Act::Pass);
        assert_eq!(hook.boundary(7).await, Outcome::Taken);
        assert_eq!(node.names(), [left(mode, 7)]);
        assert_eq!(hook.failures(), 5.0);
    }
}

#[tokio::test]
async fn a_failure_leaves_the_older_one() {
    for mode in MODES {
        let node = Node::new();
        let (store, _hanging) = Wilful::new(node.store());
        let hook = node.hook_with_store(mode, store.clone());
        assert_eq!(hook.boundary(7).await, Outcome::Taken);
        store.on_checkpoint(Act::Half);
        assert_eq!(hook.boundary(8).await, Outcome::Failed(Stage::Checkpoint));
        assert_eq!(node.names(), [left(mode, 7)]);
        assert_eq!(hook.metric("last_epoch"), Some(7.0));
    }
}

/// Lets the time limit of a boundary pass while the store hangs.
async fn timed_out(hook: &common::Hook, epoch: u32, hanging: Hanging) -> (Outcome, Hanging) {
    let limit_passes = async {
        let hanging = tokio::task::spawn_blocking(move || {
            hanging.wait();
            hanging
        });
        let hanging = hanging.await.expect("no panic");
        tokio::time::advance(Duration::from_secs(59)).await;
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(2)).await;
        hanging
    };
    tokio::join!(hook.hook.on_epoch_boundary(boundary(epoch)), limit_passes)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_hold_the_boundary() {
    for mode in MODES {
        let node = Node::new();
        let (store, hanging) = Wilful::new(node.store());
        let hook = node.hook_with_store(mode, store.clone());
        assert_eq!(hook.boundary(6).await, Outcome::Taken);

        store.on_checkpoint(Act::Hang);
        let (outcome, hanging) = timed_out(&hook, 7, hanging).await;
        assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint));
        assert_eq!(hook.failures_in("checkpoint"), 1.0);
        // The node has waited for that long, whatever came of it.
        let pause = hook.metric("checkpoint_duration_seconds");
        assert!(pause.is_some_and(|pause| pause >= 60.0), "{pause:?}");
        assert_eq!(
            node.names(),
            match mode {
                Mode::Checkpoint => ["checkpoint_epoch_6", "checkpoint_epoch_7.tmp"],
                Mode::Snapshot => ["checkpoint_epoch_7.tmp", "snapshot_epoch_6.bin"],
            }
        );

        // The next boundary does not even try, as long as that hangs.
        assert_eq!(hook.boundary(8).await, Outcome::Failed(Stage::Checkpoint));
        assert_eq!(hook.failures_in("checkpoint"), 2.0);

        // The late checkpoint may be past the boundary, so nothing of it stays.
        hanging.go_on(Act::Pass);
        let outcome = until_free(&hook, 9).await;
        assert_eq!(outcome, Outcome::Taken);
        assert_eq!(node.names(), [left(mode, 9)]);
        assert_eq!(hook.metric("last_epoch"), Some(9.0));
    }
}

/// Comes with boundaries until the one that hung has ended.
async fn until_free(hook: &common::Hook, epoch: u32) -> Outcome {
    loop {
        let outcome = hook.boundary(epoch).await;
        if outcome == Outcome::Taken {
            return outcome;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_time_limit_is_not_counted_twice() {
    let node = Node::new();
    let (store, hanging) = Wilful::new(node.store());
    let hook = node.hook_with_store(Mode::Checkpoint, store.clone());
    store.on_checkpoint(Act::Hang);
    let (outcome, hanging) = timed_out(&hook, 7, hanging).await;
    assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint));
    hanging.go_on(Act::Panic);
    let mut refused = 0.0;
    while hook.boundary(8).await != Outcome::Taken {
        refused += 1.0;
    }
    assert_eq!(hook.failures(), 1.0 + refused);
    assert_eq!(node.names(), ["checkpoint_epoch_8"]);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_comes_after_the_time_limit_decides_nothing() {
    let node = Node::new();
    let (store, hanging) = Wilful::new(node.store());
    let hook = node.hook_with_store(Mode::Checkpoint, store.clone());
    store.on_index(Act::Hang);
    let (outcome, hanging) = timed_out(&hook, 7, hanging).await;
    assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint));
    hanging.go_on(Act::Pass);
    // The hung thread would make a checkpoint of epoch 7 now.
    assert_eq!(until_free(&hook, 8).await, Outcome::Taken);
    assert_eq!(node.names(), ["checkpoint_epoch_8"]);
    assert_eq!(hook.failures(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_with_the_right_content_is_published_after_the_time_limit() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    let (gate, keeper) = Gate::at(Step::SyncRecord);
    let hook = node.hook_with_probe(Mode::Checkpoint, gate);
    let limit_passes = async {
        let keeper = tokio::task::spawn_blocking(move || {
            keeper.wait();
            keeper
        });
        let keeper = keeper.await.expect("no panic");
        tokio::time::advance(Duration::from_secs(61)).await;
        keeper
    };
    let at_boundary = hook.hook.on_epoch_boundary(boundary(7));
    let (outcome, keeper) = tokio::join!(at_boundary, limit_passes);
    assert_eq!(outcome, Outcome::Taken);
    assert_eq!(node.names(), ["checkpoint_epoch_7.tmp"]);
    common::write_rows(&node.db, 400, 500);
    keeper.open();
    let keeper = tokio::task::spawn_blocking(move || keeper.wait_for(Step::CheckpointDone));
    keeper.await.expect("no panic");
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    assert!(Node::snapshot_of(&node.path("checkpoint_epoch_7"), &boundary(7)) == expected);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_that_is_cancelled_leaves_nothing() {
    let node = Node::new();
    let (store, hanging) = Wilful::new(node.store());
    let hook = node.hook_with_store(Mode::Checkpoint, store.clone());
    store.on_checkpoint(Act::Hang);
    {
        let mut at_boundary = pin!(hook.hook.on_epoch_boundary(boundary(7)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(at_boundary.as_mut().poll(&mut context).is_pending());
        hanging.wait();
    }
    hanging.go_on(Act::Pass);
    // Whoever dropped it may have gone on, so the tables may be past the boundary.
    assert_eq!(until_free(&hook, 8).await, Outcome::Taken);
    assert_eq!(node.names(), ["checkpoint_epoch_8"]);
}

#[tokio::test]
async fn a_failed_sync_is_not_repeated_but_built_again() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    let of_checkpoint = [
        Step::SyncRecord,
        Step::SyncCheckpoint,
        Step::SyncCheckpointName,
    ];
    let of_snapshot = [Step::SyncSnapshot, Step::SyncSnapshotName];
    let cases = of_checkpoint.map(|step| (step, Step::MakeCheckpoint, "checkpoint"));
    let cases = cases
        .into_iter()
        .chain(of_snapshot.map(|step| (step, Step::WriteSnapshot, "serialize")));
    for (step, begin, stage) in cases {
        let _ = fs::remove_dir_all(node.directory());
        let probe = Recorder::failing(step, 1);
        let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
        assert_eq!(hook.boundary(7).await, Outcome::Taken, "{step:?}");
        assert_eq!((probe.count(step), probe.count(begin)), (2, 2), "{step:?}");
        assert_eq!(node.names(), ["snapshot_epoch_7.bin"], "{step:?}");
        assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
        assert_eq!(hook.failures(), 0.0);

        // Once only.
        let _ = fs::remove_dir_all(node.directory());
        let probe = Recorder::failing(step, 2);
        let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
        let outcome = hook.boundary(7).await;
        assert_eq!(probe.count(begin), 2, "{step:?}");
        assert_eq!(hook.failures_in(stage), 1.0, "{step:?}");
        if stage == "checkpoint" {
            assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint));
            assert!(node.names().is_empty(), "{step:?}: {:?}", node.names());
        } else {
            assert_eq!(outcome, Outcome::Taken);
            // The next start tries again.
            assert_eq!(node.names(), ["checkpoint_epoch_7"], "{step:?}");
            node.hook(Mode::Snapshot).start().await;
            assert_eq!(node.names(), ["snapshot_epoch_7.bin"], "{step:?}");
        }
    }
}

#[tokio::test]
async fn the_directory_is_made_again_if_its_name_could_not_be_synced() {
    let node = Node::new();
    let probe = Recorder::failing(Step::SyncStorage, 1);
    let hook = node.hook_with_probe(Mode::Checkpoint, probe.clone());
    assert_eq!(hook.boundary(7).await, Outcome::Failed(Stage::Checkpoint));
    assert!(!node.directory().exists());
    assert_eq!(hook.boundary(8).await, Outcome::Taken);
    assert_eq!(hook.boundary(9).await, Outcome::Taken);
    assert_eq!(
        (
            probe.count(Step::MakeDirectory),
            probe.count(Step::SyncStorage)
        ),
        (2, 2)
    );
    assert_eq!(node.names(), ["checkpoint_epoch_9"]);
}

#[tokio::test]
async fn every_step_may_fail_once() {
    for mode in MODES {
        for step in Step::ALL {
            let node = Node::new();
            assert_eq!(
                node.hook(Mode::Checkpoint).boundary(6).await,
                Outcome::Taken
            );
            fs::create_dir(node.path("checkpoint_epoch_7.tmp")).expect("made");
            // Its name is needed, so it is moved out of the way.
            fs::create_dir(node.path("checkpoint_epoch_8")).expect("made");
            let probe = Recorder::failing(step, 1);
            let hook = node.hook_with_probe(mode, probe.clone());
            hook.start().await;
            let outcome = hook.boundary(7).await;
            assert!(
                matches!(outcome, Outcome::Taken | Outcome::Failed(_)),
                "{step:?}"
            );

            // It is back on its feet with the next boundary, or the next start at the latest.
            if step == Step::SetAside {
                let outcome = hook.boundary(8).await;
                assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint), "{mode:?}");
            }
            assert_eq!(hook.boundary(8).await, Outcome::Taken, "{mode:?} {step:?}");
            node.hook(mode).start().await;
            let mut left = vec![left(mode, 8), "checkpoint_epoch_8.unsound".to_owned()];
            left.sort();
            assert_eq!(node.names(), left, "{mode:?} {step:?}");
            let told = probe.count(step) > 0;
            let ends_in_a_snapshot = mode == Mode::Snapshot;
            assert!(told || !ends_in_a_snapshot, "{step:?} was never told");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_step_is_repaired_by_the_next_start_and_boundary() {
    for mode in MODES {
        let node = Node::new();
        let expected = node.snapshot_now(&boundary(7));
        for at in 0.. {
            let _ = fs::remove_dir_all(node.directory());
            assert_eq!(node.hook(mode).boundary(6).await, Outcome::Taken);
            let probe = Recorder::dying(at);
            let hook = node.hook_with_probe(mode, probe.clone());
            hook.start().await;
            let _ = hook.boundary(7).await;
            let survived = probe.told().len() <= at;
            drop(hook);
            let durable = node.names().contains(&left(mode, 7));
            let older = node.names().contains(&left(mode, 6));
            let checkpoint = node.names().contains(&left(Mode::Checkpoint, 7));
            assert!(
                durable || older || checkpoint,
                "{mode:?}, step {at}, {:?}: nothing is left",
                probe.told().get(at)
            );

            // The event comes again, as the crash was before the cursor moved on.
            let hook = node.hook(mode);
            hook.start().await;
            assert!(
                names(&node.directory())
                    .iter()
                    .all(|name| !name.ends_with(".tmp"))
            );
            assert_eq!(hook.boundary(7).await, Outcome::Taken);
            assert_eq!(node.names(), [left(mode, 7)], "{mode:?}, step {at}");
            let snapshot = match mode {
                Mode::Checkpoint => Node::snapshot_of(&node.path(&left(mode, 7)), &boundary(7)),
                Mode::Snapshot => fs::read(node.path(&left(mode, 7))).expect("there"),
            };
            assert!(snapshot == expected, "{mode:?}, step {at}");
            if survived {
                assert!(at > 15, "{at} steps are too few to be all");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_probe_that_panics_is_no_worse_than_one_that_fails() {
    for step in [
        Step::ReadDirectory,
        Step::SyncRecord,
        Step::AppendSnapshot,
        Step::Removed,
    ] {
        let node = Node::new();
        let probe = Ask(move |told, _: &std::path::Path| {
            assert!(told != step, "the probe panics");
            Ok(())
        });
        let hook = node.hook_with_probe(Mode::Snapshot, std::sync::Arc::new(probe));
        hook.start().await;
        let _ = hook.boundary(7).await;
        assert!(hook.failures() > 0.0, "{step:?}");
        let hook = node.hook(Mode::Snapshot);
        hook.start().await;
        assert_eq!(hook.boundary(8).await, Outcome::Taken);
        assert_eq!(node.names(), ["snapshot_epoch_8.bin"], "{step:?}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_fails_nothing_else() {
    let node = Node::new();
    // Not even root reads a file as a directory.
    fs::write(node.directory(), "a file").expect("written");
    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(hook.failures_in("start"), 1.0);
    assert_eq!(hook.boundary(7).await, Outcome::Failed(Stage::Checkpoint));
    assert_eq!(hook.failures_in("checkpoint"), 1.0);
    assert_eq!(fs::read(node.directory()).expect("there"), b"a file");
}

#[test]
fn a_hook_without_a_runtime_fails_but_does_not_panic() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    hook.hook.start();
    assert_eq!(hook.failures_in("start"), 1.0);
    let mut at_boundary = pin!(hook.hook.on_epoch_boundary(boundary(7)));
    let polled = at_boundary
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Outcome::Failed(Stage::Checkpoint)));
    assert_eq!(hook.failures_in("checkpoint"), 1.0);
}

#[test]
fn a_runtime_without_a_timer_fails_but_does_not_panic() {
    let node = Node::new();
    handled(&node.db, 1);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let hook = node.hook(Mode::Checkpoint);
    let outcome = runtime.block_on(hook.hook.on_epoch_boundary(boundary(7)));
    assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint));
    assert_eq!(hook.failures_in("checkpoint"), 1.0);
    drop(runtime);
    assert!(node.names().is_empty(), "{:?}", node.names());
}
