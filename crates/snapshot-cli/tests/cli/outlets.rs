//! Outputs and inputs that are no plain files or not what their name says: standard output by another name, pipes,
//! an input as output, names that promise another format, temporary files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    Outcome, TempDir, blob_snapshot, checkpoint, counted_digest, cursor, fixture, fixture_bytes,
    make_large_database, names, run, temp_dir,
};

fn run_in(dir: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).args(args))
}

/// The fixtures `a.bin`, sealed, and `counted.bin` in a new directory.
fn prepared() -> TempDir {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("a.bin")).expect("copy");
    fs::copy(fixture("counted.bin"), dir.path().join("counted.bin")).expect("copy");
    dir
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

/// A command line for each way to write a snapshot to one file.
const WRITERS: [&[&str]; 3] = [
    &["convert", "a.bin", "--framing", "sealed"],
    &["create", "--db", "checkpoint_epoch_11"],
    &["join", "a.bin"],
];

#[test]
fn standard_output_by_another_name_is_standard_output() {
    let dir = prepared();
    checkpoint(dir.path());
    symlink("/proc/self/fd/1", dir.path().join("link")).expect("link");
    symlink("link", dir.path().join("link-to-link")).expect("link");
    let names = ["/dev/stdout", "/dev/fd/1", "link", "link-to-link"];
    for (args, name) in WRITERS
        .iter()
        .flat_map(|args| names.map(|name| (args, name)))
    {
        let args = [args, &["-o", name][..]].concat();
        let outcome = run_in(dir.path(), &args).exits(0);
        assert_eq!(outcome.stdout, fixture_bytes("sealed.bin"), "{args:?}");
        assert!(outcome.stderr.contains("digest "), "{}", outcome.stderr);

        // And where it leads to a file, that is written and not replaced.
        let file = fs::File::create(dir.path().join("q.bin")).expect("create");
        let mut command = blob_snapshot();
        command.current_dir(dir.path()).args(&args).arg("--force");
        assert!(command.stdout(file).status().expect("starts").success());
        let written = fs::read(dir.path().join("q.bin")).expect("read");
        assert_eq!(written, fixture_bytes("sealed.bin"), "{args:?}");
        assert!(dir.path().join("link").is_symlink());
    }
    let rows = run_in(dir.path(), &["dump", "a.bin"]).exits(0).stdout;
    let page = run_in(dir.path(), &["report", "a.bin", "-o", "-"])
        .exits(0)
        .stdout;
    for name in names {
        let same = run_in(dir.path(), &["dump", "a.bin", "-o", name]).exits(0);
        assert!(same.stdout == rows, "{name}");
        let same = run_in(dir.path(), &["report", "a.bin", "-o", name]).exits(0);
        assert!(same.stdout == page, "{name}");
    }
    let split = ["split", "a.bin", "--max-chunk-size", "9KiB", "-o", "link"];
    run_in(dir.path(), &split).refused(2, &["standard output"]);
}

#[test]
fn an_output_that_is_an_input_is_refused_and_untouched() {
    let dir = prepared();
    symlink("a.bin", dir.path().join("link")).expect("link");
    fs::hard_link(dir.path().join("a.bin"), dir.path().join("hard")).expect("link");
    let before = names(dir.path());
    let commands: [&[&str]; 5] = [
        &["report", "counted.bin", "a.bin"],
        &["dump", "a.bin"],
        &["convert", "a.bin", "--framing", "sealed"],
        &["join", "a.bin"],
        &["split", "a.bin", "--max-chunk-size", "1MiB"],
    ];
    for (command, output) in commands
        .iter()
        .flat_map(|c| ["a.bin", "./a.bin", "link", "hard"].map(|o| (c, o)))
    {
        let args = [command, &["-o", output, "--force"][..]].concat();
        run_in(dir.path(), &args).refused(2, &["a.bin", "would be lost"]);
        assert_eq!(
            fs::read(dir.path().join("a.bin")).expect("read"),
            fixture_bytes("sealed.bin")
        );
        assert_eq!(names(dir.path()), before, "{args:?}");
    }
    // By redirection: appended to, it would grow while it is read.
    let append = fs::OpenOptions::new()
        .append(true)
        .open(dir.path().join("a.bin"))
        .expect("open");
    let mut command = blob_snapshot();
    command
        .current_dir(dir.path())
        .args(["dump", "a.bin"])
        .stdout(append);
    assert_eq!(command.status().expect("starts").code(), Some(2));
    let mut command = blob_snapshot();
    command
        .current_dir(dir.path())
        .args(["report", "-", "-o", "a.bin", "-f"]);
    command.stdin(fs::File::open(dir.path().join("a.bin")).expect("open"));
    assert_eq!(command.status().expect("starts").code(), Some(2));
    assert_eq!(
        fs::read(dir.path().join("a.bin")).expect("read"),
        fixture_bytes("sealed.bin")
    );
}

