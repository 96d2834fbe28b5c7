//! The part of cargo-deny's configuration that this workspace uses, as types.
//!
//! A setting that is not here, or has another value than the one that is enforced, does not parse.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::cargo::Package;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) graph: Graph,
    /// Left to cargo-deny: the database of advisories is not part of this repository.
    #[serde(rename = "advisories")]
    _advisories: serde_json::Value,
    pub(super) licenses: Licenses,
    pub(super) bans: Bans,
    pub(super) sources: Sources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Graph {
    pub(super) targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Licenses {
    pub(super) allow: Vec<String>,
    #[serde(rename = "include-dev")]
    _include_dev: Yes,
    /// How sure cargo-deny must be of a licence text; licences are taken as declared here.
    #[serde(rename = "confidence-threshold")]
    _confidence_threshold: f64,
    #[serde(rename = "unused-allowed-license")]
    _unused_allowed_license: String,
    #[serde(rename = "version")]
    _version: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Deny,
    #[serde(rename = "multiple-versions-include-dev")]
    _multiple_versions_include_dev: Yes,
    #[serde(rename = "wildcards")]
    _wildcards: Deny,
    pub(super) deny: Vec<Rule>,
    pub(super) skip: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Deny,
    #[serde(rename = "unknown-git")]
    _unknown_git: Deny,
    pub(super) allow_registry: Vec<String>,
    /// Must stay empty: this check knows registries only.
    pub(super) allow_git: [String; 0],
}

/// The one lint level that is enforced here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Deny {
    Deny,
}

/// A switch that is on: what tests pull in counts as well.
#[derive(Debug, Deserialize)]
#[serde(try_from = "bool")]
struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(on: bool) -> Result<Self, Self::Error> {
        on.then_some(Self).ok_or("must be true")
    }
}

/// A package with the reason why it is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(rename = "crate")]
    pub(super) spec: Spec,
    pub(super) reason: String,
}

/// `name`, `name@1.2.3` for one version, or `name@>=1.2` for that and all later ones.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) versions: Versions,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Versions {
    All,
    Exactly(String),
    From([u64; 3]),
}

impl Policy {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let value = crate::toml::parse(text).context("cannot read deny.toml")?;
        serde_json::from_value(value)
            .context("deny.toml holds something that this check does not enforce")
    }
}

impl TryFrom<String> for Spec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some((name, version)) = text.split_once('@') else {
            return Ok(Self {
                name: text,
                versions: Versions::All,
            });
        };
        let versions = match version.strip_prefix(">=") {
            Some(from) => {
                Versions::From(numbers(from).ok_or_else(|| format!("`{text}` is not a version"))?)
            }
            None if numbers(version).is_some() => Versions::Exactly(version.to_owned()),
            None => return Err(format!("`{text}`: write name, name@1.2.3 or name@>=1.2")),
        };
        Ok(Self {
            name: name.to_owned(),
            versions,
        })
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.versions {
            Versions::All => write!(f, "{}", self.name),
            Versions::Exactly(version) => write!(f, "{}@{version}", self.name),
            Versions::From([major, minor, patch]) => {
                write!(f, "{}@>={major}.{minor}.{patch}", self.name)
            }
        }
    }
}

impl Spec {
    pub(super) fn matches(&self, package: &Package) -> bool {
        self.name == package.name
            && match &self.versions {
                Versions::All => true,
                Versions::Exactly(version) => *version == package.version,
                Versions::From(least) => {
                    numbers(&package.version).is_some_and(|version| version >= *least)
                }
            }
    }
}

/// The three numbers of a version, missing ones zero; pre-release and build parts do not count.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+']).next()?;
    let mut numbers = [0; 3];
    let mut parts = plain.split('.');
    for (number, part) in numbers.iter_mut().zip(parts.by_ref()) {
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
