//! `verify`: yes or no, and what was expected.

use std::path::Path;

use snapshot_format::{ChunkPosition, Encoder, Epoch, SealedHeader};

use crate::common::{
    Outcome, blob_snapshot, checkpoint, counted_digest, fixture, fixture_bytes, run,
    run_with_input, sealed_digest, temp_dir,
};

fn verify(args: &[&str]) -> Outcome {
    run(blob_snapshot()
        .current_dir(fixture(""))
        .arg("verify")
        .args(args))
}

/// A sound file that is chunk 1 of 3.
pub(crate) fn write_chunk(path: &Path) {
    let header = SealedHeader {
        chunk: ChunkPosition { index: 1, count: 3 },
        ..SealedHeader::offline(Epoch(11))
    };
    let encoder = Encoder::sealed(Vec::new(), &header).expect("a header");
    std::fs::write(path, encoder.finish().expect("no entries").sink).expect("write");
}

#[test]
fn sound_files_get_one_line_each() {
    let outcome = verify(&["sealed.bin", "counted.bin"]).exits(0);
    let (sealed, counted) = (sealed_digest(), counted_digest());
    let expected = format!(
        "sealed.bin: ok, digest {sealed} (sealed, epoch 11, 318 rows)\n\
         counted.bin: ok (no checksum), digest {counted} (counted, epoch 11, 318 rows)\n"
    );
    assert_eq!(outcome.text(), expected);
    assert!(outcome.stderr.starts_with("note: counted.bin is counted"));
    assert_eq!(
        outcome.stderr.lines().count(),
        1,
        "nothing of the sealed one"
    );
}

#[test]
fn json_has_an_object_for_each_file() {
    let json = verify(&["sealed.bin", "info.txt", "nothing", "--json"])
        .exits(3)
        .json();
    assert_eq!(json["ok"], false);
    let files = json["files"].as_array().expect("an array");
    assert_eq!(
        (&files[0]["ok"], &files[0]["sound"]),
        (&true.into(), &true.into())
    );
    assert_eq!(files[0]["digest"], sealed_digest());
    assert_eq!(files[0]["problems"], serde_json::json!([]));
    assert_eq!(
        (&files[1]["ok"], &files[1]["sound"]),
        (&false.into(), &false.into())
    );
    assert!(
        files[1]["problems"][0]
            .as_str()
            .is_some_and(|it| it.contains("magic")),
        "{json}"
    );
    assert_eq!(files[2]["sound"], serde_json::Value::Null);
}

#[test]
fn standard_input_is_a_file_too() {
    let mut command = blob_snapshot();
    let outcome = run_with_input(command.args(["verify", "-"]), fixture_bytes("sealed.bin"));
    assert!(outcome.exits(0).text().starts_with("-: ok, digest "));

    let mut cut = fixture_bytes("sealed.bin");
    cut.pop();
    let outcome = run_with_input(blob_snapshot().args(["verify", "-"]), cut);
    outcome.refused(1, &["standard input", "ends early"]);
    verify(&["-", "-"]).refused(2, &["once only"]);
}

#[test]
fn expectations_are_checked() {
    let (sealed, counted) = (sealed_digest(), counted_digest());
    let args = [
        "sealed.bin",
        "--expect-digest",
        &sealed,
        "--expect-epoch",
        "11",
    ];
    verify(&[&args[..], &["--expect-framing", "sealed"]].concat()).exits(0);
    verify(&["sealed.bin", "--expect-digest", &counted])
        .refused(1, &["sealed.bin", &sealed, "expected", &counted]);
    verify(&["sealed.bin", "--expect-epoch", "12"]).refused(1, &["epoch is 11, expected 12"]);
    verify(&["sealed.bin", "--expect-framing", "counted"])
        .refused(1, &["framing is sealed, expected counted"]);
    // All that is wrong is said at once.
    let args = [
        "sealed.bin",
        "--expect-digest",
        &counted,
        "--expect-epoch",
        "12",
    ];
    verify(&args).refused(1, &["digest is", "epoch is"]);
    verify(&["sealed.bin", "--expect-digest", "123"]).refused(2, &["16 hex digits"]);
}

#[test]
fn one_bad_file_among_good_ones_decides_and_the_others_are_still_judged() {
    let outcome = verify(&["sealed.bin", "info.txt", "counted.bin"]).refused(1, &["info.txt"]);
    assert_eq!(outcome.text().lines().count(), 2);
    verify(&["nothing", "info.txt", "sealed.bin"]).refused(3, &["nothing", "info.txt"]);
}

#[test]
fn a_chunk_is_no_whole_snapshot() {
    let dir = temp_dir();
    let path = dir.path().join("chunk.bin");
    write_chunk(&path);
    let path = path.to_str().expect("UTF-8");
    verify(&[path]).refused(1, &[path, "chunk 1 of 3", "--chunk"]);
    let outcome = verify(&[path, "--chunk"]).exits(0);
    assert!(
        outcome.text().contains("chunk 1 of 3"),
        "{}",
        outcome.text()
    );
}

#[test]
fn a_directory_is_no_file() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    verify(&[db.to_str().expect("UTF-8")]).refused(3, &["is a directory", "digest"]);
}
