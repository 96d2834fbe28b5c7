//! The same boundary again after a restart: what is there is kept if it is whole and of this boundary, and
//! replaced if it is not.

mod common;

use std::fs;
use std::path::Path;

use common::probe::{Ask, Recorder};
use common::{Node, boundary, files_like, flip, identity, names, truncate, write_rows};
use node_hook::{EpochBoundary, Mode, Outcome, Step};

#[tokio::test]
async fn a_checkpoint_that_is_there_is_kept() {
    let node = Node::new();
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    let record = node.path("checkpoint_epoch_7/BOUNDARY");
    let first = identity(&record);

    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Checkpoint, probe.clone());
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(identity(&record), first);
    assert_eq!(probe.count(Step::MakeCheckpoint), 0);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    assert_eq!(hook.metric("last_epoch"), Some(7.0));
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test]
async fn a_snapshot_that_is_there_is_kept() {
    let node = Node::new();
    assert_eq!(node.hook(Mode::Snapshot).boundary(7).await, Outcome::Taken);
    let path = node.path("snapshot_epoch_7.bin");
    let first = identity(&path);

    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(identity(&path), first);
    assert_eq!(probe.count(Step::WriteSnapshot), 0);
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    assert_eq!(hook.metric("last_epoch"), Some(7.0));
    assert_eq!(
        hook.metric("size_bytes"),
        Some(fs::metadata(&path).expect("there").len() as f64)
    );
}

#[tokio::test]
async fn older_ones_go_when_the_boundary_comes_again() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        assert_eq!(node.hook(mode).boundary(7).await, Outcome::Taken);
        for name in ["checkpoint_epoch_5", "checkpoint_epoch_6.tmp"] {
            fs::create_dir(node.path(name)).expect("made");
        }
        for name in ["snapshot_epoch_3.bin", "snapshot_epoch_4.bin.tmp"] {
            fs::write(node.path(name), "old").expect("written");
        }
        // Not started, so that nothing but the boundary cleans up.
        assert_eq!(node.hook(mode).boundary(7).await, Outcome::Taken);
        let expected: &[&str] = match mode {
            Mode::Checkpoint => &["checkpoint_epoch_7", "snapshot_epoch_3.bin"],
            Mode::Snapshot => &["snapshot_epoch_7.bin"],
        };
        assert_eq!(node.names(), expected);
    }
}

/// Damages the checkpoint of epoch 7 somehow; it must be made again.
async fn replaced(damage: impl FnOnce(&Path)) {
    let node = Node::new();
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    let path = node.path("checkpoint_epoch_7");
    damage(&path);

    let expected = node.snapshot_now(&boundary(7));
    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Checkpoint, probe.clone());
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(probe.count(Step::MakeCheckpoint), 1);
    // The other is told and moved out of the way: an error of the moment looks like damage.
    assert_eq!(hook.failures(), 1.0);
    assert_eq!(
        node.names(),
        ["checkpoint_epoch_7", "checkpoint_epoch_7.unsound"]
    );
    assert!(Node::snapshot_of(&path, &boundary(7)) == expected);
    assert!(path.join("BOUNDARY").exists());
}

