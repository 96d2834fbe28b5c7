//! A rejected vector: an accepted one with one thing wrong.
//!
//! The edit names fields, so it says what it damages. Unless told otherwise the checksum of a sealed
//! file is made right again, so that the rule in question is the only one broken.

use std::hash::Hasher as _;

use anyhow::{Context as _, Result, ensure};

use super::fields::{Field, fields};
use super::vector::{Kind, Outcome, Vector};

/// Length in bytes of the checksum at the end of a sealed file.
const CHECKSUM: usize = 8;

/// Bytes of an edit that are shown before it is cut short.
const SHOWN: usize = 40;

/// What part of the base an edit replaces.
#[derive(Clone, Debug)]
enum Span {
    Field(String),
    /// Nothing: bytes are inserted in front of the field.
    Before(String),
    /// From the field, but for its first bytes, to the end of the file.
    Tail(String, usize),
    /// From one field up to another.
    Between(String, String),
    /// Nothing: bytes are appended to the file.
    End,
}

/// An edit in byte offsets of the base.
#[derive(Clone, Copy, Debug)]
struct Edit<'a> {
    start: usize,
    end: usize,
    new: &'a [u8],
}

/// Byte offsets from and to.
type Ranges = Vec<(usize, usize)>;

/// Where the decoder must find fault.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Where the field begins.
    At(String),
    /// Where the first edit begins.
    Edit,
    /// So many bytes behind the beginning of the field.
    Within(String, usize),
    /// Where the field begins, but in a section that the decoder takes it for.
    Taken {
        field: String,
        section: &'static str,
    },
    /// At the end of the file, within the section of the field.
    Cut(String),
    /// Behind what would have been the whole file.
    Behind,
}

/// What the decoder must say.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) error: &'static str,
    pub(super) place: Place,
    pub(super) requirements: &'static [&'static str],
}

/// An accepted vector about to be damaged.
#[derive(Clone, Debug)]
pub(super) struct Mutant<'a> {
    base: &'a Vector,
    fields: Vec<Field>,
    edits: Vec<(Span, Vec<u8>)>,
    keep_checksum: bool,
}

impl<'a> Mutant<'a> {
    pub(super) fn of(base: &'a Vector) -> Self {
        Self {
            base,
            fields: fields(&base.bytes),
            edits: Vec::new(),
            keep_checksum: false,
        }
    }

