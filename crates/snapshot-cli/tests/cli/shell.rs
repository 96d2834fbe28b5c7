//! Completions and manual pages.

use std::process::Command;

use crate::common::{blob_snapshot, names, run, temp_dir};

const COMMANDS: [&str; 5] = ["create", "verify", "report", "restore", "compare"];

#[test]
fn completions_know_the_commands_and_shells_read_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(blob_snapshot().args(["completions", shell]))
            .exits(0)
            .text();
        for word in COMMANDS {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        assert!(script.contains("expect-digest"), "{shell}");
        if shell == "bash" {
            let path = temp_dir();
            let file = path.path().join("completions");
            std::fs::write(&file, &script).expect("written");
            let status = Command::new("bash")
                .arg("-n")
                .arg(&file)
                .status()
                .expect("bash is there");
            assert!(status.success(), "bash does not parse it");
        }
    }
    run(blob_snapshot().args(["completions", "bahs"])).refused(2, &["bash"]);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let dir = temp_dir();
    let man = || run(blob_snapshot().arg("man").arg("--out").arg(dir.path())).exits(0);
    man();
    let pages = names(dir.path());
    assert!(pages.contains(&"blob-snapshot.1".to_owned()), "{pages:?}");
    for command in COMMANDS {
        let page = dir.path().join(format!("blob-snapshot-{command}.1"));
        let before = std::fs::read_to_string(&page).expect("a page");
        assert!(before.contains(".SH SYNOPSIS"), "{before}");
        assert!(before.contains("Exit codes"), "{before}");
        man();
        assert_eq!(std::fs::read_to_string(&page).expect("a page"), before);
    }
    let missing = dir.path().join("missing");
    run(blob_snapshot().arg("man").arg("--out").arg(&missing))
        .refused(3, &["missing", "create it"]);
}
