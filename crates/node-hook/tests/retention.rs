//! The plans of what to delete, over any names.

use node_hook::Mode;
use node_hook::retention::{Sound, at_start, newer, older, unfinished};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};

const KINDS: [ArtifactKind; 2] = [ArtifactKind::Checkpoint, ArtifactKind::Snapshot];

/// Few epochs, so that they meet, and the largest.
fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![(0_u32..6).prop_map(Epoch), Just(Epoch(u32::MAX))]
}

/// Names as a directory has them: each once, in any order.
fn present() -> impl Strategy<Value = Vec<ArtifactName>> {
    let name = (any::<bool>(), epoch(), any::<bool>());
    vec(name, 0..16).prop_map(|names| {
        let mut present = Vec::new();
        for (is_checkpoint, epoch, unfinished) in names {
            let kind = KINDS[usize::from(is_checkpoint)];
            let name = ArtifactName {
                kind,
                epoch,
                unfinished,
            };
            if !present.contains(&name) {
                present.push(name);
            }
        }
        present
    })
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Checkpoint), Just(Mode::Snapshot)]
}

/// What is there once `removed` is gone.
fn rest(present: &[ArtifactName], removed: &[ArtifactName]) -> Vec<ArtifactName> {
    let stays = present.iter().filter(|name| !removed.contains(name));
    stays.copied().collect()
}

fn of_kind(names: &[ArtifactName], kind: ArtifactKind) -> Vec<Epoch> {
    let names = names.iter().filter(|name| name.kind == kind);
    names.map(|name| name.epoch).collect()
}

/// The finished ones, each with the index of its event if it is sound: mostly as boundaries give them.
fn sound(present: &[ArtifactName], chosen: &[(bool, bool)]) -> Vec<Sound> {
    let finished = present.iter().filter(|name| !name.unfinished);
    let chosen = finished.zip(chosen);
    chosen
        .filter(|(_, (is_sound, _))| *is_sound)
        .map(|(name, (_, is_odd))| Sound {
            name: *name,
            event_index: if *is_odd {
                250
            } else {
                u64::from(name.epoch.0) * 100
            },
        })
        .collect()
}

proptest! {
    #[test]
    fn older_and_newer_are_the_finished_of_a_kind_but_the_one_itself(
        present in present(),
        epoch in epoch(),
    ) {
        for kind in KINDS {
            let (older, newer) = (older(&present, kind, epoch), newer(&present, kind, epoch));
            prop_assert!(older.iter().all(|name| name.epoch < epoch && !name.unfinished));
            prop_assert!(newer.iter().all(|name| name.epoch > epoch && !name.unfinished));
            let of_kind = present.iter().filter(|name| name.kind == kind && !name.unfinished);
            let others = of_kind.filter(|name| name.epoch != epoch).count();
            prop_assert_eq!(older.len() + newer.len(), others);
        }
    }

    #[test]
    fn a_start_costs_nothing_unless_something_sound_and_newer_stays(
        present in present(),
        chosen in vec((any::<bool>(), any::<bool>()), 16),
        latest in option::of(0_u64..600),
        mode in mode(),
    ) {
        let sound = sound(&present, &chosen);
        let plan = at_start(&present, &sound, latest, mode);
        prop_assert!(plan.remove.iter().all(|name| present.contains(name)));
        let mut once = plan.remove.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), plan.remove.len());
        let rest = rest(&present, &plan.remove);
        prop_assert!(unfinished(&rest).is_empty());
        for name in plan.remove.iter().filter(|name| !name.unfinished) {
            let serves = |kind| {
                kind == name.kind || (mode == Mode::Snapshot && kind == ArtifactKind::Snapshot)
            };
            let replaced = sound.iter().any(|sound| {
                rest.contains(&sound.name)
                    && sound.name.epoch > name.epoch
                    && serves(sound.name.kind)
            });
            prop_assert!(replaced, "{} of {:?}", name, sound);
        }
    }

    #[test]
    fn of_what_boundaries_leave_only_the_newest_stay(present in present(), mode in mode()) {
        let chosen = [(true, false); 16];
        let sound = sound(&present, &chosen);
        let plan = at_start(&present, &sound, None, mode);
        let rest = rest(&present, &plan.remove);
        let newest = |kind| {
            let of_kind = sound.iter().filter(|sound| sound.name.kind == kind);
            of_kind.map(|sound| sound.name.epoch).max()
        };
        let (checkpoint, snapshot) =
            (newest(ArtifactKind::Checkpoint), newest(ArtifactKind::Snapshot));
        prop_assert_eq!(of_kind(&rest, ArtifactKind::Snapshot), Vec::from_iter(snapshot));
        let outdated = mode == Mode::Snapshot && checkpoint < snapshot;
        let expected = checkpoint.filter(|_| !outdated);
        prop_assert_eq!(of_kind(&rest, ArtifactKind::Checkpoint), Vec::from_iter(expected));
        prop_assert_eq!((plan.checkpoint, plan.snapshot), (expected, snapshot));
        // A second start has nothing left to remove.
        prop_assert_eq!(at_start(&rest, &sound, None, mode).remove, vec![]);
    }
}
