//! Looks at a node's checkpoints and snapshots from outside, as an operator would.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use snapshot_format::{Encoder, Epoch, Event as Decoded, Header};
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::{CreateOptions, Database, OpenOptions, Progress, create, verify};

use super::failure::Finding;
use super::model::Expected;
use super::mutation::{self, Mutation};
use crate::event::Event;
use crate::simulation::model::headers;

/// Names in the directory that look like the hook's, but are not.
const FOREIGN: [&str; 6] = [
    "notes.txt",
    "checkpoint_epoch_1.bak",
    "checkpoint_epoch_01",
    "snapshot_epoch_2",
    "snapshot_epoch_4294967296.bin",
    "xsnapshot_epoch_2.bin.tmp",
];

/// What of the hook's is in its directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Present {
    pub(crate) names: Vec<ArtifactName>,
}

impl Present {
    pub(crate) fn list(directory: &Path) -> io::Result<Self> {
        let mut names = Vec::new();
        match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    names.extend(entry?.file_name().to_str().and_then(ArtifactName::parse));
                }
            }
        }
        names.sort();
        Ok(Self { names })
    }

    pub(crate) fn finished(&self) -> impl Iterator<Item = ArtifactName> + '_ {
        self.names.iter().filter(|name| !name.unfinished).copied()
    }

    pub(crate) fn count(&self, kind: ArtifactKind) -> usize {
        self.finished().filter(|name| name.kind == kind).count()
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        self.names.iter().any(|name| name.unfinished)
    }

    pub(crate) fn has(&self, kind: ArtifactKind, epoch: Epoch) -> bool {
        self.names.contains(&ArtifactName::finished(kind, epoch))
    }

    /// Checks that nothing unfinished is left, and at most one of each kind.
    pub(crate) fn require_tidy(&self) -> Result<(), Finding> {
        let kinds = [ArtifactKind::Checkpoint, ArtifactKind::Snapshot];
        let problem = if self.has_unfinished() {
            "something unfinished is left"
        } else if kinds.into_iter().any(|kind| self.count(kind) > 1) {
            "more than one checkpoint, or more than one snapshot, is left"
        } else {
            return Ok(());
        };
        let left = self.tell();
        Err(Finding::Leftovers { problem, left })
    }

    /// For a message.
    pub(crate) fn tell(&self) -> String {
        match self.names.as_slice() {
            [] => "nothing".to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                names.join(", ")
            }
        }
    }
}

/// Puts files of somebody else into the directory.
pub(crate) fn plant_foreign(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    FOREIGN
        .iter()
        .try_for_each(|name| fs::write(directory.join(name), name))
}

/// Checks that they are as they were.
pub(crate) fn check_foreign(directory: &Path) -> Result<(), Finding> {
    for name in FOREIGN {
        let path = directory.join(name);
        if fs::read(&path).ok().as_deref() != Some(name.as_bytes()) {
            return Err(Finding::Foreign { path });
        }
    }
    Ok(())
}

/// Compares artifacts with what they must be, each one once.
#[derive(Debug, Default)]
pub(crate) struct Comparer {
    mutation: Option<Mutation>,
    /// With which making of it: the same name may be made again.
    compared: BTreeSet<(ArtifactName, u64)>,
    /// The digest of the sealed snapshot that was found for an epoch.
    pub(crate) digests: BTreeMap<Epoch, String>,
    /// How many were compared.
    pub(crate) count: u64,
}

