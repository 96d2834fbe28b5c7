//! The example in `docs/lifecycle.md` is the one that is compiled.

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
