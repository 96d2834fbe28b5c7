//! The plans of what to delete, over any names.

use node_hook::Mode;
use node_hook::retention::{Keep, at_start, newest, superseded, unfinished};
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

proptest! {
    #[test]
    fn superseded_takes_all_that_is_finished_but_what_is_kept(
        present in present(),
        checkpoint in option::of(epoch()),
        snapshot in option::of(epoch()),
    ) {
        let removed = superseded(&present, &Keep { checkpoint, snapshot });
        prop_assert!(removed.iter().all(|name| present.contains(name) && !name.unfinished));
        let rest = rest(&present, &removed);
        for (kind, kept) in KINDS.into_iter().zip([checkpoint, snapshot]) {
            for name in &rest {
                prop_assert!(name.unfinished || name.kind != kind || Some(name.epoch) == kept);
            }
        }
        prop_assert_eq!(unfinished(&rest), unfinished(&present));
    }

    #[test]
    fn after_a_start_nothing_is_unfinished_and_only_the_newest_is_left(
        present in present(),
        mode in mode(),
    ) {
        let plan = at_start(&present, mode);
        prop_assert!(plan.remove.iter().all(|name| present.contains(name)));
        let mut once = plan.remove.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), plan.remove.len());

        let rest = rest(&present, &plan.remove);
        prop_assert!(unfinished(&rest).is_empty());
        let snapshot = newest(&present, ArtifactKind::Snapshot);
        let checkpoint = newest(&present, ArtifactKind::Checkpoint);
        // The newest snapshot stays, whatever happens.
        prop_assert_eq!(of_kind(&rest, ArtifactKind::Snapshot), Vec::from_iter(snapshot));
        let outdated = mode == Mode::Snapshot && checkpoint < snapshot;
        let expected = checkpoint.filter(|_| !outdated);
        prop_assert_eq!(of_kind(&rest, ArtifactKind::Checkpoint), Vec::from_iter(expected));
        prop_assert_eq!(plan.resume, expected.filter(|_| mode == Mode::Snapshot));

        // A second start has nothing left to remove.
        prop_assert_eq!(at_start(&rest, mode).remove, vec![]);
    }

    #[test]
    fn the_newest_is_a_finished_one_of_its_kind(present in present()) {
        for kind in KINDS {
            let newest = newest(&present, kind);
            let finished: Vec<Epoch> = present
                .iter()
                .filter(|name| name.kind == kind && !name.unfinished)
                .map(|name| name.epoch)
                .collect();
            prop_assert_eq!(newest, finished.into_iter().max());
        }
    }
}
