//! `split`: a snapshot to chunk files of limited size.

use std::path::{Path, PathBuf};
use std::slice;

use clap::Args;
use serde::Serialize;
use snapshot_format::{ChunkError, ChunkPlan, ChunkPosition, Event, Header, SealedHeader};
use snapshot_store::SnapshotSummary;
use snapshot_store::chunks::{ChunkFile, ChunkOptions, ChunkWriter, chunks_beside};
use snapshot_store::naming::chunk_path;
use snapshot_store::publish::{Destination, FileSet, is_same_file};

use crate::args::{ByteSize, OpenArgs};
use crate::error::{CliError, UsageError};
use crate::exit::{Exit, with_exit_codes};
use crate::header::HeaderArgs;
use crate::input::Input;
use crate::outlet::{self, Content, OutletError};
use crate::output::{Output, Shown};
use crate::report::{DigestLine, SnapshotReport, bytes};
use crate::source::{Reader, Source, require_whole};
use crate::target::{replace, warn_of};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "Chunk 0 of 3 of NAME.bin is NAME.chunk-0-of-3.bin. Each is a sound sealed file by itself, and\n",
    "nodes that cut at the same size write the same chunks. A snapshot that is small enough stays one\n",
    "file.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot split snapshot_epoch_11.bin --max-chunk-size 100MiB --output parts/epoch_11.bin\n",
    "  blob-snapshot split snapshot_epoch_11.bin --max-chunk-size 1GiB --output snapshot.bin.zst\n",
    "  blob-snapshot join parts/epoch_11.chunk-*.bin --output snapshot_epoch_11.bin"
);

/// Options of `split`.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// A sealed snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Most bytes of a chunk, before compression: 4096, 64KiB, 100MiB, 1GiB
    #[arg(long, value_name = "SIZE")]
    max_chunk_size: ByteSize,
    /// What the whole snapshot would be called; chunks are compressed if it ends in .zst
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace chunks that exist
    #[arg(long, short)]
    force: bool,
    /// Do not read the chunks back to verify them
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    header: HeaderArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// How a snapshot is cut.
pub(crate) struct Cut<'a> {
    /// Most bytes of a chunk.
    pub(crate) limit: ByteSize,
    /// Where the whole would lie.
    pub(crate) output: &'a Path,
    pub(crate) force: bool,
    pub(crate) no_verify: bool,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    snapshot: SnapshotReport,
    chunks: Vec<ChunkReport>,
    verified: bool,
}

#[derive(Debug, Serialize)]
struct ChunkReport {
    output: String,
    #[serde(flatten)]
    snapshot: SnapshotReport,
}

/// Runs the command.
pub(crate) fn run(args: &SplitArgs, out: &mut Output) -> Result<Exit, CliError> {
    args.header.check()?;
    let source = Source::of(&args.path);
    let reader = Reader {
        open: &args.open,
        header: &args.header,
    };
    reader.doubt(std::slice::from_ref(&source), out);
    let cut = Cut {
        limit: args.max_chunk_size,
        output: &args.output,
        force: args.force,
        no_verify: args.no_verify,
    };
    cut.check(&source)?;
    cut.recover(out)?;
    let mut input = reader.open(&source, out)?;
    cut.write(&mut input, &source.name(), out)
}

/// Says that chunks lie beside what is written in one piece, or in another number of them.
pub(crate) fn warn_of_chunks(output: &Path, others: &[PathBuf], out: &mut Output) {
    if let Some(first) = others.first() {
        out.warn(format_args!(
            "{} chunks of an earlier {} lie beside it and stay, the first {}: they may be of another snapshot",
            others.len(),
            output.display(),
            first.display()
        ));
    }
}

