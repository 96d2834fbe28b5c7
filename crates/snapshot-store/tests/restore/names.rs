//! How a clone takes the name of its original: by one rename or two, interrupted at the worst moment, and
//! what becomes of the old database, owners and locks.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;
use snapshot_store::Progress;
use snapshot_store::lock::{LockState, hold, holder};
use snapshot_store::restore::{
    Action, Finding, Plan, RestoreError, RestoreOptions, RestoreStep, VerifiedSnapshot,
};
use tempfile::TempDir;

use crate::replace::{
    assert_replaced, contents, node_database, options, restored_watched, snapshot,
};
use crate::support::{names, restored};

/// A database, and a snapshot beside it.
fn node() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    node_database(&target);
    let file = snapshot(dir.path());
    (dir, target, file)
}

fn keep_old() -> RestoreOptions {
    RestoreOptions {
        keep_old: true,
        ..options(true)
    }
}

/// Has every exchange fail as on a file system that has none, and `last` happen before the end.
fn without_exchange(
    last: impl Fn() -> io::Result<()>,
) -> impl FnMut(RestoreStep) -> io::Result<()> {
    move |step| match step {
        RestoreStep::Exchange => Err(Errno::INVAL.into()),
        RestoreStep::CleanUp => last(),
        _ => Ok(()),
    }
}

/// Leaves a directory as a run that is killed between the two renames does.
fn killed_between_renames(target: &Path, file: &Path) {
    let failed = || Err(io::Error::other("as told"));
    let error = restored_watched(file, target, true, without_exchange(failed)).unwrap_err();
    assert!(matches!(error, RestoreError::NotDurable { .. }), "{error}");
    let staging = target.with_file_name("db.restore.tmp");
    assert!(staging.join("old/CURRENT").exists());
    fs::rename(target, staging.join("db")).unwrap();
}

#[test]
fn without_an_exchange_two_renames_do_it() {
    let (dir, target, file) = node();
    let report = restored_watched(&file, &target, true, without_exchange(|| Ok(()))).unwrap();
    assert_eq!(report.action, Action::Replace);
    assert_replaced(&target);
    assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
}

#[test]
fn an_exchange_that_fails_otherwise_changes_nothing() {
    let (dir, target, file) = node();
    let before = contents(&target);
    let error = restored_watched(&file, &target, true, |step| match step {
        RestoreStep::Exchange => Err(Errno::XDEV.into()),
        _ => Ok(()),
    })
    .unwrap_err();
    assert!(matches!(error, RestoreError::Exchange { .. }), "{error}");
    assert_eq!(contents(&target), before);
    assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
}

#[test]
fn a_missing_name_is_given_by_the_next_run_whatever_it_was_told() {
    for replace in [true, false] {
        let (dir, target, file) = node();
        killed_between_renames(&target, &file);
        // A look changes nothing.
        let snapshot =
            VerifiedSnapshot::read(std::slice::from_ref(&file), &Progress::new()).unwrap();
        let plan = Plan::new(snapshot, &target, &options(replace)).unwrap();
        assert_eq!(plan.preflight().action, Action::Nothing);
        assert!(!target.exists());
        drop(plan);
        let report = restored(&file, &target, &options(replace)).unwrap();
        assert_eq!(report.action, Action::Nothing);
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
    }
    // Another snapshot does not make a database beside the one that has no name.
    let (dir, target, file) = node();
    killed_between_renames(&target, &file);
    let other = dir.path().join("other.bin");
    fs::write(&other, crate::common::Fixture::node_b().counted()).unwrap();
    let refused = restored(&other, &target, &RestoreOptions::default());
    assert!(
        matches!(&refused, Err(RestoreError::Refused { findings })
            if matches!(findings[..], [Finding::Exists { .. }])),
        "{refused:?}"
    );
    let replace = RestoreOptions {
        replace_tables: true,
        ..RestoreOptions::default()
    };
    assert_eq!(
        restored(&other, &target, &replace).unwrap().action,
        Action::Replace
    );
    restored(&file, &target, &options(true)).unwrap();
    assert_replaced(&target);
}

