//! One golden vector: a file, where it comes from, and what a decoder says about it.

use anyhow::{Result, ensure};
use snapshot_format::{DecodeError, Decoder, Section};

/// Whether a decoder accepts the file; also the directory it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Accept,
    Reject,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }
}

/// A vector in memory.
#[derive(Clone, Debug)]
pub(super) struct Vector {
    pub(super) kind: Kind,
    /// File name without ending.
    pub(super) name: String,
    /// What it shows, in one line.
    pub(super) about: String,
    /// How its bytes came to be, one line each.
    pub(super) origin: Vec<String>,
    /// Where its bytes differ from those of the vector it was made from.
    pub(super) edited: Vec<(usize, usize)>,
    /// The requirements of `docs/format.md` that decide about it.
    pub(super) requirements: Vec<&'static str>,
    pub(super) bytes: Vec<u8>,
    pub(super) outcome: Outcome,
}

impl Vector {
    /// A vector that must be accepted.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub(super) fn accepted(
        name: String,
        about: &str,
        origin: &str,
        requirements: &[&'static str],
        bytes: Vec<u8>,
    ) -> Result<Self> {
        let outcome = Outcome::of(&bytes);
        ensure!(
            matches!(outcome, Outcome::Accepted { .. }),
            "accept/{name} is rejected: {outcome:?}"
        );
        Ok(Self {
            kind: Kind::Accept,
            name,
            about: about.to_owned(),
            origin: vec![origin.to_owned()],
            edited: Vec::new(),
            requirements: requirements.to_vec(),
            bytes,
            outcome,
        })
    }

    /// The path below the version's directory, without ending.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.name(), self.name)
    }
}

/// What the decoder says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted {
        digest: String,
    },
    Rejected {
        /// The error's variant, and that of its source behind a slash.
        error: String,
        section: String,
        offset: u64,
        message: String,
    },
}

impl Outcome {
    /// Decodes the file.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut decoder = Decoder::new();
        let decoded = decoder
            .push(bytes, |_event| {})
            .and_then(|_status| decoder.end());
        match decoded {
            Ok(decoded) => Self::Accepted {
                digest: decoded.digest.to_string(),
            },
            Err(error) => Self::Rejected {
                error: error_name(&error),
                section: section_name(error.location().section),
                offset: error.location().offset,
                message: error.to_string(),
            },
        }
    }
}

fn error_name(error: &DecodeError) -> String {
    let outer = variant_name(error);
    match error {
        DecodeError::InvalidHeader { source, .. } | DecodeError::InvalidValue { source, .. } => {
            format!("{outer}/{}", variant_name(source))
        }
        _ => outer,
    }
}

/// The name of an enum's variant, which derived `Debug` prints first.
fn variant_name(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The section in one word.
fn section_name(section: Section) -> String {
    match section {
        Section::Table(table) => table.name().to_owned(),
        section => section.to_string(),
    }
}
