//! What a path names as an output.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use snapshot_store::publish::{AtomicFile, Destination, PublishError, Replace, is_same_file};

use crate::child::{self, Running};
use crate::{make_fifo, output};

#[test]
fn files_devices_and_names_without_a_file_are_told_apart() {
    let (dir, path) = output();
    assert_eq!(
        Destination::of(Path::new("-")).unwrap(),
        Destination::Stdout
    );
    assert_eq!(Destination::of(&path).unwrap(), Destination::New);
    symlink(&path, dir.path().join("link")).unwrap();
    let link = dir.path().join("link");
    assert_eq!(Destination::of(&link).unwrap(), Destination::New);
    fs::write(&path, "x").unwrap();
    assert_eq!(Destination::of(&path).unwrap(), Destination::File);
    assert_eq!(Destination::of(&link).unwrap(), Destination::File);
    assert!(matches!(
        Destination::of(dir.path()),
        Err(PublishError::IsDirectory { .. })
    ));
    let null = Path::new("/dev/null");
    assert_eq!(Destination::of(null).unwrap(), Destination::Special);
    let fifo = dir.path().join("fifo");
    make_fifo(&fifo);
    assert_eq!(Destination::of(&fifo).unwrap(), Destination::Special);

    let new = dir.path().join("new/");
    assert!(matches!(
        Destination::of(&new),
        Err(PublishError::IsDirectory { .. })
    ));

    // A number under which nothing is open, by whatever links.
    symlink("/dev/fd", dir.path().join("fds")).unwrap();
    for name in ["/dev/fd/999", "/proc/self/fd/999", "fds/999", "fds/999/x"] {
        let name = dir.path().join(name);
        assert!(matches!(
            Destination::of(&name),
            Err(PublishError::NotOpen { .. })
        ));
    }

    // A file that is open here has a name in /proc, under which it cannot be replaced.
    let open = fs::File::open(&path).unwrap();
    let number = format!("/proc/self/fd/{}", open.as_raw_fd());
    symlink(&number, dir.path().join("open")).unwrap();
    for name in [number.into(), dir.path().join("open")] {
        assert!(matches!(
            Destination::of(&name),
            Err(PublishError::Descriptor { .. })
        ));
        assert!(matches!(
            AtomicFile::create(&name, Replace::Allow),
            Err(PublishError::Descriptor { .. })
        ));
    }
}

#[test]
fn standard_output_is_known_by_any_name() {
    let (dir, path) = output();
    symlink("/proc/self/fd/1", dir.path().join("link")).unwrap();
    for name in ["/dev/stdout", "/dev/fd/1", "link"] {
        let command = child::command(&[], "name the destination", &dir.path().join(name));
        let mut running = Running::start(command);
        assert_eq!(running.said().as_deref(), Some("Stdout"), "{name}");
        running.finish();
    }
    // The very file that it was redirected to.
    let file = fs::File::create(&path).unwrap();
    let mut command = child::command(&[], "name the destination", &path);
    assert!(command.stdout(file).status().unwrap().success());
    let said = fs::read_to_string(&path).unwrap();
    assert!(said.contains("child says: Stdout"), "{said}");
}

#[test]
fn a_file_is_the_same_by_any_link() {
    let (dir, path) = output();
    let [link, hard, other] = ["link", "hard", "other"].map(|name| dir.path().join(name));
    assert!(!is_same_file(&path, &path));
    fs::write(&path, "x").unwrap();
    fs::write(&other, "x").unwrap();
    symlink(&path, &link).unwrap();
    fs::hard_link(&path, &hard).unwrap();
    assert!(is_same_file(&path, &link) && is_same_file(&hard, &link));
    assert!(!is_same_file(&path, &other));
}
