//! Outputs that cannot be written: exists, no directory, disk full, no permission, nobody reads.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, cleaned, fixture, fixture_bytes, names, run, temp_dir,
};

const BIN: &str = env!("CARGO_BIN_EXE_blob-snapshot");

fn create_in(dir: &Path, args: &[&str]) -> Outcome {
    let mut command = blob_snapshot();
    command
        .current_dir(dir)
        .args(["create", "--db", "checkpoint_epoch_11"]);
    run(command.args(args))
}

#[test]
fn an_existing_output_is_replaced_only_by_force() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let output = dir.path().join("there.bin");
    fs::write(&output, "precious").expect("write");
    let words = ["there.bin", "already exists", "--force"];
    create_in(dir.path(), &["--output", "there.bin"]).refused(3, &words);
    assert_eq!(fs::read(&output).expect("read"), b"precious");
    create_in(dir.path(), &["--output", "there.bin", "--force"]).exits(0);
    assert_eq!(
        fs::read(&output).expect("read"),
        fixture_bytes("sealed.bin")
    );
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11", "there.bin"]);
}

#[test]
fn a_missing_directory_or_a_directory_as_output_is_refused() {
    let dir = temp_dir();
    checkpoint(dir.path());
    create_in(dir.path(), &["--output", "no/such/o.bin"]).refused(3, &["no/such/o.bin"]);
    fs::create_dir(dir.path().join("d")).expect("mkdir");
    for force in [&[][..], &["--force"]] {
        let args = [&["--output", "d"], force].concat();
        create_in(dir.path(), &args).refused(3, &["d names a directory"]);
    }
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11", "d"]);
}

#[test]
fn nothing_is_written_into_the_database() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let before = names(&db);
    let words = ["inside the database", "--output"];
    run(blob_snapshot()
        .current_dir(&db)
        .args(["create", "--db", "."]))
    .refused(2, &words);
    let inside = ["--output", "checkpoint_epoch_11/o.bin"];
    create_in(dir.path(), &inside).refused(2, &words);
    let mut bench = blob_snapshot();
    bench
        .current_dir(dir.path())
        .args(["bench-blob-info-snapshot", "--db-path"]);
    run(bench.arg(&db).args(inside)).refused(2, &words);
    assert_eq!(names(&db), before);
}

#[test]
fn a_full_device_or_a_limit_is_refused_and_nothing_is_left() {
    let dir = temp_dir();
    checkpoint(dir.path());
    create_in(dir.path(), &["--output", "/dev/full"]).refused(3, &["/dev/full", "No space left"]);

    // A limit on the size of files, whose signal is ignored: the write fails.
    let mut limited = cleaned(Command::new("bash"));
    limited.current_dir(dir.path());
    limited.args([
        "-c",
        "trap '' XFSZ && ulimit -f 16 && exec \"$0\" \"$@\"",
        BIN,
    ]);
    limited.args(["create", "--db", "checkpoint_epoch_11", "--output", "o.bin"]);
    run(&mut limited).refused(3, &["o.bin", "ulimit -f"]);
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11"]);
}

#[test]
fn a_full_disk_is_refused_and_nothing_is_left() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    // A file system of 16 KiB that only this process and its children see. Without the right to mount
    // one, the device and the limit above have to do.
    let script = "mount -t tmpfs -o size=16k tmpfs \"$1\" 2>/dev/null || exit 77; \
                  \"$0\" create --db \"$2\" --output \"$1/o.bin\"; code=$?; \
                  ls -A \"$1\"; exit $code";
    let small = dir.path().join("small");
    fs::create_dir(&small).expect("mkdir");
    let mut command = cleaned(Command::new("unshare"));
    command
        .args(["--mount", "--map-root-user", "sh", "-c", script, BIN])
        .arg(&small)
        .arg(&db);
    let outcome = crate::common::run_unjudged(&mut command);
    if outcome.code == Some(77) || outcome.stderr.contains("unshare") {
        println!("no right to mount a file system here: {}", outcome.stderr);
        return;
    }
    let outcome = outcome.refused(3, &["o.bin", "free"]);
    assert_eq!(outcome.text(), "", "nothing is left");
}

