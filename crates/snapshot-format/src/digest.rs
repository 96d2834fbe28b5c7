//! The digest of a snapshot: xxhash64 with seed 0, kept while bytes pass.

use std::fmt;
use std::hash::Hasher as _;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use twox_hash::XxHash64;

use crate::id::ParseIdError;

/// The seed of the hash, part of the format.
const SEED: u64 = 0;

/// What operators compare: xxhash64 of a snapshot's bytes, printed as 16 lower-case hex digits.
///
/// Of a sealed file it covers every byte before the trailer (and is the trailer), of a counted one
/// the whole file. Source: `docs/format.md`, "Digest".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError {
            input: text.chars().take(100).collect(),
            expected: "a digest: expected 16 hex digits",
        })?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A digest in the making.
#[derive(Clone, Debug)]
pub(crate) struct RunningDigest(XxHash64);

impl RunningDigest {
    pub(crate) fn new() -> Self {
        Self(XxHash64::with_seed(SEED))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The digest of all bytes so far.
    pub(crate) fn current(&self) -> Digest {
        Digest(self.0.finish())
    }
}
