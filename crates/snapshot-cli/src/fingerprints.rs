//! Fingerprints as commands come by them: taken of a snapshot or a database, or read from a document.

use snapshot_format::Framing;
use snapshot_tools::fingerprint::{
    Digests, Fingerprint, Fingerprinter, Focus, InputKind, MAX_DOCUMENT,
};

use crate::error::CliError;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Unit;
use crate::source::{Source, require_whole};

/// Something that has a fingerprint.
pub(crate) enum Printed {
    /// A document that was read.
    Document(Box<Fingerprint>),
    /// A snapshot or database that is yet to be read.
    Snapshot(Input),
}

/// Tells a document from a snapshot, and reads it.
pub(crate) fn load(mut input: Input, name: &str) -> Result<Printed, CliError> {
    if !input.is_json() {
        return Ok(Printed::Snapshot(input));
    }
    // One byte more than a document may have, so that one that is too long is not taken for shorter.
    let bytes = input.bytes(MAX_DOCUMENT as u64 + 1)?;
    let document = Fingerprint::parse(&bytes).map_err(|source| CliError::Document {
        name: name.to_owned(),
        source,
    })?;
    Ok(Printed::Document(Box::new(document)))
}

/// Takes the fingerprint of what is in `source`, which was opened as `input`. The digest in the other framing
/// takes reading it again, and is left out unless `both` are wanted.
pub(crate) fn take(
    source: &Source,
    input: &mut Input,
    focus: Focus,
    chunk_accepted: bool,
    both: bool,
    out: &Output,
) -> Result<Fingerprint, CliError> {
    let name = source.name();
    let mut fingerprinter = Fingerprinter::new(focus);
    let summary = out.meter().during(input.what(), input.unit(), |progress| {
        input.read(progress, |event| fingerprinter.event(&event))
    })?;
    require_whole(&summary.header, &name, chunk_accepted)?;
    let other = if both {
        let job = |progress: &_| input.other_digest(&summary, progress);
        out.meter().during("reframing", Unit::Bytes, job)?
    } else {
        None
    };
    let digests = match summary.header.framing() {
        Framing::Sealed => Digests {
            sealed: Some(summary.digest),
            counted: other,
        },
        Framing::Counted => Digests {
            sealed: other,
            counted: Some(summary.digest),
        },
    };
    let kind = match source {
        Source::Stdin => InputKind::Stdin,
        Source::File(_) | Source::Special(_) => InputKind::File,
        Source::Database(_) => InputKind::Database,
    };
    let rows = fingerprinter.finish();
    Ok(Fingerprint::new(name, kind, summary.header, digests, rows))
}
