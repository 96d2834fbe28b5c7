//! `report`: the page itself, what it loads (nothing), what it says of sound and of broken inputs, and that a
//! browser shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use snapshot_format::{Decoder, Encoder, Epoch, Event, SealedHeader};

use crate::common::{
    Outcome, TempDir, blob_snapshot, checkpoint, fixture, fixture_bytes, make_large_database, run,
    temp_dir,
};
use crate::verify::write_chunk;

/// The sealed fixture as of `epoch`, without the row at `dropped`.
pub(crate) fn variant(epoch: u32, dropped: Option<usize>) -> Vec<u8> {
    let header = SealedHeader::offline(Epoch(epoch));
    let mut encoder = Encoder::sealed(Vec::new(), &header).expect("a header");
    let mut decoder = Decoder::new();
    let mut index = 0;
    let on_event = |event: Event<'_>| {
        if let Event::Entry(entry) = event {
            if Some(index) != dropped {
                let key = entry.key.as_bytes();
                encoder.entry(entry.table, key, entry.value).expect("a row");
            }
            index += 1;
        }
    };
    decoder
        .push(&fixture_bytes("sealed.bin"), on_event)
        .expect("sound");
    encoder.finish().expect("whole").sink
}

fn report(dir: &Path, args: &[&str]) -> Outcome {
    let page = ["--output", "page.html"];
    run(blob_snapshot()
        .current_dir(dir)
        .arg("report")
        .args(args)
        .args(page))
}

/// A directory with the sealed fixture.
fn with_fixture() -> TempDir {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("sealed.bin")).expect("copied");
    dir
}

fn page(dir: &Path) -> String {
    fs::read_to_string(dir.join("page.html")).expect("a page")
}

