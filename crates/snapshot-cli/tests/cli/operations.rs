//! The commands in `docs/operations.md` print what the document shows: each is run, in the document's order and
//! in one directory. `REWRITE_DOCS=1` writes what they print into the document.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{cleaned, fixture, run, sealed_digest, temp_dir, unpack};
use crate::report::variant;

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md")
}

/// What an operator has: a node's checkpoint, and a snapshot of another node that lacks a row.
fn prepare(dir: &Path) {
    let snapshots = dir.join("blob_info_snapshots");
    fs::create_dir(&snapshots).expect("made");
    unpack("checkpoint_epoch_11", &snapshots);
    fs::write(dir.join("node-b.bin"), variant(11, Some(100))).expect("written");
    fs::copy(fixture("sealed.bin"), dir.join("node-c.bin")).expect("copied");
}

/// What a shell prints for `command` in `dir`.
fn shell(command: &str, dir: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_blob-snapshot"));
    let mut path = binary.parent().expect("a directory").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a path"));
    let mut shell = cleaned(Command::new("sh"));
    shell.current_dir(dir).env("PATH", path);
    let output = shell
        .arg("-c")
        .arg(format!("{{ {command}; }} 2>&1"))
        .output()
        .expect("sh");
    let real = dir.canonicalize().expect("there");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    timeless(&printed.replace(real.to_str().expect("UTF-8"), "/data"))
}

/// `text` with every time replaced, as in `in 0.053 s;`, and without spaces at the ends of lines.
fn timeless(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut shown = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let is_time = words
                .get(index + 1)
                .is_some_and(|next| next.trim_end_matches([';', ',', ':']) == "s")
                && word.contains('.')
                && word.parse::<f64>().is_ok();
            shown.push(if is_time { "0.010" } else { word });
        }
        let _ = writeln!(result, "{}", shown.join(" ").trim_end());
    }
    result
}

#[test]
fn the_document_shows_what_the_commands_print() {
    let text = fs::read_to_string(document()).expect("a document");
    let dir = temp_dir();
    prepare(dir.path());
    let (mut real, mut commands, mut inside) = (String::new(), 0, false);
    for line in text.lines() {
        if line == "```console" {
            inside = true;
        } else if line == "```" {
            inside = false;
        } else if inside && !line.starts_with("$ ") {
            continue;
        }
        let _ = writeln!(real, "{line}");
        if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            real.push_str(&shell(command, dir.path()));
            commands += 1;
        }
    }
    assert!(commands >= 10, "{commands} commands");
    if std::env::var_os("REWRITE_DOCS").is_some() {
        fs::write(document(), &real).expect("written");
    } else {
        assert!(
            text == real,
            "docs/operations.md is out of date; REWRITE_DOCS=1 writes this:\n{real}"
        );
    }
}

#[test]
fn the_script_of_the_timer_verifies_each_boundary_once() {
    let dir = temp_dir();
    let snapshots = dir.path().join("snapshots");
    fs::create_dir_all(snapshots.join("checkpoint_epoch_12.tmp")).expect("made");
    let (state, reference) = (dir.path().join("state"), dir.path().join("reference"));
    let script = || {
        let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/blob-snapshot-verify");
        let mut command = cleaned(Command::new(ops));
        command.env("BLOB_SNAPSHOT", env!("CARGO_BIN_EXE_blob-snapshot"));
        command.env("BLOB_SNAPSHOT_DIR", &snapshots);
        command.env("BLOB_SNAPSHOT_STATE", &state);
        command.env("BLOB_SNAPSHOT_REFERENCE", &reference);
        run(&mut command)
    };
    assert!(
        script()
            .exits(0)
            .text()
            .starts_with("nothing to verify in ")
    );
    unpack("checkpoint_epoch_11", &snapshots);
    fs::write(&reference, "11 0123456789abcdef\n").expect("written");
    for _ in 0..2 {
        let outcome = script().exits(1);
        assert!(
            outcome.stderr.contains("expected 0123456789abcdef"),
            "{}",
            outcome.stderr
        );
    }
    fs::write(&reference, format!("11 {}\n", sealed_digest())).expect("written");
    let verified = format!(
        "epoch 11: {}, as expected (verified before)\n",
        sealed_digest()
    );
    assert_eq!(script().exits(0).text(), verified);
    // A state file that a full disk left empty is no verdict.
    let kept = state.join("digest_epoch_11");
    fs::write(&kept, "").expect("written");
    let verified = verified.replace(" (verified before)", "");
    assert_eq!(script().exits(0).text(), verified);
    // A reference that is published later is compared all the same.
    fs::remove_file(&reference).expect("there");
    script().exits(0);
    fs::write(&reference, "11 0123456789abcdef\n").expect("written");
    assert!(
        script()
            .exits(1)
            .stderr
            .contains("expected 0123456789abcdef")
    );
}
