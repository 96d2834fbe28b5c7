//! Who holds a database, asked with real processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use snapshot_store::lock::{LockState, holder};

use crate::child::{self, Running};
use crate::names;

#[test]
fn nobody_holds_a_database_without_a_lock_or_with_a_free_one() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(holder(dir.path()).unwrap(), LockState::Absent);
    assert!(names(dir.path()).is_empty(), "nothing is created");

    let path = dir.path().join("LOCK");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(holder(dir.path()).unwrap(), LockState::Free);

    let error = holder(&dir.path().join("no")).unwrap_err();
    assert!(
        error.to_string().contains("whether a node is running"),
        "{error}"
    );
}

#[test]
fn a_process_that_holds_the_lock_is_named_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("LOCK");
    for killed in [false, true] {
        let mut running = Running::start(child::command(&[], "hold the lock", &lock));
        assert_eq!(running.said().as_deref(), Some("locked"));
        let pid = Some(running.child.id());
        // Asking does not take it away.
        for _ in 0..2 {
            assert_eq!(holder(dir.path()).unwrap(), LockState::Held { pid });
        }
        if killed {
            running.child.kill().unwrap();
            running.child.wait().unwrap();
        } else {
            running.finish();
        }
        assert_eq!(holder(dir.path()).unwrap(), LockState::Free);
    }
}

#[test]
fn the_lock_of_this_process_is_seen_and_survives_the_question() {
    let dir = tempfile::tempdir().unwrap();
    let file = child::lock(&dir.path().join("LOCK"));
    let own = LockState::Held {
        pid: Some(std::process::id()),
    };
    assert_eq!(holder(dir.path()).unwrap(), own);

    let ask = || {
        let mut running = Running::start(child::command(&[], "ask for the holder", dir.path()));
        let said = running.said().unwrap();
        running.finish();
        said
    };
    assert_eq!(ask(), format!("Ok({own:?})"));
    drop(file);
    assert_eq!(ask(), "Ok(Free)");
}
