//! Where a command reads a snapshot from: a file, standard input, or a database that is serialized
//! while it is read. Commands that look at rows see the same events from all of them: see `input`.

use std::path::{Path, PathBuf};

use snapshot_format::{Epoch, Event, Header, SealedHeader, Table};
use snapshot_store::SnapshotSummary;
use snapshot_store::open::Database;
use snapshot_store::schema::ColumnFamily;
use snapshot_store::verify::decode_file;

use crate::args::OpenArgs;
use crate::error::{CliError, UsageError};
use crate::header::HeaderArgs;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Unit;

/// Something a snapshot can be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A snapshot file.
    File(PathBuf),
    /// The directory of a database.
    Database(PathBuf),
}

impl Source {
    /// What `path` names: `-` is standard input, a directory is a database.
    pub(crate) fn of(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else if path.is_dir() {
            Self::Database(path.to_path_buf())
        } else {
            Self::File(path.to_path_buf())
        }
    }

    /// As [`Self::of`] for each path.
    pub(crate) fn all(paths: &[PathBuf]) -> Result<Vec<Self>, UsageError> {
        let sources: Vec<Self> = paths.iter().map(|path| Self::of(path)).collect();
        match sources
            .iter()
            .filter(|source| **source == Self::Stdin)
            .count()
        {
            0 | 1 => Ok(sources),
            _ => Err(UsageError::StdinTwice),
        }
    }

    /// Its name as it was given.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) | Self::Database(path) => path.display().to_string(),
        }
    }

    /// A word for what it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::File(_) => "file",
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
                Self::File(path) | Self::Database(path) => {
                    Ok(decode_file(path, progress, on_event)?)
                }
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
            Source::Database(path) => {
                let header = self.header.resolve(path, out)?;
                let database = open(path, self.open, out)?;
                let options = self.open.create_options();
                Ok(Input::database(database, header, options))
            }
        }
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
