//! Zstandard in and out: the same answers as for the plain bytes, and damage that is named.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::common::{
    blob_snapshot, checkpoint, counted_digest, cursor, fixture, fixture_bytes, make_large_database,
    names, run, run_with_input, sealed_digest, temp_dir,
};

/// `bytes` as `zstd` compresses them.
pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(bytes).expect("compress");
    encoder.finish().expect("compress")
}

/// Writes the fixtures compressed into `dir`.
fn fixtures(dir: &Path) {
    for name in ["sealed.bin", "counted.bin"] {
        let path = dir.join(format!("{name}.zst"));
        fs::write(path, compressed(&fixture_bytes(name))).expect("write");
    }
}

#[test]
fn every_command_reads_compressed_files_as_plain_ones() {
    let dir = temp_dir();
    fixtures(dir.path());
    // The name does not matter.
    fs::copy(dir.path().join("sealed.bin.zst"), dir.path().join("plain")).expect("copy");
    let in_dir = |args: &[&str]| run(blob_snapshot().current_dir(dir.path()).args(args));
    let text = in_dir(&["verify", "sealed.bin.zst", "counted.bin.zst", "plain"])
        .exits(0)
        .text();
    let (sealed, counted) = (sealed_digest(), counted_digest());
    assert_eq!(
        text,
        format!(
            "sealed.bin.zst: ok, digest {sealed} (sealed, epoch 11, 318 rows)\n\
             counted.bin.zst: ok (no checksum), digest {counted} (counted, epoch 11, 318 rows)\n\
             plain: ok, digest {sealed} (sealed, epoch 11, 318 rows)\n"
        )
    );
    let text = in_dir(&["digest", "counted.bin.zst"]).exits(0).text();
    assert_eq!(text, format!("{counted}  counted.bin.zst\n"));
    let json = in_dir(&["inspect", "sealed.bin.zst", "--json"])
        .exits(0)
        .json();
    assert_eq!((&json["size"], &json["rows"]), (&41207.into(), &318.into()));
    let plain = fixture("sealed.bin");
    let plain = plain.to_str().expect("UTF-8");
    // The document begins with the name of its input.
    let prints = [plain, "sealed.bin.zst"].map(|path| {
        let text = in_dir(&["fingerprint", path]).exits(0).text();
        text.replace(path, "it")
    });
    assert_eq!(prints[0], prints[1]);
    fs::write(
        dir.path().join("print.zst"),
        compressed(prints[0].as_bytes()),
    )
    .expect("write");
    in_dir(&["compare", "print.zst", "sealed.bin.zst", plain]).exits(0);
    in_dir(&["diff", "counted.bin.zst", "counted.bin.zst", "--limit", "0"]).exits(0);
}

#[test]
fn standard_input_may_be_compressed() {
    for name in ["sealed.bin", "counted.bin"] {
        let input = compressed(&fixture_bytes(name));
        let plain = run(blob_snapshot().args(["digest"]).arg(fixture(name))).exits(0);
        let digest = plain.text();
        let digest = digest.split_once(' ').expect("a digest").0;
        for command in ["digest", "verify", "inspect"] {
            let args = [command, "-"];
            let outcome = run_with_input(blob_snapshot().args(args), input.clone()).exits(0);
            assert!(outcome.text().contains(digest), "{}", outcome.text());
        }
    }
}

#[test]
fn several_frames_are_one_file_and_frames_of_other_tools_are_skipped() {
    let dir = temp_dir();
    let bytes = fixture_bytes("sealed.bin");
    let (begin, end) = bytes.split_at(1000);
    let skippable = [&0x184d_2a50_u32.to_le_bytes()[..], &[3, 0, 0, 0], b"abc"].concat();
    let path = dir.path().join("x");
    fs::write(
        &path,
        [skippable, compressed(begin), compressed(end)].concat(),
    )
    .expect("write");
    let text = run(blob_snapshot().arg("digest").arg(&path))
        .exits(0)
        .text();
    assert!(text.starts_with(&sealed_digest()), "{text}");
}

