//! Looking inside: `convert`, `split`, `join`, `get` and `dump`, over every kind of input.

use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, counted_digest, cursor, fixture, fixture_bytes, names, run,
    run_with_input, sealed_digest, temp_dir,
};
use crate::zst::compressed;

/// Runs the binary in `dir`, with the fixtures and the checkpoint there.
fn run_in(dir: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).args(args))
}

/// The fixtures, plain and compressed, in a new directory.
fn prepared() -> tempfile::TempDir {
    let dir = temp_dir();
    for name in ["sealed.bin", "counted.bin"] {
        fs::copy(fixture(name), dir.path().join(name)).expect("copy");
        let packed = compressed(&fixture_bytes(name));
        fs::write(dir.path().join(format!("{name}.zst")), packed).expect("write");
    }
    dir
}

/// The lines of JSON on standard output.
fn lines(outcome: &Outcome) -> Vec<Value> {
    let text = outcome.text();
    let parse = |line: &str| serde_json::from_str(line).expect("JSON");
    text.lines().map(parse).collect()
}

/// A row of a Parquet file.
fn values(row: &Row) -> Value {
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Str(text) => text.clone().into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Bool(flag) => (*flag).into(),
        other => panic!("unexpected type: {other}"),
    };
    let columns = row.get_column_iter();
    columns
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

#[test]
fn convert_gives_the_bytes_of_the_other_framing() {
    let dir = prepared();
    checkpoint(dir.path());
    let cursor = cursor();
    let cursor: Vec<&str> = cursor.iter().map(String::as_str).collect();
    for input in ["sealed.bin", "sealed.bin.zst"] {
        let args = [&["convert", input, "-o", "c.bin", "--force"], &cursor[..]].concat();
        let text = run_in(dir.path(), &args).exits(0).text();
        assert!(
            text.starts_with(&format!("digest {} ", counted_digest())),
            "{text}"
        );
        let bytes = fs::read(dir.path().join("c.bin")).expect("read");
        assert_eq!(bytes, fixture_bytes("counted.bin"), "{input}");
    }
    // And back: the cursor stays, all else is the same.
    let seal = [
        "convert",
        "c.bin",
        "--expect-digest",
        &counted_digest(),
        "-o",
        "s.bin.zst",
    ];
    run_in(dir.path(), &seal).exits(0);
    run_in(dir.path(), &["convert", "s.bin.zst", "-o", "again.bin"]).exits(0);
    let again = fs::read(dir.path().join("again.bin")).expect("read");
    assert_eq!(again, fixture_bytes("counted.bin"));
    // Streams, and databases.
    let piped = [&["convert", "-", "-o", "-"], &cursor[..]].concat();
    for input in [
        fixture_bytes("sealed.bin"),
        compressed(&fixture_bytes("sealed.bin")),
    ] {
        let outcome = run_with_input(blob_snapshot().args(&piped), input).exits(0);
        assert_eq!(outcome.stdout, fixture_bytes("counted.bin"));
    }
    run_in(
        dir.path(),
        &["convert", "checkpoint_epoch_11", "-o", "db.bin"],
    )
    .exits(0);
    let made = fs::read(dir.path().join("db.bin")).expect("read");
    assert_eq!(made, fixture_bytes("sealed.bin"));
}

#[test]
fn convert_refuses_what_it_cannot_know_and_what_contradicts() {
    let dir = prepared();
    let before = names(dir.path());
    let refused = |args: &[&str], code, words: &[&str]| {
        run_in(dir.path(), &[&["convert"], args].concat()).refused(code, words);
        assert_eq!(names(dir.path()), before, "nothing is written");
    };
    refused(
        &["sealed.bin", "-o", "x"],
        2,
        &["--event-tx-digest", "--next-event-index"],
    );
    refused(
        &[
            "counted.bin",
            "-o",
            "x",
            "--epoch",
            "12",
            "--without-digest",
        ],
        2,
        &["--epoch 12", "11"],
    );
    refused(
        &[
            "counted.bin",
            "-o",
            "x",
            "--next-event-index",
            "1",
            "--without-digest",
        ],
        2,
        &["--next-event-index 1"],
    );
    refused(
        &["counted.bin", "-o", "sealed.bin", "--without-digest"],
        3,
        &["sealed.bin", "--force"],
    );
    fs::write(
        dir.path().join("cut.bin"),
        &fixture_bytes("counted.bin")[..9000],
    )
    .expect("write");
    run_in(
        dir.path(),
        &["convert", "cut.bin", "-o", "x", "--without-digest"],
    )
    .refused(3, &["cut.bin", "ends early"]);
    fs::remove_file(dir.path().join("cut.bin")).expect("remove");
    assert_eq!(names(dir.path()), before);
}

