//! Files that are no sound snapshot: refused by every command, with section and offset.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{Numbers, Outcome, blob_snapshot, cleaned, fixture_bytes, run, temp_dir};

/// `verify` must say no; the others cannot use it.
fn refused_by_all(path: &Path, words: &[&str]) -> Outcome {
    for command in ["digest", "inspect"] {
        let outcome = run(blob_snapshot().arg(command).arg(path)).refused(3, words);
        assert_eq!(outcome.text(), "");
    }
    run(blob_snapshot().arg("verify").arg(path)).refused(1, words)
}

#[test]
fn damage_is_named_with_its_section_and_offset() {
    let dir = temp_dir();
    let path = dir.path().join("x.bin");
    let sealed = fixture_bytes("sealed.bin");
    let counted = fixture_bytes("counted.bin");
    let with = |bytes: &[u8], at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let cases: [(Vec<u8>, &[&str]); 12] = [
        (Vec::new(), &["ends early", "byte 0"]),
        (
            b"not a snapshot at all".to_vec(),
            &["not a blob info snapshot", "magic"],
        ),
        (with(&sealed, 7, 2), &["unknown format version 2", "newer"]),
        (with(&counted, 7, 2), &["unknown format version 2"]),
        // The other framing's length of the header.
        (with(&sealed, 8, 1), &["header"]),
        (with(&counted, 8, 0), &["header"]),
        (with(&sealed, 500, sealed[500] ^ 1), &["byte"]),
        (
            with(&sealed, sealed.len() - 1, sealed[sealed.len() - 1] ^ 1),
            &["trailer", "checksum"],
        ),
        (
            sealed[..sealed.len() - 1].to_vec(),
            &["trailer", "ends early"],
        ),
        (
            counted[..1000].to_vec(),
            &["per_object_blob_info", "ends early", "byte 1000"],
        ),
        (
            [&sealed[..], b"\0"].concat(),
            &["end at byte 41207", "bytes follow"],
        ),
        (
            [&counted[..], &counted].concat(),
            &["end at byte 38968", "bytes follow"],
        ),
    ];
    for (bytes, words) in cases {
        fs::write(&path, bytes).expect("write");
        refused_by_all(&path, &[&["x.bin"], words].concat());
    }
}

#[test]
fn claimed_lengths_allocate_nothing() {
    let dir = temp_dir();
    let path = dir.path().join("x.bin");
    let begin = b"\xb1\x0b\x1f\x05\0\0\0\x01";
    let sealed = fixture_bytes("sealed.bin");
    // Up to the length of the first key: magic, version, header of 53 bytes, tag, marker.
    let first_key = 12 + 53 + 2;
    for claim in [
        [&begin[..], b"\xff\xff\xff\xff"].concat(),
        [&begin[..], b"\0\xff\xff\xff"].concat(),
        [&begin[..], b"\xff\xff\xff\xff\x0f"].concat(),
        [&sealed[..first_key], b"\xff\xff\xff\xff"].concat(),
        [&sealed[..first_key + 4 + 32], b"\xff\xff\xff\xff"].concat(),
    ] {
        fs::write(&path, claim).expect("write");
        refused_by_all(&path, &["x.bin", "byte"]);
        // With 1 GiB of address space, 4 GiB cannot be had.
        let mut limited = cleaned(Command::new("sh"));
        limited.args(["-c", "ulimit -v 1048576 && exec \"$0\" verify \"$1\""]);
        run(limited.arg(env!("CARGO_BIN_EXE_blob-snapshot")).arg(&path)).refused(1, &["x.bin"]);
    }
}

#[test]
fn no_flip_in_a_sealed_file_and_no_cut_is_accepted() {
    let dir = temp_dir();
    let path = dir.path().join("x.bin");
    let mut numbers = Numbers(1);
    let sealed = fixture_bytes("sealed.bin");
    for _ in 0..100 {
        let mut bytes = sealed.clone();
        bytes[numbers.below(sealed.len())] ^= 1 << numbers.below(8);
        fs::write(&path, &bytes).expect("write");
        run(blob_snapshot().arg("verify").arg(&path)).refused(1, &["x.bin"]);
    }
    for name in ["sealed.bin", "counted.bin"] {
        let bytes = fixture_bytes(name);
        for _ in 0..50 {
            fs::write(&path, &bytes[..numbers.below(bytes.len())]).expect("write");
            run(blob_snapshot().arg("verify").arg(&path)).refused(1, &["x.bin", "ends early"]);
        }
    }
}

#[test]
fn what_cannot_be_read_is_no_verdict() {
    let dir = temp_dir();
    let outcome = run(blob_snapshot().arg("verify").arg(dir.path().join("none")));
    outcome.refused(3, &["none", "caused by: No such file", "hint: "]);
    // A process's memory cannot be read at 0.
    run(blob_snapshot().args(["verify", "/proc/self/mem"])).refused(3, &["/proc/self/mem"]);
}

#[test]
fn errors_are_json_lines_if_asked_for() {
    let dir = temp_dir();
    let path = dir.path().join("x.bin");
    fs::write(&path, "not a snapshot at all").expect("write");
    for (command, code) in [("verify", 1), ("inspect", 3)] {
        let outcome = run(blob_snapshot().args([command, "--json"]).arg(&path)).exits(code);
        let json: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("JSON");
        let error = &json["error"];
        assert_eq!(
            (&error["exit_code"], &error["kind"]),
            (&code.into(), &"snapshot".into())
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|it| it.contains("x.bin")),
            "{json}"
        );
        assert!(
            error["causes"].is_array() && error["hint"].is_null(),
            "{json}"
        );
    }
}
