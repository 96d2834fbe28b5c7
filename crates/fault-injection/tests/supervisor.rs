//! The supervisor: which operations it sees, and what each kind of fault does to a program.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Writes a file, syncs it, and gives it its name.
const PROGRAM: &str = "printf 12345678 > a && sync a && mv a b";

/// Runs the program in `dir`, and returns what the supervisor tells.
fn watch(dir: &Path, arguments: &[&str], program: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fault-injection"))
        .args(["watch", "--below", "."])
        .args(arguments)
        .args(["--", "sh", "-c", program])
        .current_dir(dir)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Operations of the kind, by name, and how the program ended.
fn told(dir: &Path, arguments: &[&str]) -> (Vec<String>, String) {
    let told = watch(dir, arguments, PROGRAM);
    let (mut names, mut ended) = (Vec::new(), String::new());
    for line in told.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            [number, name, _] if number.parse::<u32>().is_ok() => names.push(name.to_owned()),
            _ if ended.is_empty() => line.clone_into(&mut ended),
            _ => {}
        }
    }
    (names, ended)
}

fn content(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[test]
fn operations_of_all_processes_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (names, ended) = told(dir.path(), &["--kind", "kill"]);
    assert_eq!(names, ["openat", "write", "fsync", "renameat2"]);
    assert_eq!(ended, "Code(0)");
    assert_eq!(content(&dir.path().join("b")).as_deref(), Some("12345678"));
}

#[test]
fn a_kill_comes_before_its_operation() {
    for (at, a, b) in [
        (1, None, None),
        (2, Some(""), None),
        (4, Some("12345678"), None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (_, ended) = told(dir.path(), &["--kind", "kill", "--at", &at.to_string()]);
        assert_eq!(ended, "Signal(SIGKILL)");
        assert_eq!(content(&dir.path().join("a")).as_deref(), a, "{at}");
        assert_eq!(content(&dir.path().join("b")).as_deref(), b, "{at}");
    }
}

#[test]
fn half_of_a_torn_write_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (names, ended) = told(dir.path(), &["--kind", "torn", "--at", "1"]);
    assert_eq!(
        (&*names, &*ended),
        (&["write".to_owned()][..], "Signal(SIGKILL)")
    );
    assert_eq!(content(&dir.path().join("a")).as_deref(), Some("1234"));
}

#[test]
fn an_operation_that_fails_is_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let told = watch(dir.path(), &["--kind", "eio", "--at", "4"], PROGRAM);
    assert!(told.contains("Input/output error"), "{told}");
    assert!(dir.path().join("a").exists() && !dir.path().join("b").exists());
}

#[test]
fn a_full_disk_stays_full() {
    let dir = tempfile::tempdir().unwrap();
    let program = "printf 12345678 > a; printf 1 > b; rm a; echo done";
    let told = watch(dir.path(), &["--kind", "full", "--at", "2"], program);
    assert!(told.contains("No space left"), "{told}");
    assert!(told.contains("done"), "{told}");
    assert!(!dir.path().join("a").exists() && !dir.path().join("b").exists());
}

#[test]
fn a_read_can_fail() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "text").unwrap();
    let all = watch(dir.path(), &["--kind", "read"], "cat a");
    let open = all
        .lines()
        .find(|line| line.contains(" openat "))
        .expect("it opens the file");
    let (number, _) = open.split_once(' ').expect("a number");
    let told = watch(dir.path(), &["--kind", "read", "--at", number], "cat a");
    assert!(told.contains("Input/output error"), "{told}");
}
