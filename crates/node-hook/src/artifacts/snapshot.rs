//! Writing a snapshot from a checkpoint, or keeping the one that is there.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::SystemTime;

use snapshot_format::{Epoch, Framing, Header, max_size};
use snapshot_store::naming::{ArtifactKind, ArtifactName};
use snapshot_store::node;
use snapshot_store::publish::{AtomicFile, PublishStep, Replace};
use snapshot_store::space::{self, SpaceError};
use snapshot_store::{
    CreateOptions, Database, Progress, SnapshotSummary, VerifyError, create, verify,
};

use super::checkpoint::warn;
use super::{Artifacts, BoundaryRecord, unfinished};
use crate::background::Stop;
use crate::error::HookError;
use crate::probe::Step;

/// Bytes that a snapshot leaves free: a memtable of the node, which RocksDB has to flush or stop.
const ROOM_FOR_THE_NODE: u64 = 64 << 20;

/// The room is looked at again after this many bytes.
const LOOK_EVERY: u64 = 16 << 20;

/// Nobody waits for the snapshot, and the node needs its processors: one thread reads.
const OPTIONS: CreateOptions = CreateOptions {
    threads: NonZeroUsize::new(1),
};

impl Artifacts {
    /// The snapshot of `boundary`, if it is there.
    ///
    /// # Errors
    ///
    /// What is wrong with the one that is there, or why it cannot be told
    /// ([`HookError::is_verdict`]).
    pub(crate) fn existing_snapshot(
        &self,
        boundary: &BoundaryRecord,
        stop: &Stop,
    ) -> Result<Option<SnapshotSummary>, HookError> {
        let name = ArtifactName::finished(ArtifactKind::Snapshot, boundary.epoch);
        let path = self.path_of(name);
        match self.verify(&path, stop)? {
            Some(summary) if summary.header != boundary.header() => Err(HookError::OtherBoundary {
                path,
                expected: format!("{:?}", boundary.header()),
                got: format!("{:?}", summary.header),
            }),
            other => Ok(other),
        }
    }

    /// The snapshot of `epoch` and the time it was written, if it is sound and was made at a boundary,
    /// with the index of the boundary's event.
    pub(crate) fn sound_snapshot(
        &self,
        epoch: Epoch,
        stop: &Stop,
    ) -> Result<(u64, SnapshotSummary, SystemTime), HookError> {
        let path = self.path_of(ArtifactName::finished(ArtifactKind::Snapshot, epoch));
        let Some(summary) = self.verify(&path, stop)? else {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            return Err(HookError::io("read", &path)(gone));
        };
        let other = |expected, got| HookError::OtherBoundary {
            path: path.clone(),
            expected,
            got,
        };
        let header = &summary.header;
        if header.epoch() != epoch {
            let (expected, got) = (format!("epoch {epoch}"), header.epoch());
            return Err(other(expected, format!("epoch {got}")));
        }
        if let Err(not_whole) = header.require_whole() {
            return Err(other("a whole snapshot".to_owned(), not_whole.to_string()));
        }
        let cursor = header.event_cursor();
        if cursor.event_id.is_none() || cursor.element_index == 0 {
            return Err(other(format!("epoch {epoch}"), "no event".to_owned()));
        }
        let time = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let time = time.map_err(HookError::io("read", &path))?;
        Ok((cursor.element_index - 1, summary, time))
    }

