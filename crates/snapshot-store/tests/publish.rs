//! How files appear, on real file systems: full ones, killed writers and all.

#[path = "publish/child.rs"]
mod child;
#[path = "publish/destination.rs"]
mod destination;
#[path = "publish/faults.rs"]
mod faults;
#[path = "publish/lock.rs"]
mod lock;
#[path = "publish/set.rs"]
mod set;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use snapshot_store::publish::{
    AtomicFile, PublishError, PublishStep, PublishWarning, Replace, is_special, publish_dir,
    publish_dir_watched, sync_dir,
};
use snapshot_store::space::{self, SpaceError};
use tempfile::TempDir;

/// A directory of its own, and a path in it.
fn output() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.bin");
    (dir, path)
}

/// The names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn make_fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn a_file_appears_complete_and_alone() {
    let (dir, path) = output();
    let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
    file.append(b"snap").unwrap();
    file.write_all(b"shot").unwrap();
    // It has no name that a kill could leave behind.
    assert!(names(dir.path()).is_empty());
    assert_eq!(file.written(), 8);
    assert!(file.commit().unwrap().is_empty());
    assert_eq!(names(dir.path()), ["out.bin"]);
    assert_eq!(fs::read(&path).unwrap(), b"snapshot");
}

#[test]
fn a_long_file_is_whole_and_takes_no_more_room_than_it_needs() {
    let (_dir, path) = output();
    let chunk: Vec<u8> = (0..1_000_003_u32)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
    file.reserve(64 << 20).unwrap();
    for _ in 0..20 {
        file.append(&chunk).unwrap();
    }
    let mut back = Vec::new();
    let mut reader = file.file();
    io::Seek::rewind(&mut reader).unwrap();
    reader.read_to_end(&mut back).unwrap();
    file.commit().unwrap();
    let expected = chunk.repeat(20);
    assert!(back == expected && fs::read(&path).unwrap() == expected);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), 20 * 1_000_003);
    assert!(
        metadata.blocks() * 512 < 21 << 20,
        "{} blocks",
        metadata.blocks()
    );
}

