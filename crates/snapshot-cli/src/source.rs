//! Where a command reads a snapshot from: a file, standard input, or a database that is serialized
//! while it is read. Commands that look at rows see the same events from all of them: see `input`.
//!
//! What can be read once only is known here: a command that reads twice keeps it, as `input` can, or refuses it.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use snapshot_format::{Epoch, Event, Framing, Header, SealedHeader, Table};
use snapshot_store::SnapshotSummary;
use snapshot_store::open::Database;
use snapshot_store::publish::is_same_file;
use snapshot_store::schema::ColumnFamily;
use snapshot_store::verify::decode_file;

use crate::args::OpenArgs;
use crate::error::{CliError, UsageError};
use crate::header::HeaderArgs;
use crate::input::Input;
use crate::output::{Output, Shown};
use crate::progress::Unit;

/// Something a snapshot can be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A snapshot file.
    File(PathBuf),
    /// A named pipe or device, which can be read once.
    Special(PathBuf),
    /// The directory of a database.
    Database(PathBuf),
}

impl Source {
    /// What `path` names: `-` is standard input, as is its pipe by another name; a directory is a database.
    pub(crate) fn of(path: &Path) -> Self {
        let kind = fs::metadata(path).map(|metadata| metadata.file_type());
        let path_buf = path.to_path_buf();
        match kind {
            _ if path.as_os_str() == "-" => Self::Stdin,
            Ok(kind) if kind.is_dir() => Self::Database(path_buf),
            Ok(kind) if kind.is_file() => Self::File(path_buf),
            Ok(kind) if !kind.is_char_device() && is_stdin(path) => Self::Stdin,
            Ok(_) => Self::Special(path_buf),
            // Opening it says why.
            Err(_) => Self::File(path_buf),
        }
    }

    /// As [`Self::of`] for each path; what can be read once must be given once.
    pub(crate) fn all(paths: &[PathBuf]) -> Result<Vec<Self>, UsageError> {
        let sources: Vec<Self> = paths.iter().map(|path| Self::of(path)).collect();
        for (index, source) in sources.iter().enumerate() {
            let mut before = sources.iter().take(index);
            match source {
                Self::Stdin if before.any(|other| other == source) => {
                    return Err(UsageError::StdinTwice);
                }
                Self::Special(path) if before.any(|other| is_same_pipe(path, other)) => {
                    let name = source.name();
                    return Err(UsageError::PipeTwice { name });
                }
                _ => {}
            }
        }
        Ok(sources)
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Stdin => Path::new("/dev/stdin"),
            Self::File(path) | Self::Special(path) | Self::Database(path) => path,
        }
    }

    /// Its name as it was given.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            _ => self.path().display().to_string(),
        }
    }

    /// A word for what it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::File(_) | Self::Special(_) => "file",
            Self::Database(_) => "database",
        }
    }

    /// Reads a file or standard input to its end, handing each event to `on_event`.
    ///
    /// A database is refused as a directory.
    pub(crate) fn decode(
        &self,
        out: &Output,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<SnapshotSummary, CliError> {
        out.meter()
            .during("reading", Unit::Bytes, |progress| match self {
                Self::Stdin => Input::stdin()?.read(progress, on_event),
                _ => Ok(decode_file(self.path(), progress, on_event)?),
            })
    }
}

/// How the databases among the sources are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    /// How they are opened.
    pub(crate) open: &'a OpenArgs,
    /// What their snapshots' headers say.
    pub(crate) header: &'a HeaderArgs,
}

impl Reader<'_> {
    /// Warns of options that change nothing.
    pub(crate) fn doubt(self, sources: &[Source], out: &mut Output) {
        let database = |source: &Source| matches!(source, Source::Database(_));
        if self.header.is_given() && !sources.iter().any(database) {
            out.warn("header options are for databases; a snapshot file keeps the header it has");
        }
    }

    /// Header, digest, size and counts of what is in `source`.
    pub(crate) fn summarize(
        self,
        source: &Source,
        out: &mut Output,
    ) -> Result<SnapshotSummary, CliError> {
        let mut input = self.open(source, out)?;
        out.meter().during(input.what(), input.unit(), |progress| {
            input.summarize(progress)
        })
    }

    /// As [`Self::summarize`], handing each event to `on_event`.
    pub(crate) fn read(
        self,
        source: &Source,
        out: &mut Output,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<SnapshotSummary, CliError> {
        let mut input = self.open(source, out)?;
        out.meter().during(input.what(), input.unit(), |progress| {
            input.read(progress, on_event)
        })
    }

    /// As [`Self::open`] for who reads rows and shows no header: a database's is made up and not doubted.
    pub(crate) fn open_rows(
        source: &Source,
        args: &OpenArgs,
        out: &mut Output,
    ) -> Result<Input, CliError> {
        match source {
            Source::Stdin => Input::stdin(),
            Source::File(path) => Ok(Input::file(path)),
            Source::Special(path) => Input::special(path),
            Source::Database(path) => {
                let header = Header::Sealed(SealedHeader::offline(Epoch(0)));
                let database = open(path, args, out)?;
                Ok(Input::database(database, header, args.create_options()))
            }
        }
    }

    /// Opens `source`, saying all that is to be said of it, so that it can be read without an [`Output`].
    pub(crate) fn open(self, source: &Source, out: &mut Output) -> Result<Input, CliError> {
        match source {
            Source::Stdin => Input::stdin(),
            Source::File(path) => Ok(Input::file(path)),
            Source::Special(path) => Input::special(path),
            Source::Database(path) => {
                let header = self.header.resolve(path, out)?;
                let database = open(path, self.open, out)?;
                let options = self.open.create_options();
                Ok(Input::database(database, header, options))
            }
        }
    }
}

