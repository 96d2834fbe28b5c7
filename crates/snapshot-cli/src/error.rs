//! Why a command failed: one type for all of them, sorted by exit code.
//!
//! Errors of the library are passed on as they are. Nothing here prints.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use snapshot_format::{ChunkError, Digest, Epoch, Framing, NotWhole};
use snapshot_store::check::CheckError;
use snapshot_store::chunks::ChunkFileError;
use snapshot_store::create::{CreateError, write_error};
use snapshot_store::limits::LimitError;
use snapshot_store::open::OpenError;
use snapshot_store::publish::PublishError;
use snapshot_store::read_back::ReadBackError;
use snapshot_store::restore::RestoreError;
use snapshot_store::{ReadError, VerifyError};
use snapshot_tools::fingerprint::DocumentError;

use crate::exit::Exit;
use crate::outlet::OutletError;

/// Why a command could not do what it was told. The library's errors are boxed, as they are large.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The options contradict each other, which clap cannot tell.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A database cannot be opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// A snapshot cannot be made from a database.
    #[error(transparent)]
    Create(Box<CreateError>),
    /// A file cannot be read, or is not a snapshot.
    #[error(transparent)]
    Verify(Box<VerifyError>),
    /// Standard input cannot be read, or is not a snapshot.
    #[error("standard input: {source}")]
    Stdin {
        /// Why.
        source: ReadError,
    },
    /// A sound file is one chunk of several.
    #[error("{name}: {source}")]
    NotWhole {
        /// The input.
        name: String,
        /// Which chunk it is.
        source: NotWhole,
    },
    /// What was just written reads differently.
    #[error(
        "{} does not read back as it was written and was not put in place; do not trust this disk or memory",
        path.display()
    )]
    Differs {
        /// The output.
        path: PathBuf,
        /// Why.
        source: Box<ReadBackError>,
    },
    /// What was just written cannot be read back.
    #[error("{} was written, but could not be read back and was not put in place", path.display())]
    ReadBack {
        /// The output.
        path: PathBuf,
        /// Why.
        source: Box<ReadBackError>,
    },
    /// A snapshot cannot be restored to a database.
    #[error(transparent)]
    Restore(Box<RestoreError>),
    /// A database cannot be checked.
    #[error(transparent)]
    Check(Box<CheckError>),
    /// Chunks cannot be written or joined.
    #[error(transparent)]
    Chunks(Box<ChunkFileError>),
    /// No directory has room for temporary files.
    #[error("no directory has the {needed} bytes that the benchmark needs: {}", tried.join(", "))]
    NoScratch {
        /// Bytes needed.
        needed: u64,
        /// The directories, and what is wrong with each.
        tried: Vec<String>,
    },
    /// A temporary file of the benchmark failed.
    #[error("cannot {action} {}", path.display())]
    Scratch {
        /// What was done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What looks like a fingerprint is none.
    #[error("{name}: {source}")]
    Document {
        /// The input.
        name: String,
        /// Why.
        source: DocumentError,
    },
    /// What is read twice was not the same each time.
    #[error("{name} changed while it was read ({what}); wait until nothing writes to it")]
    Changed {
        /// The input.
        name: String,
        /// What was different.
        what: String,
    },
    /// Two inputs that can be read once have their tables in different orders.
    #[error(
        "one of the inputs is sealed and the other counted, so one has to be read twice: give one of \
         them as a file"
    )]
    TwoStreams,
    /// Two snapshots could not be walked over.
    #[error("cannot compare row by row: {what}")]
    Diff {
        /// Why.
        what: String,
    },
    /// An output that is no snapshot cannot be published.
    #[error(transparent)]
    Publish(Box<PublishError>),
    /// An output that is no snapshot cannot be written.
    #[error("cannot write {}", path.display())]
    Page {
        /// The output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Rows cannot be written.
    #[error("cannot write rows to {}: {source}", output.display())]
    Dump {
        /// The output.
        output: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system grants too little.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The result cannot be printed.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// The result cannot be printed where it goes when standard output carries a snapshot.
    #[error("cannot write to standard error")]
    Stderr(#[source] io::Error),
    /// What can be read once is read twice by a command.
    #[error(
        "{name} can be read only once, and this command reads its inputs twice: save it to a file first"
    )]
    NotAFile {
        /// The input or output.
        name: String,
    },
}

