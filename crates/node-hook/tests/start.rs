//! The start: leftovers go, the newest stay, an interrupted snapshot is finished, and nobody waits.

mod common;

use std::fs;
use std::path::Path;

use common::probe::{Ask, Gate, Recorder};
use common::{Node, boundary, files_like, handled, names, write_rows};
use node_hook::{Mode, Outcome, Step};

/// Names that are none of ours, however near they come.
const NOT_OURS: [&str; 14] = [
    "checkpoint_epoch_",
    "checkpoint_epoch_07",
    "checkpoint_epoch_4294967296",
    "checkpoint_epoch_-1",
    "checkpoint_epoch_7.bin",
    "checkpoint_epoch_7.tmp.tmp",
    "checkpoint_epoch_7.TMP",
    "Checkpoint_epoch_7",
    "checkpoint_epoch_7 ",
    "snapshot_epoch_7",
    "snapshot_epoch_7.tmp",
    "snapshot_epoch_7.bin.tmp~",
    "snapshot_epoch_7.bin.zst",
    "notes.txt",
];

#[tokio::test]
async fn only_the_newest_stay_and_what_is_not_ours_is_not_touched() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        assert_eq!(node.hook(Mode::Snapshot).boundary(7).await, Outcome::Taken);
        assert_eq!(
            node.hook(Mode::Checkpoint).boundary(7).await,
            Outcome::Taken
        );
        for name in NOT_OURS {
            if name.len() % 2 == 0 {
                fs::create_dir(node.path(name)).expect("made");
                fs::write(node.path(name).join("inside"), name).expect("written");
            } else {
                fs::write(node.path(name), name).expect("written");
            }
        }
        let dirs = [
            "checkpoint_epoch_3",
            "checkpoint_epoch_9.tmp",
            "checkpoint_epoch_7.tmp",
        ];
        for name in dirs {
            fs::create_dir(node.path(name)).expect("made");
            fs::write(node.path(name).join("CURRENT"), "half").expect("written");
        }
        let files = [
            "snapshot_epoch_2.bin",
            "snapshot_epoch_7.bin.tmp",
            "snapshot_epoch_8.bin.tmp",
        ];
        for name in files {
            fs::write(node.path(name), "half").expect("written");
        }
        // Whatever has an unfinished name goes, be it of the wrong kind; a finished name proves nothing.
        fs::write(node.path("checkpoint_epoch_11.tmp"), "a file").expect("written");
        fs::create_dir(node.path("snapshot_epoch_11.bin.tmp")).expect("made");
        fs::write(node.path("checkpoint_epoch_99"), "a file").expect("written");
        std::os::unix::fs::symlink("/", node.path("checkpoint_epoch_98")).expect("linked");

        let hook = node.hook(mode);
        hook.start().await;
        let mut expected: Vec<&str> = NOT_OURS.to_vec();
        expected.extend([
            "checkpoint_epoch_98",
            "checkpoint_epoch_99",
            "snapshot_epoch_7.bin",
        ]);
        if mode == Mode::Checkpoint {
            expected.push("checkpoint_epoch_7");
        }
        expected.sort_unstable();
        assert_eq!(node.names(), expected, "{mode:?}");
        for name in NOT_OURS {
            let path = node.path(name);
            let path = if path.is_dir() {
                path.join("inside")
            } else {
                path
            };
            assert_eq!(fs::read_to_string(path).expect("there"), name);
        }
        assert_eq!(hook.failures(), 0.0);
    }
}

#[tokio::test]
async fn a_snapshot_is_made_of_the_checkpoint_that_a_crash_left() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    fs::write(node.path("snapshot_epoch_7.bin.tmp"), "half").expect("written");
    fs::write(node.path("snapshot_epoch_6.bin"), "older").expect("written");
    // The node has moved on since.
    write_rows(&node.db, 100, 500);

    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
    assert_eq!(hook.metric("last_epoch"), Some(7.0));
}

#[tokio::test]
async fn a_log_that_was_copied_while_others_wrote_to_it_costs_no_row() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    // A node stores slivers all the time. RocksDB copies of the log what is there, which may be the
    // header of a record and half of what it announces.
    let log = files_like(&node.path("checkpoint_epoch_7"), ".log");
    let log = log.first().cloned();
    let log = log.unwrap_or_else(|| node.path("checkpoint_epoch_7/999999.log"));
    let mut bytes = fs::read(&log).unwrap_or_default();
    bytes.extend([0x12, 0x34, 0x56, 0x78, 100, 0, 1, 7, 7, 7]);
    let _ = fs::remove_file(&log);
    fs::write(&log, bytes).expect("written");

    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Checkpoint, probe.clone());
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(probe.count(Step::MakeCheckpoint), 0, "it is whole");
    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test]
async fn a_checkpoint_whose_snapshot_is_whole_is_only_removed() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    let snapshot = Node::snapshot_of(&node.path("checkpoint_epoch_7"), &boundary(7));
    fs::write(node.path("snapshot_epoch_7.bin"), snapshot).expect("written");
    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
    hook.start().await;
    assert_eq!(probe.count(Step::WriteSnapshot), 0);
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
}

