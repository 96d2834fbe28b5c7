//! What no command writes, asked before anything is read or touched: over its own input, into a database, under a
//! name that promises another format.
//!
//! The writing itself is for `target` and the library.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use snapshot_store::publish::is_same_file;
use snapshot_store::transport::{Foreign, is_named_compressed};

use crate::error::UsageError;
use crate::source::Source;
use crate::target::{is_stdout, require_outside};

/// Why an output is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutletError {
    /// The output would take the place of what is read.
    #[error("the output is the input {name}, which would be lost: name another file with --output")]
    OutputIsInput {
        /// The input.
        name: String,
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

/// Refuses an output that one of `inputs` would be lost by, or whose name is not true.
pub(crate) fn check(output: &Path, inputs: &[Source]) -> Result<(), UsageError> {
    if let Some(foreign) = Foreign::of_name(output) {
        return Err(OutletError::Compression {
            path: output.to_path_buf(),
            foreign: foreign.name(),
        }
        .into());
    }
    let to_stdout = is_stdout(output);
    if to_stdout && is_named_compressed(output) {
        return Err(OutletError::CompressedStdout {
            path: output.to_path_buf(),
        }
        .into());
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
            return Err(OutletError::OutputIsInput { name }.into());
        }
        if let (Source::Database(path), false) = (input, to_stdout) {
            require_outside(output, path)?;
        }
    }
    Ok(())
}

/// Whether both are one file or named pipe. Terminals and sockets are read and written at once for good.
pub(crate) fn is_overwritten(input: &Source, output: &Path) -> bool {
    let has_content = fs::metadata(input.path())
        .is_ok_and(|metadata| metadata.is_file() || metadata.file_type().is_fifo());
    has_content && is_same_file(input.path(), output)
}