/// Why a command line that parses makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// An event ID without the index of the next event.
    #[error(
        "--event-tx-digest and --event-seq need --next-event-index: the cursor is all three or, for \
         the sealed framing, the index alone"
    )]
    EventWithoutIndex,
    /// The counted framing has no place for an unknown cursor.
    #[error(
        "the counted framing always holds the event cursor: give {} as well, or use --framing sealed",
        missing.join(", ")
    )]
    CountedNeedsCursor {
        /// The options that are missing.
        missing: Vec<&'static str>,
    },
    /// The counted framing has no place for the previous snapshot.
    #[error(
        "the counted framing does not hold the previous snapshot's blob ID: leave out \
         --prev-snapshot-blob-id, or use --framing sealed"
    )]
    CountedHasNoPrevious,
    /// A snapshot would be written to a terminal.
    #[error(
        "a snapshot is binary and standard output is a terminal: redirect it, or name a file with \
         --output"
    )]
    Terminal,
    /// A page would be written to a terminal.
    #[error(
        "a page is for browsers and standard output is a terminal: redirect it, or name a file with \
         --output"
    )]
    PageToTerminal,
    /// What a header says and an option says otherwise.
    #[error("{option} {told} contradicts the snapshot, which says {found}: leave it out")]
    Contradicts {
        /// The option.
        option: &'static str,
        /// What it says.
        told: String,
        /// What the header says.
        found: String,
    },
    /// The counted framing has no chunks.
    #[error(
        "{name} is counted, and only sealed snapshots have chunks: make it sealed first, with \
         `blob-snapshot convert`"
    )]
    CountedHasNoChunks {
        /// The input.
        name: String,
    },
    /// No chunk can be so small.
    #[error("--max-chunk-size: {source}")]
    ChunkSize {
        /// Why.
        source: ChunkError,
    },
    /// Several files, and one stream to write them to.
    #[error("chunks are several files, and standard output is one: name a file with --output")]
    ChunksToStdout,
    /// Several files, and a device or pipe to write them to.
    #[error("chunks are several files, and {} is a device or pipe: name a file with --output", path.display())]
    ChunksToSpecial {
        /// The output.
        path: PathBuf,
    },
    /// Standard input can be read once.
    #[error("standard input (-) can be given once only")]
    StdinTwice,
    /// A named pipe can be read once.
    #[error("{name} is a pipe and can be given once only")]
    PipeTwice {
        /// The input.
        name: String,
    },
    /// The output must not be written.
    #[error(transparent)]
    Outlet(#[from] OutletError),
    /// A checksum would be made for what has none.
    #[error(
        "{name} is counted and has no checksum of its own, so damage to it would get a valid one: give the digest \
         that its node logged with --expect-digest, or accept that with --without-digest"
    )]
    NoDigest {
        /// The input.
        name: String,
    },
}

macro_rules! boxed_from {
    ($($variant:ident($error:ty)),+ $(,)?) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        })+
    };
}

boxed_from!(
    Open(OpenError),
    Create(CreateError),
    Verify(VerifyError),
    Restore(RestoreError),
    Check(CheckError),
    Publish(PublishError)
);

impl From<ChunkFileError> for CliError {
    fn from(error: ChunkFileError) -> Self {
        match error {
            ChunkFileError::ReadBack { path, source } => Self::read_back(&path, source),
            error => Self::Chunks(Box::new(error)),
        }
    }
}

/// The error of an output that a snapshot is written to.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        write_error(error).into()
    }
}

