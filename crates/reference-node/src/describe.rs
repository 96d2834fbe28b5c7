//! What `reference-node` says of what it did, line by line. Nothing is printed here.

use std::path::Path;

use node_hook::{DIRECTORY, Mode};
use reference_node::bench_db::BenchDb;
use reference_node::make_db::DemoDb;
use reference_node::simulation::{BoundaryReport, Run, Statistics};

/// A database for the demo.
pub(crate) fn demo(made: &DemoDb) -> Vec<String> {
    let mut lines = made.done.clone();
    lines.extend(
        made.tables
            .iter()
            .map(|(table, rows)| format!("{table:<28} {rows:>10} rows")),
    );
    lines.push(format!("epoch        {}", made.epoch));
    lines.push(format!(
        "began with   {}:{}",
        made.event_tx_digest, made.event_seq
    ));
    lines.push(format!("next event   {}", made.next_event_index));
    lines.push(format!("database     {}", made.database.display()));
    lines.push(format!("checkpoint   {}", made.checkpoint.display()));
    lines
}

/// A database for the benchmark.
pub(crate) fn bench(made: &BenchDb) -> Vec<String> {
    let storage = made.storage.total();
    vec![
        format!(
            "rows         {}, {} of them unmerged",
            made.rows, made.unmerged_rows
        ),
        format!(
            "compacted    {} entries, {} bytes",
            storage.compacted.entries, storage.compacted.bytes
        ),
        format!(
            "level 0      {} entries, {} bytes",
            storage.level_0.entries, storage.level_0.bytes
        ),
        format!("database     {}", made.database.display()),
    ]
}

/// What was run, and what went wrong on the way.
pub(crate) fn simulation(run: &Run, counts: &Statistics) -> Vec<String> {
    let last = run.first.saturating_add(run.count.saturating_sub(1));
    let mut lines = vec![
        format!(
            "seeds {} to {last}: {} clusters, {} nodes, {} starts, {} events",
            run.first, counts.seeds, counts.nodes, counts.starts, counts.events
        ),
        format!(
            "{} boundaries compared between nodes; {} checkpoints and snapshots compared byte for byte, \
             in both framings: all the same",
            counts.boundaries_compared, counts.artifacts_compared
        ),
    ];
    if counts.restores > 0 {
        lines.push(format!(
            "{} nodes restored from a snapshot; {} rows of aggregate_blob_info compared with a node that \
             saw all events, exact where they must be; they differ where they may:",
            counts.restores, counts.aggregate_rows_compared
        ));
        let inexact = counts.inexact.iter();
        lines.extend(inexact.map(|(kind, count)| format!("{count:>9}  {kind}")));
    }
    for (what, total, by_kind) in [
        ("answers of the hook", None, &counts.outcomes),
        ("crashes", Some(counts.crash_count()), &counts.crashes),
        ("other faults", Some(counts.fault_count()), &counts.faults),
    ] {
        lines.push(match total {
            Some(total) => format!("{what}: {total}"),
            None => format!("{what}:"),
        });
        lines.extend(
            by_kind
                .iter()
                .map(|(kind, count)| format!("{count:>9}  {kind}")),
        );
    }
    lines
}

/// A table of digests, a line for each boundary and a column for each node.
pub(crate) fn cluster(
    dir: &Path,
    boundaries: &[BoundaryReport],
    counts: &Statistics,
) -> Vec<String> {
    let Some(last) = boundaries.last() else {
        return Vec::new();
    };
    let column = |text: String| format!("  {text:<20}");
    let heads = (0..last.nodes.len()).map(|number| column(format!("node {number}")));
    let modes = last.nodes.iter().map(|node| match node.mode {
        Mode::Checkpoint => column("keeps checkpoints".to_owned()),
        Mode::Snapshot => column("keeps snapshots".to_owned()),
    });
    let mut lines = vec![
        format!("epoch{}", heads.collect::<String>()),
        format!("     {}", modes.collect::<String>()),
    ];
    let mut remarks = Vec::new();
    for BoundaryReport { epoch, nodes } in boundaries {
        let digests = nodes.iter().enumerate().map(|(number, node)| {
            if let Some(remark) = &node.remark {
                remarks.push(format!(
                    "node {number} at the boundary to epoch {epoch}: {remark}"
                ));
            }
            column(node.digest.clone().unwrap_or_else(|| "none".to_owned()))
        });
        let digests: String = digests.collect();
        lines.push(format!("{:>5}{digests}", epoch.0));
    }
    let crashes = last
        .nodes
        .iter()
        .map(|node| column(count(node.crashes, "crash", "crashes")));
    lines.push(format!("     {}", crashes.collect::<String>()));
    lines.append(&mut remarks);
    lines.push(format!(
        "{} checkpoints and snapshots compared byte for byte, in both framings, with {} and {} on the way",
        counts.artifacts_compared,
        count(counts.crash_count(), "crash", "crashes"),
        count(counts.fault_count(), "other fault", "other faults")
    ));
    for number in 0..last.nodes.len() {
        let directory = dir.join(format!("node-{number}")).join(DIRECTORY);
        lines.push(format!(
            "node {number} keeps them in {}",
            directory.display()
        ));
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
