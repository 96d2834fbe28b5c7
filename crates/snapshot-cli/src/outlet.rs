//! What no command writes, asked before anything is read or touched: over its own input, into a database, under a
//! name that promises another format.
//!
//! The writing itself is for `target` and the library.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use snapshot_store::publish::{Destination, PublishError, is_same_file, real_directory};
use snapshot_store::transport::{Foreign, is_named_compressed};

use crate::error::{CliError, UsageError};
use crate::source::Source;

/// Why an output is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutletError {
    /// The output would take the place of what is read.
    #[error("the output is the input {name}, which would be lost: name another file with --output")]
    OutputIsInput {
        /// The input.
        name: String,
    },
    /// A file that is open under a number: replaced by that name it would be lost to whoever holds it open.
    #[error(
        "{} is a file that is open as a descriptor, which is not replaced: name the file itself, or redirect \
         standard output and use --output -", path.display()
    )]
    Descriptor {
        /// The output.
        path: PathBuf,
    },
    /// A number under which nothing is open.
    #[error(
        "{}: this descriptor is not open: name a file, or redirect standard output and use --output -",
        path.display()
    )]
    NotOpen {
        /// The output.
        path: PathBuf,
    },
    /// It would lie inside a database.
    #[error(
        "{} would lie inside the database directory {}, where nothing is ever written: choose another path \
         with {option}", path.display(), database.display()
    )]
    InsideDatabase {
        /// The output.
        path: PathBuf,
        /// The directory.
        database: PathBuf,
        /// The option that names it.
        option: &'static str,
    },
    /// The name promises a compression that is not written.
    #[error(
        "the name {} promises {foreign}, which is not written: end it in .zst for Zstandard, or compress the \
         file afterwards", path.display()
    )]
    Compression {
        /// The output.
        path: PathBuf,
        /// The compression.
        foreign: &'static str,
    },
    /// Standard output is not compressed.
    #[error(
        "{} is standard output, which is not compressed whatever its name: use --output - and `zstd`",
        path.display()
    )]
    CompressedStdout {
        /// The output.
        path: PathBuf,
    },
    /// The name promises a format of rows other than the one that is asked for.
    #[error("the name {} promises {told}, but --format says {asked}: change one of them", path.display())]
    FormatName {
        /// The output.
        path: PathBuf,
        /// What the name says.
        told: &'static str,
        /// What the option says.
        asked: &'static str,
    },
    /// The name promises a format of rows that is not written.
    #[error(
        "the name {} promises {end}, which is not written: end it in .jsonl, .csv or .parquet, or choose with \
         --format", path.display()
    )]
    ForeignFormat {
        /// The output.
        path: PathBuf,
        /// What the name ends in.
        end: String,
    },
    /// The name promises something else than what the command writes.
    #[error("the name {} promises {end}, but {what} is written: choose another name", path.display())]
    OtherKind {
        /// The output.
        path: PathBuf,
        /// What the name ends in.
        end: String,
        /// What is written.
        what: &'static str,
    },
    /// Parquet is compressed inside.
    #[error(
        "Parquet is compressed inside, and no program reads {}: end the name in .parquet",
        path.display()
    )]
    CompressedParquet {
        /// The output.
        path: PathBuf,
    },
}

/// What a command writes, and which ends of names promise something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A snapshot or chunks of one.
    Snapshot,
    /// Rows, whose format has a name of its own: see `dump`.
    Rows,
    /// A page.
    Page,
}

/// Ends of names that promise rows or a page.
const TABLES: [&str; 6] = ["csv", "json", "jsonl", "ndjson", "parquet", "tsv"];
const PAGES: [&str; 2] = ["htm", "html"];
/// Ends of names that promise an archive, or a compression that is written under no name or another one.
const ARCHIVES: [&str; 12] = [
    "tar", "tbz2", "txz", "7z", "rar", "br", "zstd", "lzma", "lzo", "lz", "sz", "z",
];

