//! `inspect`: what is shown of a snapshot.

use crate::common::{
    Outcome, blob_snapshot, checkpoint, cursor, fixture, make_large_database, run, temp_dir,
};
use crate::verify::write_chunk;

fn inspect(args: &[&str]) -> Outcome {
    run(blob_snapshot()
        .current_dir(fixture(""))
        .arg("inspect")
        .args(args))
}

#[test]
fn files_of_both_framings_look_like_this() {
    insta::assert_snapshot!("inspect_sealed", inspect(&["sealed.bin"]).exits(0).text());
    insta::assert_snapshot!("inspect_counted", inspect(&["counted.bin"]).exits(0).text());
}

#[test]
fn a_checkpoint_shows_what_its_snapshot_would() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let path = db.to_str().expect("UTF-8");
    let cursor = cursor();
    let mut args = vec![path, "--framing", "counted"];
    args.extend(cursor.iter().map(String::as_str));
    let from_database = inspect(&args).exits(0).text();
    let from_file = inspect(&["counted.bin"]).exits(0).text();
    let without_input = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("input "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_input(&from_database), without_input(&from_file));
    assert!(from_database.contains(&format!("input          database {path}")));
}

#[test]
fn json_has_statistics_of_each_table() {
    let json = inspect(&["sealed.bin", "--json"]).exits(0).json();
    let tables = &json["tables"];
    let objects = &tables["per_object_blob_info"];
    assert_eq!(objects["rows"], 234);
    assert_eq!(
        objects["certified"]
            .as_u64()
            .zip(objects["uncertified"].as_u64()),
        Some((139, 95))
    );
    assert_eq!(
        objects["permanent"]
            .as_u64()
            .zip(objects["deletable"].as_u64()),
        Some((99, 135))
    );
    assert_eq!(
        (&objects["deleted"], &objects["expired"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        objects["end_epoch"],
        serde_json::json!({"min": 12, "max": 25})
    );
    let pooled = &tables["per_object_pooled_blob_info"];
    assert_eq!(
        pooled["certified_epoch"],
        serde_json::json!({"min": 8, "max": 10})
    );
    assert_eq!(pooled.get("deletable"), None);
    let pools = &tables["storage_pool_info"];
    assert_eq!(
        pools["start_epoch"],
        serde_json::json!({"min": 8, "max": 10})
    );
    assert_eq!(pools.get("certified"), None);
    let bytes = [objects, pooled, pools].map(|table| table["bytes"].as_u64().expect("a number"));
    let overhead = json["overhead"].as_u64().expect("a number");
    assert_eq!(
        Some(bytes.iter().sum::<u64>() + overhead),
        json["size"].as_u64()
    );
    // 53 bytes of header; 12 in front of it, 10 around each section, 8 behind.
    assert_eq!(overhead, 53 + 12 + 3 * 10 + 8);
}

#[test]
fn rows_that_should_be_gone_are_pointed_out() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_60");
    make_large_database(&db, 5);
    let outcome = inspect(&[db.to_str().expect("UTF-8")]).exits(0);
    let warning = "warning: 5 rows of per_object_blob_info are expired by then";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
}

#[test]
fn a_chunk_is_shown_as_what_it_is() {
    let dir = temp_dir();
    let path = dir.path().join("chunk.bin");
    write_chunk(&path);
    let text = inspect(&[path.to_str().expect("UTF-8")]).exits(0).text();
    assert!(
        text.contains("1 of 3, counting from 0: not a whole snapshot"),
        "{text}"
    );
}

#[test]
fn what_is_no_snapshot_is_not_shown() {
    let outcome = inspect(&["info.txt"]).refused(3, &["info.txt", "magic"]);
    assert_eq!(outcome.text(), "");
    inspect(&["nothing"]).refused(3, &["nothing", "No such file"]);
}
