//! What to delete and what to finish: pure plans over the names in the directory, and over what the
//! artifacts proved to be.
//!
//! A name costs nothing else. An artifact that is to outlive older ones has been read first.

use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};

use crate::config::Mode;

/// Events that a boundary may lie ahead of the latest event that changed the tables: those in between
/// change none. An epoch has a few such events; a boundary that is further away is no boundary of this
/// database.
const EVENTS_AHEAD: u64 = 1_000_000;

/// A finished artifact that was read and is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Its name, whose epoch it has.
    pub name: ArtifactName,
    /// Index of its boundary's event.
    pub event_index: u64,
}

/// Why a sound artifact is not believed to be of this node's latest boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The database is far from its boundary.
    #[error(
        "its boundary is event {event_index}, while the latest event that this node handled is \
         {latest_handled}"
    )]
    Ahead {
        /// Index of its boundary's event.
        event_index: u64,
        /// Index of the latest event handled.
        latest_handled: u64,
    },
    /// One of an earlier epoch is of the same event, or of a later one.
    #[error("{other}, of an earlier epoch, is of the same event or a later one")]
    Contradicted {
        /// The other one.
        other: ArtifactName,
    },
    /// The node is at the boundary of an earlier epoch.
    #[error("the node is only at the boundary of epoch {epoch}")]
    NotYet {
        /// The epoch.
        epoch: Epoch,
    },
}

/// The unfinished artifacts: leftovers, unless somebody is at work on them.
#[must_use]
pub fn unfinished(present: &[ArtifactName]) -> Vec<ArtifactName> {
    let unfinished = present.iter().filter(|name| name.unfinished);
    unfinished.copied().collect()
}

/// The finished artifacts of a kind and of epochs before `epoch`.
#[must_use]
pub fn older(present: &[ArtifactName], kind: ArtifactKind, epoch: Epoch) -> Vec<ArtifactName> {
    let older = finished(present, kind).filter(|name| name.epoch < epoch);
    older.collect()
}

/// The finished artifacts of a kind and of epochs after `epoch`.
#[must_use]
pub fn newer(present: &[ArtifactName], kind: ArtifactKind, epoch: Epoch) -> Vec<ArtifactName> {
    let newer = finished(present, kind).filter(|name| name.epoch > epoch);
    newer.collect()
}

fn finished(present: &[ArtifactName], kind: ArtifactKind) -> impl Iterator<Item = ArtifactName> {
    let of_kind = move |name: &&ArtifactName| name.kind == kind && !name.unfinished;
    present.iter().filter(of_kind).copied()
}

/// What a start has to do about what the run before left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartPlan {
    /// What to delete: everything unfinished, and what is older than what stays.
    pub remove: Vec<ArtifactName>,
    /// The newest checkpoint that is believed, unless it is deleted.
    pub checkpoint: Option<Epoch>,
    /// The newest snapshot that is believed.
    pub snapshot: Option<Epoch>,
    /// What is sound, not believed, and left.
    pub doubtful: Vec<(ArtifactName, Doubt)>,
}

/// Plans the start, before anything new is made. `sound` are those present that are.
///
/// In mode `snapshot` a checkpoint older than the newest snapshot is of no use any more.
#[must_use]
pub fn at_start(
    present: &[ArtifactName],
    sound: &[Sound],
    latest_handled: Option<u64>,
    mode: Mode,
) -> StartPlan {
    let newest = |kind: ArtifactKind| {
        let of_kind = sound.iter().filter(|sound| sound.name.kind == kind);
        let believed = of_kind.filter(|one| doubt(one, sound, latest_handled).is_none());
        believed.map(|sound| sound.name.epoch).max()
    };
    let snapshot = newest(ArtifactKind::Snapshot);
    let mut checkpoint = newest(ArtifactKind::Checkpoint);
    let mut before = checkpoint;
    if mode == Mode::Snapshot && checkpoint < snapshot {
        (checkpoint, before) = (None, snapshot);
    }
    let mut remove = unfinished(present);
    for (kind, before) in [
        (ArtifactKind::Checkpoint, before),
        (ArtifactKind::Snapshot, snapshot),
    ] {
        remove.extend(before.map_or_else(Vec::new, |epoch| older(present, kind, epoch)));
    }
    let doubtful = sound
        .iter()
        .filter(|sound| !remove.contains(&sound.name))
        .filter_map(|one| Some((one.name, doubt(one, sound, latest_handled)?)))
        .collect();
    StartPlan {
        remove,
        checkpoint,
        snapshot,
        doubtful,
    }
}

