//! Enforces `deny.toml` on what cargo resolved: sources, licences, bans, duplicate versions.
//!
//! The same file drives cargo-deny, which knows advisories as well but is not everywhere installed.
//! Settings that this does not know are an error, so that no rule is written and then not enforced.

mod schema;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use self::schema::{Policy, Spec};
use super::Findings;
use super::dependencies::{Locked, lock_packages};
use super::spdx::satisfied;
use crate::cargo::{self, Package};
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let policy = Policy::parse(
        repo.text("deny.toml")
            .context("deny.toml is not in the repository")?,
    )?;
    let lock = lock_packages(
        repo.text("Cargo.lock")
            .context("Cargo.lock is not in the repository; commit it")?,
    )?;
    let mut findings = Findings::default();
    judge_sources(&policy, &lock, &mut findings);
    let mut unused: BTreeSet<&Spec> = policy.bans.skip.iter().map(|rule| &rule.spec).collect();
    for triple in &policy.graph.targets {
        let packages = cargo::graph(triple)?;
        judge_licenses(&policy, &packages, &mut findings);
        judge_bans(&policy, &packages, &mut findings);
        judge_wildcards(&packages, &mut findings);
        judge_duplicates(&policy, &packages, &mut unused, &mut findings);
    }
    for spec in unused {
        findings.error(format!(
            "deny.toml skips {spec}, which is no duplicate any more; remove the entry"
        ));
    }
    findings.errors.sort();
    findings.errors.dedup();
    Ok(findings)
}

fn judge_sources(policy: &Policy, lock: &[Locked], findings: &mut Findings) {
    // Destructured so that a policy which allows git sources cannot be parsed and then ignored.
    let [] = policy.sources.allow_git;
    for package in lock {
        let Some(source) = &package.source else {
            continue;
        };
        let registry = source
            .strip_prefix("registry+")
            .or_else(|| source.strip_prefix("sparse+"));
        if !registry.is_some_and(|url| {
            policy
                .sources
                .allow_registry
                .iter()
                .any(|allowed| allowed == url)
        }) {
            findings.error(format!(
                "{} {} comes from {source}, which deny.toml does not allow",
                package.name, package.version
            ));
        }
    }
}

fn judge_licenses(policy: &Policy, packages: &[Package], findings: &mut Findings) {
    for package in packages {
        let license = package.license.as_deref().unwrap_or("");
        let problem = match satisfied(license, &policy.licenses.allow) {
            Some(true) => continue,
            Some(false) => "which deny.toml does not list",
            None => "which is no licence expression",
        };
        findings.error(format!(
            "{} {} is under `{license}`, {problem}",
            package.name, package.version
        ));
    }
}

fn judge_bans(policy: &Policy, packages: &[Package], findings: &mut Findings) {
    for rule in &policy.bans.deny {
        for package in packages.iter().filter(|package| rule.spec.matches(package)) {
            findings.error(format!(
                "{} {} is banned: {}",
                package.name, package.version, rule.reason
            ));
        }
    }
}

fn judge_wildcards(packages: &[Package], findings: &mut Findings) {
    let own = packages.iter().filter(|package| package.source.is_none());
    for (package, dependency) in own.flat_map(|own| {
        own.dependencies
            .iter()
            .map(move |dependency| (own, dependency))
    }) {
        if dependency.req == "*" {
            findings.error(format!(
                "{} takes any version of {}; name one",
                package.name, dependency.name
            ));
        }
    }
}

