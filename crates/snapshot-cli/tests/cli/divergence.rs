//! What nodes that went wrong leave behind, and that `diff` says what it was: on databases that real merge
//! operands and garbage collection made.

use std::path::{Path, PathBuf};

use reference_node::event::Event;
use reference_node::gc::phase_one;
use reference_node::workload::{Mix, Workload};
use reference_node::{NodeConfig, ReferenceNode};
use serde_json::Value;
use snapshot_format::Epoch;

use crate::common::{blob_snapshot, run, temp_dir};

/// Events of one epoch.
const EVENTS: usize = 1500;

/// The events of some epochs up to a boundary, which is the last event, and of the epoch behind it.
fn stream() -> (Vec<Event>, Vec<Event>) {
    let mut workload = Workload::new(7, Mix::default());
    let mut events = Vec::new();
    for _ in 0..5 {
        events.extend((0..EVENTS).map(|_| workload.next_event()));
        events.push(workload.begin_epoch());
    }
    let behind = (0..200).map(|_| workload.next_event()).collect();
    (events, behind)
}

/// A node that has handled `events`.
fn node(dir: &Path, events: &[Event]) -> ReferenceNode {
    let mut node = ReferenceNode::open(&dir.join("db"), NodeConfig::default()).expect("a node");
    for event in events {
        node.handle_now(event).expect("a valid event");
    }
    node
}

/// A checkpoint of a node that did all as it should, and its epoch.
fn sound(dir: &Path, events: &[Event]) -> (PathBuf, Epoch) {
    let (boundary, before) = events.split_last().expect("events");
    let mut node = node(dir, before);
    let boundary = node.reach_boundary(boundary).expect("a boundary");
    (checkpoint(&node, dir, boundary.epoch), boundary.epoch)
}

fn checkpoint(node: &ReferenceNode, dir: &Path, epoch: Epoch) -> PathBuf {
    let path = dir.join(format!("checkpoint_epoch_{epoch}"));
    node.checkpoint(&path).expect("a checkpoint");
    path
}

/// The summary of what two checkpoints differ in.
fn diff(a: &Path, b: &Path) -> Value {
    let mut command = blob_snapshot();
    command
        .arg("diff")
        .args([a, b])
        .args(["--json", "--limit=0"]);
    let summary = run(&mut command).exits(1).json();
    let text = run(blob_snapshot().arg("diff").args([a, b]))
        .exits(1)
        .text();
    assert!(text.contains("\nlikely cause of "), "{text}");
    summary
}

#[test]
fn nodes_that_did_the_same_agree() {
    let (one, other) = (temp_dir(), temp_dir());
    let (events, _) = stream();
    let (a, _) = sound(one.path(), &events);
    let (b, _) = sound(other.path(), &events);
    run(blob_snapshot().arg("diff").args([&a, &b])).exits(0);
    run(blob_snapshot().arg("compare").args([&a, &b])).exits(0);
}

#[test]
fn a_node_that_did_not_collect_garbage_is_told() {
    let (one, other) = (temp_dir(), temp_dir());
    let (events, _) = stream();
    let (a, epoch) = sound(one.path(), &events);
    let (_, before) = events.split_last().expect("events");
    let b = checkpoint(&node(other.path(), before), other.path(), epoch);
    let summary = diff(&a, &b);
    let [cause] = summary["causes"].as_array().expect("causes").as_slice() else {
        panic!("one cause: {summary}");
    };
    assert_eq!(cause["cause"], "garbage_not_collected");
    assert_eq!(cause["side"], "b");
    assert_eq!(cause["rows"], summary["differences"]);
    assert_eq!(summary["unexplained"], 0);
    let pooled = &summary["tables"]["per_object_pooled_blob_info"]["only"]["b"];
    assert!(pooled.as_u64() > Some(0), "pools ended too: {summary}");
}

#[test]
fn a_node_that_was_taken_after_the_boundary_is_told() {
    let (one, other) = (temp_dir(), temp_dir());
    let (events, behind) = stream();
    let (a, epoch) = sound(one.path(), &events);
    let mut late = node(other.path(), &events);
    for event in &behind {
        late.handle_now(event).expect("a valid event");
    }
    let b = checkpoint(&late, other.path(), epoch);
    let summary = diff(&a, &b);
    assert_eq!(
        summary["causes"][0]["cause"], "taken_after_boundary",
        "{summary}"
    );
    assert_eq!(summary["causes"][0]["side"], "b");
    assert_eq!(summary["unexplained"], 0, "{summary}");
}

#[test]
fn a_node_that_lost_its_last_events_is_told() {
    let (one, other) = (temp_dir(), temp_dir());
    let (events, _) = stream();
    let (a, epoch) = sound(one.path(), &events);
    let kept = &events[..events.len() - 1 - 300];
    let behind = node(other.path(), kept);
    phase_one(behind.tables(), epoch).expect("garbage collection");
    let b = checkpoint(&behind, other.path(), epoch);
    let summary = diff(&a, &b);
    let causes = summary["causes"].as_array().expect("causes");
    let told = causes
        .iter()
        .any(|cause| cause["cause"] == "events_missing" && cause["side"] == "b");
    assert!(told, "{summary}");
    assert_eq!(summary["unexplained"], 0, "{summary}");
}
