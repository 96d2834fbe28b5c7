//! Little of what the system grants: threads, open files. Never a panic, never an abort.

use std::path::Path;
use std::process::Command;

use crate::common::{blob_snapshot, checkpoint, cleaned, fixture, run, sealed_digest, temp_dir};

/// The binary with `args`, under a limit that a shell sets.
fn limited(limit: &str, dir: &Path, args: &[&str]) -> Command {
    let mut shell = cleaned(Command::new("sh"));
    shell
        .current_dir(dir)
        .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
        .arg(blob_snapshot().get_program())
        .args(args);
    shell
}

#[test]
fn too_few_open_files_are_named_with_their_limit() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let db = db.to_str().expect("UTF-8");
    run(&mut limited("ulimit -n 12", dir.path(), &["digest", db]))
        .refused(3, &["may have 12 open", "ulimit -n"]);
}

/// Limits on the number of processes hold for other users than root only, whom a test cannot become.
/// A stack that no address space has room for is the same to whoever begins a thread.
#[test]
fn without_threads_a_command_does_it_alone_or_says_why_not() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let db = db.to_str().expect("UTF-8");
    let snapshot = fixture("sealed.bin");
    let snapshot = snapshot.to_str().expect("UTF-8");
    for args in [
        &["digest", snapshot][..],
        &["verify", snapshot],
        &["inspect", snapshot],
        &["digest", db],
        &["create", "--db", db, "--epoch", "11", "--output", "x.bin"],
        &[
            "create",
            "--db",
            db,
            "--epoch",
            "11",
            "--output",
            "x.bin.zst",
        ],
        &["check", "--db", db],
        &["diff", snapshot, snapshot],
        &["diff", db, snapshot],
        &["fingerprint", snapshot],
        &["dump", snapshot],
        &["restore", snapshot, "--db", "new"],
    ] {
        let mut command = blob_snapshot();
        command
            .current_dir(dir.path())
            .env("RUST_MIN_STACK", "100000000000000")
            .args(args);
        let outcome = run(&mut command);
        match outcome.code {
            Some(0) => {}
            Some(3) => assert!(
                outcome.stderr.contains("ulimit -u"),
                "{args:?}: {}",
                outcome.stderr
            ),
            code => panic!("{args:?}: {code:?}, {}", outcome.stderr),
        }
        if args == ["digest", snapshot] {
            assert!(
                outcome.text().starts_with(&sealed_digest()),
                "{}",
                outcome.text()
            );
        }
    }
}
