//! Outputs that another run is writing, that a killed run left, or that do not fit.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use snapshot_store::publish::{AtomicFile, PublishError, Replace};

use crate::child::{self, Running};
use crate::{make_fifo, names, output};

#[test]
fn a_killed_run_leaves_nothing_and_one_with_a_fixed_name_its_leftover() {
    let (dir, path) = output();
    let mut running = Running::start(child::command(&[], "write and hang", &path));
    assert_eq!(running.said().as_deref(), Some("written"));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(names(dir.path()).is_empty());

    let part = "write under a fixed name and hang";
    let mut running = Running::start(child::command(&[], part, &path));
    assert_eq!(running.said().as_deref(), Some("written"));

    // As long as it lives, no other run gets in its way.
    let tmp = dir.path().join("out.bin.tmp");
    let error = AtomicFile::create_as(&path, &tmp, Replace::Allow).unwrap_err();
    assert!(
        matches!(&error, PublishError::Busy { tmp, .. } if tmp.is_file()),
        "{error}"
    );
    let inode = fs::metadata(&tmp).unwrap().ino();

    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert_eq!(names(dir.path()), ["out.bin.tmp"]);
    assert_eq!(fs::metadata(&tmp).unwrap().len(), 10 << 20);

    // Another inode for as long as the old one is held open here.
    let leftover = fs::File::open(&tmp).unwrap();
    let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap();
    assert_ne!(fs::metadata(&tmp).unwrap().ino(), inode);
    file.append(b"whole").unwrap();
    file.commit().unwrap();
    assert_eq!(names(dir.path()), ["out.bin"]);
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(leftover.metadata().unwrap().len(), 10 << 20);
}

#[test]
fn two_runs_with_one_output_do_not_mix() {
    let (dir, path) = output();
    let mut first = AtomicFile::create(&path, Replace::Refuse).unwrap();
    first.append(b"first").unwrap();
    let mut second = AtomicFile::create(&path, Replace::Refuse).unwrap();
    second.append(b"second run").unwrap();
    first.append(b" run").unwrap();
    first.commit().unwrap();
    let error = second.commit().unwrap_err();
    assert!(matches!(error, PublishError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"first run");
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn a_file_longer_than_the_process_may_make_is_an_error_and_leaves_nothing() {
    let (dir, path) = output();
    let wrapper = ["bash", "-c", "ulimit -f 100 && exec \"$0\" \"$@\""];
    let mut running = Running::start(child::command(&wrapper, "write 1 MiB", &path));
    assert_eq!(
        running.said().unwrap(),
        format!(
            "cannot write {}: it is larger than 102400 bytes, the most that a file of this process may \
             have (ulimit -f); raise that",
            path.display()
        )
    );
    running.finish();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn many_runs_at_once_leave_one_whole_output() {
    let (dir, path) = output();
    let runs: Vec<_> = (0..8_u8)
        .map(|run| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut done = 0;
                for _ in 0..50 {
                    let Ok(mut file) = AtomicFile::create(&path, Replace::Allow) else {
                        continue;
                    };
                    for _ in 0..4 {
                        file.append(&[run; 5000]).unwrap();
                    }
                    file.commit().unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let done: u32 = runs.into_iter().map(|run| run.join().unwrap()).sum();
    assert!(done > 0);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() == 20_000 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn an_unfinished_file_that_was_taken_away_is_not_published() {
    let (dir, path) = output();
    let tmp = dir.path().join("out.bin.tmp");
    let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap();
    file.append(b"mine").unwrap();
    fs::remove_file(&tmp).unwrap();
    fs::write(&tmp, "another's").unwrap();
    assert!(matches!(file.commit(), Err(PublishError::Lost { .. })));
    assert_eq!(names(dir.path()), ["out.bin.tmp"]);
}

#[test]
fn only_a_file_is_taken_for_a_leftover() {
    let (dir, path) = output();
    let tmp = dir.path().join("out.bin.tmp");
    let refused = || {
        let error = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap_err();
        assert!(matches!(error, PublishError::Occupied { .. }), "{error}");
        assert_eq!(names(dir.path()), ["out.bin.tmp"]);
    };
    fs::create_dir(&tmp).unwrap();
    refused();
    fs::remove_dir(&tmp).unwrap();
    make_fifo(&tmp);
    refused();
    fs::remove_file(&tmp).unwrap();
    symlink("/etc/passwd", &tmp).unwrap();
    refused();
}

#[test]
fn a_full_disk_is_reported_with_what_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let mount = dir.path().to_str().unwrap();
    let unshare = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        mount,
    ];
    let probe = std::process::Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("true")
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("not tested, since a file system cannot be mounted here");
        return;
    }
    let path = dir.path().join("out.bin");
    let mut running = Running::start(child::command(&unshare, "fill the disk", &path));
    let mut said = || running.said().unwrap();
    let name = path.display();
    assert_eq!(
        said(),
        format!(
            "{name} needs 3145728 bytes, but its file system has 1048576 free; free some, or \
             choose a path on another file system"
        )
    );
    assert_eq!(
        said(),
        format!(
            "no space left for {name} after 1048576 bytes, with 0 free on its file system; free \
             some, or choose a path on another file system"
        )
    );
    let incomplete = format!("{name} is not complete, since writing to it failed before");
    assert_eq!((said(), said()), (incomplete.clone(), incomplete));
    assert_eq!(said(), "0 files left");
    running.finish();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_full_device_keeps_its_error_through_io_write() {
    let mut full = AtomicFile::create(Path::new("/dev/full"), Replace::Refuse).unwrap();
    let error = full.write(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let inner = error
        .into_inner()
        .unwrap()
        .downcast::<PublishError>()
        .unwrap();
    assert!(
        matches!(*inner, PublishError::DiskFull { written: 0, .. }),
        "{inner}"
    );
    assert!(matches!(
        full.commit(),
        Err(PublishError::Incomplete { .. })
    ));
}

#[test]
fn a_directory_without_permission_is_reported() {
    /// `nobody`, for a run as root, which may write anywhere.
    const NOBODY: u32 = 65_534;

    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let binary = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    mode(&binary, 0o755);
    let path = dir.path().join("out.bin");
    mode(dir.path(), 0o555);
    let mut command = child::command_of(&binary, &[], "create", &path);
    command.current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut running = Running::start(command);
    let expected = format!(
        "no permission to write {}: Permission denied (os error 13); change it, or choose another \
         path",
        path.display()
    );
    assert_eq!(running.said(), Some(expected));
    running.finish();
    mode(dir.path(), 0o755);
}