/// Whether `path` is what standard input is.
fn is_stdin(path: &Path) -> bool {
    is_same_file(path, Path::new("/dev/stdin"))
}

/// Whether `other` is the named pipe `path` too.
fn is_same_pipe(path: &Path, other: &Source) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
        && is_same_file(path, other.path())
}

/// Refuses what can be read once, for a command that reads its inputs twice.
pub(crate) fn require_files(sources: &[Source]) -> Result<(), CliError> {
    let once = |source: &&Source| matches!(source, Source::Stdin | Source::Special(_));
    match sources.iter().find(once) {
        Some(source) => Err(CliError::NotAFile {
            name: source.name(),
        }),
        None => Ok(()),
    }
}

/// What was proven of a snapshot that was read to its end, besides that it follows the rules of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proof {
    /// Its bytes have the checksum that it holds.
    Checksum,
    /// Its bytes have the digest that was expected.
    ExpectedDigest,
    /// It was just written, and what was read back has the digest of what was written.
    WrittenDigest,
    /// Nothing: it holds no checksum, and no digest was expected.
    Rules,
}

impl Proof {
    /// Of what is read from `source` in `framing`; of a database, which is no file, there is none.
    pub(crate) const fn of(source: &Source, framing: Framing) -> Option<Self> {
        match (source, framing) {
            (Source::Database(_), _) => None,
            (_, Framing::Sealed) => Some(Self::Checksum),
            (_, Framing::Counted) => Some(Self::Rules),
        }
    }

    /// Of what was just written in `framing` and read back.
    pub(crate) const fn of_written(framing: Framing) -> Self {
        match framing {
            Framing::Sealed => Self::Checksum,
            Framing::Counted => Self::WrittenDigest,
        }
    }

    /// What to say of what was just written, and read back if there is a proof.
    pub(crate) const fn said(proof: Option<Self>) -> &'static str {
        match proof {
            None => "not read back",
            Some(Self::Checksum | Self::ExpectedDigest) => "read back and verified",
            Some(Self::WrittenDigest | Self::Rules) => "read back",
        }
    }
}

/// Says what was not proven of a snapshot that has no checksum of its own.
pub(crate) fn note_unproven(source: &Source, framing: Framing, out: &Output) {
    if Proof::of(source, framing) == Some(Proof::Rules) {
        out.note(format_args!(
            "{} is counted and has no checksum of its own: it follows the rules of the format, but a damaged \
             value would not show; compare its digest with the one that its node logged",
            Shown(&source.name())
        ));
    }
}

/// Opens a database's snapshot tables, and passes on what its user should be told.
pub(crate) fn open(path: &Path, args: &OpenArgs, out: &mut Output) -> Result<Database, CliError> {
    open_families(path, &Table::ALL.map(ColumnFamily::from), args, out)
}

/// As [`open`], for the column families given.
pub(crate) fn open_families(
    path: &Path,
    families: &[ColumnFamily],
    args: &OpenArgs,
    out: &mut Output,
) -> Result<Database, CliError> {
    let database = Database::open_column_families(path, families, &args.open_options())?;
    for warning in database.warnings() {
        out.warn(format_args!("{}: {warning}", path.display()));
    }
    Ok(database)
}

/// Refuses one chunk of several, unless the command line accepts it.
pub(crate) fn require_whole(
    header: &Header,
    name: &str,
    chunk_accepted: bool,
) -> Result<(), CliError> {
    match header.require_whole() {
        Err(source) if !chunk_accepted => Err(CliError::NotWhole {
            name: name.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
