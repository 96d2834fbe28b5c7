//! The section of the node's YAML configuration.

use node_hook::{BlobInfoSnapshotConfig, Mode};
use serde::Deserialize;

/// A node's configuration, with other sections beside.
#[derive(Debug, Deserialize)]
struct NodeConfig {
    #[serde(default)]
    blob_info_snapshot: BlobInfoSnapshotConfig,
    #[serde(default)]
    name: String,
}

fn read(yaml: &str) -> Result<BlobInfoSnapshotConfig, String> {
    let read: Result<NodeConfig, _> = serde_yaml_ng::from_str(yaml);
    read.map(|node| {
        assert!(node.name.is_empty() || node.name == "a node");
        node.blob_info_snapshot
    })
    .map_err(|error| error.to_string())
}

#[test]
fn without_a_word_it_is_off() {
    let off = BlobInfoSnapshotConfig::default();
    assert!(!off.enabled);
    assert_eq!(off.mode, Mode::Checkpoint);
    assert_eq!(off.checkpoint_timeout_secs.get(), 60);
    for yaml in [
        "name: a node",
        "blob_info_snapshot: {}",
        "blob_info_snapshot:\n  enabled: false",
    ] {
        assert_eq!(read(yaml), Ok(off), "{yaml}");
    }
}

#[test]
fn every_key_is_read() {
    let config = read("blob_info_snapshot:\n  enabled: true").expect("read");
    assert!(config.enabled);
    assert_eq!(config.mode, Mode::Checkpoint);
    for (name, mode) in [
        ("checkpoint", Mode::Checkpoint),
        ("snapshot", Mode::Snapshot),
    ] {
        let yaml = format!(
            "name: a node\nblob_info_snapshot:\n  enabled: true\n  mode: {name}\n  \
             checkpoint_timeout_secs: 5\n"
        );
        let config = read(&yaml).expect("read");
        assert_eq!(
            (config.mode, config.checkpoint_timeout_secs.get()),
            (mode, 5)
        );
    }
}

#[test]
fn a_key_it_does_not_know_is_refused_by_name() {
    assert_eq!(
        read("blob_info_snapshot:\n  enabled: true\n  modus: snapshot").expect_err("unknown"),
        "blob_info_snapshot: unknown field `modus`, expected one of `enabled`, `mode`, \
         `checkpoint_timeout_secs` at line 3 column 3"
    );
}

#[test]
fn a_value_it_does_not_know_is_refused_with_what_it_may_be() {
    let error = read("blob_info_snapshot:\n  mode: both").expect_err("unknown");
    assert!(
        error.contains("unknown variant `both`, expected `checkpoint` or `snapshot`"),
        "{error}"
    );
    let error = read("blob_info_snapshot:\n  checkpoint_timeout_secs: 0").expect_err("zero");
    assert!(error.contains("expected a nonzero u64"), "{error}");
    let error = read("blob_info_snapshot:\n  enabled: maybe").expect_err("not a bool");
    assert!(error.contains("expected a boolean"), "{error}");
}

#[test]
fn what_is_written_reads_back() {
    let config = BlobInfoSnapshotConfig {
        enabled: true,
        mode: Mode::Snapshot,
        ..BlobInfoSnapshotConfig::default()
    };
    let yaml = serde_yaml_ng::to_string(&config).expect("text");
    assert_eq!(
        yaml,
        "enabled: true\nmode: snapshot\ncheckpoint_timeout_secs: 60\n"
    );
    assert_eq!(
        serde_yaml_ng::from_str::<BlobInfoSnapshotConfig>(&yaml).expect("read"),
        config
    );
}