/// The chunks in `dir`.
fn chunks(dir: &Path) -> Vec<String> {
    let names = names(dir).into_iter();
    names.filter(|name| name.contains(".chunk-")).collect()
}

#[test]
fn chunks_are_as_large_as_they_may_be_and_join_to_the_same_bytes() {
    let dir = prepared();
    checkpoint(dir.path());
    for limit in ["300", "5000", "10KiB", "41206"] {
        let split = [
            "split",
            "sealed.bin",
            "--max-chunk-size",
            limit,
            "-o",
            "s.bin",
        ];
        let outcome = run_in(dir.path(), &split).exits(0);
        assert!(
            outcome
                .text()
                .starts_with(&format!("digest {} ", sealed_digest()))
        );
        let chunks = chunks(dir.path());
        assert!(chunks.len() > 1, "{chunks:?}");
        let limit = if limit == "10KiB" {
            10240
        } else {
            limit.parse().expect("a number")
        };
        let sizes: Vec<u64> = chunks
            .iter()
            .map(|name| fs::metadata(dir.path().join(name)).expect("a chunk").len())
            .collect();
        for (index, size) in sizes.iter().enumerate() {
            assert!(*size <= limit, "{sizes:?}");
            // The longest entry takes 156 bytes: with one more, all but the last are full.
            assert!(index + 1 == sizes.len() || size + 156 > limit, "{sizes:?}");
        }
        let mut args = vec!["join", "-o", "joined.bin", "--force"];
        // The order does not matter.
        args.extend(chunks.iter().rev().map(String::as_str));
        run_in(dir.path(), &args).exits(0);
        let joined = fs::read(dir.path().join("joined.bin")).expect("read");
        assert_eq!(joined, fixture_bytes("sealed.bin"));
        // `create` cuts at the same places.
        let before: Vec<_> = chunks
            .iter()
            .map(|name| fs::read(dir.path().join(name)).expect("read"))
            .collect();
        let limit = limit.to_string();
        let create = [
            "create",
            "--db",
            "checkpoint_epoch_11",
            "-o",
            "s.bin",
            "--force",
        ];
        run_in(
            dir.path(),
            &[&create[..], &["--max-chunk-size", &limit]].concat(),
        )
        .exits(0);
        for (name, before) in chunks.iter().zip(before) {
            let path = dir.path().join(name);
            assert_eq!(fs::read(&path).expect("read"), before);
            fs::remove_file(path).expect("remove");
        }
    }
}

#[test]
fn a_snapshot_that_is_small_enough_stays_one_file_and_names_sort() {
    let dir = prepared();
    let split = |limit: &str, output: &str| {
        let args = [
            "split",
            "sealed.bin.zst",
            "--max-chunk-size",
            limit,
            "-o",
            output,
        ];
        run_in(dir.path(), &args).exits(0)
    };
    split("41207", "one.bin");
    let one = fs::read(dir.path().join("one.bin")).expect("read");
    assert_eq!(one, fixture_bytes("sealed.bin"));
    split("3KiB", "s.bin.zst");
    let chunks = chunks(dir.path());
    let (first, count) = (&chunks[0], chunks.len());
    assert_eq!(*first, format!("s.chunk-00-of-{count}.bin.zst"));
    let mut args = vec!["restore", "--db", "db"];
    args.extend(chunks.iter().map(String::as_str));
    let digest = sealed_digest();
    args.extend(["--expect-digest", &digest]);
    run_in(dir.path(), &args).exits(0);
}