/// A sink that keeps nothing takes everything.
impl From<Infallible> for CliError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl CliError {
    /// Why the unpublished output `path` was not proven.
    pub(crate) fn read_back(path: &Path, source: ReadBackError) -> Self {
        let path = path.to_path_buf();
        match source {
            ReadBackError::Publish(error) => error.into(),
            source if source.is_verdict() => Self::Differs {
                path,
                source: Box::new(source),
            },
            source => Self::ReadBack {
                path,
                source: Box::new(source),
            },
        }
    }

    /// What the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::TwoStreams => Exit::Usage,
            Self::Restore(error) if error.is_verdict() => Exit::No,
            Self::Chunks(error) if error.is_verdict() => Exit::No,
            _ => Exit::Unusable,
        }
    }

    /// Whether an input was read and found not to be a sound snapshot: for `verify`, the answer no.
    pub(crate) const fn is_verdict(&self) -> bool {
        match self {
            Self::Verify(error) => error.is_verdict(),
            Self::Stdin { source } => source.is_verdict(),
            Self::NotWhole { .. } => true,
            _ => false,
        }
    }

    /// A word for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::TwoStreams => "usage",
            Self::Open(_) | Self::Check(_) => "database",
            Self::Restore(error) if error.is_verdict() => "snapshot",
            Self::Restore(_) => "restore",
            Self::Chunks(error) if matches!(**error, ChunkFileError::Write(_)) => "output",
            Self::Chunks(_) => "snapshot",
            Self::Create(error) => match **error {
                CreateError::Scan { .. } | CreateError::Entry { .. } => "database",
                _ => "output",
            },
            Self::Differs { .. }
            | Self::ReadBack { .. }
            | Self::Dump { .. }
            | Self::Stdout(_)
            | Self::Stderr(_)
            | Self::Publish(_)
            | Self::Page { .. } => "output",
            Self::Verify(_)
            | Self::Stdin { .. }
            | Self::NotWhole { .. }
            | Self::NotAFile { .. }
            | Self::Changed { .. }
            | Self::Diff { .. } => "snapshot",
            Self::Document { .. } => "fingerprint",
            Self::NoScratch { .. } | Self::Scratch { .. } => "scratch",
            Self::Limit(_) => "limit",
        }
    }
}

/// Why a sound snapshot is not the one that was expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unexpected {
    /// Another digest.
    #[error("{name}: digest is {got}, expected {expected}")]
    Digest {
        /// The input.
        name: String,
        /// As told.
        expected: Digest,
        /// As found.
        got: Digest,
    },
    /// Another epoch.
    #[error("{name}: epoch is {got}, expected {expected}")]
    Epoch {
        /// The input.
        name: String,
        /// As told.
        expected: Epoch,
        /// As found.
        got: Epoch,
    },
    /// The other framing.
    #[error("{name}: framing is {got}, expected {expected}")]
    Framing {
        /// The input.
        name: String,
        /// As told.
        expected: Framing,
        /// As found.
        got: Framing,
    },
    /// Nothing that was looked for.
    #[error("{name} has no row with {what}")]
    NotFound {
        /// The input.
        name: String,
        /// What was looked for.
        what: String,
    },
    /// Inputs that should agree do not.
    #[error("{framing} snapshots of epoch {epoch} differ {why}{}", list(groups))]
    Differ {
        /// Their framing.
        framing: Framing,
        /// Their epoch.
        epoch: Epoch,
        /// In what, as far as headers and counts tell.
        why: String,
        /// Each digest with the inputs that have it, the most frequent first.
        groups: Vec<(Digest, Vec<String>)>,
    },
}

/// Who has which digest, one line each.
fn list(groups: &[(Digest, Vec<String>)]) -> String {
    groups
        .iter()
        .map(|(digest, names)| format!("\n  {digest}: {}", names.join(", ")))
        .collect()
}
