//! A restore that is killed at any of its steps, and begun again, ends with the same rows.
//!
//! Each is a process of its own: this test binary, started again for one test.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getpid, kill_process};
use snapshot_store::restore::{Action, RestoreStep};

use crate::replace::{
    assert_replaced, contents, expected_rows, node_database, options, restored_watched, snapshot,
    steps,
};
use crate::support::{all_rows, names, restored};

const TARGET: &str = "SNAPSHOT_STORE_TEST_TARGET";
const STEP: &str = "SNAPSHOT_STORE_TEST_STEP";
const REPLACE: &str = "SNAPSHOT_STORE_TEST_REPLACE";

/// Restores to `db` in `dir` in a process that is killed before step number `step`.
fn killed(dir: &Path, step: usize, replace: bool) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kills::is_killed", "--nocapture"])
        .env(TARGET, dir)
        .env(STEP, step.to_string())
        .env(REPLACE, replace.to_string())
        .output()
        .unwrap();
    let killed = Some(Signal::KILL.as_raw());
    assert_eq!(output.status.signal(), killed, "{output:?}");
}

/// The child: nothing without a directory.
#[test]
fn is_killed() {
    let Ok(dir) = env::var(TARGET) else { return };
    let dir = Path::new(&dir);
    let at: usize = env::var(STEP).unwrap().parse().unwrap();
    let replace = env::var(REPLACE).unwrap() == "true";
    let mut taken = 0;
    let file = dir.join("snapshot.bin");
    let done = restored_watched(&file, &dir.join("db"), replace, |_| {
        if taken == at {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        taken += 1;
        Ok(())
    });
    panic!("not killed: {done:?}");
}

#[test]
fn a_new_database_is_there_whole_or_not_at_all() {
    let expected = expected_rows();
    let steps = steps(false);
    for (number, step) in steps.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        let file = snapshot(dir.path());
        killed(dir.path(), number, false);
        let there = target.exists();
        if there {
            assert_eq!(all_rows(&target), expected, "{step:?}");
        }
        let report = restored(&file, &target, &options(false)).expect("the second time");
        let action = if there {
            Action::Nothing
        } else {
            Action::Create
        };
        assert_eq!(report.action, action, "{step:?}");
        assert_eq!(all_rows(&target), expected, "{step:?}");
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"], "{step:?}");
    }
}

#[test]
fn a_killed_replacement_is_the_old_database_or_the_new_one() {
    for (number, step) in steps(true).iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("db");
        node_database(&target);
        let before = contents(&target);
        let file = snapshot(dir.path());
        // Twice killed is no worse.
        for _ in 0..2 {
            killed(dir.path(), number, true);
            if *step == RestoreStep::CleanUp {
                assert_replaced(&target);
                break;
            }
            assert_eq!(contents(&target), before, "{step:?}");
        }
        let report = restored(&file, &target, &options(true)).expect("the last time");
        let finished = report.action == Action::Nothing;
        assert_eq!(finished, *step == RestoreStep::CleanUp, "{step:?}");
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"], "{step:?}");
    }
}
