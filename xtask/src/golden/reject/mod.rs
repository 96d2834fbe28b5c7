//! The vectors that a decoder rejects: for each rule, and each clause of a rule, at least one.
//!
//! Each case states what the decoder must say and where, so a vector cannot merely record what the
//! decoder happens to do.

mod entries;
mod frame;
mod header;
mod sections;
mod values;

use anyhow::{Context as _, Result};
use snapshot_format::{Framing, Table};

use super::mutant::{Mutant, Place, Verdict};
use super::vector::Vector;

/// All rejected vectors, made from accepted ones.
///
/// # Errors
///
/// If the decoder does not say of one of them what it must.
pub(super) fn vectors(accepted: &[Vector]) -> Result<Vec<Vector>> {
    let mut all = Vec::new();
    for framing in [Framing::Sealed, Framing::Counted] {
        let mut cases = Cases {
            framing,
            accepted,
            vectors: Vec::new(),
        };
        header::add(&mut cases)?;
        sections::add(&mut cases)?;
        entries::add(&mut cases)?;
        values::add(&mut cases)?;
        frame::add(&mut cases)?;
        all.append(&mut cases.vectors);
    }
    Ok(all)
}

/// The rejected vectors of one framing, as they are made.
struct Cases<'a> {
    framing: Framing,
    accepted: &'a [Vector],
    vectors: Vec<Vector>,
}

impl<'a> Cases<'a> {
    /// An accepted vector of this framing to be damaged.
    fn base(&self, name: &str) -> Result<Mutant<'a>> {
        let name = format!("{}-{name}", self.framing);
        let base = self.accepted.iter().find(|vector| vector.name == name);
        base.map(Mutant::of)
            .with_context(|| format!("there is no accepted vector {name}"))
    }

    /// The vector with two entries in each table.
    fn typical(&self) -> Result<Mutant<'a>> {
        self.base("typical")
    }

    fn add(&mut self, mutant: Mutant<'_>, name: &str, about: &str, verdict: Verdict) -> Result<()> {
        self.vectors.push(mutant.finish(name, about, verdict)?);
        Ok(())
    }

    /// A length as the framing writes it.
    fn length(&self, len: u32) -> Vec<u8> {
        match self.framing {
            Framing::Sealed => len.to_be_bytes().to_vec(),
            Framing::Counted => uleb128(len),
        }
    }

    fn is_sealed(&self) -> bool {
        self.framing == Framing::Sealed
    }

    /// The first, second and third table of the framing.
    fn tables(&self) -> [Table; 3] {
        self.framing.tables()
    }
}

/// A verdict in one line.
const fn verdict(error: &'static str, place: Place, ids: &'static [&'static str]) -> Verdict {
    Verdict {
        error,
        place,
        requirements: ids,
    }
}

fn at(field: impl Into<String>) -> Place {
    Place::At(field.into())
}

/// Minimal ULEB128.
fn uleb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A name for a table in the name of a vector.
fn short(table: Table) -> &'static str {
    match table {
        Table::PerObjectBlobInfo => "object",
        Table::PerObjectPooledBlobInfo => "pooled",
        Table::StoragePoolInfo => "pool",
    }
}