#[test]
fn a_link_into_the_database_is_no_output() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    symlink(db.join("CURRENT"), dir.path().join("o.bin")).expect("link");
    let before = fs::read(db.join("CURRENT")).expect("read");
    let create = [
        "create",
        "--db",
        "checkpoint_epoch_11",
        "-o",
        "o.bin",
        "--force",
    ];
    run_in(dir.path(), &create).refused(2, &["inside the database"]);
    assert_eq!(fs::read(db.join("CURRENT")).expect("read"), before);
}

#[test]
fn a_named_pipe_is_written_directly_and_stays() {
    let dir = prepared();
    checkpoint(dir.path());
    let fifo = dir.path().join("fifo");
    make_fifo(&fifo);
    for args in WRITERS {
        let path = fifo.clone();
        let reader = std::thread::spawn(move || fs::read(path).expect("read"));
        let args = [args, &["-o", "fifo", "--force"]].concat();
        let text = run_in(dir.path(), &args).exits(0).text();
        assert!(text.contains("not read back"), "{text}");
        assert_eq!(reader.join().expect("read"), fixture_bytes("sealed.bin"));
        assert!(fs::metadata(&fifo).expect("there").file_type().is_fifo());
    }
}

#[test]
fn what_can_be_read_once_is_read_once_or_refused() {
    let dir = prepared();
    let fifo = dir.path().join("fifo");
    make_fifo(&fifo);
    let read: [&[&str]; 9] = [
        &["verify", "fifo"],
        &["inspect", "fifo"],
        &["digest", "fifo"],
        &["fingerprint", "fifo"],
        &["compare", "a.bin", "fifo"],
        &["diff", "a.bin", "fifo"],
        &["dump", "fifo"],
        &["report", "fifo", "-o", "-"],
        &["convert", "fifo", "--framing", "sealed", "-o", "c.bin"],
    ];
    for args in read {
        let path = fifo.clone();
        let writer = std::thread::spawn(move || fs::write(path, fixture_bytes("sealed.bin")));
        run_in(dir.path(), args).exits(0);
        writer.join().expect("no panic").expect("written");
    }
    assert_eq!(
        fs::read(dir.path().join("c.bin")).expect("read"),
        fixture_bytes("sealed.bin")
    );
    // Nobody writes to it: opening it would wait for ever.
    let words = ["fifo", "read only once", "save it to a file"];
    run_in(dir.path(), &["join", "fifo", "-o", "x.bin"]).refused(3, &words);
    run_in(dir.path(), &["restore", "fifo", "--db", "x"]).refused(3, &words);
    run_in(dir.path(), &["join", "-", "-o", "x.bin"]).refused(3, &["read only once"]);
    run_in(dir.path(), &["diff", "fifo", "./fifo"]).refused(2, &["fifo", "once only"]);
    let mut twice = blob_snapshot();
    twice
        .args(["digest", "-", "/dev/stdin"])
        .stdin(Stdio::piped());
    run(&mut twice).refused(2, &["once only"]);
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    let dir = prepared();
    checkpoint(dir.path());
    let before = names(dir.path());
    let dump: [(&[&str], &[&str]); 7] = [
        (&["r.csv.gz"], &["r.csv.gz", "gzip", ".zst"]),
        (&["r.CSV.XZ"], &["xz"]),
        (&["r.jsonl.bz2"], &["bzip2"]),
        (&["r.parquet.zst"], &["Parquet", ".parquet"]),
        (&["r.tsv"], &["tsv", "--format"]),
        (&["r.csv", "--format", "parquet"], &["csv", "parquet"]),
        (&["/dev/stdout.zip"], &["zip"]),
    ];
    for (args, words) in dump {
        run_in(dir.path(), &[&["dump", "a.bin", "-o"], args].concat()).refused(2, words);
    }
    let split: &[&str] = &["split", "a.bin", "--max-chunk-size", "9KiB"];
    let report: &[&str] = &["report", "a.bin"];
    for args in WRITERS.into_iter().chain([split, report]) {
        for name in ["x.bin.gz", "x.bin.LZ4", "x.zip"] {
            let args = [args, &["-o", name]].concat();
            run_in(dir.path(), &args).refused(2, &[name, ".zst"]);
        }
    }
    assert_eq!(names(dir.path()), before);
}