impl Content {
    const fn what(self) -> &'static str {
        match self {
            Self::Snapshot => "a snapshot",
            Self::Rows => "a file of rows",
            Self::Page => "an HTML page",
        }
    }

    /// Refuses a name, without the end of a compression that is written, that promises something else.
    fn require_name(self, path: &Path) -> Result<(), OutletError> {
        let inner = match self {
            // A page is not compressed.
            Self::Snapshot | Self::Rows if is_named_compressed(path) => path.with_extension(""),
            _ => path.to_path_buf(),
        };
        let end = inner.extension().and_then(|end| end.to_str());
        let end = end.unwrap_or_default().to_ascii_lowercase();
        let is_in = |ends: &[&str]| ends.contains(&end.as_str());
        let is_other = is_in(&ARCHIVES)
            || match self {
                Self::Snapshot => is_in(&TABLES) || is_in(&PAGES),
                Self::Rows => is_in(&PAGES),
                Self::Page => is_in(&TABLES),
            };
        if is_other {
            return Err(OutletError::OtherKind {
                path: path.to_path_buf(),
                end,
                what: self.what(),
            });
        }
        Ok(())
    }
}

/// Refuses an output that one of `inputs` or a database would be lost by, or whose name is not true.
pub(crate) fn check(
    output: &Path,
    content: Content,
    inputs: &[Source],
) -> Result<Destination, CliError> {
    let path = output.to_path_buf();
    let refused = |error: OutletError| CliError::from(UsageError::from(error));
    if let Some(foreign) = Foreign::of_name(output) {
        let foreign = foreign.name();
        return Err(refused(OutletError::Compression { path, foreign }));
    }
    content.require_name(output).map_err(refused)?;
    let destination = match Destination::of(output) {
        Err(PublishError::Descriptor { path }) => {
            return Err(refused(OutletError::Descriptor { path }));
        }
        Err(PublishError::NotOpen { path }) => return Err(refused(OutletError::NotOpen { path })),
        other => other?,
    };
    let to_stdout = destination == Destination::Stdout;
    if to_stdout && is_named_compressed(output) {
        return Err(refused(OutletError::CompressedStdout { path }));
    }
    // What standard output was redirected to may be an input too.
    let file = if to_stdout {
        Path::new("/dev/stdout")
    } else {
        output
    };
    for input in inputs {
        if is_overwritten(input, file) {
            let name = input.name();
            return Err(refused(OutletError::OutputIsInput { name }));
        }
    }
    if !to_stdout && let Ok(dir) = real_directory(output) {
        require_outside(output, &dir, "--output")?;
    }
    Ok(destination)
}

/// Refuses `path`, which was given with `option`, if `dir` is, or lies in, the directory of a database. It is known
/// by its files, so that neither links nor mounts hide it.
pub(crate) fn require_outside(
    path: &Path,
    dir: &Path,
    option: &'static str,
) -> Result<(), UsageError> {
    let Ok(dir) = dir.canonicalize() else {
        // What does not exist is found out, and said, by whoever opens it.
        return Ok(());
    };
    match dir.ancestors().find(|dir| is_database(dir)) {
        Some(database) => Err(OutletError::InsideDatabase {
            path: path.to_path_buf(),
            database: database.to_path_buf(),
            option,
        }
        .into()),
        None => Ok(()),
    }
}

fn is_database(dir: &Path) -> bool {
    let is_manifest = |entry: fs::DirEntry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(b"MANIFEST-")
    };
    dir.join("CURRENT").is_file()
        && fs::read_dir(dir).is_ok_and(|entries| entries.flatten().any(is_manifest))
}

/// Whether both are one file or named pipe. Terminals and sockets are read and written at once for good.
pub(crate) fn is_overwritten(input: &Source, output: &Path) -> bool {
    let has_content = fs::metadata(input.path())
        .is_ok_and(|metadata| metadata.is_file() || metadata.file_type().is_fifo());
    has_content && is_same_file(input.path(), output)
}