impl Cut<'_> {
    /// Refuses what cannot be, before anything is opened.
    pub(crate) fn check(&self, source: &Source) -> Result<(), CliError> {
        // That one chunk of several is the input shows when they are counted.
        let inputs = match source {
            Source::Database(_) => slice::from_ref(source),
            _ => &[],
        };
        match outlet::check(self.output, Content::Snapshot, inputs)? {
            Destination::Stdout => Err(UsageError::ChunksToStdout.into()),
            Destination::Special => {
                let path = self.output.to_path_buf();
                Err(UsageError::ChunksToSpecial { path }.into())
            }
            _ => Ok(()),
        }
    }

    /// Takes back what a killed run left, whatever becomes of this one.
    pub(crate) fn recover(&self, out: &Output) -> Result<(), CliError> {
        if FileSet::recover(self.output)? {
            out.note(format_args!(
                "a run that was interrupted had moved the chunks of {} aside; they are back",
                Shown(&self.output.display().to_string())
            ));
        }
        Ok(())
    }

    /// Cuts what is in `input`, writes the chunks, reads them back and says what they are.
    pub(crate) fn write(
        &self,
        input: &mut Input,
        name: &str,
        out: &mut Output,
    ) -> Result<Exit, CliError> {
        let (summary, header, count) = self.plan(input, name, out)?;
        self.spare(name, count)?;
        self.warn_of_others(name, count, out);
        let options = ChunkOptions {
            limit: self.limit.0,
            replace: replace(self.force),
            read_back: !self.no_verify,
        };
        let written = out.meter().during("writing", input.unit(), |progress| {
            let mut writer = ChunkWriter::new(&header, count, self.output, options)?;
            let mut result = Ok(());
            let again = input.read(progress, |event| {
                if let (Event::Entry(entry), Ok(())) = (event, &result) {
                    result = writer.entry(&entry);
                }
            })?;
            result?;
            input.require_same(&summary, &again)?;
            Ok::<_, CliError>(writer.finish()?)
        })?;
        warn_of(&written.warnings, out);
        self.say(&summary, &written.chunks, out)?;
        Ok(Exit::Ok)
    }

    /// Refuses a chunk that would take the input's place.
    fn spare(&self, name: &str, count: u32) -> Result<(), UsageError> {
        let source = Source::of(Path::new(name));
        let mut chunks = (0..count)
            .map(|index| chunk_path(self.output, ChunkPosition { index, count }))
            .chain(chunks_beside(self.output, count));
        if chunks.any(|chunk| outlet::is_overwritten(&source, &chunk)) {
            let name = name.to_owned();
            return Err(OutletError::OutputIsInput { name }.into());
        }
        Ok(())
    }

    /// Says what else of the output's name will lie beside the chunks and be of another snapshot, maybe.
    fn warn_of_others(&self, name: &str, count: u32, out: &mut Output) {
        let others = chunks_beside(self.output, count);
        let whole = (count > 1 && self.output.exists())
            .then(|| self.output.to_path_buf())
            .filter(|whole| !is_same_file(whole, Path::new(name)));
        if !self.force || count == 1 {
            warn_of_chunks(self.output, &others, out);
        }
        if let Some(whole) = whole {
            out.warn(format_args!(
                "{} is not replaced by the chunks: it may be of another snapshot",
                whole.display()
            ));
        }
    }

    /// Reads all of it once, to know that it is sound and how many chunks there will be.
    fn plan(
        &self,
        input: &mut Input,
        name: &str,
        out: &Output,
    ) -> Result<(SnapshotSummary, SealedHeader, u32), CliError> {
        let mut plan: Option<Result<ChunkPlan, ChunkError>> = None;
        let summary = out.meter().during(input.what(), input.unit(), |progress| {
            input.read_first(progress, |event| match event {
                Event::Header(Header::Sealed(header)) => {
                    plan = Some(ChunkPlan::new(header, self.limit.0));
                }
                Event::Entry(entry) => {
                    if let Some(Ok(cut)) = &mut plan
                        && let Err(error) = cut.admit(entry.value.len())
                    {
                        plan = Some(Err(error));
                    }
                }
                _ => {}
            })
        })?;
        require_whole(&summary.header, name, false)?;
        let (Header::Sealed(header), Some(plan)) = (summary.header, plan) else {
            let name = name.to_owned();
            return Err(UsageError::CountedHasNoChunks { name }.into());
        };
        match plan {
            Ok(plan) => Ok((summary, header, plan.chunks())),
            Err(source) => Err(UsageError::ChunkSize { source }.into()),
        }
    }

    fn say(
        &self,
        summary: &SnapshotSummary,
        chunks: &[ChunkFile],
        out: &mut Output,
    ) -> Result<(), CliError> {
        out.line(DigestLine(summary))?;
        for ChunkFile { path, summary } in chunks {
            out.line(format_args!(
                "wrote {}: {} bytes ({}), {} rows, digest {}",
                Shown(&path.display().to_string()),
                summary.size,
                bytes(summary.size),
                summary.counts.total(),
                summary.digest,
            ))?;
        }
        out.line(format_args!(
            "the digest of the whole, in the first line, is the one to compare; {}",
            if self.no_verify {
                "not read back"
            } else {
                "all read back and verified"
            }
        ))?;
        out.object(&Report {
            snapshot: summary.into(),
            chunks: chunks
                .iter()
                .map(|ChunkFile { path, summary }| ChunkReport {
                    output: path.display().to_string(),
                    snapshot: summary.into(),
                })
                .collect(),
            verified: !self.no_verify,
        })
    }
}