/// Asserts that tags close in the order in which they opened, and that nothing is loaded or run.
#[track_caller]
fn well_formed(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>\n"), "no doctype");
    let mut open: Vec<&str> = Vec::new();
    let (_, body) = page.split_once("</style>").expect("a style");
    for tag in body.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').expect("a tag that ends");
        assert!(!text.contains('>'), "an unescaped > in {text}");
        let name = tag
            .split([' ', '/'])
            .find(|word| !word.is_empty())
            .expect("a name");
        if tag.starts_with('/') {
            if !matches!(name, "head" | "html") {
                assert_eq!(open.pop(), Some(name), "{tag}");
            }
        } else if !tag.ends_with('/') && !matches!(name, "br" | "meta") {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    for word in [
        "http:", "https:", "//", "<script", "<link", "<img", "@import", "url(", "src=",
    ] {
        let found = page.contains(word);
        assert!(!found, "the page holds `{word}`");
    }
    assert!(
        page.contains("prefers-color-scheme: dark"),
        "no dark colors"
    );
}

#[test]
fn a_sound_snapshot_looks_sane() {
    let dir = with_fixture();
    let text = report(dir.path(), &["sealed.bin"]).exits(0).text();
    assert!(
        text.ends_with("verdict: looks sane\npage: page.html\n"),
        "{text}"
    );
    let page = page(dir.path());
    well_formed(&page);
    for word in [
        "<h1>Snapshot of epoch 11</h1>",
        "looks sane",
        "<td>per_object_blob_info</td><td class=\"n\">234</td>",
        "57% of the blobs are certified",
        "ends in epoch 13: 22 objects, 20 pooled blobs",
        "18 pools, 1 of them empty",
    ] {
        assert!(page.contains(word), "no `{word}`");
    }
}

#[test]
fn a_checkpoint_s_page_has_the_numbers_of_its_snapshot_s() {
    let dir = with_fixture();
    let db = checkpoint(dir.path());
    let data = |path: &str| {
        let mut json = report(dir.path(), &[path, "--json", "--force"])
            .exits(0)
            .json();
        json["snapshots"][0]["overview"].take()
    };
    let from_file = data("sealed.bin");
    assert_eq!(data(db.to_str().expect("UTF-8")), from_file);
    insta::assert_snapshot!(
        "report_overview",
        serde_json::to_string_pretty(&from_file).expect("JSON")
    );
}

#[test]
fn a_row_that_is_missing_is_on_the_map() {
    let dir = with_fixture();
    fs::write(dir.path().join("less.bin"), variant(11, Some(100))).expect("written");
    let args = ["sealed.bin", "less.bin", "sealed.bin"];
    let json = report(dir.path(), &[&args[..], &["--json"]].concat())
        .exits(1)
        .json();
    assert_eq!(json["verdict"], "bad");
    let divergence = &json["comparisons"][0]["divergence"];
    assert_eq!(divergence["groups"], serde_json::json!([[0, 2], [1]]));
    let differing = |table: &str| {
        divergence["differing"][table]
            .as_array()
            .map_or(0, Vec::len)
    };
    let tables = [
        "per_object_blob_info",
        "per_object_pooled_blob_info",
        "storage_pool_info",
    ];
    assert_eq!(tables.map(differing), [1, 0, 0]);
    let page = page(dir.path());
    well_formed(&page);
    assert_eq!(page.matches("class=\"differs\"").count(), 1);
    assert!(
        page.contains("<pre>blob-snapshot diff sealed.bin less.bin</pre>"),
        "no next step"
    );
}

#[test]
fn epochs_are_a_series_and_a_gap_is_named() {
    let dir = temp_dir();
    for epoch in [11, 12, 14] {
        fs::write(
            dir.path().join(format!("{epoch}.bin")),
            variant(epoch, None),
        )
        .expect("written");
    }
    let json = report(dir.path(), &["14.bin", "11.bin", "12.bin", "--json"])
        .exits(1)
        .json();
    assert_eq!(json["series"]["members"], serde_json::json!([1, 2, 0]));
    let texts = json["series"]["checks"].to_string();
    assert!(texts.contains("epoch 13 is not among these"), "{texts}");
    let page = page(dir.path());
    well_formed(&page);
    assert!(page.contains("<h2>From epoch to epoch</h2>"), "no growth");
    // Rows whose storage has ended are what garbage collection deletes.
    assert!(
        page.contains("garbage collection had not run"),
        "no warning"
    );
}

#[test]
fn what_a_sound_node_does_not_have_is_bad() {
    let dir = temp_dir();
    let expired = dir.path().join("checkpoint_epoch_60");
    make_large_database(&expired, 5);
    let text = report(dir.path(), &["checkpoint_epoch_60"]).exits(1).text();
    assert!(
        text.contains("bad: checkpoint_epoch_60: 5 expired and 0 deleted rows"),
        "{text}"
    );
    let later = dir.path().join("checkpoint_epoch_5");
    fs::rename(&expired, &later).expect("renamed");
    let text = report(dir.path(), &["checkpoint_epoch_5", "--force"])
        .exits(1)
        .text();
    assert!(
        text.contains("5 rows are of the epoch that begins, the first 0x"),
        "{text}"
    );
    write_chunk(&dir.path().join("chunk.bin"));
    let text = report(dir.path(), &["chunk.bin", "--force"])
        .exits(1)
        .text();
    assert!(text.contains("bad: chunk.bin: chunk 1 of 3"), "{text}");
    // The pools are the last 18 of 318 rows; the first of them has blobs in it, or the second has.
    let orphans = [300, 301].map(|index| {
        fs::write(dir.path().join("orphan.bin"), variant(11, Some(index))).expect("written");
        report(dir.path(), &["orphan.bin", "--force"]).text()
    });
    let named =
        |text: &String| text.contains("pooled blobs are in pools that do not exist, the first 0x");
    assert!(orphans.iter().any(named), "{orphans:?}");
}

#[test]
fn an_input_that_cannot_be_read_is_on_the_page_and_names_are_escaped() {
    let dir = with_fixture();
    fs::write(dir.path().join("<b>&.bin"), b"no snapshot").expect("written");
    report(dir.path(), &["sealed.bin", "<b>&.bin"]).refused_late(3, "<b>&.bin");
    let page = page(dir.path());
    well_formed(&page);
    assert!(
        page.contains("&lt;b&gt;&amp;.bin cannot be used"),
        "not named"
    );
    fs::remove_file(dir.path().join("page.html")).expect("removed");
    report(dir.path(), &["<b>&.bin"]).refused(3, &["<b>&.bin"]);
    assert!(!dir.path().join("page.html").exists());
}

#[test]
fn a_page_is_not_replaced_unless_asked_and_can_go_to_a_pipe() {
    let dir = with_fixture();
    report(dir.path(), &["sealed.bin"]).exits(0);
    report(dir.path(), &["sealed.bin"]).refused(3, &["page.html already exists", "--force"]);
    let mut piped = blob_snapshot();
    piped
        .current_dir(dir.path())
        .args(["report", "sealed.bin", "-o", "-"]);
    let outcome = run(&mut piped).exits(0);
    assert_eq!(outcome.text(), page(dir.path()));
    assert!(
        outcome.stderr.contains("verdict: looks sane"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_browser_shows_it() {
    let dir = with_fixture();
    report(dir.path(), &["sealed.bin"]).exits(0);
    let Some(browser) = browser() else {
        println!("no chromium here, so no browser has looked at the page");
        return;
    };
    let [light, dark] = [("light.png", "1"), ("dark.png", "0")].map(|(name, scheme)| {
        let mut command = Command::new(&browser);
        command.current_dir(dir.path()).env("HOME", dir.path());
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ]);
        command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
        command
            .arg(format!("--screenshot={name}"))
            .arg("--window-size=1000,1600");
        command.arg(format!("file://{}", dir.path().join("page.html").display()));
        let output = command.output().expect("a browser");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("CONSOLE"), "{errors}");
        fs::read(dir.path().join(name)).expect("a screenshot")
    });
    // An empty page of this size has some 10 KiB.
    assert!(
        light.len() > 40_000 && dark.len() > 40_000,
        "{} {}",
        light.len(),
        dark.len()
    );
    assert_ne!(light, dark);
}

/// A browser of this machine.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    files.find(|file| file.is_file())
}

impl Outcome {
    /// Asserts that one of several inputs was refused, though there is a result.
    #[track_caller]
    fn refused_late(self, code: i32, word: &str) {
        let outcome = self.exits(code);
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
        assert!(
            outcome.text().contains("verdict: something is wrong"),
            "{}",
            outcome.text()
        );
    }
}

#[test]
fn json_says_what_the_page_says() {
    let dir = with_fixture();
    let json: Value = report(dir.path(), &["sealed.bin", "--json"])
        .exits(0)
        .json();
    assert_eq!(json["output"], "page.html");
    assert_eq!(json["verdict"], "good");
    assert_eq!(json["snapshots"][0]["rows"], 318);
    assert_eq!(
        json["snapshots"][0]["checks"].as_array().map(Vec::len),
        Some(8)
    );
}
