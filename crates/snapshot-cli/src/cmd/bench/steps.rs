//! The steps of the benchmark: each does one thing and keeps its time. Memory stays bounded.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use snapshot_format::Header;
use snapshot_store::create as create_snapshot;
use snapshot_store::load;
use snapshot_store::open::Database;
use snapshot_store::transport::OutputFile;
use snapshot_store::{Progress, SnapshotSummary};

use super::scratch::Scratch;
use super::{BenchArgs, LoadStep, Step, ZstdStep};
use crate::error::CliError;
use crate::output::Output;
use crate::progress::Unit;
use crate::target::{publish, replace};

/// Bytes moved at a time.
const BUFFER: usize = 256 * 1024;

/// Serializes, writes and syncs, then reads back and publishes; the first and the second are timed.
pub(super) fn create(
    args: &BenchArgs,
    database: &Database,
    header: &Header,
    path: &Path,
    out: &mut Output,
) -> Result<(SnapshotSummary, Duration, Duration), CliError> {
    let options = args.open.create_options();
    let start = Instant::now();
    let mut file = OutputFile::create(path, replace(args.force))?;
    let summary = out.meter().during("writing", Unit::Rows, |progress| {
        create_snapshot(database, header, &mut file, &options, progress)
    })?;
    let read = publish(file, path, &summary, true, out)?.unwrap_or_default();
    Ok((summary, start.elapsed().saturating_sub(read), read))
}

/// Loads the snapshot into a database, and deletes that again, which is not measured.
pub(super) fn bulk_load(
    snapshot: &Path,
    scratch: &Scratch,
    summary: &SnapshotSummary,
    out: &Output,
) -> Result<LoadStep, CliError> {
    let dir = scratch.path().join("database");
    let start = Instant::now();
    let loaded = out.meter().during("loading", Unit::Bytes, |progress| {
        load::bulk_load(snapshot, &dir, progress)
    })?;
    let time = start.elapsed();
    fs::remove_dir_all(&dir).map_err(failed("delete", &dir))?;
    Ok(LoadStep {
        step: Step::new(time, summary),
        files: loaded.files,
        bytes: loaded.bytes,
    })
}

/// Compresses the snapshot and decompresses it again.
pub(super) fn zstd(
    level: i32,
    snapshot: &Path,
    scratch: &Scratch,
    summary: &SnapshotSummary,
    out: &Output,
) -> Result<ZstdStep, CliError> {
    let path = scratch.path().join(format!("level-{level}.zst"));
    let start = Instant::now();
    out.meter()
        .during("compressing", Unit::Bytes, |progress| {
            progress.begin(summary.size);
            compress(snapshot, &path, level, progress)
        })
        .map_err(failed("compress to", &path))?;
    let compress_time = start.elapsed();
    let compressed = fs::metadata(&path).map_err(failed("read", &path))?.len();

    let start = Instant::now();
    out.meter()
        .during("decompressing", Unit::Bytes, |progress| {
            progress.begin(summary.size);
            decompress(&path, summary.size, progress)
        })
        .map_err(failed("decompress", &path))?;
    let decompress_time = start.elapsed();
    fs::remove_file(&path).map_err(failed("delete", &path))?;

    Ok(ZstdStep {
        level,
        compressed,
        ratio: summary.size as f64 / compressed.max(1) as f64,
        compress: Step::new(compress_time, summary),
        decompress: Step::new(decompress_time, summary),
    })
}

fn compress(from: &Path, to: &Path, level: i32, progress: &Progress) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(File::create_new(to)?, level)?;
    // So that decompressing checks what it makes.
    encoder.include_checksum(true)?;
    pump(File::open(from)?, &mut encoder, progress)?;
    encoder.finish().map(drop)
}

fn decompress(from: &Path, size: u64, progress: &Progress) -> io::Result<()> {
    let decoder = zstd::stream::read::Decoder::new(File::open(from)?)?;
    let got = pump(decoder, io::sink(), progress)?;
    if got == size {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "{got} bytes came back, expected {size}"
        )))
    }
}

/// Moves everything, and says how much it was.
fn pump(mut from: impl Read, mut to: impl Write, progress: &Progress) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut moved = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(moved),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..read).unwrap_or_default())?;
        moved += read as u64;
        progress.advance(read as u64);
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    move |source| CliError::Scratch {
        action,
        path: path.to_path_buf(),
        source,
    }
}
