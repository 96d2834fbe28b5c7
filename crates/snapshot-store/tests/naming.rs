//! Names of checkpoints and snapshots: exact, or not ours.

use proptest::prelude::*;
use snapshot_format::Epoch;
use snapshot_store::naming::{ArtifactKind, ArtifactName};

fn name(kind: ArtifactKind, epoch: u32, unfinished: bool) -> ArtifactName {
    ArtifactName {
        kind,
        epoch: Epoch(epoch),
        unfinished,
    }
}

#[test]
fn names_are_as_documented() {
    let cases = [
        (
            "checkpoint_epoch_0",
            name(ArtifactKind::Checkpoint, 0, false),
        ),
        (
            "checkpoint_epoch_11.tmp",
            name(ArtifactKind::Checkpoint, 11, true),
        ),
        (
            "snapshot_epoch_4294967295.bin",
            name(ArtifactKind::Snapshot, u32::MAX, false),
        ),
        (
            "snapshot_epoch_7.bin.tmp",
            name(ArtifactKind::Snapshot, 7, true),
        ),
    ];
    for (text, name) in cases {
        assert_eq!(ArtifactName::parse(text), Some(name));
        assert_eq!(name.to_string(), text);
    }
    assert_eq!(
        ArtifactName::finished(ArtifactKind::Snapshot, Epoch(7)),
        name(ArtifactKind::Snapshot, 7, false)
    );
}

#[test]
fn what_comes_near_is_not_ours() {
    let near = [
        "",
        ".tmp",
        "checkpoint_epoch_",
        "checkpoint_epoch_.tmp",
        "checkpoint_epoch_07",
        "checkpoint_epoch_+7",
        "checkpoint_epoch_-7",
        "checkpoint_epoch_ 7",
        "checkpoint_epoch_7 ",
        "checkpoint_epoch_7\n",
        "checkpoint_epoch_7.tmp.tmp",
        "checkpoint_epoch_7.bin",
        "checkpoint_epoch_7.old",
        "checkpoint_epoch_4294967296",
        "checkpoint_epoch_18446744073709551623",
        "checkpoint_epoch_7/CURRENT",
        "xcheckpoint_epoch_7",
        "Checkpoint_epoch_7",
        "checkpoint-epoch-7",
        "snapshot_epoch_7",
        "snapshot_epoch_7.tmp",
        "snapshot_epoch_7.bin.bin",
        "snapshot_epoch_7.tmp.bin",
        "snapshot_epoch_7.bin.tmp.tmp",
        "snapshot_epoch_7.BIN",
        "snapshot_epoch_7.bin.zst",
        "snapshot_epoch_0x7.bin",
        "snapshot_epoch_\u{0667}.bin",
    ];
    for text in near {
        assert_eq!(ArtifactName::parse(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_name_reads_back(is_checkpoint: bool, epoch: u32, unfinished: bool) {
        let kinds = [ArtifactKind::Snapshot, ArtifactKind::Checkpoint];
        let name = name(kinds[usize::from(is_checkpoint)], epoch, unfinished);
        prop_assert_eq!(ArtifactName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn what_is_taken_for_ours_is_written_the_same(
        text in "(checkpoint|snapshot)_epoch_[0-9+ ]{0,11}(\\.bin)?(\\.tmp)?",
    ) {
        if let Some(name) = ArtifactName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