fn doubt(one: &Sound, sound: &[Sound], latest_handled: Option<u64>) -> Option<Doubt> {
    let event_index = one.event_index;
    if let Some(latest_handled) = latest_handled
        && event_index > latest_handled.saturating_add(EVENTS_AHEAD)
    {
        return Some(Doubt::Ahead {
            event_index,
            latest_handled,
        });
    }
    let contradicts =
        |other: &&Sound| other.name.epoch < one.name.epoch && other.event_index >= event_index;
    let other = sound.iter().find(contradicts)?.name;
    Some(Doubt::Contradicted { other })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, each with the index of its event if it is sound.
    fn plan(of: &[(&str, Option<u64>)], latest_handled: Option<u64>, mode: Mode) -> StartPlan {
        let name = |name: &str| ArtifactName::parse(name).expect("one of ours");
        let present: Vec<ArtifactName> = of.iter().map(|(text, _)| name(text)).collect();
        let sound: Vec<Sound> = of
            .iter()
            .filter_map(|(text, event_index)| {
                Some(Sound {
                    name: name(text),
                    event_index: (*event_index)?,
                })
            })
            .collect();
        at_start(&present, &sound, latest_handled, mode)
    }

    fn removed(plan: &StartPlan) -> Vec<String> {
        let mut names: Vec<String> = plan.remove.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn a_start_removes_what_is_unfinished_and_old() {
        let present = [
            ("snapshot_epoch_8.bin.tmp", None),
            ("checkpoint_epoch_10", Some(1000)),
            ("checkpoint_epoch_9", Some(900)),
            ("checkpoint_epoch_11.tmp", None),
            ("snapshot_epoch_9.bin", Some(900)),
            ("snapshot_epoch_3.bin", None),
        ];
        for mode in [Mode::Snapshot, Mode::Checkpoint] {
            let plan = plan(&present, Some(1000), mode);
            assert_eq!(
                removed(&plan),
                [
                    "checkpoint_epoch_11.tmp",
                    "checkpoint_epoch_9",
                    "snapshot_epoch_3.bin",
                    "snapshot_epoch_8.bin.tmp",
                ]
            );
            assert_eq!(
                (plan.checkpoint, plan.snapshot),
                (Some(Epoch(10)), Some(Epoch(9)))
            );
        }
        assert_eq!(plan(&[], None, Mode::Snapshot), StartPlan::default());
    }

    #[test]
    fn a_checkpoint_older_than_the_snapshot_is_not_resumed() {
        let present = [
            ("checkpoint_epoch_8", Some(800)),
            ("snapshot_epoch_9.bin", Some(900)),
        ];
        let of = plan(&present, None, Mode::Snapshot);
        assert_eq!(
            (removed(&of), of.checkpoint),
            (vec!["checkpoint_epoch_8".to_owned()], None)
        );
        assert!(plan(&present, None, Mode::Checkpoint).remove.is_empty());

        let same = [
            ("checkpoint_epoch_9", Some(900)),
            ("snapshot_epoch_9.bin", Some(900)),
        ];
        let of = plan(&same, None, Mode::Snapshot);
        assert_eq!((of.remove, of.checkpoint), (vec![], Some(Epoch(9))));
    }

    #[test]
    fn what_is_not_sound_costs_nothing() {
        let present = [
            ("checkpoint_epoch_7", Some(700)),
            ("checkpoint_epoch_4294967295", None),
            ("snapshot_epoch_7.bin", Some(700)),
            ("snapshot_epoch_8.bin", None),
        ];
        for mode in [Mode::Snapshot, Mode::Checkpoint] {
            let of = plan(&present, Some(710), mode);
            assert!(of.remove.is_empty() && of.doubtful.is_empty(), "{of:?}");
            assert_eq!(
                (of.checkpoint, of.snapshot),
                (Some(Epoch(7)), Some(Epoch(7)))
            );
        }
    }

    #[test]
    fn what_is_sound_but_cannot_be_of_this_node_costs_nothing() {
        let ahead = 711 + EVENTS_AHEAD;
        for (event_index, is_ahead) in [(ahead, true), (700, false), (3, false)] {
            let present = [
                ("checkpoint_epoch_7", Some(700)),
                ("snapshot_epoch_4294967295.bin", Some(event_index)),
                ("snapshot_epoch_6.bin", Some(600)),
            ];
            for mode in [Mode::Snapshot, Mode::Checkpoint] {
                let of = plan(&present, Some(710), mode);
                assert!(of.remove.is_empty(), "{of:?}");
                assert_eq!(
                    (of.checkpoint, of.snapshot),
                    (Some(Epoch(7)), Some(Epoch(6)))
                );
                let [(name, doubt)] = of.doubtful.as_slice() else {
                    panic!("{of:?}");
                };
                assert_eq!(name.to_string(), "snapshot_epoch_4294967295.bin");
                assert_eq!(matches!(doubt, Doubt::Ahead { .. }), is_ahead, "{doubt}");
            }
        }
        // A crash right after a boundary: nothing behind it is handled yet.
        let present = [
            ("snapshot_epoch_7.bin", Some(700)),
            ("snapshot_epoch_6.bin", Some(600)),
        ];
        let of = plan(&present, Some(690), Mode::Snapshot);
        assert_eq!(removed(&of), ["snapshot_epoch_6.bin"]);
    }
}
