//! Ranges of keys by the bytes that they begin with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snapshot_format::ObjectId;

/// The first bytes of a key: names the range of all keys that begin with them. Printed as two hex digits for
/// each byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// Zero behind `len`.
    bytes: [u8; ObjectId::LEN],
    len: u8,
}

/// Why a text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{input}` is not the beginning of a key: expected an even number of hex digits, at most 64"
)]
pub struct ParsePrefixError {
    /// The text as it was given, cut to a printable length.
    pub input: String,
}

impl Prefix {
    /// The prefix of every key.
    pub const EMPTY: Self = Self {
        bytes: [0; ObjectId::LEN],
        len: 0,
    };

    /// The prefix with these bytes; `None` if a key has fewer.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut prefix = Self::EMPTY;
        prefix.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        prefix.len = u8::try_from(bytes.len()).ok()?;
        Some(prefix)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The number of bytes, which is the level of the range in the tree: 0 for all keys, 32 for one.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.len
    }

    /// The key, if the prefix is a whole one.
    #[must_use]
    pub fn as_key(&self) -> Option<ObjectId> {
        (usize::from(self.len) == ObjectId::LEN).then_some(ObjectId::new(self.bytes))
    }

    /// Whether `key` begins with it.
    #[must_use]
    pub fn contains(&self, key: &ObjectId) -> bool {
        key.as_bytes().starts_with(self.as_bytes())
    }

    /// The prefix that is one byte longer; `None` for a whole key.
    #[must_use]
    pub fn child(&self, byte: u8) -> Option<Self> {
        let mut child = *self;
        *child.bytes.get_mut(usize::from(self.len))? = byte;
        child.len += 1;
        Some(child)
    }

    /// The byte of `key` that follows the prefix.
    #[must_use]
    pub fn next_byte(&self, key: &ObjectId) -> Option<u8> {
        key.as_bytes().get(usize::from(self.len)).copied()
    }
}

impl From<ObjectId> for Prefix {
    fn from(key: ObjectId) -> Self {
        Self {
            bytes: *key.as_bytes(),
            len: 32,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    /// Parses hex digits, with or without the `0x` of a key.
    fn from_str(text: &str) -> Result<Self, ParsePrefixError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = hex::decode(digits).ok();
        bytes
            .and_then(|bytes| Self::new(&bytes))
            .ok_or_else(|| ParsePrefixError {
                input: text.chars().take(100).collect(),
            })
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
