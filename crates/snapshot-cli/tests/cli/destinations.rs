//! Outputs that would cost a file that is open, a database, or a link.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{TempDir, blob_snapshot, checkpoint, fixture, fixture_bytes, run, temp_dir};

/// The sealed fixture as `a.bin`, and a database with the same rows.
fn prepared() -> TempDir {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("a.bin")).expect("copy");
    checkpoint(dir.path());
    dir
}

/// Every way to write a file, but for `--output`.
const WRITERS: [&[&str]; 7] = [
    &["create", "--db", "checkpoint_epoch_11", "--force"],
    &[
        "create",
        "--db",
        "checkpoint_epoch_11",
        "--max-chunk-size",
        "15000",
        "--force",
    ],
    &["convert", "a.bin", "--framing", "sealed", "--force"],
    &["join", "a.bin", "--force"],
    &["split", "a.bin", "--max-chunk-size", "15000", "--force"],
    &["dump", "checkpoint_epoch_11", "--force"],
    &["report", "checkpoint_epoch_11", "--force"],
];

fn tool(dir: &Path, args: &[&str], output: &str) -> Command {
    let mut command = blob_snapshot();
    command.current_dir(dir).args(args).args(["-o", output]);
    command
}

/// Each file of the database with its content.
fn contents(db: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(db)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("read"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_descriptor_that_is_not_open_names_no_file_of_the_database() {
    let dir = prepared();
    let before = contents(&dir.path().join("checkpoint_epoch_11"));
    symlink("/dev/fd", dir.path().join("fds")).expect("link");
    for args in WRITERS {
        for number in 3..16 {
            let output = format!("/dev/fd/{number}");
            run(&mut tool(dir.path(), args, &output)).refused(2, &[&output, "not open"]);
        }
        run(&mut tool(dir.path(), args, "fds/9")).refused(2, &["fds/9", "not open"]);
    }
    assert!(contents(&dir.path().join("checkpoint_epoch_11")) == before);
}

#[test]
fn a_file_behind_standard_error_is_not_replaced() {
    let dir = prepared();
    for args in WRITERS {
        let log = dir.path().join("log");
        fs::write(&log, "of the service\n").expect("write");
        let append = File::options().append(true).open(&log).expect("open");
        let mut command = tool(dir.path(), args, "/dev/stderr");
        let status = command.stdout(Stdio::null()).stderr(append).status();
        assert_eq!(status.expect("it starts").code(), Some(2), "{args:?}");
        let log = fs::read_to_string(log).expect("read");
        assert!(
            log.starts_with("of the service\n") && log.contains("descriptor"),
            "{log}"
        );
    }
}

#[test]
fn nothing_is_written_into_any_database() {
    let dir = prepared();
    let db = dir.path().join("checkpoint_epoch_11");
    fs::create_dir(db.join("below")).expect("mkdir");
    symlink("checkpoint_epoch_11", dir.path().join("link")).expect("link");
    symlink("checkpoint_epoch_11/new.bin", dir.path().join("dangling")).expect("link");
    symlink("checkpoint_epoch_11/CURRENT", dir.path().join("current")).expect("link");
    let before = contents(&db);
    let outputs = [
        "checkpoint_epoch_11/x",
        "checkpoint_epoch_11/below/x",
        "link/x",
        "dangling",
        "current",
    ];
    for (args, output) in WRITERS.iter().flat_map(|args| outputs.map(|o| (args, o))) {
        run(&mut tool(dir.path(), args, output)).refused(2, &["inside the database", "--output"]);
    }
    let mut check = blob_snapshot();
    check.current_dir(dir.path());
    check.args([
        "check",
        "--db",
        "checkpoint_epoch_11",
        "--scratch-dir",
        "link/below",
    ]);
    run(&mut check).refused(2, &["inside the database", "--scratch-dir"]);
    assert!(contents(&db) == before);
    assert_eq!(fs::read_dir(db.join("below")).expect("read").count(), 0);
}

#[test]
fn a_link_that_leads_nowhere_yet_is_followed() {
    let dir = prepared();
    fs::create_dir(dir.path().join("there")).expect("mkdir");
    symlink("there/s.bin", dir.path().join("link")).expect("link");
    let args = ["convert", "a.bin", "--framing", "sealed", "--force"];
    run(&mut tool(dir.path(), &args, "link")).exits(0);
    assert!(dir.path().join("link").is_symlink());
    let written = fs::read(dir.path().join("there/s.bin")).expect("read");
    assert!(written == fixture_bytes("sealed.bin"));
}

#[test]
fn chunks_go_to_files_and_a_directory_is_called_one() {
    let dir = prepared();
    fs::create_dir(dir.path().join("d")).expect("mkdir");
    for args in WRITERS {
        for output in [".", "d", "d/", "new/"] {
            run(&mut tool(dir.path(), args, output)).refused(3, &[output, "names a directory"]);
        }
    }
    for args in [WRITERS[1], WRITERS[4]] {
        run(&mut tool(dir.path(), args, "/dev/null")).refused(2, &["/dev/null", "device"]);
    }
}