#[test]
fn sets_that_are_not_whole_are_refused_and_nothing_appears() {
    let dir = prepared();
    run_in(
        dir.path(),
        &[
            "split",
            "sealed.bin",
            "--max-chunk-size",
            "15000",
            "-o",
            "s.bin",
        ],
    )
    .exits(0);
    let chunks = chunks(dir.path());
    let [a, b, c] = [&chunks[0], &chunks[1], &chunks[2]].map(String::as_str);
    let before = names(dir.path());
    let join = |args: &[&str], code, words: &[&str]| {
        run_in(dir.path(), &[&["join", "-o", "x.bin"], args].concat()).refused(code, words);
        assert_eq!(names(dir.path()), before);
    };
    join(&[a, b], 1, &["3 chunks, but only 2"]);
    join(&[b, c], 1, &["chunk 1", "expected chunk 0"]);
    join(&[a, b, b, c], 1, &["chunk"]);
    join(&["counted.bin"], 1, &["counted"]);
    join(&[a, b, "nowhere"], 3, &["nowhere"]);
    let split = |args: &[&str], words: &[&str]| {
        run_in(dir.path(), &[&["split", "-o", "y.bin"], args].concat()).refused(2, words);
        assert_eq!(names(dir.path()), before);
    };
    split(
        &["counted.bin", "--max-chunk-size", "9KiB"],
        &["counted", "convert"],
    );
    split(&["sealed.bin", "--max-chunk-size", "200"], &["200 bytes"]);
    split(&["sealed.bin", "--max-chunk-size", "many"], &["many"]);
}

