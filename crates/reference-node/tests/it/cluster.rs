//! Clusters with faults: no promise is broken, and every deliberate mistake is found.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use node_hook::Step;
use reference_node::point::Point;
use reference_node::simulation::{
    Cluster, CrashAt, Finding, Mutation, Run, Statistics, default_root, run, simulate,
};

/// Seeds that are run with every change.
const SEEDS: u64 = 120;

fn seeds(first: u64, count: u64, mutation: Option<Mutation>) -> Run {
    Run {
        first,
        count,
        restore: mutation.is_some_and(Mutation::is_of_restore),
        mutation,
        root: default_root(),
        threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    }
}

#[test]
fn no_seed_breaks_a_promise() {
    let counts = run(&seeds(1, SEEDS, None), |_| {}).expect("no failure");
    assert_eq!(counts.seeds, SEEDS);
    // What was checked means something only if it happened.
    assert!(counts.boundaries_compared > SEEDS, "{counts:?}");
    assert!(counts.artifacts_compared > 4 * SEEDS, "{counts:?}");
    assert!(counts.crash_count() > SEEDS, "{counts:?}");
    assert!(counts.fault_count() > SEEDS, "{counts:?}");
    for outcome in [
        "taken",
        "skipped, as the event was processed before",
        "skipped, as the node catches up",
        "skipped, as the feature is off",
        "failed in stage checkpoint",
    ] {
        assert!(counts.outcomes.contains_key(outcome), "{counts:?}");
    }
}

#[test]
fn a_node_restored_from_a_snapshot_is_like_one_that_saw_all_events() {
    let restoring = Run {
        restore: true,
        ..seeds(5000, 60, None)
    };
    let counts = run(&restoring, |_| {}).expect("no failure");
    assert!(counts.restores > 40, "{counts:?}");
    assert!(counts.aggregate_rows_compared > 2000, "{counts:?}");
    // What a snapshot does not carry did occur, or the comparison would be of the easy cases only.
    for what in [
        "another version",
        "initial_certified_epoch",
        "event of permanent_total, certified",
        "marked invalid before the snapshot",
    ] {
        assert!(counts.inexact.contains_key(what), "{counts:?}");
    }
}

#[test]
fn a_seed_is_the_same_whenever_it_is_repeated() {
    let counts = |threads| {
        let run_of = Run {
            threads,
            ..seeds(77, 12, None)
        };
        run(&run_of, |_| {}).expect("no failure")
    };
    assert_eq!(counts(1), counts(4));
}

/// Runs a cluster whose nodes crash at a place, twice, and returns what was counted.
fn crash_at(place: CrashAt) -> Statistics {
    let dir = tempfile::tempdir_in(default_root()).expect("a directory");
    let cluster = Cluster {
        nodes: Some(3),
        epochs: Some(3),
        crash_at: Some(place),
        ..Cluster::new(5)
    };
    simulate(&cluster, dir.path(), |_| {}).unwrap_or_else(|failure| panic!("{place:?}: {failure}"))
}

#[test]
fn nodes_may_crash_at_every_point_of_their_work() {
    for point in Point::ALL {
        let counts = crash_at(CrashAt::Point(point));
        let crashes = counts.crash_count();
        assert!(crashes >= 2, "{point:?}: {crashes} crashes");
    }
}

#[test]
fn nodes_may_crash_at_every_step_of_the_hook() {
    let mut where_else = BTreeSet::new();
    for step in Step::ALL {
        let counts = crash_at(CrashAt::Step(step));
        let crashes = counts.crash_count();
        if step == Step::SetAside {
            // Nobody but the node writes here, so nothing has a name that is not its own.
            assert_eq!(crashes, 0);
            continue;
        }
        assert!(crashes >= 2, "{step:?}: {crashes} crashes");
        let kinds = counts.crashes.keys().map(|kind| {
            let (work, _) = kind.split_once(", ").expect("a place");
            work.to_owned()
        });
        where_else.extend(kinds);
    }
    for work in [
        "hook at a boundary",
        "hook at start-up",
        "hook in the background",
    ] {
        assert!(where_else.contains(work), "{where_else:?}");
    }
}

/// What each deliberate mistake leads to.
fn is_right(mutation: Mutation, finding: &Finding) -> bool {
    match mutation {
        Mutation::GuardAfterFinisher => matches!(finding, Finding::Outcome { .. }),
        Mutation::CheckpointBeforeGc | Mutation::PhaseTwoTouchesObjects => {
            matches!(finding, Finding::Differs { .. })
        }
        Mutation::HashOrder => matches!(finding, Finding::NotWhole { .. }),
        Mutation::NoDirectorySync | Mutation::OlderRemovedEarly => {
            matches!(finding, Finding::Lost { .. })
        }
        Mutation::WrongAggregateRule => matches!(finding, Finding::Aggregate { .. }),
    }
}

#[test]
fn every_deliberate_mistake_is_found() {
    for mutation in Mutation::ALL {
        let failure = run(&seeds(1, 200, Some(mutation)), |_| {})
            .expect_err(&format!("{mutation} is not found"));
        assert!(
            is_right(mutation, &failure.finding),
            "{mutation}: {failure}"
        );

        // The same seed finds the same, alone.
        let alone = run(&seeds(failure.seed, 1, Some(mutation)), |_| {});
        let alone = alone.expect_err("found again");
        assert_eq!((alone.node, alone.epoch), (failure.node, failure.epoch));
        run(&seeds(failure.seed, 1, None), |_| {}).expect("without the mistake it is sound");
    }
}
