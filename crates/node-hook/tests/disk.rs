//! Full disks, real ones: file systems of some megabytes, mounted where nobody else sees them.

mod common;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::probe::Recorder;
use common::{Node, names};
use node_hook::{Mode, Outcome, Step};
use snapshot_format::{Framing, max_size};
use snapshot_store::{Database, OpenOptions};

const PART: &str = "NODE_HOOK_TEST_PART";

/// Runs a test of this binary again as a child, whose `/mnt` is a file system of so many MiB. Returns
/// whether this is the child.
fn is_child(test: &str, megabytes: u32) -> bool {
    if env::var_os(PART).is_some() {
        return true;
    }
    let script = format!("mount -t tmpfs -o size={megabytes}m none /mnt && exec \"$@\"");
    let unshare = |program: &Path| {
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        command.arg(program);
        command
    };
    let probe = unshare(Path::new("true")).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("not tested, since a file system cannot be mounted here");
        return false;
    }
    let mut child = unshare(&env::current_exe().expect("this binary"));
    child.args(["--exact", test, "--nocapture"]).env(PART, test);
    let output = child.output().expect("started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    false
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    runtime.block_on(future)
}

/// Fills the file system until so many MiB are free.
fn fill(path: &Path, leave: u64) {
    let free = snapshot_store::space::available(path).expect("told");
    let ballast = usize::try_from(free - (leave << 20)).expect("fits");
    fs::write(path.join("ballast"), vec![1; ballast]).expect("written");
}

#[test]
fn a_snapshot_that_does_not_fit_is_an_error_and_made_once_it_does() {
    if !is_child(
        "a_snapshot_that_does_not_fit_is_an_error_and_made_once_it_does",
        200,
    ) {
        return;
    }
    let node = Node::new_in(Path::new("/mnt"));
    // Enough for the snapshot, but a node needs some room too.
    fill(node.storage(), 63);
    let hook = node.hook(Mode::Snapshot);
    assert_eq!(block_on(hook.boundary(7)), Outcome::Taken);
    assert_eq!(hook.failures_in("serialize"), 1.0);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);

    fs::remove_file(node.storage().join("ballast")).expect("removed");
    block_on(node.hook(Mode::Snapshot).start());
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
}

#[test]
fn operands_that_are_not_merged_do_not_count_as_rows() {
    if !is_child("operands_that_are_not_merged_do_not_count_as_rows", 200) {
        return;
    }
    let node = Node::new_in(Path::new("/mnt"));
    // One pool, extended over and over: RocksDB's estimate takes each for a row of its own.
    let pools = node.db.cf_handle("storage_pool_info").expect("there");
    node.db
        .compact_range_cf(pools, None::<&[u8]>, None::<&[u8]>);
    for n in 0..300_000_u32 {
        let operand = [&[1][..], &n.to_le_bytes()].concat();
        node.db
            .merge_cf(pools, common::key(0), operand)
            .expect("written");
    }
    assert_eq!(
        block_on(node.hook(Mode::Checkpoint).boundary(7)),
        Outcome::Taken
    );
    fill(node.storage(), 64 + 1);
    let checkpoint = node.path("checkpoint_epoch_7");
    let database = Database::open(&checkpoint, &OpenOptions::default()).expect("whole");
    let estimate = max_size(Framing::Sealed, &database.estimated_counts());
    drop(database);
    assert!(estimate > 10 << 20, "the estimate would fit: {estimate}");
    let hook = node.hook(Mode::Snapshot);
    block_on(hook.start());
    assert_eq!(hook.failures(), 0.0);
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
}

#[test]
fn a_disk_that_fills_up_while_a_snapshot_is_written_ends_it_in_time() {
    let test = "a_disk_that_fills_up_while_a_snapshot_is_written_ends_it_in_time";
    if !is_child(test, 400) {
        return;
    }
    let node = Node::new_in(Path::new("/mnt"));
    common::write_rows(&node.db, 0, 200_000);
    let storage = node.storage().to_path_buf();
    let probe = move |step, _: &Path| {
        if step == Step::WriteSnapshot {
            // The node itself does that.
            fill(&storage, 64 + 10);
        }
        Ok(())
    };
    let probe = std::sync::Arc::new(common::probe::Ask(probe));
    let hook = node.hook_with_probe(Mode::Snapshot, probe);
    assert_eq!(block_on(hook.boundary(7)), Outcome::Taken);
    assert_eq!(hook.failures_in("serialize"), 1.0);
    assert_eq!(node.names(), ["checkpoint_epoch_7"]);
}

#[test]
fn the_older_checkpoint_goes_first_if_room_demands_it() {
    if !is_child("the_older_checkpoint_goes_first_if_room_demands_it", 200) {
        return;
    }
    let order = |node: &Node, mode| {
        assert_eq!(
            block_on(node.hook(Mode::Checkpoint).boundary(6)),
            Outcome::Taken
        );
        let probe = Recorder::new();
        let hook = node.hook_with_probe(mode, probe.clone());
        assert_eq!(block_on(hook.boundary(7)), Outcome::Taken);
        assert_eq!(names(&node.directory()).len(), 1);
        let at = |wanted| {
            let steps = probe.steps();
            let at = steps.iter().position(|told| *told == wanted);
            at.unwrap_or_else(|| panic!("{wanted:?} in {steps:?}"))
        };
        let removed = at((Step::RenameOld, "checkpoint_epoch_6".to_owned()));
        let made = at((Step::CheckpointDone, "checkpoint_epoch_7".to_owned()));
        removed < made
    };
    // Far below what a node needs to flush.
    let small = Node::new_in(Path::new("/mnt"));
    assert!(
        order(&small, Mode::Checkpoint),
        "the older one is removed first"
    );
    let small = Node::new_in(Path::new("/mnt"));
    assert!(
        !order(&small, Mode::Snapshot),
        "it may not be a snapshot yet"
    );
    let large = Node::new();
    let free = snapshot_store::space::available(large.storage()).expect("told");
    if free > 2 << 30 {
        assert!(
            !order(&large, Mode::Checkpoint),
            "the new one is durable first"
        );
    }
}