#[test]
fn get_finds_rows_by_each_kind_of_id_in_each_kind_of_input() {
    let dir = prepared();
    checkpoint(dir.path());
    let rows = lines(&run_in(dir.path(), &["dump", "sealed.bin"]).exits(0));
    let of = |table: &str| {
        let mut rows = rows.iter().filter(move |row| row["table"] == table);
        rows.next().expect("a row").clone()
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (object, pooled) = (
        of("per_object_blob_info"),
        of("per_object_pooled_blob_info"),
    );
    let (key, blob) = (text(&object["key"]), text(&object["blob_id"]));
    let pool = text(&pooled["storage_pool_id"]);
    for input in [
        "sealed.bin",
        "counted.bin",
        "counted.bin.zst",
        "checkpoint_epoch_11",
    ] {
        let get = |args: &[&str]| run_in(dir.path(), &[&["get", input, "--json"], args].concat());
        assert_eq!(
            lines(&get(&["--object-id", &key]).exits(0)),
            std::slice::from_ref(&object)
        );
        let found = lines(&get(&[&format!("--blob-id={blob}")]).exits(0));
        let expected: Vec<&Value> = rows.iter().filter(|row| row["blob_id"] == *blob).collect();
        assert_eq!(found.len(), expected.len(), "{input}");
        let found = lines(&get(&["--pool-id", &pool]).exits(0));
        let of_pool = |row: &&Value| row["storage_pool_id"] == *pool || row["key"] == *pool;
        assert_eq!(found.len(), rows.iter().filter(of_pool).count(), "{input}");
        assert!(
            found.iter().any(|row| row["key"] == *pool),
            "the pool itself"
        );
        let none = format!("0x{}", "77".repeat(32));
        get(&["--object-id", &none]).exits(1);
        get(&["--object-id", &key, "--object-id", &none]).exits(0);
        get(&["--object-id", &key, "--table", "storage_pool_info"]).exits(1);
    }
    let plain = run_in(dir.path(), &["get", "sealed.bin", "--object-id", &key]).exits(0);
    assert!(
        plain
            .text()
            .starts_with(&format!("per_object_blob_info {key} blob_id {blob}, "))
    );
    let none = format!("0x{}", "77".repeat(32));
    run_in(dir.path(), &["get", "sealed.bin", "--object-id", &none])
        .refused(1, &["sealed.bin", &none]);
    run_in(dir.path(), &["get", "sealed.bin"]).refused(2, &["--object-id"]);
    run_in(dir.path(), &["get", "sealed.bin", "--object-id", "0x12"]).refused(2, &["object ID"]);
}

#[test]
fn dump_has_every_row_once_and_filters_hold() {
    let dir = prepared();
    checkpoint(dir.path());
    let dump = |args: &[&str]| {
        let outcome = run_in(dir.path(), &[&["dump"], args].concat()).exits(0);
        lines(&outcome)
    };
    let all = dump(&["sealed.bin"]);
    assert_eq!(all.len(), 318);
    for input in ["counted.bin", "sealed.bin.zst", "checkpoint_epoch_11"] {
        let mut rows = dump(&[input]);
        assert_eq!(rows.len(), 318, "{input}");
        rows.retain(|row| !all.contains(row));
        assert!(rows.is_empty(), "{input}: {rows:?}");
    }
    let check = |args: &[&str], holds: &dyn Fn(&Value) -> bool| {
        let found = dump(&[&["counted.bin"], args].concat());
        assert_eq!(
            found.len(),
            all.iter().filter(|row| holds(row)).count(),
            "{args:?}"
        );
        assert!(
            !found.is_empty() && found.len() < all.len(),
            "{args:?} says nothing"
        );
        assert!(found.iter().all(holds), "{args:?}");
    };
    let end = |row: &Value| row["end_epoch"].as_u64();
    check(&["--expiring-before", "20"], &|row| {
        end(row).is_some_and(|end| end < 20)
    });
    check(&["--expiring-after", "20"], &|row| {
        end(row).is_some_and(|end| end > 20)
    });
    check(&["--certified", "yes"], &|row| {
        row["certified_epoch"].is_u64()
    });
    check(&["--certified", "no"], &|row| {
        row["certified_epoch"].is_null() && row["table"] != "storage_pool_info"
    });
    check(&["--table", "storage_pool_info"], &|row| {
        row["table"] == "storage_pool_info"
    });
    let pooled = all.iter().find(|row| row["storage_pool_id"].is_string());
    let pool = pooled.expect("a pooled row")["storage_pool_id"]
        .as_str()
        .expect("text");
    check(&["--pool-id", pool], &|row| {
        row["storage_pool_id"] == pool || row["key"] == pool
    });
}

#[test]
fn csv_and_parquet_say_what_json_says() {
    let dir = prepared();
    for name in ["x.csv", "x.csv.zst", "x.parquet", "x.jsonl.zst"] {
        let args = ["dump", "counted.bin.zst", "-o", name];
        let text = run_in(dir.path(), &args).exits(0).text();
        assert_eq!(text, format!("wrote {name}: 318 rows\n"));
    }
    let rows = lines(&run_in(dir.path(), &["dump", "counted.bin"]).exits(0));
    let csv = fs::read_to_string(dir.path().join("x.csv")).expect("read");
    let packed = fs::read(dir.path().join("x.csv.zst")).expect("read");
    assert_eq!(
        zstd::stream::decode_all(&packed[..]).expect("decompress"),
        csv.as_bytes()
    );
    let mut csv = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = csv.next().expect("a header");
    let file = fs::File::open(dir.path().join("x.parquet")).expect("open");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let mut columnar = reader.get_row_iter(None).expect("rows");
    for row in &rows {
        let cells = csv.next().expect("a line");
        let record = values(&columnar.next().expect("a row").expect("a sound row"));
        for (name, cell) in header.iter().zip(cells) {
            let expected = match row.get(*name).unwrap_or(&Value::Null) {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, expected, "{name}");
            let missing = Value::Null;
            assert_eq!(record[name], *row.get(*name).unwrap_or(&missing), "{name}");
        }
    }
    assert_eq!((csv.next(), columnar.count()), (None, 0));
}

#[test]
fn a_dump_of_what_is_not_sound_leaves_no_file() {
    let dir = prepared();
    let mut damaged = fixture_bytes("sealed.bin");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(dir.path().join("bad.bin"), damaged).expect("write");
    for output in ["x.csv", "x.parquet", "x.jsonl.zst"] {
        let args = ["dump", "bad.bin", "-o", output];
        run_in(dir.path(), &args).refused(3, &["bad.bin", "checksum"]);
        assert!(!dir.path().join(output).exists(), "{output}");
    }
    let key = format!("0x{}", "00".repeat(32));
    run_in(dir.path(), &["get", "bad.bin", "--object-id", &key]).refused(3, &["checksum"]);
    run_in(dir.path(), &["dump", "sealed.bin", "-o", "counted.bin"]).refused(3, &["--force"]);
}