#[test]
fn the_old_database_is_kept_if_that_is_asked_for() {
    let (dir, target, file) = node();
    let before = contents(&target);
    let report = restored(&file, &target, &keep_old()).unwrap();
    assert_eq!(report.action, Action::Replace);
    assert_replaced(&target);
    assert_eq!(contents(&dir.path().join("db.old")), before);
    assert_eq!(names(dir.path()), ["db", "db.old", "snapshot.bin"]);
    // It is never overwritten.
    fs::write(target.join("IDENTITY"), "another").unwrap();
    let again = RestoreOptions {
        cursor: crate::support::told(7).cursor,
        ..keep_old()
    };
    let refused = restored(&file, &target, &again);
    assert!(
        matches!(&refused, Err(RestoreError::Refused { findings })
            if matches!(findings[..], [Finding::InTheWay { .. }])),
        "{refused:?}"
    );
    assert_eq!(contents(&dir.path().join("db.old")), before);
}

#[test]
fn the_old_database_is_kept_by_the_run_after_the_one_that_was_killed() {
    for two_renames in [false, true] {
        let (dir, target, file) = node();
        let before = contents(&target);
        let error = restored_watched(&file, &target, true, |step| match step {
            RestoreStep::Exchange if two_renames => Err(Errno::NOSYS.into()),
            RestoreStep::CleanUp => Err(io::Error::other("as told")),
            _ => Ok(()),
        });
        assert!(error.is_err());
        let report = restored(&file, &target, &keep_old()).unwrap();
        assert_eq!(report.action, Action::Nothing);
        assert_replaced(&target);
        assert_eq!(contents(&dir.path().join("db.old")), before);
        assert_eq!(names(dir.path()), ["db", "db.old", "snapshot.bin"]);
    }
}

/// Replaces the tables, as told, in a run that does not get to the end, and to the exchange if `two_renames` without
/// the system's.
fn not_ended(target: &Path, file: &Path, options: &RestoreOptions, two_renames: bool) {
    let progress = Progress::new();
    let snapshot = VerifiedSnapshot::read(&[file.to_path_buf()], &progress).unwrap();
    let plan = Plan::new(snapshot, target, options).unwrap();
    let tables = plan.build(&progress).unwrap();
    let built = tables.build_aggregate(&progress).unwrap();
    let error = built.install_watched(&progress, |step| match step {
        RestoreStep::Exchange if two_renames => Err(Errno::NOSYS.into()),
        RestoreStep::CleanUp => Err(io::Error::other("as told")),
        _ => Ok(()),
    });
    assert!(error.is_err());
}

#[test]
fn what_gets_the_missing_name_does_not_cost_the_database() {
    for content in [None, Some("CURRENT"), Some("file")] {
        let (dir, target, file) = node();
        let before = contents(&target);
        killed_between_renames(&target, &file);
        fs::create_dir(&target).unwrap();
        if let Some(name) = content {
            fs::write(target.join(name), "").unwrap();
        }
        let old = dir.path().join("db.restore.tmp/old");
        for options in [options(true), options(false), keep_old()] {
            let refused = restored(&file, &target, &options);
            let Err(RestoreError::Refused { findings }) = refused else {
                panic!("{refused:?}");
            };
            let is_it =
                |it: &Finding| matches!(it, Finding::Displaced { old: it, .. } if *it == old);
            assert!(findings.iter().any(is_it), "{findings:?}");
            assert_eq!(contents(&old), before);
        }
        // As it says.
        fs::rename(&target, dir.path().join("away")).unwrap();
        let report = restored(&file, &target, &options(true)).unwrap();
        assert_eq!(report.action, Action::Nothing);
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["away", "db", "snapshot.bin"]);
    }
}

#[test]
fn what_was_begun_to_be_removed_is_not_kept() {
    for two_renames in [false, true] {
        let (dir, target, file) = node();
        not_ended(&target, &file, &options(true), two_renames);
        // A run that is killed while it removes the old one.
        let staging = dir.path().join("db.restore.tmp");
        let old = staging.join(if two_renames { "old" } else { "db" });
        fs::rename(&old, staging.join("removing")).unwrap();
        fs::remove_file(staging.join("removing/CURRENT")).unwrap();
        let report = restored(&file, &target, &keep_old()).unwrap();
        assert_eq!(report.action, Action::Nothing);
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
    }
}

