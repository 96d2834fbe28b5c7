//! Results that cannot be printed: a failure, but for a reader that has gone away.

use std::fs::{self, File};
use std::io;
use std::process::Command;

use crate::common::{TempDir, blob_snapshot, checkpoint, fixture, run, temp_dir};

/// Command lines that print something, one or more of each command.
const COMMANDS: [&[&str]; 21] = [
    &["--help"],
    &["--version"],
    &["create", "--help"],
    &["help", "verify"],
    &["completions", "bash"],
    &["man", "--out", "."],
    &["verify", "a.bin"],
    &["verify", "a.bin", "--json"],
    &["inspect", "a.bin"],
    &["digest", "a.bin"],
    &["fingerprint", "a.bin"],
    &["compare", "a.bin", "a.bin"],
    &["diff", "a.bin", "a.bin"],
    &["report", "a.bin", "-o", "page.html", "-f"],
    &["report", "a.bin", "-o", "-"],
    &["dump", "a.bin"],
    &["dump", "a.bin", "--format", "parquet"],
    &[
        "convert",
        "a.bin",
        "--framing",
        "sealed",
        "-o",
        "c.bin",
        "-f",
    ],
    &[
        "split",
        "a.bin",
        "--max-chunk-size",
        "9KiB",
        "-o",
        "s.bin",
        "-f",
    ],
    &["join", "a.bin", "-o", "j.bin", "-f"],
    &["check", "--db", "checkpoint_epoch_11"],
];

fn prepared() -> TempDir {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("a.bin")).expect("copy");
    checkpoint(dir.path());
    dir
}

fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = blob_snapshot();
    command.current_dir(dir.path()).args(args);
    command
}

fn full() -> File {
    File::options()
        .write(true)
        .open("/dev/full")
        .expect("a full device")
}

#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let dir = prepared();
    for args in COMMANDS {
        let child = command(&dir, args).stdout(full()).output().expect("starts");
        let stderr = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(3), "{args:?}: {stderr}");
        assert!(
            stderr.contains("error") && stderr.contains("No space left"),
            "{args:?}: {stderr}"
        );
    }
    // When standard output carries a snapshot, the result goes to standard error.
    let mut convert = command(
        &dir,
        &["convert", "a.bin", "--framing", "sealed", "-o", "-"],
    );
    let outcome = convert.stderr(full()).output().expect("starts");
    assert_eq!(outcome.status.code(), Some(3));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = prepared();
    for args in COMMANDS {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let outcome = command(&dir, args).stdout(writer).output().expect("starts");
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        // A part of a document is of no use, unlike lines.
        let is_document = args[0] == "fingerprint"
            || args.contains(&"parquet")
            || (args[0] == "report" && args.contains(&"-"));
        let code = if is_document { 3 } else { 0 };
        assert_eq!(outcome.status.code(), Some(code), "{args:?}: {stderr}");
    }
    run(&mut command(&dir, &["verfy"])).exits(2);
}
