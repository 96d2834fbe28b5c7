//! Which crate may know which: the arrows of ARCHITECTURE.md, and what each tree must not contain.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::Findings;
use crate::cargo::{self, Package};
use crate::repo::Repo;

/// A member of the workspace, what its code may depend on, and what its tests may on top.
struct Member {
    name: &'static str,
    may_use: &'static [&'static str],
    tests_may_use: &'static [&'static str],
}

/// Nothing points up. A change here is a change of ARCHITECTURE.md.
const ARROWS: &[Member] = &[
    Member {
        name: "snapshot-format",
        may_use: &[],
        tests_may_use: &[],
    },
    Member {
        name: "snapshot-store",
        may_use: &["snapshot-format"],
        tests_may_use: &[],
    },
    Member {
        name: "snapshot-tools",
        may_use: &["snapshot-format"],
        tests_may_use: &[],
    },
    Member {
        name: "node-hook",
        may_use: &["snapshot-format", "snapshot-store"],
        tests_may_use: &[],
    },
    Member {
        name: "reference-node",
        may_use: &["node-hook", "snapshot-format", "snapshot-store"],
        tests_may_use: &[],
    },
    Member {
        name: "snapshot-cli",
        may_use: &["snapshot-format", "snapshot-store", "snapshot-tools"],
        tests_may_use: &["reference-node"],
    },
    Member {
        name: "snapshot-bench",
        may_use: &[
            "node-hook",
            "reference-node",
            "snapshot-format",
            "snapshot-store",
            "snapshot-tools",
        ],
        tests_may_use: &[],
    },
    Member {
        name: "fault-injection",
        may_use: &["reference-node", "snapshot-format", "snapshot-store"],
        tests_may_use: &[],
    },
    Member {
        name: "xtask",
        may_use: &["snapshot-format"],
        tests_may_use: &[],
    },
];

/// Everything that snapshot-format's code is made of, proc macros and their helpers included.
///
/// All of it is pure: hashing, BCS, text encodings of IDs, derive macros. A crate that reads a clock,
/// a file, a socket or the environment does not get in.
const FORMAT_TREE: &[&str] = &[
    "base64",
    "bcs",
    "bs58",
    "hex",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "snapshot-format",
    "syn",
    "thiserror",
    "thiserror-impl",
    "tinyvec",
    "tinyvec_macros",
    "twox-hash",
    "unicode-ident",
];

/// What the tree of a crate must not hold: edges to follow, and names.
struct Without {
    package: &'static str,
    edges: &'static str,
    names: &'static [&'static str],
    why: &'static str,
}

const WITHOUT: &[Without] = &[
    Without {
        package: "xtask",
        edges: "normal,build,dev",
        names: &["rocksdb", "librocksdb-sys", "snapshot-store", "tokio"],
        why: "every task would wait for it; run a program of another crate instead",
    },
    Without {
        package: "snapshot-store",
        edges: "normal,build",
        names: &["tokio"],
        why: "it blocks, and leaves it to its caller where",
    },
    Without {
        package: "snapshot-tools",
        edges: "normal,build,dev",
        names: &["rocksdb", "librocksdb-sys", "tokio"],
        why: "it compares rows as they pass, wherever they come from",
    },
    Without {
        package: "snapshot-cli",
        edges: "normal,build",
        names: &["tokio", "reference-node"],
        why: "operators get the tool, not what it is tested with",
    },
];

/// The release of the `rocksdb` crate that storage nodes link.
const ROCKSDB: &str = "0.22.";

pub(super) fn arrows(_: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    judge_arrows(&cargo::members()?.packages, &mut findings);
    Ok(findings)
}

pub(super) fn trees(_: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    judge_format_tree(
        &cargo::tree("snapshot-format", "normal,build")?,
        &mut findings,
    );
    for rule in WITHOUT {
        judge_tree(rule, &cargo::tree(rule.package, rule.edges)?, &mut findings);
    }
    Ok(findings)
}

pub(super) fn rocksdb_version(repo: &Repo) -> Result<Findings> {
    let text = repo
        .text("Cargo.lock")
        .context("Cargo.lock is not in the repository; commit it")?;
    let mut findings = Findings::default();
    judge_rocksdb(&lock_packages(text)?, &mut findings);
    Ok(findings)
}

/// One `[[package]]` of Cargo.lock.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    /// The name.
    pub(super) name: String,
    /// The exact version.
    pub(super) version: String,
    /// Where it comes from; `None` for a member of the workspace.
    pub(super) source: Option<String>,
}

/// The packages that Cargo.lock pins, for all platforms.
pub(super) fn lock_packages(text: &str) -> Result<Vec<Locked>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    let value = crate::toml::parse(text).context("cannot read Cargo.lock")?;
    let lock: Lock = serde_json::from_value(value).context("cannot read Cargo.lock")?;
    Ok(lock.package)
}

fn judge_arrows(packages: &[Package], findings: &mut Findings) {
    let known: BTreeMap<&str, &Member> =
        ARROWS.iter().map(|member| (member.name, member)).collect();
    for package in packages {
        let Some(member) = known.get(package.name.as_str()) else {
            findings.error(format!(
                "{}: not on the map; place it in ARCHITECTURE.md and in xtask/src/tasks/structure/dependencies.rs",
                package.name
            ));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some())
        {
            let name = dependency.name.as_str();
            let in_tests =
                dependency.kind.as_deref() == Some("dev") && member.tests_may_use.contains(&name);
            if !member.may_use.contains(&name) && !in_tests {
                findings.error(format!("{} must not depend on {name}", package.name));
            }
        }
    }
}

