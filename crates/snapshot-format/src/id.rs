//! Identifiers: what they are in memory, in BCS and in text.
//!
//! Nothing here knows of tables or framings. Text forms are those Walrus and Sui print
//! (`docs/format.md`, "Identifiers"), and parsing accepts exactly what printing produces, upper-case
//! hex digits and leading zeros of decimal numbers aside.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not {expected}")]
pub struct ParseIdError {
    /// The text as it was given, cut to a printable length.
    pub input: String,
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

impl ParseIdError {
    fn new(input: &str, expected: &'static str) -> Self {
        const SHOWN: usize = 100;
        let input = input.chars().take(SHOWN).collect();
        Self { input, expected }
    }
}

/// Serializes `bytes` as a BCS fixed array (raw bytes), or as `text` where the format is for people.
fn serialize_array<S: Serializer>(
    serializer: S,
    bytes: &[u8; 32],
    text: &impl fmt::Display,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.collect_str(text)
    } else {
        bytes.serialize(serializer)
    }
}

/// Deserializes what [`serialize_array`] wrote.
fn deserialize_array<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    from_bytes: impl FnOnce([u8; 32]) -> T,
) -> Result<T, D::Error>
where
    T: FromStr<Err = ParseIdError>,
{
    if deserializer.is_human_readable() {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    } else {
        <[u8; 32]>::deserialize(deserializer).map(from_bytes)
    }
}

/// Declares a 32-byte identifier; its text form is written by hand beside it.
macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 32;

            /// The identifier with these bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }
    };
}

id32! {
    /// The ID of an object on Sui, a blob object or a storage pool: 32 bytes, printed as `0x` and 64
    /// hex digits.
    ObjectId
}

id32! {
    /// The ID of a blob on Walrus: 32 bytes, printed as URL-safe base64 without padding (43
    /// characters).
    BlobId
}

id32! {
    /// The digest of a Sui transaction: 32 bytes, printed as base58. Its BCS is a byte string (a length
    /// byte `0x20` in front), unlike that of the other identifiers.
    TransactionDigest
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ObjectId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 32];
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
            .map(|()| Self(bytes))
            .ok_or_else(|| ParseIdError::new(text, "an object ID: expected 0x and 64 hex digits"))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_array(serializer, &self.0, self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_array(deserializer, Self)
    }
}

impl BlobId {
    /// The ID that stands for "unknown" in a header: all bytes zero.
    pub const ZERO: Self = Self([0; 32]);
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for BlobId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| {
                ParseIdError::new(
                    text,
                    "a blob ID: expected 43 characters of URL-safe base64 without padding",
                )
            })
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_array(serializer, &self.0, self)
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_array(deserializer, Self)
    }
}

impl fmt::Display for TransactionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).into_string())
    }
}

impl FromStr for TransactionDigest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        bs58::decode(text)
            .into_vec()
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| {
                ParseIdError::new(text, "a transaction digest: expected 32 bytes in base58")
            })
    }
}

impl Serialize for TransactionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for TransactionDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = TransactionDigest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string of 32 bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                <[u8; 32]>::try_from(bytes)
                    .map(TransactionDigest)
                    .map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            deserializer.deserialize_bytes(Bytes)
        }
    }
}

/// The ID of an event on Sui: the transaction that emitted it, and its place among that
/// transaction's events. Printed as `<digest>:<sequence>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// The transaction that emitted the event.
    pub tx_digest: TransactionDigest,
    /// The event's place in the transaction, from 0.
    pub event_seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tx_digest, self.event_seq)
    }
}

impl FromStr for EventId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let error = || {
            ParseIdError::new(
                text,
                "an event ID: expected <base58 transaction digest>:<number>",
            )
        };
        let (digest, sequence) = text.split_once(':').ok_or_else(error)?;
        // `u64::from_str` takes a leading `+`, which nothing prints.
        if !sequence.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        Ok(Self {
            tx_digest: digest.parse().map_err(|_| error())?,
            event_seq: sequence.parse().map_err(|_| error())?,
        })
    }
}

/// A Walrus epoch number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Epoch {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok().map(Self))
            .flatten()
            .ok_or_else(|| {
                ParseIdError::new(text, "an epoch: expected a number from 0 to 4294967295")
            })
    }
}