#[test]
fn a_directory_without_permission_is_refused() {
    let dir = temp_dir();
    set_mode(dir.path(), 0o755);
    let db = checkpoint(dir.path());
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).expect("mkdir");
    set_mode(&locked, 0o555);
    let mut command = as_nobody(dir.path());
    command
        .args(["create", "--db"])
        .arg(&db)
        .arg("--output")
        .arg(locked.join("o.bin"));
    run(&mut command).refused(3, &["locked/o.bin", "ermission"]);
    assert_eq!(names(&locked), [""; 0]);

    // And a database that may not be read.
    set_mode(&db, 0o000);
    let mut command = as_nobody(dir.path());
    command.args(["create", "--output", "-", "--db"]).arg(&db);
    run(&mut command).refused(3, &["checkpoint_epoch_11", "Permission denied"]);
    set_mode(&db, 0o755);
    set_mode(&locked, 0o755);
}

/// The binary run by a user for whom permissions count; root, for whom they do not, becomes nobody.
fn as_nobody(dir: &Path) -> Command {
    if fs::metadata("/proc/self").expect("/proc").uid() != 0 {
        return blob_snapshot();
    }
    // Where nobody finds it.
    let bin = dir.join("blob-snapshot");
    fs::copy(BIN, &bin).expect("copy");
    set_mode(&bin, 0o755);
    let mut command = cleaned(Command::new("setpriv"));
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(bin);
    command
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_a_result() {
    for args in [
        &["digest"][..],
        &["inspect"],
        &["verify"],
        &["digest", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = blob_snapshot();
        command.args(args).arg(fixture("sealed.bin")).stdout(writer);
        let outcome = run(&mut command).exits(0);
        assert_eq!(outcome.stderr, "");
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    run(blob_snapshot().arg("--help").stdout(writer)).exits(0);
}

#[test]
fn a_snapshot_that_nobody_reads_to_its_end_is_a_failure() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = blob_snapshot();
    command
        .args(["create", "--output", "-", "--db"])
        .arg(&db)
        .stdout(writer);
    run(&mut command).refused(3, &["cannot write the snapshot", "Broken pipe"]);
}

#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a device")
    };
    for args in [&["digest"][..], &["inspect"], &["verify"]] {
        let mut command = blob_snapshot();
        command.args(args).arg(fixture("sealed.bin")).stdout(full());
        run(&mut command).refused(3, &["standard output", "No space left"]);
    }
    // Whoever closes standard error does not want to know, and the exit code stays.
    let mut command = blob_snapshot();
    command.args(["verify", "/none"]).stderr(full());
    run_silent(&mut command, 3);
}

fn run_silent(command: &mut Command, code: i32) {
    assert_eq!(
        command.status().expect("the binary starts").code(),
        Some(code)
    );
}

#[test]
fn a_pipe_is_an_output() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let fifo = dir.path().join("fifo");
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("mkfifo starts");
    assert!(made.success());
    let reader = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::read(fifo).expect("read"))
    };
    create_in(dir.path(), &["--output", "fifo"]).exits(0);
    assert_eq!(
        reader.join().expect("the reader does not panic"),
        fixture_bytes("sealed.bin")
    );
}

#[test]
fn colors_are_used_when_asked_for_only() {
    let colored = |args: &[&str], no_color: bool| {
        let mut command = blob_snapshot();
        command.args(["verify", "/none"]).args(args);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        run(&mut command).exits(3).stderr.contains('\u{1b}')
    };
    assert!(!colored(&[], false), "no terminal, no colors");
    assert!(colored(&["--color", "always"], false));
    assert!(!colored(&["--color", "never"], false));
    assert!(!colored(&["--color", "auto"], true));
}
