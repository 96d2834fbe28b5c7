//! The document: small, read back as written, and refused when it contradicts itself.

use serde_json::{Value, json};
use snapshot_format::Table;
use snapshot_tools::fingerprint::{DocumentError, Fingerprint, Focus, MAX_DOCUMENT, Part};

use crate::support::{Numbers, Tables, document, fingerprint};

/// Bytes that a document should not exceed.
const SMALL: usize = 16 * 1024;

fn refused(value: &Value) -> String {
    let error = Fingerprint::parse(value.to_string().as_bytes()).expect_err("a contradiction");
    assert!(matches!(error, DocumentError::Json(_)), "{error}");
    error.to_string()
}

#[test]
fn documents_are_small_and_read_back() {
    let tables = Tables::at_boundary(11, 60_000);
    let snapshot = tables.counted();
    let key = tables.keys()[3];
    let table = Table::PerObjectBlobInfo;
    let focus = |text: &str| Focus::Range(table, text.parse().expect("a prefix"));
    let focuses = [
        Focus::All,
        focus(""),
        focus("ab"),
        focus("abcd"),
        focus(&key.to_string()),
        Focus::Range(Table::StoragePoolInfo, "00".parse().expect("a prefix")),
    ];
    for focus in focuses {
        let print = fingerprint(&snapshot, focus);
        let bytes = document(&print);
        assert!(bytes.len() < SMALL, "{focus:?}: {} bytes", bytes.len());
        let read = Fingerprint::parse(&bytes).expect("what was written");
        assert_eq!(read, print);
        assert_eq!(read.focus(), focus);
    }
}

#[test]
fn the_largest_document_is_small_too() {
    // A hundred million rows in each table, evenly.
    let print = fingerprint(&Tables::at_boundary(12, 60_000).counted(), Focus::All);
    let mut value: Value = serde_json::from_slice(&document(&print)).expect("JSON");
    for table in Table::ALL {
        let range = &mut value["tables"][table.name()]["range"];
        let Some(counts) = range["counts"].as_array_mut() else {
            continue;
        };
        for count in counts.iter_mut() {
            *count = json!(390_625);
        }
        range["digests"] = json!("A".repeat(256 * 4 * 4 / 3 + 1));
    }
    assert!(
        value.to_string().len() < SMALL,
        "{}",
        value.to_string().len()
    );
}

#[test]
fn contradictions_are_refused() {
    let print = fingerprint(&Tables::at_boundary(13, 3000).sealed(), Focus::All);
    let sound: Value = serde_json::from_slice(&document(&print)).expect("JSON");
    let objects = "per_object_blob_info";
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut value = sound.clone();
        change(&mut value);
        refused(&value)
    };
    type Edit<'a> = (&'a str, &'a dyn Fn(&mut Value));
    let edits: [Edit<'_>; 12] = [
        ("rows: the tables have", &|it| it["rows"] = json!(1)),
        ("content", &|it| it["content"] = json!("00".repeat(32))),
        ("64 hex digits", &|it| it["content"] = json!("00")),
        ("not a part of the table", &|it| {
            it["tables"][objects]["range"]["rows"] = json!(5);
        }),
        ("unknown field", &|it| it["extra"] = json!(1)),
        ("missing field", &|it| {
            it["tables"]
                .as_object_mut()
                .expect("an object")
                .remove(objects);
        }),
        ("256 counts", &|it| {
            it["tables"][objects]["range"]["counts"] = json!([1, 2]);
        }),
        ("256 counts", &|it| {
            it["tables"][objects]["range"]["digests"] = json!("AAAA");
        }),
        ("exactly one of", &|it| {
            it["tables"][objects]["range"]["keys"] = json!([]);
        }),
        ("do not add up", &|it| {
            let counts = &mut it["tables"][objects]["range"]["counts"];
            counts[0] = json!(counts[0].as_u64().expect("a count") + 1);
        }),
        ("looked at closely", &|it| {
            it["tables"][objects]
                .as_object_mut()
                .expect("an object")
                .remove("range");
        }),
        ("`-1`", &|it| it["header"]["epoch"] = json!(-1)),
    ];
    for (word, change) in edits {
        let error = edit(change);
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn contradictions_of_keys_and_rows_are_refused() {
    let tables = Tables::at_boundary(14, 200);
    let snapshot = tables.sealed();
    let table = Table::StoragePoolInfo;
    let print = fingerprint(&snapshot, Focus::All);
    let sound: Value = serde_json::from_slice(&document(&print)).expect("JSON");
    assert!(matches!(
        &print.tables[table].range,
        Some(range) if matches!(&range.part, Part::Keys(keys) if keys.len() == 10)
    ));
    let mut swapped = sound.clone();
    let keys = swapped["tables"][table.name()]["range"]["keys"]
        .as_array_mut()
        .expect("keys");
    keys.swap(0, 1);
    assert!(refused(&swapped).contains("keys ascend"), "{swapped}");
    let mut fewer = sound.clone();
    let keys = fewer["tables"][table.name()]["range"]["keys"]
        .as_array_mut()
        .expect("keys");
    keys.pop();
    assert!(refused(&fewer).contains("do not add up"), "{fewer}");
    let mut broken = sound;
    broken["tables"][table.name()]["range"]["keys"][0] = json!("0xab 12");
    assert!(refused(&broken).contains("0xab 12"), "{broken}");

    let key = *tables.pools.keys().next().expect("a pool");
    let print = fingerprint(&snapshot, Focus::Range(table, key.into()));
    let sound: Value = serde_json::from_slice(&document(&print)).expect("JSON");
    let range = &sound["tables"][table.name()]["range"];
    let value = range["value"].as_str().expect("a value").to_owned();
    let mut other = sound.clone();
    other["tables"][table.name()]["range"]["value"] = json!(value.replacen('0', "1", 1));
    assert!(refused(&other).contains("has its digest"), "{other}");
}

#[test]
fn other_versions_other_json_and_long_input_are_told_apart() {
    let print = fingerprint(&Tables::at_boundary(15, 10).sealed(), Focus::All);
    let mut value: Value = serde_json::from_slice(&document(&print)).expect("JSON");
    value["fingerprint"] = json!(2);
    value["new"] = json!("field");
    let error = Fingerprint::parse(value.to_string().as_bytes()).expect_err("another version");
    assert!(
        matches!(error, DocumentError::Version { got: 2 }),
        "{error}"
    );
    for text in ["", "{}", "{\"fingerprint\":\"1\"}", "[1]", "null"] {
        let error = Fingerprint::parse(text.as_bytes()).expect_err(text);
        assert!(matches!(error, DocumentError::Json(_)), "{error}");
    }
    let long = vec![b' '; MAX_DOCUMENT + 1];
    let error = Fingerprint::parse(&long).expect_err("too long");
    assert!(matches!(error, DocumentError::TooLong), "{error}");
}

#[test]
fn damage_anywhere_is_refused_or_harmless() {
    let print = fingerprint(&Tables::at_boundary(16, 600).counted(), Focus::All);
    let sound = document(&print);
    let mut numbers = Numbers(1);
    let mut refused = 0;
    for _ in 0..2000 {
        let mut damaged = sound.clone();
        let place = numbers.below(sound.len() as u64) as usize;
        damaged[place] ^= 1 << numbers.below(7);
        match Fingerprint::parse(&damaged) {
            Err(_) => refused += 1,
            // A digest of a part, a name or a number of the header: nothing contradicts it.
            Ok(read) => {
                assert_eq!(read.content, print.content);
                assert_eq!(read.rows(), print.rows());
            }
        }
    }
    assert!(refused > 500, "{refused}");
}
