//! Sets of files take the place of others as a whole, whatever fails or is killed in between.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use snapshot_store::publish::{FileSet, PublishError, PublishWarning, Replace, SetStep};

use crate::child::{self, Running};
use crate::{names, output};

const MEMBERS: [&str; 3] = ["a", "b", "c"];
/// The step that a child stops at, by its number.
const STOP: &str = "SNAPSHOT_STORE_TEST_STOP";

fn begin(whole: &Path, replace: Replace, what: &str) -> Result<FileSet, PublishError> {
    let mut set = FileSet::begin(whole, replace)?;
    for name in MEMBERS {
        let mut file = set.file(&whole.with_file_name(name))?;
        file.append(format!("{what} {name}").as_bytes())?;
        set.add(file)?;
    }
    Ok(set)
}

fn write(whole: &Path, replace: Replace, what: &str) -> Result<Vec<PublishWarning>, PublishError> {
    begin(whole, replace, what)?.publish()
}

/// The files in a directory, and the hidden names in it.
fn state(dir: &Path) -> (BTreeMap<String, String>, Vec<String>) {
    let (hidden, files): (Vec<_>, Vec<_>) = names(dir)
        .into_iter()
        .partition(|name| name.starts_with('.'));
    let read = |name: String| {
        let text = fs::read_to_string(dir.join(&name)).unwrap();
        (name, text)
    };
    (files.into_iter().map(read).collect(), hidden)
}

fn whole_set(what: &str) -> BTreeMap<String, String> {
    let file = |name: &str| (name.to_owned(), format!("{what} {name}"));
    MEMBERS.into_iter().map(file).collect()
}

/// How many steps it takes to replace a set.
fn steps() -> Vec<SetStep> {
    let (_dir, path) = output();
    write(&path, Replace::Refuse, "old").unwrap();
    let mut steps = Vec::new();
    begin(&path, Replace::Allow, "new")
        .unwrap()
        .publish_watched(|step| {
            steps.push(step);
            Ok(())
        })
        .unwrap();
    steps
}

#[test]
fn a_set_appears_as_a_whole_and_replaces_another_only_if_allowed() {
    let (dir, path) = output();
    let set = begin(&path, Replace::Refuse, "old").unwrap();
    assert_eq!(names(dir.path()), [".out.bin.chunks.tmp"]);
    assert!(set.publish().unwrap().is_empty());
    assert_eq!(state(dir.path()), (whole_set("old"), vec![]));

    let error = write(&path, Replace::Refuse, "new").unwrap_err();
    assert!(matches!(error, PublishError::Exists { .. }), "{error}");
    assert_eq!(state(dir.path()), (whole_set("old"), vec![]));

    drop(begin(&path, Replace::Allow, "new").unwrap());
    assert_eq!(state(dir.path()), (whole_set("old"), vec![]));

    write(&path, Replace::Allow, "new").unwrap();
    assert_eq!(state(dir.path()), (whole_set("new"), vec![]));
}

#[test]
fn a_file_that_appears_in_between_is_not_replaced() {
    let (dir, path) = output();
    let set = begin(&path, Replace::Refuse, "new").unwrap();
    fs::write(dir.path().join("b"), "another's").unwrap();
    assert!(matches!(set.publish(), Err(PublishError::Exists { .. })));
    let left = BTreeMap::from([("b".to_owned(), "another's".to_owned())]);
    assert_eq!(state(dir.path()), (left, vec![]));
}

#[test]
fn a_step_that_fails_leaves_the_old_set() {
    let steps = steps();
    assert!(steps.len() >= 10, "{steps:?}");
    for (at, step) in steps.iter().enumerate() {
        let (dir, path) = output();
        write(&path, Replace::Refuse, "old").unwrap();
        let mut told = 0;
        let error = begin(&path, Replace::Allow, "new")
            .unwrap()
            .publish_watched(|_| {
                told += 1;
                match told > at {
                    true => Err(io::Error::other("injected")),
                    false => Ok(()),
                }
            })
            .unwrap_err();
        assert!(error.to_string().contains("injected"), "{error}");
        assert_eq!(state(dir.path()), (whole_set("old"), vec![]), "{step:?}");
    }
}

/// The part of a child: replaces a set, and waits for its end at one step.
pub(crate) fn exchange(path: &Path) {
    let stop: usize = env::var(STOP).unwrap().parse().unwrap();
    let mut told = 0;
    let set = begin(path, Replace::Allow, "new").unwrap();
    set.publish_watched(|_| {
        if told == stop {
            println!("child says: stopped");
            loop {
                std::thread::park();
            }
        }
        told += 1;
        Ok(())
    })
    .unwrap();
}

fn killed_at(stop: usize, path: &Path) {
    let mut command = child::command(&[], "exchange a set", path);
    command.env(STOP, stop.to_string());
    let mut running = Running::start(command);
    assert_eq!(running.said().as_deref(), Some("stopped"));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
}

