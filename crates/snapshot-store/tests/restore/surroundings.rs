//! Databases that cannot be cloned or exchanged, each found before anything is built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rocksdb::{DB, DBPath, Options};
use snapshot_store::open::WalRecovery;
use snapshot_store::restore::{Finding, RestoreError, RestoreOptions, RestoreWarning};
use snapshot_store::{OpenError, OpenOptions};

use crate::common::Fixture;
use crate::replace::{contents, node_database, options, snapshot};
use crate::support::{names, restored};

fn findings(file: &Path, target: &Path, options: &RestoreOptions) -> Vec<Finding> {
    match restored(file, target, options) {
        Err(RestoreError::Refused { findings }) => findings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_restored_inside_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    node_database(&node);
    let file = snapshot(dir.path());
    let before = names(&node);
    for below in ["new", "below/new"] {
        fs::create_dir_all(dir.path().join("node/below")).unwrap();
        let found = findings(&file, &node.join(below), &options(false));
        assert!(
            matches!(&found[..], [Finding::InsideDatabase { database, .. }] if database.ends_with("node")),
            "{found:?}"
        );
    }
    fs::remove_dir(node.join("below")).unwrap();
    assert_eq!(names(&node), before);
}

#[test]
fn a_link_in_the_directory_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    node_database(&target);
    symlink("/elsewhere", target.join("link")).unwrap();
    let found = findings(&snapshot(dir.path()), &target, &options(true));
    assert!(
        matches!(&found[..], [Finding::NotPlain { path }] if path.ends_with("link")),
        "{found:?}"
    );
}

#[test]
fn a_mount_point_is_found() {
    // Every machine has one that holds nothing.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let empty = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .find(|path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()));
    let Some(empty) = empty else {
        return eprintln!("no empty file system is mounted here");
    };
    let dir = tempfile::tempdir().unwrap();
    let found = findings(&snapshot(dir.path()), Path::new(empty), &options(false));
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Finding::MountPoint { .. })),
        "{empty}: {found:?}"
    );
}

#[test]
fn what_is_mounted_inside_a_database_is_found_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (target, other) = (dir.path().join("db"), dir.path().join("other"));
    node_database(&target);
    let file = snapshot(dir.path());
    fs::create_dir(target.join("backups")).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("backup"), "backup").unwrap();
    let table = names(&target).into_iter().find(|it| it.ends_with(".sst"));
    let table = target.join(table.unwrap());
    fs::copy(&table, other.join("table")).unwrap();
    let before = names(&target);
    // Of the same file system, so that the device does not tell.
    for (from, to) in [
        (other.clone(), target.join("backups")),
        (other.join("table"), table),
    ] {
        let mount = Command::new("mount")
            .arg("--bind")
            .args([&from, &to])
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            return eprintln!("skipped: mounting is not permitted here");
        }
        let refused = restored(&file, &target, &options(true));
        assert!(Command::new("umount").arg(&to).status().unwrap().success());
        assert!(
            matches!(&refused, Err(RestoreError::Refused { findings })
                if matches!(&findings[..], [Finding::MountBelow { path }] if *path == to)),
            "{refused:?}"
        );
        assert_eq!(names(&other), ["backup", "table"]);
        assert_eq!(names(&target), before);
    }
}

#[test]
fn what_is_mounted_in_a_leftover_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (staging, other) = (dir.path().join("db.restore.tmp"), dir.path().join("other"));
    fs::create_dir_all(staging.join("db/backups")).unwrap();
    fs::write(staging.join("RESTORE-UNFINISHED"), "").unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("backup"), "backup").unwrap();
    let at = staging.join("db/backups");
    let mount = Command::new("mount")
        .arg("--bind")
        .args([&other, &at])
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: mounting is not permitted here");
    }
    let (file, target) = (snapshot(dir.path()), dir.path().join("db"));
    let refused = restored(&file, &target, &options(false));
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    assert!(refused.unwrap_err().to_string().contains("mount point"));
    assert_eq!(names(&other), ["backup"]);
    restored(&file, &target, &options(false)).unwrap();
}

