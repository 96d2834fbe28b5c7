//! What to delete and what to finish: pure plans over the names in the directory.

use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};

use crate::config::Mode;

/// What stays when everything else of ours goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The epoch whose checkpoint stays.
    pub checkpoint: Option<Epoch>,
    /// The epoch whose snapshot stays.
    pub snapshot: Option<Epoch>,
}

impl Keep {
    const fn epoch(&self, kind: ArtifactKind) -> Option<Epoch> {
        match kind {
            ArtifactKind::Checkpoint => self.checkpoint,
            ArtifactKind::Snapshot => self.snapshot,
        }
    }
}

/// The finished artifacts that `keep` does not name.
#[must_use]
pub fn superseded(present: &[ArtifactName], keep: &Keep) -> Vec<ArtifactName> {
    present
        .iter()
        .filter(|name| !name.unfinished && keep.epoch(name.kind) != Some(name.epoch))
        .copied()
        .collect()
}

/// The unfinished artifacts: leftovers, unless somebody is at work on them.
#[must_use]
pub fn unfinished(present: &[ArtifactName]) -> Vec<ArtifactName> {
    present
        .iter()
        .filter(|name| name.unfinished)
        .copied()
        .collect()
}

/// The epoch of the newest finished artifact of a kind.
#[must_use]
pub fn newest(present: &[ArtifactName], kind: ArtifactKind) -> Option<Epoch> {
    present
        .iter()
        .filter(|name| name.kind == kind && !name.unfinished)
        .map(|name| name.epoch)
        .max()
}

/// What a start has to do about what the run before left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartPlan {
    /// What to delete: everything unfinished, and all but the newest of each kind.
    pub remove: Vec<ArtifactName>,
    /// The epoch whose checkpoint still has to become a snapshot.
    pub resume: Option<Epoch>,
}

/// Plans the start, before anything new is made.
///
/// In mode `snapshot` a checkpoint older than the newest snapshot is of no use any more.
#[must_use]
pub fn at_start(present: &[ArtifactName], mode: Mode) -> StartPlan {
    let snapshot = newest(present, ArtifactKind::Snapshot);
    let checkpoint = newest(present, ArtifactKind::Checkpoint)
        .filter(|checkpoint| mode == Mode::Checkpoint || Some(*checkpoint) >= snapshot);
    let keep = Keep {
        checkpoint,
        snapshot,
    };
    let mut remove = unfinished(present);
    remove.extend(superseded(present, &keep));
    StartPlan {
        remove,
        resume: checkpoint.filter(|_| mode == Mode::Snapshot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<ArtifactName> {
        names
            .iter()
            .map(|name| ArtifactName::parse(name).expect("one of ours"))
            .collect()
    }

    #[test]
    fn only_what_is_kept_stays() {
        let present = names(&[
            "checkpoint_epoch_7",
            "checkpoint_epoch_8",
            "checkpoint_epoch_9",
            "checkpoint_epoch_9.tmp",
            "snapshot_epoch_7.bin",
            "snapshot_epoch_8.bin.tmp",
        ]);
        let keep = Keep {
            checkpoint: Some(Epoch(8)),
            snapshot: Some(Epoch(8)),
        };
        assert_eq!(
            superseded(&present, &keep),
            names(&[
                "checkpoint_epoch_7",
                "checkpoint_epoch_9",
                "snapshot_epoch_7.bin"
            ])
        );
        assert_eq!(superseded(&present, &Keep::default()).len(), 4);
        assert_eq!(
            unfinished(&present),
            names(&["checkpoint_epoch_9.tmp", "snapshot_epoch_8.bin.tmp"])
        );
    }

    #[test]
    fn a_start_removes_what_is_unfinished_and_old() {
        let present = names(&[
            "snapshot_epoch_8.bin.tmp",
            "checkpoint_epoch_10",
            "checkpoint_epoch_9",
            "checkpoint_epoch_11.tmp",
            "snapshot_epoch_9.bin",
            "snapshot_epoch_3.bin",
        ]);
        let plan = at_start(&present, Mode::Snapshot);
        let mut removed = plan.remove.clone();
        removed.sort();
        let mut expected = names(&[
            "snapshot_epoch_8.bin.tmp",
            "checkpoint_epoch_11.tmp",
            "checkpoint_epoch_9",
            "snapshot_epoch_3.bin",
        ]);
        expected.sort();
        assert_eq!(removed, expected);
        assert_eq!(plan.resume, Some(Epoch(10)));
        assert_eq!(at_start(&present, Mode::Checkpoint).resume, None);
        assert_eq!(at_start(&[], Mode::Snapshot), StartPlan::default());
    }

    #[test]
    fn a_checkpoint_older_than_the_snapshot_is_not_resumed() {
        let present = names(&["checkpoint_epoch_8", "snapshot_epoch_9.bin"]);
        let plan = at_start(&present, Mode::Snapshot);
        assert_eq!(plan.remove, names(&["checkpoint_epoch_8"]));
        assert_eq!(plan.resume, None);
        assert_eq!(at_start(&present, Mode::Checkpoint), StartPlan::default());

        // Of the same epoch: whether the snapshot is whole is yet to be seen.
        let present = names(&["checkpoint_epoch_9", "snapshot_epoch_9.bin"]);
        let plan = at_start(&present, Mode::Snapshot);
        assert_eq!((plan.remove, plan.resume), (vec![], Some(Epoch(9))));
    }
}
