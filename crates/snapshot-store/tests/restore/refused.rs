//! What is refused before the target is touched, and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use snapshot_format::{Digest, Epoch};
use snapshot_store::restore::Plan;
use snapshot_store::restore::{
    Action, Finding, RestoreError, RestoreOptions, ToldCursor, VerifiedSnapshot,
};
use snapshot_store::{Database, OpenOptions, Progress};

use crate::common::Fixture;
use crate::support::{all_rows, event, names, restored, told};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/node-b")
        .join(name)
}

/// What stands in the way of restoring `file`.
fn findings(file: &Path, target: &Path, options: &RestoreOptions) -> Vec<Finding> {
    match restored(file, target, options) {
        Err(RestoreError::Refused { findings }) => findings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_rejected_vector_is_refused_and_the_target_is_not_touched() {
    let rejected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden-vectors/v1/reject");
    let node = Fixture::node_b();
    let before = all_rows(&node.checkpoint());
    let replace = RestoreOptions {
        replace_tables: true,
        ..told(5)
    };
    let mut refused = 0;
    for entry in fs::read_dir(rejected).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|it| it != "bin") {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        for (target, options) in [
            (dir.path().join("db"), RestoreOptions::default()),
            (node.checkpoint(), replace.clone()),
        ] {
            let error = restored(&file, &target, &options).expect_err("it is no snapshot");
            assert!(error.is_verdict(), "{}: {error}", file.display());
        }
        assert_eq!(names(dir.path()), [""; 0], "{}", file.display());
        refused += 1;
    }
    assert!(refused > 50, "{refused} vectors");
    assert_eq!(all_rows(&node.checkpoint()), before);
    assert!(Database::open(&node.checkpoint(), &OpenOptions::default()).is_ok());
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("none/db");
    let options = RestoreOptions {
        expect_digest: Some(Digest(1)),
        expect_epoch: Some(Epoch(12)),
        first_available_event: Some(35_940),
        ..RestoreOptions::default()
    };
    let found = findings(&fixture("counted.bin"), &target, &options);
    assert!(
        matches!(
            found.as_slice(),
            [
                Finding::WrongDigest { .. },
                Finding::WrongEpoch { .. },
                Finding::EventsGone {
                    first: 35_940,
                    next: 35_939
                },
                Finding::NoParent { .. },
            ]
        ),
        "{found:?}"
    );
    assert_eq!(names(dir.path()), [""; 0]);
    // The first event that must be there may be the first that is.
    let enough = RestoreOptions {
        first_available_event: Some(35_939),
        ..RestoreOptions::default()
    };
    restored(&fixture("counted.bin"), &dir.path().join("db"), &enough).unwrap();
}

#[test]
fn a_cursor_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    let with = |event_id, next_event_index| RestoreOptions {
        cursor: ToldCursor {
            event_id,
            next_event_index,
        },
        ..RestoreOptions::default()
    };
    for (file, options) in [
        ("counted.bin", with(Some(event(1)), None)),
        ("counted.bin", with(None, Some(3))),
        ("sealed.bin", with(Some(event(1)), None)),
        ("sealed.bin", with(None, Some(3))),
    ] {
        let found = findings(&fixture(file), &target, &options);
        assert!(
            matches!(found.as_slice(), [Finding::Cursor(_)]),
            "{found:?}"
        );
    }
    // What the snapshot says itself may be said again.
    restored(&fixture("counted.bin"), &target, &with(None, Some(35_939))).unwrap();
}

#[test]
fn targets_that_hold_something_are_left_alone() {
    let node = Fixture::node_b();
    let dir = tempfile::tempdir().unwrap();
    let file = fixture("sealed.bin");
    let default = RestoreOptions::default();
    let replace = RestoreOptions {
        replace_tables: true,
        ..RestoreOptions::default()
    };
    // The very tables of the node, but its aggregate rows and cursor are its own.
    let before = all_rows(&node.checkpoint());
    let found = findings(&file, &node.checkpoint(), &default);
    assert!(
        matches!(found.as_slice(), [Finding::Exists { .. }]),
        "{found:?}"
    );
    assert_eq!(all_rows(&node.checkpoint()), before);

    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "mine").unwrap();
    let found = findings(&file, &full, &default);
    assert!(
        matches!(found.as_slice(), [Finding::InTheWay { .. }]),
        "{found:?}"
    );
    let found = findings(&file, &full.join("mine"), &default);
    assert!(
        matches!(found.as_slice(), [Finding::InTheWay { .. }]),
        "{found:?}"
    );
    for target in [dir.path().join("absent"), full.clone()] {
        let found = findings(&file, &target, &replace);
        assert!(
            matches!(found.first(), Some(Finding::NothingToReplace { .. })),
            "{found:?}"
        );
    }
    assert_eq!(names(&full), ["mine"]);
    assert_eq!(names(dir.path()), ["full"]);

    // An empty one is as good as none.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let report = restored(&file, &empty, &default).unwrap();
    assert_eq!(report.action, Action::Create);
    assert!(Database::open(&empty, &OpenOptions::default()).is_ok());
}

#[test]
fn a_database_in_use_is_refused() {
    let node = Fixture::node_b();
    let before = all_rows(&node.unflushed());
    let lock = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(node.unflushed().join("LOCK"))
        .unwrap();
    let options = RestoreOptions {
        replace_tables: true,
        ..RestoreOptions::default()
    };
    let found = findings(&fixture("counted.bin"), &node.unflushed(), &options);
    assert!(
        matches!(found.as_slice(), [Finding::Database(_)]),
        "{found:?}"
    );
    drop(lock);
    assert_eq!(all_rows(&node.unflushed()), before);
}

#[test]
fn what_can_be_read_only_once_is_refused_with_a_hint() {
    for path in ["-", "/dev/null"] {
        let error = VerifiedSnapshot::read(&[PathBuf::from(path)], &Progress::new()).unwrap_err();
        assert!(error.to_string().contains("save it to a file"), "{error}");
    }
}

#[test]
fn a_file_that_changes_between_the_two_readings_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let (file, target) = (dir.path().join("s.bin"), dir.path().join("db"));
    let (sealed, counted) = (
        fs::read(fixture("sealed.bin")).unwrap(),
        fs::read(fixture("counted.bin")).unwrap(),
    );
    let mut flipped = sealed.clone();
    flipped[20_000] ^= 1;
    for changed in [flipped, counted, sealed[..sealed.len() - 1].to_vec()] {
        fs::write(&file, &sealed).unwrap();
        let snapshot =
            VerifiedSnapshot::read(std::slice::from_ref(&file), &Progress::new()).unwrap();
        let plan = Plan::new(snapshot, &target, &RestoreOptions::default()).unwrap();
        fs::write(&file, changed).unwrap();
        let error = plan.build(&Progress::new()).expect_err("it changed");
        assert!(matches!(error, RestoreError::Changed { .. }), "{error}");
        assert_eq!(names(dir.path()), ["s.bin"]);
    }
}
