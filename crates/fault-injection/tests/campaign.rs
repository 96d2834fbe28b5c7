//! The campaign: a command that keeps its promises passes, one that does not is found.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes in place what has to appear whole.
const IN_PLACE: &str = r#"#!/bin/sh
[ "$1" = convert ] && exec "$REAL" convert "$2" --framing counted -o - > out.bin
exec "$REAL" "$@"
"#;

/// Succeeds although it could not write.
const CARELESS: &str = r#"#!/bin/sh
"$REAL" "$@" || [ "$1" = convert ]
"#;

/// Built beside this crate's own program.
fn real() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_fault-injection")).with_file_name("blob-snapshot")
}

fn campaign(program: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fault-injection"))
        .args(arguments)
        .env("BLOB_SNAPSHOT_BIN", program)
        .env("REAL", real())
        .output()
        .expect("it runs")
}

fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("program");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_command_that_keeps_its_promises_passes() {
    let output = campaign(&real(), &["--only", "convert"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = text(&output);
    let kinds = ["eio", "enospc", "eacces", "full", "read", "torn", "kill"];
    for kind in kinds.map(|kind| format!("convert                {kind} ")) {
        assert!(text.lines().any(|line| line.starts_with(&kind)), "{text}");
    }
}

#[test]
fn a_file_that_is_written_in_place_is_found_and_shown_alone() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), IN_PLACE);
    let output = campaign(&program, &["--only", "convert", "--kinds", "torn,kill"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output);
    let (_, case) = text.split_once("--case '").expect("a way to show it again");
    let (case, _) = case.split_once('\'').expect("its end");
    let alone = campaign(&program, &["--case", case]);
    assert_eq!(alone.status.code(), Some(1), "{alone:?}");
    let told = String::from_utf8_lossy(&alone.stdout).into_owned();
    assert!(told.contains("violation: out.bin is neither"), "{told}");
    let (_, kept) = told.split_once("its directory is ").expect("it is kept");
    let root = Path::new(kept.trim())
        .ancestors()
        .nth(2)
        .expect("the campaign's own");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn success_without_an_output_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), CARELESS);
    let output = campaign(&program, &["--only", "convert", "--kinds", "eio"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = text(&output);
    assert!(text.contains("success without out.bin"), "{text}");
}