#[tokio::test]
async fn a_checkpoint_older_than_the_snapshot_goes() {
    let node = Node::new();
    assert_eq!(node.hook(Mode::Snapshot).boundary(8).await, Outcome::Taken);
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(node.names(), ["snapshot_epoch_8.bin"]);
    assert_eq!(hook.metric("last_epoch"), Some(8.0));
}

#[tokio::test]
async fn a_checkpoint_that_no_snapshot_can_be_made_of_is_told_and_left() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        for damage in ["BOUNDARY", "renamed"] {
            let node = Node::new();
            let checkpoint = node.path("checkpoint_epoch_7");
            assert_eq!(
                node.hook(Mode::Checkpoint).boundary(7).await,
                Outcome::Taken
            );
            if damage == "renamed" {
                fs::rename(&checkpoint, node.path("checkpoint_epoch_8")).expect("renamed");
            } else {
                fs::remove_file(checkpoint.join(damage)).expect("removed");
            }
            let before = node.names();
            let hook = node.hook(mode);
            hook.start().await;
            assert_eq!(hook.failures_in("start"), 1.0);
            assert_eq!(hook.metric("last_epoch"), Some(0.0));
            assert_eq!(node.names(), before);
        }
    }
}

/// Makes one at a path.
type Impostor = Box<dyn Fn(&Path)>;

/// What has the name of a later epoch and is none of this node's.
fn impostors(node: &Node, mode: Mode) -> Vec<Impostor> {
    match mode {
        Mode::Checkpoint => {
            let real = node.path("checkpoint_epoch_7");
            let half = real.clone();
            vec![
                Box::new(|path| fs::create_dir(path).expect("made")),
                // Half a copy: what comes first, and what says which boundary it is.
                Box::new(move |path| {
                    fs::create_dir(path).expect("made");
                    fs::copy(half.join("CURRENT"), path.join("CURRENT")).expect("copied");
                    let record = fs::read_to_string(half.join("BOUNDARY")).expect("there");
                    let record = record.replace("\"epoch\":7", "\"epoch\":4294967295");
                    fs::write(path.join("BOUNDARY"), record).expect("written");
                }),
                Box::new(move |path| copy(&real, path)),
            ]
        }
        Mode::Snapshot => {
            let bytes = fs::read(node.path("snapshot_epoch_7.bin")).expect("there");
            let far = node.snapshot_now(&boundary(u32::MAX));
            let half = far[..far.len() / 2].to_vec();
            let mut same_event = boundary(7);
            same_event.epoch = snapshot_format::Epoch(u32::MAX);
            let same_event = node.snapshot_now(&same_event);
            let contents = [Vec::new(), half, bytes, far, same_event];
            let write = |content: Vec<u8>| -> Box<dyn Fn(&Path)> {
                Box::new(move |path| fs::write(path, &content).expect("written"))
            };
            contents.map(write).into()
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).expect("copied");
    }
}

#[tokio::test]
async fn what_only_has_the_name_of_a_later_epoch_costs_nothing_and_is_told() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let (name, impostor) = match mode {
            Mode::Checkpoint => ("checkpoint_epoch_7", "checkpoint_epoch_4294967295"),
            _ => ("snapshot_epoch_7.bin", "snapshot_epoch_4294967295.bin"),
        };
        for number in 0.. {
            let node = Node::new();
            handled(&node.db, 690);
            assert_eq!(node.hook(mode).boundary(7).await, Outcome::Taken);
            let impostors = impostors(&node, mode);
            let Some(make) = impostors.get(number) else {
                assert!(number >= 3, "{number}");
                break;
            };
            make(&node.path(impostor));
            for _ in 0..2 {
                let hook = node.hook(mode);
                hook.start().await;
                assert_eq!(node.names(), [impostor, name], "{mode:?} {number}");
                assert_eq!(hook.failures_in("start"), 1.0, "{mode:?} {number}");
                assert_eq!(hook.metric("last_epoch"), Some(7.0), "{mode:?} {number}");
            }
            // The next boundary replaces the good one, not the other.
            let hook = node.hook(mode);
            assert_eq!(hook.boundary(8).await, Outcome::Taken);
            assert_eq!(node.names(), [impostor.to_owned(), name.replace('7', "8")]);
            assert_eq!(hook.failures_in("retention"), 1.0, "{mode:?} {number}");
        }
    }
}