fn judge_duplicates<'a>(
    policy: &'a Policy,
    packages: &[Package],
    unused: &mut BTreeSet<&'a Spec>,
    findings: &mut Findings,
) {
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        by_name.entry(&package.name).or_default().push(package);
    }
    for (name, versions) in by_name
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
    {
        let skipping = |package: &Package| {
            policy
                .bans
                .skip
                .iter()
                .find(|rule| rule.spec.matches(package))
        };
        for rule in versions.iter().filter_map(|package| skipping(package)) {
            unused.remove(&rule.spec);
            if rule.reason.trim().is_empty() {
                findings.error(format!("deny.toml skips {} without a reason", rule.spec));
            }
        }
        let left: Vec<&str> = versions
            .iter()
            .filter(|package| skipping(package).is_none())
            .map(|package| package.version.as_str())
            .collect();
        if left.len() > 1 {
            findings.error(format!("{name} is there in versions {}: settle on one, or skip one in deny.toml with a reason", left.join(" and ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Dependency;

    const POLICY: &str = r#"
        [graph]
        targets = ["x86_64-unknown-linux-gnu"]
        [advisories]
        version = 2
        [licenses]
        version = 2
        confidence-threshold = 0.9
        unused-allowed-license = "allow"
        include-dev = true
        allow = ["MIT"]
        [bans]
        multiple-versions = "deny"
        multiple-versions-include-dev = true
        wildcards = "deny"
        deny = [{ crate = "rocksdb@>=0.23", reason = "nodes" }]
        skip = [{ crate = "syn@2.0.1", reason = "old macros" }]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
        allow-registry = ["https://index"]
        allow-git = []
    "#;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            license: Some("MIT".to_owned()),
            source: None,
            dependencies: Vec::new(),
        }
    }

    fn found(judge: impl FnOnce(&Policy, &mut Findings)) -> Vec<String> {
        let mut findings = Findings::default();
        judge(&Policy::parse(POLICY).unwrap(), &mut findings);
        findings.errors
    }

    #[test]
    fn settings_that_are_not_enforced_are_refused() {
        let wrong = [
            POLICY.replace("wildcards = \"deny\"", "wildcards = \"warn\""),
            POLICY.replace(
                "include-dev = true\n        allow",
                "include-dev = false\n        allow",
            ),
            POLICY.replace("allow-git = []", "allow-git = [\"https://x\"]"),
            POLICY.replace("[bans]", "[bans]\nskip-tree = []"),
            POLICY.replace("[graph]", "[graph]\nall-features = true"),
            POLICY.replace("syn@2.0.1", "syn@^2"),
            POLICY.replace(", reason = \"nodes\"", ""),
        ];
        for text in wrong {
            assert_ne!(text, POLICY);
            assert!(Policy::parse(&text).is_err(), "accepted {text}");
        }
    }

    #[test]
    fn foreign_sources_are_found() {
        let lock = |source: &str| Locked {
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            source: Some(source.to_owned()),
        };
        let errors = |source: &str| {
            found(|policy, findings| judge_sources(policy, &[lock(source)], findings)).len()
        };
        assert_eq!(errors("registry+https://index"), 0);
        assert_eq!(errors("registry+https://other"), 1);
        assert_eq!(errors("git+https://index"), 1);
    }

    #[test]
    fn unlisted_and_missing_licences_are_found() {
        let with = |license: Option<&str>| Package {
            license: license.map(str::to_owned),
            ..package("x", "1.0.0")
        };
        let errors = |license| {
            found(|policy, findings| judge_licenses(policy, &[with(license)], findings)).len()
        };
        assert_eq!(errors(Some("MIT OR GPL-3.0")), 0);
        assert_eq!(errors(Some("GPL-3.0")), 1);
        assert_eq!(errors(None), 1);
    }

    #[test]
    fn banned_versions_and_wildcards_are_found() {
        let errors = |version| {
            found(|policy, findings| judge_bans(policy, &[package("rocksdb", version)], findings))
                .len()
        };
        assert_eq!(
            (errors("0.22.9"), errors("0.23.0"), errors("1.0.0")),
            (0, 1, 1)
        );
        let any = Dependency {
            name: "y".to_owned(),
            kind: None,
            req: "*".to_owned(),
            path: None,
        };
        let wild = Package {
            dependencies: vec![any],
            ..package("x", "1.0.0")
        };
        assert_eq!(
            found(|_, findings| judge_wildcards(&[wild], findings)).len(),
            1
        );
    }

    #[test]
    fn duplicates_are_found_unless_skipped_and_stale_skips_remain() {
        let run = |versions: &[(&str, &str)]| {
            let policy = Policy::parse(POLICY).unwrap();
            let packages: Vec<Package> = versions
                .iter()
                .map(|(name, version)| package(name, version))
                .collect();
            let mut unused: BTreeSet<&Spec> =
                policy.bans.skip.iter().map(|rule| &rule.spec).collect();
            let mut findings = Findings::default();
            judge_duplicates(&policy, &packages, &mut unused, &mut findings);
            (findings.errors.len(), unused.len())
        };
        assert_eq!(run(&[("syn", "2.0.1"), ("syn", "3.0.0")]), (0, 0));
        assert_eq!(run(&[("syn", "2.0.2"), ("syn", "3.0.0")]), (1, 1));
        assert_eq!(
            run(&[("syn", "2.0.1"), ("syn", "3.0.0"), ("syn", "4.0.0")]),
            (1, 0)
        );
        assert_eq!(run(&[("syn", "3.0.0")]), (0, 1));
    }
}