#[test]
fn the_case_of_a_name_does_not_matter() {
    let dir = prepared();
    let read = |name: &str| fs::read(dir.path().join(name)).expect("read");
    let unpacked = |name: &str| zstd::stream::decode_all(&read(name)[..]).expect("compressed");
    for name in ["r.csv", "R.CSV", "r.Csv.ZST", "r.jsonl", "R.JSONL.Zst"] {
        run_in(dir.path(), &["dump", "a.bin", "-o", name]).exits(0);
    }
    assert_eq!(read("R.CSV"), read("r.csv"));
    assert_eq!(unpacked("r.Csv.ZST"), read("r.csv"));
    assert_eq!(unpacked("R.JSONL.Zst"), read("r.jsonl"));
    run_in(dir.path(), &["dump", "a.bin", "-o", "R.PARQUET"]).exits(0);
    assert!(read("R.PARQUET").starts_with(b"PAR1"));
    run_in(dir.path(), &["join", "a.bin", "-o", "S.BIN.ZST"]).exits(0);
    assert_eq!(unpacked("S.BIN.ZST"), fixture_bytes("sealed.bin"));
    run_in(dir.path(), &["report", "a.bin", "-o", "page.html.zst"]).exits(0);
    assert!(unpacked("page.html.zst").starts_with(b"<!"));
    let split = [
        "split",
        "a.bin",
        "--max-chunk-size",
        "30KiB",
        "-o",
        "C.BIN.ZST",
    ];
    run_in(dir.path(), &split).exits(0);
    assert!(!unpacked("C.chunk-0-of-2.BIN.ZST").is_empty());
}

#[test]
fn compressed_inputs_are_called_what_they_are() {
    let dir = temp_dir();
    let inputs: [(&[u8], &str); 5] = [
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "lz4"),
        (b"PK\x03\x04\x14\0\0\0", "zip"),
    ];
    for (bytes, name) in inputs {
        fs::write(dir.path().join("x"), bytes).expect("write");
        run_in(dir.path(), &["verify", "x"]).refused(1, &["x: ", name, "FILE | blob-snapshot"]);
        for args in [
            &["digest", "x"][..],
            &["dump", "x"],
            &["join", "x", "-o", "y"],
            &["restore", "x", "--db", "y"],
        ] {
            let outcome = run_in(dir.path(), args);
            assert_ne!(outcome.code, Some(0));
            assert!(
                outcome.stderr.contains(name),
                "{args:?}: {}",
                outcome.stderr
            );
        }
        let outcome =
            crate::common::run_with_input(blob_snapshot().args(["digest", "-"]), bytes.to_vec());
        outcome.refused(3, &["standard input", name]);
    }
}

#[test]
fn every_row_has_the_same_columns() {
    let dir = prepared();
    let text = run_in(dir.path(), &["dump", "a.bin"]).exits(0).text();
    let columns = |line: &str| {
        let row: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).expect("an object");
        row.keys().cloned().collect::<Vec<_>>()
    };
    let first = columns(text.lines().next().expect("a row"));
    assert_eq!(first.len(), 12, "{first:?}");
    assert!(text.contains("storage_pool_info"));
    for line in text.lines() {
        assert_eq!(columns(line), first, "{line}");
    }
}

