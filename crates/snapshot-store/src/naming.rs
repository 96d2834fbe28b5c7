//! Names of checkpoints and snapshots on disk (`docs/lifecycle.md`, "Names").
//!
//! Pure: nothing here looks at a file.

use std::path::{Path, PathBuf};

use snapshot_format::{ChunkPosition, Epoch};

/// The name of something of ours in a directory that may hold other things too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName {
    /// What it is.
    pub kind: ArtifactKind,
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// Whether it is still being made: its name ends in `.tmp`.
    pub unfinished: bool,
}

/// What an [`ArtifactName`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactKind {
    /// A RocksDB checkpoint, a directory `checkpoint_epoch_<N>`.
    Checkpoint,
    /// A snapshot, a file `snapshot_epoch_<N>.bin`.
    Snapshot,
}

impl ArtifactKind {
    const fn affixes(self) -> (&'static str, &'static str) {
        match self {
            Self::Checkpoint => ("checkpoint_epoch_", ""),
            Self::Snapshot => ("snapshot_epoch_", ".bin"),
        }
    }
}

/// What an unfinished artifact's name ends in.
pub const UNFINISHED_SUFFIX: &str = ".tmp";

impl ArtifactName {
    /// The name of a finished artifact.
    #[must_use]
    pub const fn finished(kind: ArtifactKind, epoch: Epoch) -> Self {
        Self {
            kind,
            epoch,
            unfinished: false,
        }
    }

    /// Reads a file name. Anything but an exact match is not ours.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let (name, unfinished) = match file_name.strip_suffix(UNFINISHED_SUFFIX) {
            Some(name) => (name, true),
            None => (file_name, false),
        };
        [ArtifactKind::Checkpoint, ArtifactKind::Snapshot]
            .into_iter()
            .find_map(|kind| {
                let (prefix, suffix) = kind.affixes();
                let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
                let epoch: Epoch = digits.parse().ok()?;
                // Leading zeros would give two names for one epoch.
                (epoch.to_string() == digits).then_some(Self {
                    kind,
                    epoch,
                    unfinished,
                })
            })
    }
}

/// The path of one chunk of the snapshot that would lie at `whole`: `<name>.chunk-<index>-of-<count>` in front
/// of the extensions, with as many digits that names sort like chunks. A whole snapshot keeps its path.
#[must_use]
pub fn chunk_path(whole: &Path, chunk: ChunkPosition) -> PathBuf {
    if chunk.is_whole() {
        return whole.to_path_buf();
    }
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let (rest, outer) = split_extension(&name, ".zst");
    let (stem, inner) = split_extension(rest, ".bin");
    let ChunkPosition { index, count } = chunk;
    let digits = count.saturating_sub(1).to_string().len();
    whole.with_file_name(format!(
        "{stem}.chunk-{index:0digits$}-of-{count}{inner}{outer}"
    ))
}

/// Which chunk of the snapshot that would lie at `whole` a file of this name is, if [`chunk_path`] gives it.
#[must_use]
pub fn chunk_of(whole: &Path, file_name: &str) -> Option<ChunkPosition> {
    let (_, numbers) = file_name.rsplit_once(".chunk-")?;
    let (index, rest) = numbers.split_once("-of-")?;
    let count = rest.split_once('.').map_or(rest, |(count, _)| count);
    let chunk = ChunkPosition {
        index: index.parse().ok()?,
        count: count.parse().ok()?,
    };
    let is_chunk = chunk.index < chunk.count && !chunk.is_whole();
    (is_chunk && chunk_path(whole, chunk).file_name()? == file_name).then_some(chunk)
}

/// A name before and from `extension` on, in upper or lower case, if it ends in that.
fn split_extension<'a>(name: &'a str, extension: &str) -> (&'a str, &'a str) {
    let split = name.len().checked_sub(extension.len());
    match split.and_then(|at| name.split_at_checked(at)) {
        Some((stem, end)) if end.eq_ignore_ascii_case(extension) => (stem, end),
        _ => (name, ""),
    }
}

impl std::fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (prefix, suffix) = self.kind.affixes();
        let unfinished = if self.unfinished {
            UNFINISHED_SUFFIX
        } else {
            ""
        };
        write!(f, "{prefix}{}{suffix}{unfinished}", self.epoch)
    }
}