#[test]
fn damage_is_named_and_never_a_shorter_snapshot() {
    let dir = temp_dir();
    let path = dir.path().join("x.bin.zst");
    let whole = compressed(&fixture_bytes("counted.bin"));
    let refused = |bytes: &[u8], words: &[&str]| {
        fs::write(&path, bytes).expect("write");
        run(blob_snapshot().arg("verify").arg(&path)).refused(1, &[&["x.bin.zst"], words].concat());
        run(blob_snapshot().arg("digest").arg(&path)).refused(3, &["x.bin.zst"]);
    };
    for length in [5, 100, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length], &["Zstandard", "truncated"]);
    }
    for place in [whole.len() / 2, whole.len() - 2] {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        refused(&damaged, &[]);
    }
    let mut checksum = whole.clone();
    *checksum.last_mut().expect("a checksum") ^= 1;
    refused(&checksum, &["Zstandard", "damaged"]);
    refused(&[&whole[..], b"abcd"].concat(), &["Zstandard", "damaged"]);
    // A sound frame around what is no snapshot.
    refused(
        &compressed(&fixture_bytes("counted.bin")[..5000]),
        &["ends early"],
    );
    refused(&compressed(b"hello, world"), &["magic"]);
    let outcome = run_with_input(blob_snapshot().args(["verify", "-"]), whole[..900].to_vec());
    outcome.refused(1, &["standard input", "truncated"]);
}

#[test]
fn a_window_that_takes_much_memory_is_refused_with_a_way_out() {
    let dir = temp_dir();
    let path = dir.path().join("long.bin.zst");
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.window_log(27).expect("a window");
    encoder
        .write_all(&fixture_bytes("sealed.bin"))
        .expect("compress");
    fs::write(&path, encoder.finish().expect("compress")).expect("write");
    run(blob_snapshot().arg("verify").arg(&path))
        .refused(3, &["long.bin.zst", "zstd -dc -M2048MB"]);
}

#[test]
fn a_bomb_is_refused_at_its_first_bytes() {
    let dir = temp_dir();
    let path = dir.path().join("bomb.zst");
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), 1 << 30),
        &mut encoder,
    )
    .expect("compress");
    fs::write(&path, encoder.finish().expect("compress")).expect("write");
    run(blob_snapshot().arg("verify").arg(&path)).refused(1, &["bomb.zst", "magic"]);
}

#[test]
fn create_compresses_what_is_named_so() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let cursor = cursor();
    let mut args = vec!["--framing", "counted"];
    args.extend(cursor.iter().map(String::as_str));
    for (fixture, args, digest) in [
        ("sealed.bin", &[][..], sealed_digest()),
        ("counted.bin", &args, counted_digest()),
    ] {
        let outcome = run(blob_snapshot()
            .current_dir(dir.path())
            .args([
                "create",
                "--db",
                "checkpoint_epoch_11",
                "-o",
                "o.bin.zst",
                "--force",
            ])
            .args(args))
        .exits(0);
        let text = outcome.text();
        assert!(text.starts_with(&format!("digest {digest} ")), "{text}");
        let proof = if text.contains("(sealed") {
            "read back and verified in"
        } else {
            "; read back in"
        };
        assert!(text.contains(proof), "{text}");
        let file = fs::read(dir.path().join("o.bin.zst")).expect("read");
        assert!(file.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "compressed");
        let inside = zstd::stream::decode_all(&file[..]).expect("decompress");
        assert_eq!(inside, fixture_bytes(fixture));
    }
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11", "o.bin.zst"]);
}

#[test]
fn a_restore_reads_compressed_files_in_parts() {
    let dir = temp_dir();
    make_large_database(&dir.path().join("checkpoint_epoch_7"), 60_000);
    let in_dir = |args: &[&str]| run(blob_snapshot().current_dir(dir.path()).args(args));
    let create = [
        "create",
        "--db",
        "checkpoint_epoch_7",
        "--json",
        "-o",
        "s.bin.zst",
    ];
    let digest = in_dir(&create).exits(0).json()["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    for threads in ["1", "3"] {
        let db = format!("db-{threads}");
        let restore = ["restore", "s.bin.zst", "--db", &db, "--threads", threads];
        let outcome = in_dir(&[&restore[..], &["--expect-digest", &digest]].concat()).exits(0);
        assert!(outcome.text().contains("60000 rows"), "{}", outcome.text());
        let text = in_dir(&["digest", &db, "--epoch", "7"]).exits(0).text();
        assert!(text.starts_with(&digest), "{text}");
    }
}
