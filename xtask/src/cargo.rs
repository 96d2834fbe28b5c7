//! What cargo knows of the workspace: members, dependencies, trees, the target directory.
//!
//! Only reads. `--locked` everywhere: a lock file that would have to change is an error here.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::repo;
use crate::sh::Cmd;

/// The part of `cargo metadata` that the tasks read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Members and, if asked for, all their dependencies.
    pub(crate) packages: Vec<Package>,
    /// Where cargo builds.
    pub(crate) target_directory: PathBuf,
}

/// One package of the dependency graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// The name, as in `Cargo.toml`.
    pub(crate) name: String,
    /// The exact version.
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) license: Option<String>,
    /// Where it comes from; `None` for a member of the workspace.
    pub(crate) source: Option<String>,
    /// What it declares, whether or not it is built.
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The name of the package.
    pub(crate) name: String,
    /// `None` is a normal dependency; else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The version requirement.
    pub(crate) req: String,
    /// Set when it is a path dependency, that is, a member of the workspace.
    pub(crate) path: Option<PathBuf>,
}

/// The members of the workspace alone.
///
/// # Errors
///
/// When cargo refuses.
pub(crate) fn members() -> Result<Metadata> {
    metadata(&["--no-deps"])
}

/// Every package that is built for `triple`, for tests as well.
///
/// # Errors
///
/// When cargo refuses, or the lock file is out of date.
pub(crate) fn graph(triple: &str) -> Result<Vec<Package>> {
    // The metadata also hold optional packages that no enabled feature asks for; the tree does not.
    let flags = ["--workspace", "--edges", "all", "--target", triple];
    let printed = print_tree(&flags)?;
    let is_built = |package: &Package| {
        printed
            .iter()
            .any(|(name, version)| *name == package.name && *version == package.version)
    };
    let packages = metadata(&["--filter-platform", triple])?.packages;
    Ok(packages.into_iter().filter(is_built).collect())
}

/// The names of the packages in the tree under `package`, itself first.
///
/// Features are those of building `package` alone, so another member cannot hide or add anything.
///
/// # Errors
///
/// When cargo refuses.
pub(crate) fn tree(package: &str, edges: &str) -> Result<Vec<String>> {
    let packages = print_tree(&["--package", package, "--edges", edges])?;
    Ok(packages.into_iter().map(|(name, _)| name).collect())
}

/// Whether RocksDB's C++ has been compiled into this target directory.
pub(crate) fn rocksdb_is_built(target: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(target.join("release/build")) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("librocksdb-sys-")
            && entry.path().join("out/librocksdb.a").is_file()
    })
}

/// Name and version of every package that `cargo tree` prints.
fn print_tree(args: &[&str]) -> Result<Vec<(String, String)>> {
    let printed = Cmd::cargo()
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p}"])
        .args(args)
        .dir(repo::root()?)
        .read()?;
    let name_and_version = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.next()?.strip_prefix('v')?.to_owned()))
    };
    let mut packages: Vec<_> = printed.lines().filter_map(name_and_version).collect();
    packages.sort_unstable();
    packages.dedup();
    Ok(packages)
}

fn metadata(args: &[&str]) -> Result<Metadata> {
    let printed = Cmd::cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(args)
        .dir(repo::root()?)
        .read()?;
    serde_json::from_str(&printed).context("cannot read what `cargo metadata` printed")
}
