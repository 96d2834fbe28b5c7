//! The rule that vectors only grow, and that a check finds what is wrong, in directories of their own.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A copy of `golden-vectors/v<current>/by-hand` with all other files written anew; gone when dropped.
struct Golden(PathBuf);

impl Golden {
    fn new(name: &str) -> Self {
        let golden =
            Self(std::env::temp_dir().join(format!("golden-{}-{name}", std::process::id())));
        let by_hand = golden.version().join(by_hand::DIRECTORY);
        fs::create_dir_all(&by_hand).unwrap();
        let original = repo::root()
            .unwrap()
            .join(format!("golden-vectors/v{VERSION}"));
        for file in fs::read_dir(original.join(by_hand::DIRECTORY)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), by_hand.join(file.file_name())).unwrap();
        }
        golden.regen().unwrap();
        golden
    }

    fn version(&self) -> PathBuf {
        self.0.join(format!("v{VERSION}"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.version().join(name)
    }

    fn regen(&self) -> Result<()> {
        run_in(&self.0, false, false)
    }

    fn check(&self) -> Result<()> {
        run_in(&self.0, true, false)
    }

    fn files(&self) -> disk::Files {
        disk::read(&self.version()).unwrap()
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

const ACCEPTED: &str = "accept/sealed-typical.bin";
const REJECTED: &str = "reject/counted-keys-equal-pool.bin";

#[test]
fn what_was_written_passes_the_check_and_is_not_written_again() {
    let golden = Golden::new("stable");
    golden.check().unwrap();
    let before = golden.files();
    golden.regen().unwrap();
    assert_eq!(golden.files(), before);
}

#[test]
fn the_check_names_files_that_are_missing_not_wanted_or_different() {
    let golden = Golden::new("check");
    let wanted = golden.files();
    fs::remove_file(golden.file(ACCEPTED)).unwrap();
    fs::write(golden.file("reject/stray.bin"), b"x").unwrap();
    fs::write(golden.file("accept/sealed-empty.txt"), b"x").unwrap();
    assert_eq!(
        disk::differences(&golden.files(), &wanted),
        [
            "accept/sealed-empty.txt differs",
            "accept/sealed-typical.bin is missing",
            "reject/stray.bin is not wanted",
        ]
    );
    assert!(golden.check().is_err());
}

#[test]
fn a_released_vector_does_not_change() {
    for name in [ACCEPTED, REJECTED] {
        let golden = Golden::new(&format!("change-{}", name.len()));
        flip_a_bit(&golden.file(name));
        let before = golden.files();
        let error = golden.regen().unwrap_err().to_string();
        assert!(error.contains("--allow-break"), "{error}");
        assert_eq!(golden.files(), before, "something was written");
        run_in(&golden.0, false, true).unwrap();
        golden.check().unwrap();
    }
}

#[test]
fn a_released_vector_does_not_disappear() {
    let golden = Golden::new("disappear");
    let stray = golden.file("reject/sealed-of-old.bin");
    fs::write(&stray, b"x").unwrap();
    assert!(golden.regen().is_err());
    assert!(stray.exists());
    run_in(&golden.0, false, true).unwrap();
    assert!(!stray.exists());
}

#[test]
fn a_vector_removed_by_hand_comes_back_with_the_bytes_it_had() {
    let golden = Golden::new("removed");
    let wanted = golden.files();
    fs::remove_file(golden.file(ACCEPTED)).unwrap();
    golden.regen().unwrap();
    assert_eq!(golden.files(), wanted);
    // The manifest still knows a file that is gone.
    let mut listed = wanted.clone();
    let gone = listed.remove(ACCEPTED).unwrap();
    let mut other = wanted.clone();
    other.insert(ACCEPTED.to_owned(), [gone.as_slice(), b"x"].concat());
    assert_eq!(
        disk::breaks(&listed, &other).unwrap(),
        [format!("{ACCEPTED} would change")]
    );
    other.remove(ACCEPTED);
    assert_eq!(
        disk::breaks(&listed, &other).unwrap(),
        [format!("{ACCEPTED} would disappear")]
    );
}

#[test]
fn new_vectors_and_new_dumps_are_no_break() {
    let golden = Golden::new("grow");
    let old = golden.files();
    let mut new = old.clone();
    new.insert("accept/sealed-new.bin".to_owned(), vec![1]);
    new.insert(
        "accept/sealed-typical.txt".to_owned(),
        b"other words".to_vec(),
    );
    assert!(disk::breaks(&old, &new).unwrap().is_empty());
}

#[test]
fn older_versions_are_decoded_too() {
    let golden = Golden::new("older");
    let older = golden.0.join("v0");
    fs::create_dir_all(older.join("reject")).unwrap();
    fs::write(older.join("reject/a.bin"), b"").unwrap();
    let line = "reject/a.bin\t0\t0xef46db3751d8e999\tUnexpectedEnd\tpreamble\t0\tSF-083\n";
    fs::write(older.join(manifest::NAME), line).unwrap();
    golden.check().unwrap();
    fs::write(
        older.join(manifest::NAME),
        line.replace("preamble", "header"),
    )
    .unwrap();
    assert!(golden.check().is_err());
    fs::write(older.join(manifest::NAME), line).unwrap();
    fs::write(older.join("reject/a.bin"), b"x").unwrap();
    assert!(golden.check().is_err());
}

#[test]
fn every_byte_of_an_accepted_vector_has_a_name() {
    let directory = repo::root()
        .unwrap()
        .join(format!("golden-vectors/v{VERSION}"));
    for vector in vectors(&directory).unwrap() {
        let unread = fields::fields(&vector.bytes)
            .into_iter()
            .any(|field| field.group == "unread" || field.name == "rest");
        assert!(vector.kind == Kind::Reject || !unread, "{}", vector.path());
    }
}
