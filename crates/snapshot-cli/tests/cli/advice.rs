//! What an error advises can be followed: each option that it names is one of the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{blob_snapshot, database_with_wal, fixture, run, temp_dir};

/// The long options that `text` names.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

/// Runs each command on `args` in `dir`, lets it fail, and compares what it says with its help. Returns
/// how many named an option.
fn check(dir: &Path, commands: &[&[&str]]) -> usize {
    let mut named = 0;
    for args in commands {
        let outcome = run(blob_snapshot().current_dir(dir).args(*args));
        let help = run(blob_snapshot().args([args[0], "--help"])).exits(0);
        let known = options(&help.text());
        assert_ne!(outcome.code, Some(0), "{args:?} went well");
        for option in options(&outcome.stderr) {
            assert!(known.contains(&option), "{args:?}: {}", outcome.stderr);
            named += 1;
        }
    }
    named
}

#[test]
fn every_option_that_is_named_is_one_of_the_command() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    fs::rename(&db, dir.path().join("db")).expect("renamed");
    fs::copy(fixture("sealed.bin"), dir.path().join("s.bin")).expect("copied");
    fs::write(dir.path().join("there"), b"x").expect("written");
    let on_database: [&[&str]; 10] = [
        &["create", "--db", "db", "--epoch", "11", "--output", "x.bin"],
        &["digest", "db"],
        &["inspect", "db"],
        &["fingerprint", "db"],
        &["check", "--db", "db"],
        &["diff", "db", "s.bin"],
        &["dump", "db"],
        &["compare", "db", "s.bin"],
        &["restore", "s.bin", "--db", "db", "--replace-tables"],
        &["restore", "s.bin", "--db", "db"],
    ];

    let log = dir.path().join("db/000022.log");
    let whole = fs::read(&log).expect("a log");
    fs::write(&log, &whole[..whole.len() - 7]).expect("written");
    assert!(check(dir.path(), &on_database) >= 7);
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    fs::write(&log, &flipped).expect("written");
    assert!(check(dir.path(), &on_database) >= 7);
    fs::remove_file(&log).expect("removed");
    assert!(check(dir.path(), &on_database) >= 7);

    let others: [&[&str]; 7] = [
        &["verify", "no such file"],
        &[
            "convert",
            "s.bin",
            "--framing",
            "sealed",
            "--output",
            "there",
        ],
        &["dump", "s.bin", "--output", "there"],
        &["report", "s.bin", "--output", "there"],
        &[
            "split",
            "s.bin",
            "--max-chunk-size",
            "10MiB",
            "--output",
            "no such/there",
        ],
        &["restore", "s.bin", "--db", "new", "--event-seq", "1"],
        &["restore", "s.bin", "--db", "new", "--replace-tables"],
    ];
    assert!(check(dir.path(), &others) >= 4);
}
