//! Crashes and replays: an event counts once, however often it comes.

use reference_node::event::Event;
use reference_node::tables::Applied;
use reference_node::{Handled, NodeError};

use crate::support::{
    aggregate, all_tables, dir, handle_all, node, snapshot_tables, stream, tables,
};

#[test]
fn handled_events_change_nothing() {
    let dir = dir();
    let events = stream(2, 3, 700);
    let mut node = node(dir.path());
    assert_eq!(handle_all(&mut node, &events), 0);
    let before = all_tables(node.tables());
    assert_eq!(handle_all(&mut node, &events), events.len());
    assert_eq!(all_tables(node.tables()), before);
}

#[test]
fn the_tables_themselves_skip_what_they_have() {
    let dir = dir();
    let events = stream(2, 1, 300);
    let mut tables = tables(dir.path());
    for event in &events {
        assert_eq!(tables.apply(event).expect("a valid event"), Applied::Now);
    }
    let before = all_tables(&tables);
    for event in &events[..300] {
        assert_eq!(tables.apply(event).expect("a valid event"), Applied::Before);
    }
    assert_eq!(all_tables(&tables), before);
}

#[test]
fn an_event_left_out_is_an_error() {
    let dir = dir();
    let events = stream(2, 1, 20);
    let mut node = node(dir.path());
    handle_all(&mut node, &events[..10]);
    let error = node.handle_now(&events[11]);
    assert!(
        matches!(
            error,
            Err(NodeError::Gap {
                expected: 10,
                got: 11
            })
        ),
        "{error:?}"
    );
    let error = node.reach_boundary(&events[10]);
    assert!(
        matches!(error, Err(NodeError::NotABoundary { index: 10 })),
        "{error:?}"
    );
    assert_eq!(handle_all(&mut node, &events[10..]), 0);
}

/// Handles all events with a crash (nothing flushed, process state gone) before each of `crashes`.
fn with_crashes(events: &[Event], crashes: &[usize]) -> (tempfile::TempDir, usize) {
    let dir = dir();
    let mut skipped = 0;
    let mut from = 0;
    for &to in crashes.iter().chain([&events.len()]) {
        let mut node = node(dir.path());
        let next = usize::try_from(node.next_event_index()).expect("small");
        assert!(next <= from, "the cursor is ahead of what was handled");
        skipped += handle_all(&mut node, &events[next..to]);
        from = to;
    }
    (dir, skipped)
}

#[test]
fn a_node_that_crashes_and_replays_has_the_same_rows() {
    let events = stream(4, 4, 900);
    let (plain, skipped) = with_crashes(&events, &[]);
    assert_eq!(skipped, 0);
    // In the middle of an epoch, right before and right after a boundary, twice in a row.
    let (crashed, skipped) = with_crashes(&events, &[450, 470, 900, 901, 1801, 1850, 1850, 2707]);
    assert!(
        skipped > 0,
        "no event was replayed, so the test tests nothing"
    );
    let (plain, crashed) = (tables(plain.path()), tables(crashed.path()));
    assert_eq!(snapshot_tables(&plain), snapshot_tables(&crashed));
    assert_eq!(aggregate(&plain), aggregate(&crashed));
    assert_eq!(
        plain.latest_handled_event_index(),
        crashed.latest_handled_event_index()
    );
    assert_eq!(
        plain.event_cursor().expect("readable"),
        crashed.event_cursor().expect("readable")
    );
}

#[test]
fn an_unfinished_boundary_comes_again() {
    let dir = dir();
    let events = stream(6, 3, 600);
    let (last, before) = events.split_last().expect("events");
    let mut first = node(dir.path());
    handle_all(&mut first, before);
    let boundary = first.reach_boundary(last).expect("a boundary");
    assert!(boundary.collected.objects > 0 && !boundary.reprocessing);
    let rows = snapshot_tables(first.tables());
    drop(first);

    let mut second = node(dir.path());
    assert_eq!(second.next_event_index(), last.index);
    let Handled::Boundary(again, _) = second.handle_now(last).expect("a boundary") else {
        panic!("the boundary was skipped");
    };
    assert_eq!((again.collected.objects, again.reprocessing), (0, false));
    assert_eq!(snapshot_tables(second.tables()), rows);
    drop(second);
    assert_eq!(node(dir.path()).next_event_index(), last.index + 1);
}

#[test]
fn a_boundary_that_later_events_have_passed_is_reprocessing() {
    let dir = dir();
    let events = stream(6, 2, 600);
    let (before, rest) = events.split_at(600);
    let mut first = node(dir.path());
    handle_all(&mut first, before);
    first.reach_boundary(&rest[0]).expect("a boundary");
    drop(first);
    // As a node does whose later events were applied before the boundary was marked complete.
    let mut passed = tables(dir.path());
    passed.apply(&rest[1]).expect("a valid event");
    drop(passed);

    let mut second = node(dir.path());
    assert!(
        second
            .reach_boundary(&rest[0])
            .expect("a boundary")
            .reprocessing
    );
}