    /// The bytes of a field as they are in the base.
    ///
    /// # Errors
    ///
    /// If there is no such field.
    pub(super) fn bytes(&self, field: &str) -> Result<&'a [u8]> {
        let field = self.field(field)?;
        let bytes = self.base.bytes.get(field.start..field.end);
        bytes.context("fields lie within the file")
    }

    /// The bytes from one field up to another, or to the end of the file.
    ///
    /// # Errors
    ///
    /// If there is no such field.
    pub(super) fn between(&self, from: &str, to: Option<&str>) -> Result<&'a [u8]> {
        let end = match to {
            Some(to) => self.field(to)?.start,
            None => self.base.bytes.len(),
        };
        let bytes = self.base.bytes.get(self.field(from)?.start..end);
        bytes.context("fields lie within the file")
    }

    /// Replaces a field.
    pub(super) fn set(self, field: &str, bytes: &[u8]) -> Self {
        self.edit(Span::Field(field.to_owned()), bytes)
    }

    /// Removes a field.
    pub(super) fn remove(self, field: &str) -> Self {
        self.set(field, &[])
    }

    /// Inserts bytes in front of a field.
    pub(super) fn insert(self, before: &str, bytes: &[u8]) -> Self {
        self.edit(Span::Before(before.to_owned()), bytes)
    }

    /// Replaces everything from one field up to another.
    pub(super) fn replace(self, from: &str, to: &str, bytes: &[u8]) -> Self {
        self.edit(Span::Between(from.to_owned(), to.to_owned()), bytes)
    }

    /// Replaces everything from a field on.
    pub(super) fn replace_to_end(self, from: &str, bytes: &[u8]) -> Self {
        self.edit(Span::Tail(from.to_owned(), 0), bytes)
    }

    /// Cuts the file within a field, of which `keep` bytes stay.
    pub(super) fn cut(self, field: &str, keep: usize) -> Self {
        self.edit(Span::Tail(field.to_owned(), keep), &[])
            .with_checksum_as_it_was()
    }

    /// Appends bytes to the file, behind the checksum if there is one.
    pub(super) fn append(self, bytes: &[u8]) -> Self {
        self.edit(Span::End, bytes).with_checksum_as_it_was()
    }

    /// Leaves the checksum as it was.
    pub(super) fn with_checksum_as_it_was(mut self) -> Self {
        self.keep_checksum = true;
        self
    }

    fn edit(mut self, span: Span, bytes: &[u8]) -> Self {
        self.edits.push((span, bytes.to_vec()));
        self
    }

    /// The vector, once the decoder has said about it what it must.
    ///
    /// # Errors
    ///
    /// If an edit names a field there is not, or the decoder says anything else.
    pub(super) fn finish(self, name: &str, about: &str, verdict: Verdict) -> Result<Vector> {
        let framing = self.base.name.split('-').next().unwrap_or_default();
        let name = format!("{framing}-{name}");
        let Verdict {
            error,
            place,
            requirements,
        } = verdict;
        let mut vector = self
            .build(&name, about, error, &place)
            .with_context(|| format!("reject/{name}"))?;
        vector.requirements = requirements.to_vec();
        Ok(vector)
    }

    fn build(&self, name: &str, about: &str, error: &str, place: &Place) -> Result<Vector> {
        let mut edits = Vec::new();
        for (span, new) in &self.edits {
            let (start, end) = self.resolve(span)?;
            if self.base.bytes.get(start..end) != Some(new.as_slice()) {
                edits.push(Edit { start, end, new });
            }
        }
        edits.sort_by_key(|edit| (edit.start, edit.end));
        let (mut bytes, edited) = self.apply(&edits)?;
        let mut origin = vec![format!("base      {}", self.base.path())];
        for edit in &edits {
            origin.push(format!("edit      {}", self.describe(edit)));
        }
        if framing_is_sealed(name) && !self.keep_checksum {
            reseal(&mut bytes)?;
            origin.push("checksum  made right for these bytes".to_owned());
        }
        let outcome = Outcome::of(&bytes);
        let place = self.place(place, &edits, bytes.len())?;
        expect(&outcome, error, &place)?;
        Ok(Vector {
            kind: Kind::Reject,
            name: name.to_owned(),
            about: about.to_owned(),
            origin,
            edited,
            requirements: Vec::new(),
            bytes,
            outcome,
        })
    }

    fn field(&self, path: &str) -> Result<&Field> {
        self.fields
            .iter()
            .find(|field| field.path() == path)
            .with_context(|| format!("{} has no field {path}", self.base.path()))
    }

    fn resolve(&self, span: &Span) -> Result<(usize, usize)> {
        let len = self.base.bytes.len();
        Ok(match span {
            Span::Field(path) => self.field(path).map(|field| (field.start, field.end))?,
            Span::Before(path) => self.field(path).map(|field| (field.start, field.start))?,
            Span::Tail(path, keep) => (self.field(path)?.start + keep, len),
            Span::Between(from, to) => (self.field(from)?.start, self.field(to)?.start),
            Span::End => (len, len),
        })
    }

    /// The edited bytes, and where the edits are in them.
    fn apply(&self, edits: &[Edit<'_>]) -> Result<(Vec<u8>, Ranges)> {
        let (mut bytes, mut edited, mut at) = (Vec::new(), Vec::new(), 0);
        for Edit { start, end, new } in edits {
            let kept = self.base.bytes.get(at..*start);
            bytes.extend_from_slice(kept.context("edits overlap")?);
            edited.push((bytes.len(), bytes.len() + new.len()));
            bytes.extend_from_slice(new);
            at = *end;
        }
        bytes.extend_from_slice(
            self.base
                .bytes
                .get(at..)
                .context("an edit is out of range")?,
        );
        ensure!(bytes != self.base.bytes, "the edit changes nothing");
        Ok((bytes, edited))
    }

    fn describe(&self, edit: &Edit<'_>) -> String {
        let Edit { start, end, new } = *edit;
        let field = self.fields.iter().find(|field| field.end > start);
        let path = field.map_or_else(|| "end of file".to_owned(), Field::path);
        let old = self.base.bytes.get(start..end).unwrap_or_default();
        match (old, new) {
            ([], new) => format!("{path}, byte {start}: inserted {}", shown(new)),
            (old, []) => format!("{path}, byte {start}: removed {}", shown(old)),
            (old, new) => format!("{path}, byte {start}: {} -> {}", shown(old), shown(new)),
        }
    }

    /// Section and byte offset of a place, in a file of `len` bytes.
    fn place(&self, place: &Place, edits: &[Edit<'_>], len: usize) -> Result<(String, u64)> {
        // Where a byte of the base is after the edits in front of it.
        let moved = |at: usize| {
            let before = edits.iter().filter(|edit| edit.end <= at);
            before.fold(at, |to, edit| to + edit.new.len() - (edit.end - edit.start))
        };
        let start = |path: &str| Ok::<_, anyhow::Error>(moved(self.field(path)?.start));
        let (section, offset) = match place {
            Place::At(path) => (section_of(path), start(path)?),
            Place::Within(path, by) => (section_of(path), start(path)? + by),
            Place::Taken { field, section } => (*section, start(field)?),
            Place::Cut(path) => (section_of(path), len),
            Place::Behind => ("end", self.base.bytes.len()),
            Place::Edit => {
                let at = edits.first().map_or(0, |edit| edit.start);
                let field = self.fields.iter().find(|field| field.end > at);
                (field.map_or("end", |field| section_of(&field.group)), at)
            }
        };
        Ok((section.to_owned(), offset as u64))
    }
}

/// Checks that the decoder found the fault it had to find.
fn expect(outcome: &Outcome, wanted: &str, place: &(String, u64)) -> Result<()> {
    let found = match outcome {
        Outcome::Rejected {
            error,
            section,
            offset,
            ..
        } => error == wanted && (section, offset) == (&place.0, &place.1),
        Outcome::Accepted { .. } => false,
    };
    ensure!(
        found,
        "expected {wanted} at {place:?}, the decoder says {outcome:?}"
    );
    Ok(())
}

/// The section of a field, from its path.
fn section_of(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

fn framing_is_sealed(name: &str) -> bool {
    name.starts_with("sealed")
}

/// Puts the hash of all bytes but the last eight into the last eight.
fn reseal(bytes: &mut [u8]) -> Result<()> {
    let (body, checksum) = bytes
        .split_last_chunk_mut::<CHECKSUM>()
        .context("a sealed file without a checksum")?;
    *checksum = xxh64(body).to_be_bytes();
    Ok(())
}

/// xxhash64 with seed 0.
pub(super) fn xxh64(bytes: &[u8]) -> u64 {
    let mut hash = twox_hash::XxHash64::with_seed(0);
    hash.write(bytes);
    hash.finish()
}

fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(head) if bytes.len() > SHOWN => {
            format!("{}.. ({} bytes)", hex::encode(head), bytes.len())
        }
        _ => hex::encode(bytes),
    }
}
