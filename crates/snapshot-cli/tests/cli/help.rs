//! Help, version, typos, and how usage errors look.

use crate::common::{blob_snapshot, run};

const COMMANDS: [&str; 18] = [
    "create",
    "verify",
    "inspect",
    "digest",
    "fingerprint",
    "compare",
    "diff",
    "report",
    "get",
    "dump",
    "convert",
    "split",
    "join",
    "restore",
    "check",
    "completions",
    "man",
    "bench-blob-info-snapshot",
];

#[test]
fn help_is_as_it_was_reviewed() {
    insta::assert_snapshot!("help", run(blob_snapshot().arg("--help")).exits(0).text());
    for command in COMMANDS {
        let text = run(blob_snapshot().args([command, "--help"]))
            .exits(0)
            .text();
        insta::assert_snapshot!(format!("help_{command}"), text);
    }
}

#[test]
fn every_command_s_help_has_examples_and_exit_codes() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let text = run(blob_snapshot().args([command, flag])).exits(0).text();
            assert!(text.contains("Examples:\n  "), "{text}");
            assert!(text.contains("Exit codes:\n  0  "), "{text}");
        }
    }
}

#[test]
fn a_version_is_printed() {
    let text = run(blob_snapshot().arg("--version")).exits(0).text();
    assert_eq!(
        text,
        format!("blob-snapshot {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn nonsense_is_a_usage_error_with_a_suggestion() {
    run(blob_snapshot().arg("verfy")).refused(2, &["verify"]);
    run(blob_snapshot().args(["create", "--dbb", "x"])).refused(2, &["--db"]);
    run(blob_snapshot().arg("create")).refused(2, &["--db <DIR>"]);
    run(blob_snapshot().arg("digest")).refused(2, &["<PATH>"]);
    let outcome = run(&mut blob_snapshot()).exits(2);
    assert!(outcome.stderr.contains("Usage:"), "{}", outcome.stderr);
}

#[test]
fn usage_errors_are_json_if_asked_for() {
    for args in [
        &["create", "--json"][..],
        &["create", "--db", "x", "--framing=counted", "--json"],
    ] {
        let outcome = run(blob_snapshot().args(args)).exits(2);
        let json: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("JSON");
        assert_eq!(
            (&json["error"]["exit_code"], &json["error"]["kind"]),
            (&2.into(), &"usage".into())
        );
        assert!(json["error"]["message"].is_string(), "{json}");
        assert_eq!(outcome.text(), "");
    }
}
