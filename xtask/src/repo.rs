//! The repository as data: where its root is, and the files git would commit, with their text.
//!
//! Checks work on a [`Repo`] value, so that a unit test can hand them a bad one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::sh::Cmd;

/// The files of a checkout by path (relative, `/` between parts), with their text.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    /// The text is `None` for a file that is not UTF-8.
    files: BTreeMap<String, Option<String>>,
}

impl Repo {
    /// Reads every tracked file, and every untracked one that is not ignored.
    ///
    /// # Errors
    ///
    /// When this is not a git checkout, or a file cannot be read.
    pub(crate) fn load() -> Result<Self> {
        let root = root()?;
        let listed = Cmd::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .dir(&root)
            .read()
            .context("cannot list the files of the repository; run this in a git checkout")?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            // A file deleted but not yet committed is still listed.
            if !full.is_file() {
                continue;
            }
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            files.insert(path.to_owned(), String::from_utf8(bytes).ok());
        }
        Ok(Self { files })
    }

    /// All paths, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Files whose path ends in `.extension`, with their text, sorted by path.
    pub(crate) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let ending = format!(".{extension}");
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(&ending))
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Whether a file or a directory of this path exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(inside.clone()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&inside))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Repo {
    fn from(files: [(&str, &str); N]) -> Self {
        let own = |(path, text): (&str, &str)| (path.to_owned(), Some(text.to_owned()));
        Self {
            files: files.into_iter().map(own).collect(),
        }
    }
}

/// The root of the checkout that this command was started in.
///
/// Asked at run time: a path compiled in would be that of whichever checkout filled a shared target
/// directory first.
///
/// # Errors
///
/// When neither cargo nor the working directory tells.
pub(crate) fn root() -> Result<PathBuf> {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = std::env::current_dir().context("cannot read the working directory")?;
    let starts = told.iter().chain([&here]);
    for start in starts {
        if let Some(root) = start
            .ancestors()
            .find(|dir| dir.join("xtask/Cargo.toml").is_file())
        {
            return Ok(root.to_owned());
        }
    }
    bail!("cannot find the repository: start this as `cargo xtask` from inside the checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_this_crate() {
        assert!(root().unwrap().join("xtask/src/repo.rs").is_file());
    }

    #[test]
    fn loading_finds_this_file_and_no_build_products() {
        let repo = Repo::load().unwrap();
        assert!(
            repo.text("xtask/src/repo.rs")
                .is_some_and(|text| text.contains("no_build_products"))
        );
        assert!(repo.paths().all(|path| !path.starts_with("target/")));
    }

    #[test]
    fn directories_exist_when_something_is_in_them() {
        let repo = Repo::from([("docs/format.md", "x"), ("docs-old/a.md", "y")]);
        assert!(repo.has("docs") && repo.has("docs/format.md") && repo.has(""));
        assert!(!repo.has("doc") && !repo.has("docs/form"));
    }
}
