//! Directories as values: copied, read and compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory { mode: u32 },
    File { mode: u32, bytes: Vec<u8> },
    Link(PathBuf),
}

/// All that is in a directory, by paths relative to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<PathBuf, Entry>);

impl Tree {
    /// Reads a directory; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// If something in it cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add(dir, Path::new(""))?;
        Ok(tree)
    }

    fn add(&mut self, dir: &Path, below: &Path) -> Result<()> {
        let entries = match fs::read_dir(dir.join(below)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let metadata = entry.metadata()?;
            let mode = metadata.permissions().mode();
            let found = if metadata.is_dir() {
                self.add(dir, &path)?;
                Entry::Directory { mode }
            } else if metadata.is_symlink() {
                Entry::Link(fs::read_link(entry.path())?)
            } else {
                let bytes = fs::read(entry.path())?;
                Entry::File { mode, bytes }
            };
            self.0.insert(path, found);
        }
        Ok(())
    }

    /// What is at a path and below it.
    pub(crate) fn below<'a>(
        &'a self,
        path: &'a Path,
    ) -> impl Iterator<Item = (&'a PathBuf, &'a Entry)> {
        self.0
            .iter()
            .filter(move |(found, _)| found.starts_with(path))
    }

    /// Whether both have the same at a path and below it.
    pub(crate) fn agree(&self, other: &Self, path: &Path) -> bool {
        self.below(path).eq(other.below(path))
    }

    /// The paths at which they differ.
    pub(crate) fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a Path> {
        let differs = |path: &&PathBuf| self.0.get(*path) != other.0.get(*path);
        let missing = |path: &&PathBuf| !self.0.contains_key(*path);
        let ours = self.0.keys().filter(differs);
        ours.chain(other.0.keys().filter(missing))
            .map(PathBuf::as_path)
            .collect()
    }
}

/// Copies a file, or a directory and all that is in it, without links between the two.
///
/// # Errors
///
/// If something cannot be read or written.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if !from.is_dir() {
        fs::copy(from, to).with_context(failed)?;
        return Ok(());
    }
    fs::create_dir_all(to).with_context(failed)?;
    for entry in fs::read_dir(from).with_context(failed)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Removes a directory, if it is there.
///
/// # Errors
///
/// If it is there and cannot be removed.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
