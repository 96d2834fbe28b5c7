//! Mounts: RocksDB copies where it cannot link, so a checkpoint is refused where no link can be made.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use common::{Node, names};
use node_hook::{Mode, Outcome, Stage};

/// A directory over which itself is mounted.
struct Bound<'a>(&'a Path);

impl<'a> Bound<'a> {
    fn new(path: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let output = mount.arg("--bind").args([path, path]).output();
        output
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn another_mount_of_the_same_file_system_is_refused_before_all_is_copied() {
    let node = Node::new();
    let directory = node.directory();
    fs::create_dir(&directory).expect("made");
    let Some(bound) = Bound::new(&directory) else {
        println!("not tested, since a directory cannot be mounted here");
        return;
    };
    let device = |path: &Path| fs::metadata(path).expect("there").dev();
    assert_eq!(device(&directory), device(node.storage()));
    for mode in [Mode::Checkpoint, Mode::Snapshot] {
        let hook = node.hook(mode);
        let outcome = hook.boundary(7).await;
        assert_eq!(outcome, Outcome::Failed(Stage::Checkpoint), "{mode:?}");
        assert_eq!(hook.failures_in("checkpoint"), 1.0);
        assert!(names(&directory).is_empty(), "{:?}", names(&directory));
    }
    let checkpoint = directory.join("checkpoint");
    let error = node
        .store()
        .create_checkpoint(&checkpoint)
        .expect_err("elsewhere");
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    let mount = format!("the directory on the mount {}", directory.display());
    assert!(cause.contains(&mount), "{cause}");
    drop(bound);
    assert_eq!(
        node.hook(Mode::Checkpoint).boundary(7).await,
        Outcome::Taken
    );
}