#[test]
fn an_output_that_exists_is_refused_at_once() {
    let (dir, path) = output();
    fs::write(&path, "old").unwrap();
    let error = AtomicFile::create(&path, Replace::Refuse).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} already exists; choose another path", path.display())
    );
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn an_output_that_appears_while_it_is_written_is_refused_too() {
    let (dir, path) = output();
    let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
    file.append(b"new").unwrap();
    fs::write(&path, "other").unwrap();
    assert!(matches!(file.commit(), Err(PublishError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"other");
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn an_output_is_replaced_at_once_if_that_is_allowed() {
    let (dir, path) = output();
    fs::write(&path, "old").unwrap();
    let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
    file.append(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    file.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn a_link_to_a_file_means_the_file() {
    let (dir, path) = output();
    let elsewhere = tempfile::tempdir().unwrap();
    let real = elsewhere.path().join("real.bin");
    fs::write(&real, "old").unwrap();
    symlink(&real, &path).unwrap();
    assert!(matches!(
        AtomicFile::create(&path, Replace::Refuse),
        Err(PublishError::Exists { .. })
    ));
    let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
    file.append(b"new").unwrap();
    file.commit().unwrap();
    assert_eq!(fs::read_link(&path).unwrap(), real);
    assert_eq!(fs::read(&real).unwrap(), b"new");

    // Where a link leads nowhere yet, the file is made where it leads.
    fs::remove_file(&real).unwrap();
    assert!(matches!(
        AtomicFile::create(&path, Replace::Refuse),
        Err(PublishError::Exists { .. })
    ));
    AtomicFile::create(&path, Replace::Allow)
        .unwrap()
        .commit()
        .unwrap();
    assert_eq!(fs::read_link(&path).unwrap(), real);
    assert_eq!(
        (names(dir.path()), names(elsewhere.path())),
        (vec!["out.bin".to_owned()], vec!["real.bin".to_owned()])
    );
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let (dir, path) = output();
    fs::write(&path, "old").unwrap();
    let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
    file.append(b"new").unwrap();
    drop(file);
    assert_eq!(names(dir.path()), ["out.bin"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_directory_that_is_missing_or_in_the_way_is_named() {
    let (dir, path) = output();
    let below = path.join("file");
    let error = AtomicFile::create(&below, Replace::Refuse).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write {}: there is no directory {}; create it first",
            below.display(),
            path.display()
        )
    );
    let error = AtomicFile::create(dir.path(), Replace::Allow).unwrap_err();
    assert!(matches!(error, PublishError::IsDirectory { .. }), "{error}");
    fs::write(&path, "a file").unwrap();
    let error = AtomicFile::create(&below, Replace::Refuse).unwrap_err();
    assert!(matches!(error, PublishError::Io { .. }), "{error}");
}

#[test]
fn a_device_or_pipe_is_written_directly() {
    let (dir, path) = output();
    assert!(!is_special(&path).unwrap() && !is_special(dir.path()).unwrap());
    assert!(is_special(Path::new("/dev/null")).unwrap());
    let mut null = AtomicFile::create(Path::new("/dev/null"), Replace::Refuse).unwrap();
    null.reserve(u64::MAX).unwrap();
    null.append(&vec![1; 10 << 20]).unwrap();
    null.commit().unwrap();

    make_fifo(&path);
    let reader = std::thread::spawn({
        let path = path.clone();
        move || fs::read(path).unwrap()
    });
    let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
    file.append(b"through the pipe").unwrap();
    file.commit().unwrap();
    assert_eq!(reader.join().unwrap(), b"through the pipe");
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn a_directory_appears_under_a_name_that_nothing_has() {
    let dir = tempfile::tempdir().unwrap();
    let (tmp, path) = (
        dir.path().join("checkpoint.tmp"),
        dir.path().join("checkpoint"),
    );
    fs::create_dir(&tmp).unwrap();
    fs::write(tmp.join("CURRENT"), "x").unwrap();

    fs::create_dir(&path).unwrap();
    assert!(matches!(
        publish_dir(&tmp, &path),
        Err(PublishError::Exists { .. })
    ));
    assert_eq!(
        (names(&tmp), names(&path)),
        (vec!["CURRENT".to_owned()], vec![])
    );

    fs::remove_dir(&path).unwrap();
    publish_dir(&tmp, &path).unwrap();
    assert_eq!(
        (names(dir.path()), names(&path)),
        (vec!["checkpoint".into()], vec!["CURRENT".into()])
    );

    assert!(matches!(
        publish_dir(&tmp, &path),
        Err(PublishError::Sync { .. })
    ));
    let below = dir.path().join("no/checkpoint");
    assert!(matches!(
        publish_dir(&path, &below),
        Err(PublishError::Io { .. })
    ));
    sync_dir(&path).unwrap();
    assert!(sync_dir(&tmp).is_err());
}

#[test]
fn the_free_space_is_that_of_the_directory_for_a_file_to_come() {
    let (dir, path) = output();
    assert!(space::available(&path).unwrap() > 0);
    space::require(&path, 1).unwrap();
    let error = space::require(&path, u64::MAX).unwrap_err();
    assert!(
        matches!(error, SpaceError::TooLittle { needed: u64::MAX, available, .. } if available > 0),
        "{error}"
    );
    assert!(error.to_string().contains("another file system"), "{error}");
    let missing = dir.path().join("no/such/file");
    assert!(matches!(
        space::require(&missing, 1),
        Err(SpaceError::Io { .. })
    ));
    File::create(&path).unwrap();
    assert!(space::available(&path).unwrap() > 0);
}

/// All steps of publishing, in order.
const STEPS: [PublishStep; 3] = [
    PublishStep::Sync,
    PublishStep::Rename,
    PublishStep::SyncDirectory,
];

#[test]
fn each_step_is_told_before_it_is_taken() {
    let (dir, path) = output();
    let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
    file.append(b"whole").unwrap();
    let mut told = Vec::new();
    let watched = |step| {
        told.push((step, names(dir.path())));
        Ok(())
    };
    file.commit_watched(watched).unwrap();
    let seen = [vec![], vec![], vec!["out.bin".to_owned()]];
    assert_eq!(told, STEPS.into_iter().zip(seen).collect::<Vec<_>>());

    let (tmp, path) = (dir.path().join("dir.tmp"), dir.path().join("dir"));
    fs::create_dir(&tmp).unwrap();
    let mut told = Vec::new();
    let watched = |step| {
        told.push((step, path.exists()));
        Ok(())
    };
    publish_dir_watched(&tmp, &path, watched).unwrap();
    assert_eq!(
        told,
        STEPS
            .into_iter()
            .zip([false, false, true])
            .collect::<Vec<_>>()
    );
}

/// Fails at one step.
fn failing(at: PublishStep) -> impl FnMut(PublishStep) -> io::Result<()> {
    move |step| match step == at {
        true => Err(io::Error::other("injected")),
        false => Ok(()),
    }
}

#[test]
fn a_step_that_fails_leaves_the_output_whole_or_not_at_all() {
    for (step, left) in STEPS.into_iter().zip([None, None, Some("whole")]) {
        let (dir, path) = output();
        let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
        file.append(b"whole").unwrap();
        let error = file.commit_watched(failing(step)).unwrap_err();
        let expected = match step {
            PublishStep::Sync => matches!(error, PublishError::Sync { .. }),
            PublishStep::Rename => matches!(error, PublishError::Io { .. }),
            PublishStep::SyncDirectory => matches!(error, PublishError::SyncDirectory { .. }),
        };
        assert!(expected, "{step:?}: {error}");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), left, "{step:?}");
        assert_eq!(names(dir.path()).len(), usize::from(left.is_some()));

        let (tmp, path) = (dir.path().join("dir.tmp"), dir.path().join("dir"));
        fs::create_dir(&tmp).unwrap();
        let error = publish_dir_watched(&tmp, &path, failing(step)).unwrap_err();
        assert!(error.to_string().contains("injected"), "{error}");
        assert_eq!(
            (tmp.exists(), path.exists()),
            (left.is_none(), left.is_some())
        );
    }
}

#[test]
fn an_unfinished_file_stays_if_it_was_said_so() {
    let (dir, path) = output();
    let tmp = dir.path().join("out.bin.tmp");
    let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap();
    file.leave_unfinished();
    file.append(b"half").unwrap();
    drop(file);
    assert_eq!(names(dir.path()), ["out.bin.tmp"]);

    // It is a leftover like any other, and a commit is not affected.
    let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap();
    file.leave_unfinished();
    file.append(b"whole").unwrap();
    file.commit().unwrap();
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn files_that_look_unfinished_and_are_not_ours_stay() {
    let (dir, path) = output();
    let others = [
        "out.bin.tmp",
        ".out.bin.tmp",
        ".out.bin.1f-0123456789abcdef.tmp",
    ];
    for name in others {
        fs::write(dir.path().join(name), "precious").unwrap();
    }
    for replace in [Replace::Refuse, Replace::Allow] {
        let mut file = AtomicFile::create(&path, replace).unwrap();
        file.append(b"whole").unwrap();
        file.commit().unwrap();
    }
    for name in others {
        let left = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(left, "precious", "{name}");
    }
    assert_eq!(names(dir.path()).len(), 4);
}

#[test]
fn a_leftover_with_its_own_number_in_its_name_goes() {
    let (dir, path) = output();
    let made = dir.path().join("made");
    fs::write(&made, "half").unwrap();
    let number = fs::metadata(&made).unwrap().ino();
    let left = dir
        .path()
        .join(format!(".out.bin.{number:x}-0123456789abcdef.tmp"));
    fs::rename(&made, &left).unwrap();

    // As long as the run that made it lives, it stays.
    let open = File::open(&left).unwrap();
    open.lock().unwrap();
    AtomicFile::create(&path, Replace::Refuse).unwrap();
    assert!(left.exists());
    drop(open);
    AtomicFile::create(&path, Replace::Refuse).unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_file_that_takes_the_place_of_another_gets_its_mode_and_owner() {
    let (_dir, path) = output();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        chown(&path, Some(4711), Some(4712)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    }
    let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
    file.append(b"new").unwrap();
    assert!(file.commit().unwrap().is_empty());
    let metadata = fs::metadata(&path).unwrap();
    // Not the bit that would run it as its owner.
    assert_eq!(metadata.mode() & 0o7777, 0o751);
    assert_eq!(fs::read(&path).unwrap(), b"new");
    if root {
        assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
    }
}

#[test]
fn what_is_synced_can_be_read_before_it_appears() {
    let (dir, path) = output();
    fs::write(&path, "old").unwrap();
    let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
    file.append(b"new").unwrap();
    file.sync().unwrap();
    let mut back = Vec::new();
    io::Seek::rewind(&mut file.file()).unwrap();
    file.file().read_to_end(&mut back).unwrap();
    assert_eq!(
        (&*back, &*fs::read(&path).unwrap()),
        (&b"new"[..], &b"old"[..])
    );
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["out.bin"]);
}

#[test]
fn a_file_system_that_cannot_sync_directories_is_a_warning() {
    // A directory there answers EINVAL.
    assert!(File::open("/proc").unwrap().sync_all().is_err());
    sync_dir(Path::new("/proc")).unwrap();
    let (_dir, path) = output();
    for (code, tolerated) in [(22, true), (95, true), (5, false)] {
        let mut file = AtomicFile::create(&path, Replace::Allow).unwrap();
        file.append(b"whole").unwrap();
        let committed = file.commit_watched(|step| match step {
            PublishStep::SyncDirectory => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(()),
        });
        match committed {
            Ok(warnings) => assert!(
                tolerated && matches!(warnings[..], [PublishWarning::Directory { .. }]),
                "{warnings:?}"
            ),
            Err(error) => assert!(
                !tolerated && matches!(error, PublishError::SyncDirectory { .. }),
                "{error}"
            ),
        }
    }
}