#[test]
fn a_kill_at_any_step_mixes_nothing_and_the_next_run_has_the_old_set_or_the_new() {
    let steps = steps();
    for (stop, step) in steps.iter().enumerate() {
        let (dir, path) = output();
        write(&path, Replace::Refuse, "old").unwrap();
        killed_at(stop, &path);
        let (left, _) = state(dir.path());
        let all_of = |what: &str| left.values().all(|text| text.starts_with(what));
        assert!(all_of("old") || all_of("new"), "{step:?}: {left:?}");

        let put_back = FileSet::recover(&path).unwrap();
        let moved = (SetStep::SyncAside..SetStep::Done).contains(step)
            || *step == SetStep::MoveAside && left.len() < MEMBERS.len();
        assert_eq!(
            put_back,
            moved && *step != SetStep::SyncDirectory,
            "{step:?}"
        );
        let what = match step {
            SetStep::SyncDirectory | SetStep::Done => "new",
            _ => "old",
        };
        assert_eq!(state(dir.path()), (whole_set(what), vec![]), "{step:?}");
        assert!(!FileSet::recover(&path).unwrap());
        write(&path, Replace::Allow, "third").unwrap();
        assert_eq!(state(dir.path()), (whole_set("third"), vec![]), "{step:?}");
    }
}

#[test]
fn a_killed_first_set_is_no_obstacle() {
    let (dir, path) = output();
    // Two of three are in place.
    killed_at(steps_before_last_place(), &path);
    assert_eq!(state(dir.path()).0.len(), 2);
    write(&path, Replace::Refuse, "second").unwrap();
    assert_eq!(state(dir.path()), (whole_set("second"), vec![]));
}

fn steps_before_last_place() -> usize {
    let steps = steps();
    steps
        .iter()
        .rposition(|step| *step == SetStep::Place)
        .unwrap()
}

#[test]
fn what_another_put_in_the_place_is_not_removed() {
    let (dir, path) = output();
    write(&path, Replace::Refuse, "old").unwrap();
    killed_at(steps_before_last_place(), &path);
    fs::remove_file(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a"), "another's").unwrap();
    for replace in [Replace::Refuse, Replace::Allow] {
        let error = write(&path, replace, "new").unwrap_err();
        assert!(matches!(error, PublishError::Foreign { .. }), "{error}");
        let text = fs::read_to_string(dir.path().join("a")).unwrap();
        assert_eq!(text, "another's");
        let old = dir.path().join(".out.bin.chunks.tmp/old/a");
        assert_eq!(fs::read_to_string(old).unwrap(), "old a");
    }
    fs::remove_file(dir.path().join("a")).unwrap();
    assert!(FileSet::recover(&path).unwrap());
    assert_eq!(state(dir.path()), (whole_set("old"), vec![]));
}

#[test]
fn two_runs_do_not_make_one_set() {
    let (dir, path) = output();
    let first = begin(&path, Replace::Refuse, "first").unwrap();
    let error = write(&path, Replace::Allow, "second").unwrap_err();
    assert!(matches!(error, PublishError::Busy { .. }), "{error}");
    first.publish().unwrap();
    assert_eq!(state(dir.path()), (whole_set("first"), vec![]));
}

#[test]
fn a_directory_that_is_no_stage_is_refused_and_stays() {
    let stage = |path: &Path| path.with_file_name(".out.bin.chunks.tmp");
    let make: [fn(PathBuf); 5] = [
        |stage| fs::write(stage, "a file").unwrap(),
        |stage| {
            fs::create_dir(&stage).unwrap();
            fs::write(stage.join("mine"), "precious").unwrap();
        },
        |stage| {
            fs::create_dir(&stage).unwrap();
            fs::write(stage.join("set"), "tennis").unwrap();
        },
        |stage| {
            fs::create_dir_all(stage.join("old")).unwrap();
            fs::write(stage.join("old/a"), "precious").unwrap();
        },
        |stage| {
            fs::create_dir(&stage).unwrap();
            std::os::unix::fs::symlink("/tmp", stage.join("new")).unwrap();
        },
    ];
    for make in make {
        let (dir, path) = output();
        make(stage(&path));
        let error = write(&path, Replace::Allow, "new").unwrap_err();
        assert!(matches!(error, PublishError::NotStage { .. }), "{error}");
        assert_eq!(names(dir.path()), [".out.bin.chunks.tmp"]);
        let left = stage(&path);
        let kept = left.is_file()
            || left.join("mine").exists()
            || left.join("old/a").exists()
            || left.join("new").is_symlink()
            || fs::read_to_string(left.join("set")).unwrap() == "tennis";
        assert!(kept);
    }
}

#[test]
fn what_is_no_file_is_not_moved_aside() {
    let (dir, path) = output();
    let make: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        crate::make_fifo,
    ];
    for make in make {
        make(&dir.path().join("b"));
        assert!(write(&path, Replace::Allow, "new").is_err());
        assert_eq!(names(dir.path()), ["b"]);
        let b = dir.path().join("b");
        let _ = fs::remove_dir(&b).or_else(|_| fs::remove_file(&b));
    }
}

#[test]
fn others_that_a_set_replaces_go_with_the_old_files_and_come_back_with_them() {
    let (dir, path) = output();
    write(&path, Replace::Refuse, "old").unwrap();
    let other = dir.path().join("other");
    fs::write(&other, "old other").unwrap();
    let before = state(dir.path());
    let begin = || {
        let mut set = begin(&path, Replace::Allow, "new").unwrap();
        set.replace_too(&other).unwrap();
        set
    };
    for failing in [SetStep::SyncAside, SetStep::Place, SetStep::Done] {
        let failed = begin().publish_watched(|step| match step {
            step if step == failing => Err(io::Error::other("told to fail")),
            _ => Ok(()),
        });
        failed.unwrap_err();
        assert_eq!(state(dir.path()), before, "{failing:?}");
    }
    begin().publish().unwrap();
    assert_eq!(state(dir.path()), (whole_set("new"), vec![]));
}