    /// Reads the snapshot at `path` to its end, if there is one.
    fn verify(&self, path: &Path, stop: &Stop) -> Result<Option<SnapshotSummary>, HookError> {
        let not_opened = |source| VerifyError::Open {
            path: path.to_path_buf(),
            source,
        };
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => {
                return Err(HookError::InTheWay {
                    path: path.to_path_buf(),
                    expected: "snapshot, which is a file",
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(not_opened(error).into()),
        }
        let file = File::open(path).map_err(not_opened)?;
        read(path, file, stop).map(Some)
    }

    /// Writes the snapshot of the checkpoint of `boundary`, whole and durable or not at all.
    pub(crate) fn serialize(
        &self,
        boundary: &BoundaryRecord,
        stop: &Stop,
    ) -> Result<SnapshotSummary, HookError> {
        let name = ArtifactName::finished(ArtifactKind::Snapshot, boundary.epoch);
        let discard = |error: &HookError| self.discard(name, error);
        match self.write(name, boundary, stop).inspect_err(discard) {
            Err(_) if stop.is_set() => Err(HookError::Stopped),
            // Once: a disk that fails twice will not do better.
            Err(error) if error.is_failed_sync() => {
                tracing::warn!(%name, error = error.one_line(), "discarded, writing it again");
                self.write(name, boundary, stop).inspect_err(discard)
            }
            other => other,
        }
    }

    fn write(
        &self,
        name: ArtifactName,
        boundary: &BoundaryRecord,
        stop: &Stop,
    ) -> Result<SnapshotSummary, HookError> {
        let checkpoint = ArtifactName::finished(ArtifactKind::Checkpoint, boundary.epoch);
        let database = node::open_checkpoint(&self.path_of(checkpoint))?;
        warn(checkpoint, database.warnings());
        let (path, header) = (self.path_of(name), boundary.header());
        require_room(&path, &database, &header, stop)?;

        self.remove(unfinished(name))?;
        self.step(Step::WriteSnapshot, "write", &path)?;
        let tmp = self.path_of(unfinished(name));
        let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse)?;
        // Removing it is a step of its own.
        file.leave_unfinished();
        let out = SnapshotWriter {
            file: &mut file,
            artifacts: self,
            path: &path,
            stop,
            looked_at: 0,
        };
        let summary = create(&database, &header, out, &OPTIONS, &Progress::new())?;
        let steps = [
            Step::SyncSnapshot,
            Step::RenameSnapshot,
            Step::SyncSnapshotName,
        ];
        let mut read_back = Ok(());
        let written = file.file().try_clone();
        let written = written.map_err(HookError::io("read back", &path))?;
        let mut tell = self.publish_steps(&path, steps);
        let committed = file.commit_watched(|step| {
            if step == PublishStep::Rename {
                // It is durable but has no name yet, and gets one only if it reads as it was written.
                let read = self.read_back(&path, written.try_clone()?, &summary, stop);
                if let Err(error) = read {
                    read_back = Err(error);
                    return Err(io::Error::other("it does not read back"));
                }
            }
            tell(step)
        });
        read_back?;
        committed?;
        self.step(Step::SnapshotDone, "publish", &path)?;
        Ok(summary)
    }

    /// Checks that what was written of the snapshot at `path` reads as it should.
    fn read_back(
        &self,
        path: &Path,
        mut written: File,
        expected: &SnapshotSummary,
        stop: &Stop,
    ) -> Result<(), HookError> {
        self.step(Step::ReadSnapshot, "read back", path)?;
        written.rewind().map_err(HookError::io("read back", path))?;
        let got = read(path, written, stop)?;
        if got == *expected {
            return Ok(());
        }
        Err(HookError::ReadBack {
            path: path.to_path_buf(),
            expected: expected.digest,
            got: got.digest,
        })
    }
}

/// Reads a snapshot to its end.
fn read(path: &Path, file: File, stop: &Stop) -> Result<SnapshotSummary, HookError> {
    let reader = Stoppable { inner: file, stop };
    match verify::decode(reader, &Progress::new(), |_| {}) {
        Ok(summary) => Ok(summary),
        Err(_) if stop.is_set() => Err(HookError::Stopped),
        Err(source) => Err(HookError::from(VerifyError::Read {
            path: path.to_path_buf(),
            source,
        })),
    }
}

/// Checks that the snapshot fits, and leaves some room to the node.
///
/// RocksDB's estimate counts each operand that is not merged yet as a row, so it may be a multiple; a
/// snapshot that would fit must not be refused for that. Where the estimate does not fit, the rows
/// are read once to know.
fn require_room(
    path: &Path,
    database: &Database,
    header: &Header,
    stop: &Stop,
) -> Result<(), HookError> {
    let require = |bytes: u64| space::require(path, bytes.saturating_add(ROOM_FOR_THE_NODE));
    let estimate = max_size(Framing::Sealed, &database.estimated_counts());
    match require(estimate) {
        Err(SpaceError::TooLittle { .. }) => {
            let nowhere = Stoppable {
                inner: io::sink(),
                stop,
            };
            let summary = create(database, header, nowhere, &OPTIONS, &Progress::new())?;
            Ok(require(summary.size)?)
        }
        other => Ok(other?),
    }
}

/// A snapshot in the making, which is given up when it is to stop, or when the room gets scarce after
/// all: the estimate may be too low, and the node writes too.
struct SnapshotWriter<'a> {
    file: &'a mut AtomicFile,
    artifacts: &'a Artifacts,
    path: &'a Path,
    stop: &'a Stop,
    /// Bytes written when the room was last looked at.
    looked_at: u64,
}

impl Write for SnapshotWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.artifacts.probe.step(Step::AppendSnapshot, self.path)?;
        if self.file.written() - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.file.written();
            space::require(self.path, ROOM_FOR_THE_NODE)
                .map_err(|error| io::Error::new(io::ErrorKind::StorageFull, error))?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A reader or writer that fails once it is to stop.
struct Stoppable<'a, T> {
    inner: T,
    stop: &'a Stop,
}

impl<T: Read> Read for Stoppable<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.inner.read(buffer)
    }
}

impl<T: Write> Write for Stoppable<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