impl Comparer {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        Self {
            mutation,
            ..Self::default()
        }
    }

    /// Compares what is finished in `directory`; `making` says which making of an artifact it is.
    pub(crate) fn compare(
        &mut self,
        directory: &Path,
        present: &Present,
        history: &[(Event, Expected)],
        making: impl Fn(ArtifactName) -> u64,
    ) -> Result<(), Finding> {
        for name in present.finished() {
            let path = directory.join(name.to_string());
            let identity = (name, making(name));
            if self.compared.contains(&identity) {
                continue;
            }
            let of_epoch = |(_, expected): &&(Event, Expected)| expected.epoch == name.epoch;
            let artifact = name.to_string();
            let Some((event, expected)) = history.iter().find(of_epoch) else {
                return Err(Finding::Unknown { artifact });
            };
            let [sealed, counted] = match name.kind {
                ArtifactKind::Checkpoint => self.of_checkpoint(&path, event, expected.epoch)?,
                ArtifactKind::Snapshot => of_snapshot(&path, event, expected.epoch)?,
            };
            same(&artifact, "sealed", &sealed, &expected.sealed.sink)?;
            same(&artifact, "counted", &counted, &expected.counted.sink)?;
            self.count += 1;
            let digest = expected.sealed.digest.to_string();
            self.digests.insert(name.epoch, digest);
            self.compared.insert(identity);
        }
        Ok(())
    }

    /// The snapshots of a checkpoint, sealed and counted, as `blob-snapshot create` writes them.
    fn of_checkpoint(
        &self,
        path: &Path,
        event: &Event,
        epoch: Epoch,
    ) -> Result<[Vec<u8>; 2], Finding> {
        let not_whole = |cause: String| not_whole(path, cause);
        let database = Database::open(path, &OpenOptions::default());
        let database = database.map_err(|error| not_whole(error.to_string()))?;
        let write = |header: &Header| {
            let mut bytes = Vec::new();
            let options = CreateOptions {
                threads: NonZeroUsize::new(1),
            };
            create(&database, header, &mut bytes, &options, &Progress::new())
                .map_err(|error| not_whole(error.to_string()))?;
            match self.mutation {
                Some(Mutation::HashOrder) => {
                    mutation::in_hash_order(&bytes, header).map_err(not_whole)
                }
                _ => Ok(bytes),
            }
        };
        let [sealed, counted] = headers(epoch, event);
        Ok([write(&sealed)?, write(&counted)?])
    }
}

/// A snapshot as it is, and encoded again in the other framing.
fn of_snapshot(path: &Path, event: &Event, epoch: Epoch) -> Result<[Vec<u8>; 2], Finding> {
    let sealed = fs::read(path)?;
    let not_whole = |cause: String| not_whole(path, cause);
    let mut rows = Vec::new();
    let summary = verify::decode(sealed.as_slice(), &Progress::new(), |event| {
        if let Decoded::Entry(entry) = event {
            rows.push((entry.table, entry.key, entry.value.to_vec()));
        }
    });
    let counts = summary
        .map_err(|error| not_whole(error.to_string()))?
        .counts;
    let [_, header] = headers(epoch, event);
    let Header::Counted(header) = header else {
        return Err(Finding::Rig("the second header is not counted".to_owned()));
    };
    let encode = || {
        let mut encoder = Encoder::counted(Vec::new(), &header, counts)?;
        for table in snapshot_format::Framing::Counted.tables() {
            for (_, key, value) in rows.iter().filter(|(of, ..)| *of == table) {
                encoder.entry(table, key.as_ref(), value)?;
            }
        }
        encoder.finish()
    };
    let counted = encode().map_err(|error| not_whole(error.to_string()))?;
    Ok([sealed, counted.sink])
}

fn same(artifact: &str, framing: &'static str, got: &[u8], expected: &[u8]) -> Result<(), Finding> {
    if got == expected {
        return Ok(());
    }
    let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Err(Finding::Differs {
        artifact: artifact.to_owned(),
        framing,
        difference: format!(
            "{} bytes instead of {}, the first difference at byte {at}",
            got.len(),
            expected.len()
        ),
    })
}

fn not_whole(path: &Path, cause: String) -> Finding {
    Finding::NotWhole {
        artifact: PathBuf::from(path.file_name().unwrap_or_default())
            .display()
            .to_string(),
        cause,
    }
}
