//! The example in `docs/lifecycle.md` is the one that is compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).expect("there")
}

/// The lines between the fences of the first block that begins with `fence`.
fn block(text: &str, fence: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != fence).skip(1);
    let lines = lines.take_while(|line| *line != "```");
    lines.map(str::to_owned).collect()
}

#[test]
fn the_example_in_the_docs_is_the_compiled_one() {
    let source = file("crates/node-hook/src/lib.rs");
    let comment: String = source
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let compiled: Vec<String> = block(&comment, "```")
        .into_iter()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(compiled.len() > 20, "{compiled:?}");
    assert_eq!(block(&file("docs/lifecycle.md"), "```rust"), compiled);
}

/// The metrics that a text names.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("blob_info_snapshot_") {
        let name: String = text[at..].chars().take_while(|c| is_name(*c)).collect();
        found.insert(name);
    }
    found
}

#[test]
fn alerts_and_dashboard_show_metrics_that_the_docs_list_and_the_hook_exports() {
    let docs = file("docs/lifecycle.md");
    let table = docs
        .lines()
        .filter(|line| line.starts_with("| `blob_info_snapshot_"));
    let listed: BTreeSet<String> = table.flat_map(metrics).collect();
    assert_eq!(listed.len(), 8, "{listed:?}");
    let dashboard = file("ops/grafana-dashboard.json");
    let json: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(
        json["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() >= 8)
    );
    assert_eq!(metrics(&dashboard), listed);
    let watched = metrics(&file("ops/blob_info_snapshots.rules.yml"));
    assert!(watched.len() >= 6, "{watched:?}");
    assert_eq!(watched.difference(&listed).collect::<Vec<_>>(), [""; 0]);
    let source = file("crates/node-hook/src/metrics.rs");
    for name in &listed {
        let short = name.trim_start_matches("blob_info_snapshot_");
        assert!(source.contains(&format!("\"{short}\"")), "{short}");
    }
}