#[test]
fn a_torn_log_is_refused_unless_it_may_recover_as_a_node_does() {
    let node = Fixture::node_b();
    let target = node.unflushed();
    let parent = target.parent().unwrap().to_path_buf();
    let log = names(&target)
        .into_iter()
        .rfind(|name| name.ends_with(".log"))
        .unwrap();
    let bytes = fs::read(target.join(&log)).unwrap();
    fs::write(target.join(&log), &bytes[..bytes.len() - 5]).unwrap();
    let before = contents(&target);
    let file = snapshot(&parent);
    let found = findings(&file, &target, &options(true));
    assert!(matches!(&found[..], [Finding::Database(_)]), "{found:?}");
    assert_eq!(contents(&target), before);
    let recovering = RestoreOptions {
        wal_recovery: WalRecovery::PointInTime,
        ..options(true)
    };
    let report = restored(&file, &target, &recovering).unwrap();
    assert!(
        matches!(&report.warnings[..], [RestoreWarning::Database(_), ..]),
        "{:?}",
        report.warnings
    );
    // The incomplete record is not met again.
    snapshot_store::Database::open(&target, &OpenOptions::default()).unwrap();
    // A node opens it as it would have opened the old one.
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), &target).unwrap();
    let failures = snapshot_store::merge::MergeFailures::new();
    let families = families.into_iter().map(|name| {
        let own = snapshot_store::schema::ColumnFamily::from_name(&name);
        let options = own.map_or_else(rocksdb::Options::default, |family| {
            snapshot_store::schema::writer_options(family, &failures)
        });
        rocksdb::ColumnFamilyDescriptor::new(name, options)
    });
    let db = rocksdb::DB::open_cf_descriptors(&rocksdb::Options::default(), &target, families);
    drop(db.unwrap());
    snapshot_store::Database::open(&target, &OpenOptions::default()).unwrap();
}

#[test]
fn logs_elsewhere_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    node_database(&target);
    let newest = snapshot_store::options_file::OptionsFile::newest(&target)
        .unwrap()
        .unwrap();
    let text = fs::read_to_string(&newest.path).unwrap();
    let text = text.replace("[DBOptions]\n", "[DBOptions]\n  wal_dir=/elsewhere\n");
    fs::write(&newest.path, text).unwrap();
    let found = findings(&snapshot(dir.path()), &target, &options(true));
    assert!(
        matches!(&found[..], [Finding::Database(error)]
            if matches!(**error, OpenError::LogsElsewhere { .. })),
        "{found:?}"
    );
}

#[test]
fn files_elsewhere_are_found_before_rocksdb_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (target, elsewhere) = (dir.path().join("db"), dir.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let mut options_elsewhere = Options::default();
    options_elsewhere.create_if_missing(true);
    options_elsewhere.set_db_paths(&[DBPath::new(&elsewhere, 1 << 30).unwrap()]);
    let mut db = DB::open(&options_elsewhere, &target).unwrap();
    db.create_cf("shard-1/primary-slivers", &Options::default())
        .unwrap();
    let family = db.cf_handle("shard-1/primary-slivers").unwrap();
    db.put_cf(family, "key", "value").unwrap();
    db.flush_cf(family).unwrap();
    drop(db);
    assert!(!names(&elsewhere).is_empty());
    let before = names(&target);
    let found = findings(&snapshot(dir.path()), &target, &options(true));
    assert!(
        matches!(&found[..], [Finding::Database(error)]
            if matches!(**error, OpenError::MissingFile { .. })),
        "{found:?}"
    );
    assert_eq!(names(&target), before);
}

#[test]
fn a_path_of_which_rocksdb_can_make_no_name_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = snapshot(dir.path());
    let target = dir.path().join("d".repeat(245));
    let found = findings(&file, &target, &options(false));
    assert!(
        found
            .iter()
            .any(|it| matches!(it, Finding::LongName { .. })),
        "{found:?}"
    );
    // Each name is short enough, and the path is not.
    let below = dir.path().join("d".repeat(200));
    fs::create_dir(&below).unwrap();
    let target = below.join("e".repeat(40));
    node_database(&target);
    let found = findings(&file, &target, &options(true));
    assert!(matches!(found[..], [Finding::LongName { .. }]), "{found:?}");
}