#[tokio::test]
async fn a_checkpoint_is_replaced_that_is_empty() {
    replaced(|path| {
        fs::remove_dir_all(path).expect("removed");
        fs::create_dir(path).expect("made");
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_is_replaced_that_does_not_say_what_it_is() {
    replaced(|path| fs::remove_file(path.join("BOUNDARY")).expect("removed")).await;
    replaced(|path| fs::write(path.join("BOUNDARY"), "{}").expect("written")).await;
    replaced(|path| truncate(&path.join("BOUNDARY"), 1)).await;
}

#[tokio::test]
async fn a_checkpoint_is_replaced_that_lacks_a_file_of_any_column_family() {
    for number in 0.. {
        let node = Node::new();
        assert_eq!(
            node.hook(Mode::Checkpoint).boundary(7).await,
            Outcome::Taken
        );
        let files = files_like(&node.path("checkpoint_epoch_7"), ".sst");
        assert!(files.len() > 3, "{files:?}");
        let Some(file) = files.get(number) else {
            break;
        };
        let name = file.file_name().expect("a name").to_owned();
        replaced(|path| fs::remove_file(path.join(&name)).expect("removed")).await;
        replaced(|path| truncate(&path.join(&name), 1)).await;
    }
}

#[tokio::test]
async fn a_checkpoint_is_replaced_whose_manifest_is_damaged() {
    let manifest = |path: &Path| files_like(path, "MANIFEST-").remove(0);
    replaced(|path| fs::remove_file(manifest(path)).expect("removed")).await;
    replaced(|path| truncate(&manifest(path), 3)).await;
    replaced(|path| flip(&manifest(path), 40)).await;
    replaced(|path| fs::remove_file(path.join("CURRENT")).expect("removed")).await;
}

#[tokio::test]
async fn a_checkpoint_of_another_boundary_is_replaced() {
    let other = EpochBoundary {
        event_index: 699,
        ..boundary(7)
    };
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        let hook = node.hook(Mode::Checkpoint);
        let outcome = hook.hook.on_epoch_boundary(other).await;
        assert_eq!(outcome, Outcome::Taken);
        hook.hook.idle().await;
        write_rows(&node.db, 400, 410);
        let expected = node.snapshot_now(&boundary(7));
        assert_eq!(node.hook(mode).boundary(7).await, Outcome::Taken);
        let snapshot = match mode {
            Mode::Checkpoint => Node::snapshot_of(&node.path("checkpoint_epoch_7"), &boundary(7)),
            Mode::Snapshot => fs::read(node.path("snapshot_epoch_7.bin")).expect("there"),
        };
        assert!(snapshot == expected);
    }
}

#[tokio::test]
async fn a_snapshot_is_replaced_that_is_damaged_or_of_another_boundary() {
    let other = EpochBoundary {
        event_index: 699,
        ..boundary(7)
    };
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    let of_another_cursor = node.snapshot_now(&other);
    let of_another_epoch = node.snapshot_now(&boundary(8));
    let path = node.path("snapshot_epoch_7.bin");
    assert_eq!(node.hook(Mode::Snapshot).boundary(7).await, Outcome::Taken);
    let damages: [&dyn Fn(); 6] = [
        &|| flip(&path, 200),
        &|| flip(&path, expected.len() - 1),
        &|| truncate(&path, 1),
        &|| fs::write(&path, "").expect("written"),
        &|| fs::write(&path, &of_another_cursor).expect("written"),
        &|| fs::write(&path, &of_another_epoch).expect("written"),
    ];
    for damage in damages {
        damage();
        let damaged = fs::read(&path).expect("there");
        assert!(damaged != expected);
        let probe = Recorder::new();
        let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
        assert_eq!(hook.boundary(7).await, Outcome::Taken);
        assert_eq!(probe.count(Step::SnapshotDone), 1);
        assert_eq!(hook.failures_in("serialize"), 1.0);
        let aside = "snapshot_epoch_7.bin.unsound";
        assert_eq!(node.names(), ["snapshot_epoch_7.bin", aside]);
        assert!(fs::read(&path).expect("there") == expected);
        assert!(fs::read(node.path(aside)).expect("there") == damaged);
        fs::remove_file(node.path(aside)).expect("removed");
    }
}

#[tokio::test]
async fn a_snapshot_that_does_not_read_back_gets_no_name_and_costs_nothing() {
    let node = Node::new();
    assert_eq!(node.hook(Mode::Snapshot).boundary(6).await, Outcome::Taken);
    let tmp = node.path("snapshot_epoch_7.bin.tmp");
    let damage = Ask(move |step, _: &Path| {
        if step == Step::ReadSnapshot {
            // As a bad disk would.
            let mut bytes = fs::read(&tmp)?;
            bytes[200] ^= 1;
            fs::write(&tmp, bytes)?;
        }
        Ok(())
    });
    let hook = node.hook_with_probe(Mode::Snapshot, std::sync::Arc::new(damage));
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(hook.failures_in("serialize"), 1.0);
    assert_eq!(node.names(), ["checkpoint_epoch_7", "snapshot_epoch_6.bin"]);
    assert_eq!(hook.metric("last_epoch"), Some(0.0));
    node.hook(Mode::Snapshot).start().await;
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
}

#[tokio::test]
async fn what_is_in_the_way_and_not_ours_is_left_and_told() {
    let node = Node::new();
    fs::create_dir(node.directory()).expect("made");
    fs::write(node.path("checkpoint_epoch_7"), "a file").expect("written");
    fs::create_dir(node.path("snapshot_epoch_8.bin")).expect("made");

    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert!(matches!(hook.boundary(7).await, Outcome::Failed(_)));
    assert_eq!(hook.failures_in("checkpoint"), 1.0);
    assert_eq!(hook.boundary(8).await, Outcome::Taken);
    assert_eq!(hook.failures_in("serialize"), 1.0);
    assert_eq!(
        node.names(),
        [
            "checkpoint_epoch_7",
            "checkpoint_epoch_8",
            "snapshot_epoch_8.bin"
        ]
    );
    assert_eq!(
        fs::read(node.path("checkpoint_epoch_7")).expect("there"),
        b"a file"
    );
    assert!(names(&node.path("snapshot_epoch_8.bin")).is_empty());
}