#[test]
fn what_a_killed_run_was_to_keep_is_kept_before_anything_else_is_looked_at() {
    for two_renames in [false, true] {
        for (kind, next) in [options(true), options(false), keep_old()]
            .iter()
            .enumerate()
        {
            let (dir, target, file) = node();
            let before = contents(&target);
            not_ended(&target, &file, &keep_old(), two_renames);
            // A node starts, and its tables are no longer those of the snapshot.
            drop(crate::replace::create_database_with_other(&target));
            let next = RestoreOptions {
                cursor: crate::support::told(7).cursor,
                ..next.clone()
            };
            // A look says what will be in the way, and changes nothing.
            let snapshot = VerifiedSnapshot::read(std::slice::from_ref(&file), &Progress::new());
            let plan = Plan::new(snapshot.unwrap(), &target, &next).unwrap();
            assert_eq!(plan.preflight().findings.len(), usize::from(kind > 0));
            drop(plan);
            assert!(!dir.path().join("db.old").exists());
            // Nor is it waited for that the snapshot can be read.
            if kind == 0 {
                restored(&dir.path().join("missing"), &target, &next).unwrap_err();
                assert_eq!(names(dir.path()), ["db", "db.old", "snapshot.bin"]);
            }
            let done = restored(&file, &target, &next);
            assert_eq!(contents(&dir.path().join("db.old")), before);
            assert_eq!(names(dir.path()), ["db", "db.old", "snapshot.bin"]);
            match (kind, done) {
                (0, Ok(report)) => assert_eq!(report.action, Action::Replace),
                (1, Err(RestoreError::Refused { findings })) => {
                    assert!(matches!(findings[..], [Finding::Exists { .. }]));
                }
                (2, Err(RestoreError::Refused { findings })) => {
                    assert!(matches!(findings[..], [Finding::InTheWay { .. }]));
                }
                (_, other) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn what_has_the_names_beside_the_target_is_found_before_anything_is_built() {
    let (dir, target, file) = node();
    let staging = dir.path().join("db.restore.tmp");
    let findings = |options: &RestoreOptions| {
        let snapshot = VerifiedSnapshot::read(std::slice::from_ref(&file), &Progress::new());
        let plan = Plan::new(snapshot.unwrap(), &target, options).unwrap();
        plan.preflight()
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(findings(&keep_old()), [""; 0]);
    fs::write(dir.path().join("db.old"), "").unwrap();
    std::os::unix::fs::symlink("/nowhere", &staging).unwrap();
    let found = findings(&keep_old());
    assert_eq!(found.len(), 2, "{found:?}");
    for name in ["db.restore.tmp ", "db.old "] {
        assert!(found.iter().any(|it| it.contains(name)), "{found:?}");
    }
    fs::remove_file(&staging).unwrap();
    fs::write(&staging, "").unwrap();
    assert_eq!(findings(&options(true)).len(), 1);
    fs::remove_file(&staging).unwrap();
    fs::create_dir(&staging).unwrap();
    assert_eq!(findings(&options(true)).len(), 0);
    fs::write(staging.join("mine"), "").unwrap();
    assert_eq!(findings(&options(true)).len(), 1);
}

#[test]
fn a_snapshot_in_a_leftover_is_not_removed_with_it() {
    let (dir, target, file) = node();
    not_ended(&target, &file, &options(true), false);
    let inside = dir.path().join("db.restore.tmp/snapshot.bin");
    fs::rename(&file, &inside).unwrap();
    fs::write(target.join("IDENTITY"), "another").unwrap();
    let other = RestoreOptions {
        cursor: crate::support::told(7).cursor,
        ..options(true)
    };
    let refused = restored(&inside, &target, &other);
    assert!(
        matches!(&refused, Err(RestoreError::Refused { findings })
            if matches!(findings[..], [Finding::Temporary { .. }])),
        "{refused:?}"
    );
    assert!(inside.exists());
}

#[test]
fn leftovers_of_every_kind_are_removed() {
    let clone_of = |target: &Path, staging: &Path| {
        fs::create_dir(staging.join("db")).unwrap();
        for (name, bytes) in contents(target) {
            fs::write(staging.join("db").join(name), bytes).unwrap();
        }
    };
    for kind in 0..5 {
        let (dir, target, file) = node();
        let staging = dir.path().join("db.restore.tmp");
        fs::create_dir(&staging).unwrap();
        if kind > 0 {
            fs::write(staging.join("RESTORE-UNFINISHED"), "").unwrap();
        }
        if kind > 1 {
            clone_of(&target, &staging);
        }
        if kind > 2 {
            // That of a directory which is gone, or half of it.
            fs::write(
                staging.join("READY"),
                if kind == 3 { "1 2 keep\n" } else { "" },
            )
            .unwrap();
        }
        if kind > 3 {
            fs::remove_file(staging.join("db/CURRENT")).unwrap();
        }
        restored(&file, &target, &options(true)).unwrap();
        assert_replaced(&target);
        assert_eq!(names(dir.path()), ["db", "snapshot.bin"], "{kind}");
    }
}

#[test]
fn the_lock_is_held_from_the_first_look_to_the_end() {
    let (_dir, target, file) = node();
    let locked = |when: &str| {
        // As another process sees it: one that asks for the lock of this file is refused.
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "names::asks_for_the_lock", "--nocapture"])
            .env(ASKED, &target)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(said.contains("asked: held"), "{when}: {said}");
    };
    let progress = Progress::new();
    let snapshot = VerifiedSnapshot::read(&[file], &progress).unwrap();
    let plan = Plan::new(snapshot, &target, &options(true)).unwrap();
    locked("plan");
    // Nor does this process, by asking, drop it.
    assert_eq!(holder(&target).unwrap(), LockState::Free);
    assert!(hold(&target).unwrap().is_err());
    locked("asked");
    let built = plan
        .build(&progress)
        .unwrap()
        .build_aggregate(&progress)
        .unwrap();
    locked("built");
    let watched = built.install_watched(&progress, |step| {
        if step != RestoreStep::CleanUp {
            locked(&format!("{step:?}"));
        }
        Ok(())
    });
    watched.unwrap();
    assert!(hold(&target).unwrap().is_ok());
}

const ASKED: &str = "SNAPSHOT_STORE_TEST_ASKED";

/// The child: nothing without a database.
#[test]
fn asks_for_the_lock() {
    let Ok(target) = std::env::var(ASKED) else {
        return;
    };
    let held = matches!(holder(Path::new(&target)), Ok(LockState::Held { .. }));
    println!("asked: {}", if held { "held" } else { "free" });
}

#[test]
fn a_node_that_starts_meanwhile_on_a_database_without_a_lock_keeps_it() {
    let (dir, target, file) = node();
    fs::remove_file(target.join("LOCK")).unwrap();
    let error = restored_watched(&file, &target, true, |step| {
        if step == RestoreStep::Sync {
            fs::write(target.join("LOCK"), "")?;
        }
        Ok(())
    })
    .unwrap_err();
    assert!(matches!(error, RestoreError::Started { .. }), "{error}");
    assert_eq!(names(dir.path()), ["db", "snapshot.bin"]);
}

#[test]
fn what_appears_has_the_modes_of_what_was_there() {
    let (_dir, target, file) = node();
    let root = geteuid().is_root();
    let owner = if root {
        (65_534, 65_534)
    } else {
        (geteuid().as_raw(), fs::metadata(&target).unwrap().gid())
    };
    for (name, _) in contents(&target) {
        let path = target.join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        if root {
            std::os::unix::fs::chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        }
    }
    fs::set_permissions(&target, Permissions::from_mode(0o751)).unwrap();
    if root {
        std::os::unix::fs::chown(&target, Some(owner.0), Some(owner.1)).unwrap();
    }
    let report = restored(&file, &target, &options(true)).unwrap();
    assert_eq!(report.warnings, []);
    let found = fs::metadata(&target).unwrap();
    assert_eq!(
        (found.mode() & 0o7777, found.uid(), found.gid()),
        (0o751, owner.0, owner.1)
    );
    for name in names(&target) {
        let found = fs::metadata(target.join(&name)).unwrap();
        assert_eq!(
            (found.mode() & 0o7777, found.uid(), found.gid()),
            (0o640, owner.0, owner.1),
            "{name}"
        );
    }
    // A new one is like the directory in which it appears.
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o750)).unwrap();
    let new = home.path().join("new");
    restored(&file, &new, &options(false)).unwrap();
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o7777, 0o750);
    for name in names(&new) {
        let mode = fs::metadata(new.join(&name)).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o640, "{name}");
    }
}