#[test]
fn what_a_stream_held_has_no_name_that_could_be_left() {
    let dir = temp_dir();
    make_large_database(&dir.path().join("checkpoint_epoch_2"), 20_000);
    let create = ["create", "--db", "checkpoint_epoch_2", "-o", "-"];
    let snapshot = run_in(dir.path(), &create).exits(0).stdout;
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch).expect("mkdir");
    let mut command = blob_snapshot();
    command.current_dir(dir.path()).env("TMPDIR", &scratch);
    command
        .args(["convert", "-", "--framing", "sealed", "-o", "o.bin"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // More than a pipe holds: when it is written, most of it was read, and kept.
    stdin
        .write_all(&snapshot[..snapshot.len() / 2])
        .expect("written");
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("descriptors");
    let leads = |entry: std::io::Result<fs::DirEntry>| fs::read_link(entry.ok()?.path()).ok();
    assert!(
        open.filter_map(leads)
            .any(|path| path.starts_with(&scratch)),
        "nothing is kept"
    );
    assert_eq!(names(&scratch), [""; 0]);
    let killed = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill");
    assert!(killed.success());
    child.wait().expect("ends");
    drop(stdin);
    assert_eq!(names(&scratch), [""; 0]);
    assert_eq!(names(dir.path()), ["checkpoint_epoch_2", "scratch"]);
}

#[test]
fn a_counted_file_is_sealed_by_its_digest_only_or_with_a_warning() {
    let dir = prepared();
    let seal = |args: &[&str]| {
        run_in(
            dir.path(),
            &[&["convert", "counted.bin", "-o", "s.bin"], args].concat(),
        )
    };
    seal(&[]).refused(
        2,
        &[
            "counted.bin",
            "no checksum",
            "--expect-digest",
            "--without-digest",
        ],
    );
    seal(&["--expect-digest", "0123456789abcdef"])
        .refused(1, &["0123456789abcdef", &counted_digest()]);
    assert!(!dir.path().join("s.bin").exists());
    let outcome = seal(&["--expect-digest", &counted_digest()]).exits(0);
    assert_eq!(outcome.stderr, "");
    let warned = seal(&["--without-digest", "--force"]).exits(0);
    assert!(
        warned.stderr.contains("warning: ") && warned.stderr.contains("compared with no digest"),
        "{}",
        warned.stderr
    );
    // Damage that follows the rules.
    let mut damaged = fixture_bytes("counted.bin");
    let row = damaged.len() - 1;
    damaged[row] ^= 1;
    fs::write(dir.path().join("counted.bin"), damaged).expect("write");
    seal(&["--expect-digest", &counted_digest(), "-f"]).refused(1, &["digest is"]);
    // A checksum is not made, or was there: no digest is asked for.
    let cursor = cursor();
    let cursor: Vec<&str> = cursor.iter().map(String::as_str).collect();
    run_in(
        dir.path(),
        &[&["convert", "a.bin", "-o", "c.bin"], &cursor[..]].concat(),
    )
    .exits(0);
    run_in(
        dir.path(),
        &["convert", "a.bin", "--framing", "sealed", "-o", "again.bin"],
    )
    .exits(0);
}

#[test]
fn what_was_not_proven_of_a_counted_file_is_said() {
    let dir = prepared();
    let commands: [&[&str]; 6] = [
        &["verify", "counted.bin"],
        &["inspect", "counted.bin"],
        &["dump", "counted.bin"],
        &["fingerprint", "counted.bin"],
        &["diff", "a.bin", "counted.bin", "--limit", "0"],
        &["report", "counted.bin", "-o", "-"],
    ];
    for args in commands {
        let stderr = run_in(dir.path(), args).stderr;
        assert!(
            stderr.contains("counted.bin is counted and has no checksum"),
            "{args:?}: {stderr}"
        );
    }
    let proof = |args: &[&str]| {
        let json = run_in(dir.path(), args).exits(0).json();
        json.get("files")
            .map_or(json["proof"].clone(), |files| files[0]["proof"].clone())
    };
    let digest = counted_digest();
    assert_eq!(proof(&["verify", "a.bin", "--json"]), "checksum");
    assert_eq!(proof(&["verify", "counted.bin", "--json"]), "rules");
    let expected = [
        "verify",
        "counted.bin",
        "--json",
        "--expect-digest",
        &digest,
    ];
    assert_eq!(proof(&expected), "expected_digest");
    assert_eq!(proof(&["inspect", "counted.bin", "--json"]), "rules");
    let told = ["verify", "counted.bin", "--expect-digest", &digest];
    assert_eq!(run_in(dir.path(), &told).exits(0).stderr, "");
}