#[tokio::test]
async fn nothing_older_goes_for_a_checkpoint_that_is_damaged_as_soon_as_it_is_there() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        assert_eq!(
            node.hook(Mode::Checkpoint).boundary(7).await,
            Outcome::Taken
        );
        let path = node.path("checkpoint_epoch_8");
        let damage = Ask(move |step, _: &Path| {
            if step == Step::CheckpointDone {
                fs::remove_file(path.join("CURRENT"))?;
            }
            Ok(())
        });
        let hook = node.hook_with_probe(mode, std::sync::Arc::new(damage));
        assert_eq!(hook.boundary(8).await, Outcome::Taken);
        assert_eq!(hook.failures_in("checkpoint"), 1.0);
        assert_eq!(hook.metric("last_epoch"), Some(0.0));
        assert_eq!(node.names(), ["checkpoint_epoch_7", "checkpoint_epoch_8"]);
    }
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_told_and_kept() {
    let node = Node::new();
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    fs::remove_file(node.path("checkpoint_epoch_7/CURRENT")).expect("removed");
    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(hook.failures_in("start"), 1.0);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    // Until there is a newer one.
    assert_eq!(hook.boundary(8).await, Outcome::Taken);
    assert_eq!(node.names(), ["snapshot_epoch_8.bin"]);
}

#[tokio::test]
async fn an_empty_start_does_nothing() {
    let node = Node::new();
    let probe = Recorder::new();
    let hook = node.hook_with_probe(Mode::Snapshot, probe.clone());
    hook.start().await;
    assert_eq!(
        probe.steps(),
        [(Step::ReadDirectory, "blob_info_snapshots".to_owned())]
    );
    assert!(!node.directory().exists());
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_does_not_wait_for_the_clean_up_of_the_start() {
    let node = Node::new();
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(6).await,
        Outcome::Taken
    );
    fs::create_dir(node.path("checkpoint_epoch_5")).expect("made");
    let (gate, keeper) = Gate::at(Step::RenameOld);
    let hook = node.hook_with_probe(Mode::Checkpoint, gate);
    hook.hook.start();
    keeper.wait();
    let outcome = hook.hook.on_epoch_boundary(boundary(7)).await;
    assert_eq!(outcome, Outcome::Taken);
    assert_eq!(
        node.names(),
        [
            "checkpoint_epoch_5",
            "checkpoint_epoch_6",
            "checkpoint_epoch_7"
        ]
    );
    keeper.open();
    hook.hook.idle().await;
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_does_not_wait_for_a_snapshot_that_is_resumed() {
    let node = Node::new();
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
    let (gate, keeper) = Gate::at(Step::AppendSnapshot);
    let hook = node.hook_with_probe(Mode::Snapshot, gate);
    hook.hook.start();
    keeper.wait();
    write_rows(&node.db, 400, 420);
    let expected = node.snapshot_now(&boundary(8));
    let outcome = hook.hook.on_epoch_boundary(boundary(8)).await;
    assert_eq!(outcome, Outcome::Taken);
    assert_eq!(
        node.names(),
        [
            "checkpoint_epoch_7",
            "checkpoint_epoch_8",
            "snapshot_epoch_7.bin.tmp"
        ]
    );
    keeper.open();
    hook.hook.idle().await;
    assert_eq!(node.names(), ["snapshot_epoch_8.bin"]);
    assert!(fs::read(node.path("snapshot_epoch_8.bin")).expect("there") == expected);
    assert_eq!(hook.failures(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boundary_that_comes_again_during_its_own_resumption_is_kept() {
    let node = Node::new();
    let expected = node.snapshot_now(&boundary(7));
    for step in [
        Step::AppendSnapshot,
        Step::SnapshotDone,
        Step::RenameOld,
        Step::Remove,
    ] {
        let _ = fs::remove_dir_all(node.directory());
        assert_eq!(
            node.hook(Mode::Checkpoint).boundary(7).await,
            Outcome::Taken
        );
        let (gate, keeper) = Gate::at(step);
        let hook = node.hook_with_probe(Mode::Snapshot, gate);
        hook.hook.start();
        keeper.wait();
        let at_boundary = hook.hook.on_epoch_boundary(boundary(7));
        let opened = async {
            if matches!(step, Step::RenameOld | Step::Remove) {
                // Its own checkpoint is being removed, so this one has to wait.
                tokio::task::yield_now().await;
            }
            keeper.open();
        };
        let (outcome, ()) = tokio::join!(at_boundary, opened);
        assert_eq!(outcome, Outcome::Taken, "{step:?}");
        hook.hook.idle().await;
        assert_eq!(node.names(), ["snapshot_epoch_7.bin"], "{step:?}");
        assert!(fs::read(node.path("snapshot_epoch_7.bin")).expect("there") == expected);
        assert_eq!(hook.failures(), 0.0, "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_the_boundary_that_comes_first_go_too() {
    let node = Node::new();
    fs::create_dir_all(node.path("checkpoint_epoch_7.tmp")).expect("made");
    fs::write(node.path("checkpoint_epoch_7.tmp/999999.sst"), "half").expect("written");
    fs::write(node.path("snapshot_epoch_6.bin.tmp"), "half").expect("written");
    let hook = node.hook(Mode::Checkpoint);
    // A node that calls in the wrong order.
    assert_eq!(
        hook.hook.on_epoch_boundary(boundary(7)).await,
        Outcome::Taken
    );
    hook.start().await;
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
    assert!(!names(&node.path("checkpoint_epoch_7")).contains(&"999999.sst".to_owned()));
}
