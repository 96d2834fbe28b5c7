//! Outputs that would cost a file that is open, a database, or a link.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    TempDir, blob_snapshot, checkpoint, cleaned, fixture, fixture_bytes, names, run, temp_dir,
};

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

/// The same without descriptors that this process happened to inherit.
fn with_no_more_open(dir: &Path, args: &[&str], output: &str) -> Command {
    let close = "exec \"$@\" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
    let mut command = cleaned(Command::new("sh"));
    command.args(["-c", close, "sh"]);
    command.arg(blob_snapshot().get_program());
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
        for number in 3..10 {
            let output = format!("/dev/fd/{number}");
            run(&mut with_no_more_open(dir.path(), args, &output))
                .refused(2, &[&output, "not open"]);
        }
        run(&mut with_no_more_open(dir.path(), args, "fds/9")).refused(2, &["fds/9", "not open"]);
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

#[test]
fn a_snapshot_is_not_called_a_table_a_page_or_an_archive() {
    let dir = prepared();
    for args in [WRITERS[0], WRITERS[1], WRITERS[2], WRITERS[3], WRITERS[4]] {
        for name in [
            "x.csv",
            "x.JSONL",
            "x.parquet.zst",
            "x.html",
            "x.tar",
            "x.7z",
            "x.bin.br",
            "x.zstd",
        ] {
            run(&mut tool(dir.path(), args, name)).refused(2, &[name, "a snapshot is written"]);
        }
    }
    for name in ["x.html", "x.tar", "x.7Z", "x.csv.br"] {
        run(&mut tool(dir.path(), WRITERS[5], name)).refused(2, &[name, "promises"]);
    }
    for name in ["x.csv", "x.parquet", "x.json", "x.tar"] {
        run(&mut tool(dir.path(), WRITERS[6], name)).refused(2, &[name, "an HTML page"]);
    }
}

#[test]
fn a_set_takes_the_place_of_one_of_another_count() {
    let dir = prepared();
    let split = |size: &str| {
        let args = ["split", "a.bin", "--max-chunk-size", size, "--force"];
        run(&mut tool(dir.path(), &args, "c.bin")).exits(0)
    };
    let chunks = || {
        let names = names(dir.path()).into_iter();
        names
            .filter(|name| name.starts_with("c.chunk-"))
            .collect::<Vec<_>>()
    };
    split("9KiB");
    let many = chunks();
    // Not of the set, but for a name that looks like one of it.
    for name in [
        "c.chunk-0-of-x.bin",
        "cc.chunk-0-of-9.bin",
        "c.chunk-9-of-9.bin",
    ] {
        fs::write(dir.path().join(name), "a user's").expect("write");
    }
    split("20KiB");
    let few = chunks();
    let kept = ["c.chunk-0-of-x.bin", "c.chunk-9-of-9.bin"];
    assert!(
        kept.iter().all(|name| few.contains(&(*name).to_owned())),
        "{few:?}"
    );
    for name in kept {
        fs::remove_file(dir.path().join(name)).expect("remove");
    }
    let few = chunks();
    assert!(few.len() > 1 && few.len() < many.len(), "{few:?} {many:?}");
    assert!(
        few.iter().all(|name| !many.contains(name)),
        "{few:?} {many:?}"
    );
    let mut join = blob_snapshot();
    join.current_dir(dir.path()).arg("join").args(&few);
    run(join.args(["-o", "joined.bin"])).exits(0);
    // What is whole stays, and is told.
    fs::write(dir.path().join("c.bin"), "whole").expect("write");
    let said = split("9KiB").stderr;
    assert!(
        said.contains("c.bin is not replaced by the chunks"),
        "{said}"
    );
    let said = run(&mut tool(dir.path(), WRITERS[0], "c.bin"))
        .exits(0)
        .stderr;
    assert!(said.contains("chunks of an earlier c.bin"), "{said}");
}

#[test]
fn rows_of_one_chunk_are_not_taken_for_all() {
    let dir = prepared();
    run(&mut tool(dir.path(), WRITERS[4], "c.bin")).exits(0);
    let chunk = names(dir.path())
        .into_iter()
        .find(|name| name.starts_with("c.chunk-0"))
        .expect("a chunk");
    let blob = "--blob-id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (args, code) in [(&["dump", &chunk][..], 0), (&["get", &chunk, blob], 1)] {
        let mut command = blob_snapshot();
        command.current_dir(dir.path()).args(args);
        let outcome = run(&mut command).refused(3, &["chunk", "--chunk"]);
        assert!(outcome.stdout.is_empty());
        run(command.arg("--chunk")).exits(code);
    }
}

#[test]
fn a_counted_file_is_not_called_verified_and_a_foreign_one_not_counted() {
    let dir = prepared();
    fs::copy(fixture("counted.bin"), dir.path().join("counted.bin")).expect("copy");
    let args = ["convert", "counted.bin", "--framing", "counted"];
    let said = run(&mut tool(dir.path(), &args, "c.bin")).exits(0).text();
    assert!(said.contains("; read back\n"), "{said}");
    let json = run(tool(dir.path(), &args, "d.bin").arg("--json"))
        .exits(0)
        .json();
    assert_eq!(
        (&json["verified"], &json["proof"]),
        (&true.into(), &"written_digest".into())
    );
    let mut verify = blob_snapshot();
    let said = run(verify
        .current_dir(dir.path())
        .args(["verify", "-q", "counted.bin"]));
    assert!(
        said.exits(0)
            .text()
            .starts_with("counted.bin: ok (no checksum), digest ")
    );

    let mut xz = b"\xfd7zXZ\0".to_vec();
    xz.resize(4096, 7);
    fs::write(dir.path().join("s.bin"), xz).expect("write");
    for args in [
        &["convert", "s.bin", "-o", "n.bin"][..],
        &["dump", "s.bin"],
        &["fingerprint", "s.bin"],
    ] {
        let mut command = blob_snapshot();
        let outcome = run(command.current_dir(dir.path()).args(args)).refused(3, &["xz"]);
        assert!(!outcome.stderr.contains("counted"), "{}", outcome.stderr);
    }
}

#[test]
fn a_document_that_was_cut_off_is_no_success() {
    let dir = prepared();
    for args in [
        &["report", "a.bin", "-o", "-"][..],
        &["dump", "a.bin", "--format", "parquet"],
        &["fingerprint", "a.bin"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = blob_snapshot();
        command.current_dir(dir.path()).args(args);
        let status = command.stdout(writer).stderr(Stdio::null()).status();
        assert_eq!(status.expect("it starts").code(), Some(3), "{args:?}");
    }
}
