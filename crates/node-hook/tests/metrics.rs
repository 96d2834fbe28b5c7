//! The metrics, as Prometheus scrapes them.

mod common;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Node, boundary, config, metric, scraped, write_rows};
use node_hook::{BuildError, Mode, Outcome, SnapshotHook};
use prometheus::Registry;
use snapshot_store::{Progress, verify_file};

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64()
}

/// The names and labels in a registry.
fn series(registry: &Registry) -> Vec<String> {
    let text = scraped(registry);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| line.rsplit_once(' ').expect("a value").0);
    series
        .map(|name| name.replace("blob_info_snapshot_", ""))
        .collect()
}

const ERRORS: [&str; 5] = [
    "error_total{stage=\"checkpoint\"}",
    "error_total{stage=\"decide\"}",
    "error_total{stage=\"retention\"}",
    "error_total{stage=\"serialize\"}",
    "error_total{stage=\"start\"}",
];

#[tokio::test]
async fn mode_snapshot_exports_all_of_the_latest_snapshot_and_no_other() {
    let node = Node::new();
    let hook = node.hook(Mode::Snapshot);
    for (epoch, bucket) in [(199, 99), (200, 0), (201, 1)] {
        let before = now();
        write_rows(&node.db, 400, 400 + epoch);
        assert_eq!(hook.boundary(epoch).await, Outcome::Taken);
        let path = node.path(&format!("snapshot_epoch_{epoch}.bin"));
        let summary = verify_file(&path, &Progress::new()).expect("sound");

        let mut expected: Vec<String> = vec!["checkpoint_duration_seconds".into()];
        expected.push(format!("digest{{epoch_bucket=\"{bucket}\"}}"));
        expected.extend(
            [
                "per_object_blob_info",
                "per_object_pooled_blob_info",
                "storage_pool_info",
            ]
            .map(|table| format!("entries{{table=\"{table}\"}}")),
        );
        expected.extend(ERRORS.map(Into::into));
        expected.extend(
            [
                "last_epoch",
                "last_success_timestamp_seconds",
                "serialize_duration_seconds",
                "size_bytes",
            ]
            .map(Into::into),
        );
        assert_eq!(series(&hook.registry), expected);

        let value = |name: &str| hook.metric(name).expect("there");
        let digest = value(&format!("digest{{epoch_bucket=\"{bucket}\"}}"));
        assert_eq!(digest as u64, summary.digest.0 >> 11);
        assert_eq!(digest, (digest as u64) as f64);
        assert_eq!(
            value("size_bytes"),
            fs::metadata(&path).expect("there").len() as f64
        );
        for (table, count) in summary.counts.iter() {
            let entries = value(&format!("entries{{table=\"{}\"}}", table.name()));
            assert_eq!(entries, *count as f64);
        }
        assert_eq!(value("last_epoch"), f64::from(epoch));
        let time = value("last_success_timestamp_seconds");
        assert!(before <= time && time <= now(), "{before} {time}");
        assert!(value("checkpoint_duration_seconds") > 0.0);
        assert!(value("serialize_duration_seconds") > 0.0);
    }
}

#[tokio::test]
async fn mode_checkpoint_exports_the_checkpoint() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    let before = now();
    assert_eq!(hook.boundary(7).await, Outcome::Taken);
    assert_eq!(hook.metric("last_epoch"), Some(7.0));
    let time = hook
        .metric("last_success_timestamp_seconds")
        .expect("there");
    // File times are those of the latest tick of the clock.
    assert!(before - 1.0 <= time && time <= now(), "{before} {time}");
    assert!(hook.metric("checkpoint_duration_seconds").expect("there") > 0.0);
    assert_eq!(hook.metric("size_bytes"), Some(0.0));
    assert!(
        !series(&hook.registry)
            .iter()
            .any(|name| name.starts_with("digest"))
    );
}

#[tokio::test]
async fn a_restart_shows_what_was_there_before() {
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let node = Node::new();
        let first = node.hook(mode);
        assert_eq!(first.boundary(7).await, Outcome::Taken);
        let hook = node.hook(mode);
        assert_eq!(hook.metric("last_success_timestamp_seconds"), Some(0.0));
        hook.start().await;
        for name in ["last_epoch", "size_bytes", "digest{epoch_bucket=\"7\"}"] {
            assert_eq!(hook.metric(name), first.metric(name), "{name}");
        }
        let time = |hook: &common::Hook| hook.metric("last_success_timestamp_seconds");
        let (then, now) = (time(&first).expect("there"), time(&hook).expect("there"));
        // Of the file, not of the restart; written moments before that was counted.
        assert!(now <= then && then - now < 10.0, "{now} {then}");
        assert_eq!(hook.metric("serialize_duration_seconds"), Some(0.0));
        assert_eq!(hook.failures(), 0.0);
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_shown_after_a_restart() {
    let node = Node::new();
    assert_eq!(node.hook(Mode::Snapshot).boundary(7).await, Outcome::Taken);
    common::flip(&node.path("snapshot_epoch_7.bin"), 200);
    let hook = node.hook(Mode::Snapshot);
    hook.start().await;
    assert_eq!(hook.metric("last_epoch"), Some(0.0));
    assert_eq!(hook.failures_in("start"), 1.0);
    assert_eq!(node.names(), ["snapshot_epoch_7.bin"]);
}

#[tokio::test]
async fn the_node_adds_its_own_prefix() {
    let node = Node::new();
    let registry = Registry::new_custom(Some("walrus".into()), None).expect("a registry");
    let hook = SnapshotHook::builder(
        config(Mode::Checkpoint),
        node.storage(),
        &registry,
        node.store(),
    );
    let hook = hook.build().expect("a new registry");
    assert_eq!(hook.on_epoch_boundary(boundary(7)).await, Outcome::Taken);
    hook.idle().await;
    assert_eq!(
        metric(&registry, "walrus_blob_info_snapshot_last_epoch"),
        Some(7.0)
    );
}

#[test]
fn a_registry_takes_the_metrics_once_and_all_or_none() {
    let node = Node::new();
    let hook = node.hook(Mode::Checkpoint);
    let before = series(&hook.registry);
    let build = |registry: &Registry| {
        SnapshotHook::builder(
            config(Mode::Checkpoint),
            node.storage(),
            registry,
            node.store(),
        )
        .build()
        .map(|_| ())
    };
    let error = build(&hook.registry).expect_err("taken");
    assert!(matches!(error, BuildError::Metrics(_)), "{error}");
    assert_eq!(series(&hook.registry), before);

    let registry = Registry::new();
    // A registry remembers a name's help text, so this is ours.
    let help = "Epoch of the latest checkpoint, or snapshot in mode `snapshot`";
    let other = prometheus::Gauge::new("blob_info_snapshot_last_epoch", help).expect("a gauge");
    registry.register(Box::new(other.clone())).expect("new");
    assert!(build(&registry).is_err());
    assert_eq!(series(&registry), ["last_epoch"]);
    registry.unregister(Box::new(other)).expect("there");
    assert!(build(&registry).is_ok());
}
