//! What the log says: why nothing was done, what failed and of what cause, and what is left over.

mod common;

use std::fmt::{self, Write as _};
use std::fs;
use std::sync::{Mutex, Once, PoisonError};

use common::store::{Act, Wilful};
use common::{Node, boundary, config, handled};
use node_hook::{BlobInfoSnapshotConfig, Mode};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// All that was logged so far.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The tests of this binary share the log, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

struct Collector;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes all");
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("node_hook")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is logged while `work` runs.
fn logged(work: impl Future<Output = ()>) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Collector).expect("the first"));
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || std::mem::take(&mut *LOG.lock().unwrap_or_else(PoisonError::into_inner));
    take();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(work);
    take()
}

#[test]
fn a_skipped_boundary_says_why_for_whoever_asks() {
    let node = Node::new();
    handled(&node.db, 712);
    let hook = node.hook(Mode::Checkpoint);
    let log = logged(async {
        hook.boundary(7).await;
    });
    assert_eq!(
        log,
        [
            "DEBUG message=no blob info snapshot at this boundary epoch=7 reason=the event is \
             processed again: event 712 was handled already, which is not before the boundary's \
             event 700"
        ]
    );
}

#[test]
fn a_failure_is_logged_with_its_cause_and_stage() {
    let node = Node::new();
    let (store, _hanging) = Wilful::new(node.store());
    let hook = node.hook_with_store(Mode::Checkpoint, store.clone());
    store.on_checkpoint(Act::Fail);
    let log = logged(async {
        hook.boundary(7).await;
    });
    assert_eq!(
        log,
        [
            "ERROR message=blob info snapshot failed error=\"cannot do it: the store will not\" \
             stage=\"checkpoint\""
        ]
    );
    store.on_checkpoint(Act::Panic);
    let log = logged(async {
        hook.boundary(7).await;
    });
    assert_eq!(
        log,
        [
            "ERROR message=blob info snapshot failed error=\"panicked: the store panics; this is a \
             bug, please report it\" stage=\"checkpoint\""
        ]
    );
}

#[test]
fn leftovers_of_a_feature_that_is_off_are_warned_about_once() {
    let node = Node::new();
    let off = BlobInfoSnapshotConfig {
        enabled: false,
        ..config(Mode::Snapshot)
    };
    let hook = node.hook_on(off, node.store(), None);
    let log = logged(async {
        hook.start().await;
    });
    assert!(log.is_empty(), "{log:?}");

    fs::create_dir_all(node.path("checkpoint_epoch_4")).expect("made");
    fs::write(node.path("snapshot_epoch_3.bin.tmp"), "half").expect("written");
    let log = logged(async {
        hook.start().await;
        for epoch in [5, 6] {
            hook.boundary(epoch).await;
        }
    });
    let warnings: Vec<&String> = log.iter().filter(|line| line.starts_with("WARN")).collect();
    let [warning] = warnings.as_slice() else {
        panic!("{log:?}");
    };
    for part in [
        "checkpoint_epoch_4 snapshot_epoch_3.bin.tmp",
        node.directory().to_str().expect("text"),
        "blob_info_snapshot.enabled",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}

#[test]
fn the_digest_is_logged_as_operators_compare_it() {
    let node = Node::new();
    let hook = node.hook(Mode::Snapshot);
    let log = logged(async {
        hook.boundary(7).await;
    });
    let path = node.path("snapshot_epoch_7.bin");
    let summary =
        snapshot_store::verify_file(&path, &snapshot_store::Progress::new()).expect("sound");
    let digest = format!("digest={}", summary.digest);
    let line = log.iter().find(|line| line.contains(&digest));
    assert!(line.is_some_and(|line| line.starts_with("INFO")), "{log:?}");
    assert_eq!(boundary(7).epoch, summary.header.epoch());
}