fn judge_format_tree(names: &[String], findings: &mut Findings) {
    if !names.iter().any(|name| name == "snapshot-format") {
        findings.error("cargo printed no tree for snapshot-format");
    }
    for name in names
        .iter()
        .filter(|name| !FORMAT_TREE.contains(&name.as_str()))
    {
        findings.error(format!(
            "snapshot-format pulls in {name}; if that is pure computation, list it in {}",
            "xtask/src/tasks/structure/dependencies.rs"
        ));
    }
}

fn judge_tree(rule: &Without, names: &[String], findings: &mut Findings) {
    if !names.iter().any(|name| name == rule.package) {
        findings.error(format!("cargo printed no tree for {}", rule.package));
    }
    for name in names
        .iter()
        .filter(|name| rule.names.contains(&name.as_str()))
    {
        findings.error(format!("{} pulls in {name}: {}", rule.package, rule.why));
    }
}

fn judge_rocksdb(locked: &[Locked], findings: &mut Findings) {
    for name in ["rocksdb", "librocksdb-sys"] {
        let versions: Vec<&str> = locked
            .iter()
            .filter(|package| package.name == name)
            .map(|package| package.version.as_str())
            .collect();
        if versions.len() != 1 {
            findings.error(format!(
                "Cargo.lock holds {} versions of {name} {versions:?}, not one",
                versions.len()
            ));
        }
        for version in versions
            .iter()
            .filter(|version| name == "rocksdb" && !version.starts_with(ROCKSDB))
        {
            findings.error(format!(
                "Cargo.lock holds rocksdb {version}, nodes link {ROCKSDB}x: run `cargo update -p rocksdb --precise 0.22.0`"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cargo::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            req: "^0.1".to_owned(),
            path: Some(PathBuf::from("/somewhere")),
        };
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            license: None,
            source: None,
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn arrow_errors(packages: &[Package]) -> Vec<String> {
        let mut findings = Findings::default();
        judge_arrows(packages, &mut findings);
        findings.errors
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn arrows_that_point_up_or_sideways_are_found() {
        let wrong = [
            ("snapshot-format", "snapshot-store", None),
            ("snapshot-format", "snapshot-store", Some("dev")),
            ("snapshot-store", "reference-node", None),
            ("snapshot-cli", "reference-node", None),
            ("snapshot-cli", "reference-node", Some("build")),
            ("xtask", "snapshot-store", None),
        ];
        for (from, to, kind) in wrong {
            assert_eq!(
                arrow_errors(&[package(from, &[(to, kind)])]),
                [format!("{from} must not depend on {to}")]
            );
        }
    }

    #[test]
    fn permitted_arrows_pass_and_unknown_crates_do_not() {
        let right = [
            package(
                "snapshot-cli",
                &[("snapshot-store", None), ("reference-node", Some("dev"))],
            ),
            package(
                "snapshot-store",
                &[("snapshot-format", None), ("snapshot-format", Some("dev"))],
            ),
        ];
        assert_eq!(arrow_errors(&right), Vec::<String>::new());
        assert_eq!(arrow_errors(&[package("newcomer", &[])]).len(), 1);
    }

    #[test]
    fn a_database_or_anything_unlisted_in_the_format_tree_is_found() {
        let mut findings = Findings::default();
        judge_format_tree(
            &names(&["snapshot-format", "serde", "rocksdb", "rand"]),
            &mut findings,
        );
        assert_eq!(findings.errors.len(), 2, "{findings:?}");
        judge_format_tree(&[], &mut findings);
        assert_eq!(findings.errors.len(), 3, "{findings:?}");
    }

    #[test]
    fn what_a_tree_must_not_hold_is_found() {
        for rule in WITHOUT {
            let mut findings = Findings::default();
            judge_tree(
                rule,
                &names(&[rule.package, "serde", "tokio"]),
                &mut findings,
            );
            assert_eq!(findings.errors.len(), 1, "{findings:?}");
            judge_tree(rule, &names(&["serde"]), &mut findings);
            assert_eq!(findings.errors.len(), 2, "{findings:?}");
        }
    }

    #[test]
    fn a_second_a_newer_or_no_rocksdb_is_found() {
        let errors = |versions: &[(&str, &str)]| {
            let entry = |(name, version): &(&str, &str)| {
                format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")
            };
            let lock = lock_packages(&versions.iter().map(entry).collect::<String>()).unwrap();
            let mut findings = Findings::default();
            judge_rocksdb(&lock, &mut findings);
            findings.errors.len()
        };
        let sys = ("librocksdb-sys", "0.16.0+8.10.0");
        assert_eq!(errors(&[("rocksdb", "0.22.0"), sys]), 0);
        assert_eq!(errors(&[("rocksdb", "0.25.0"), sys]), 1);
        assert_eq!(
            errors(&[("rocksdb", "0.22.0"), ("rocksdb", "0.25.0"), sys]),
            2
        );
        assert_eq!(errors(&[("rocksdb", "0.22.0"), sys, sys]), 1);
        assert_eq!(errors(&[sys]), 1);
    }
}
