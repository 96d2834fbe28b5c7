//! Identifiers as text (SF-001), and the JSON forms of what is made of them.

mod common;

use std::fmt::{Debug, Display};
use std::str::FromStr;

use common::strategies::{bytes32, event_id};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use snapshot_format::{
    BlobId, Digest, Epoch, EventCursor, EventId, Framing, Header, ObjectId, PerTable, SealedHeader,
    Table, TransactionDigest,
};

/// Text and JSON of a value both give the value back.
fn round_trip<T>(value: T) -> Result<(), TestCaseError>
where
    T: Display + FromStr<Err: Debug> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = value.to_string();
    prop_assert_eq!(&text.parse::<T>().unwrap(), &value);
    let json = serde_json::to_string(&value).unwrap();
    prop_assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    Ok(())
}

proptest! {
    // SF-001
    #[test]
    fn identifiers_parse_back(bytes in bytes32(), event in event_id(), epoch in any::<u32>()) {
        round_trip(ObjectId::new(bytes))?;
        round_trip(BlobId::new(bytes))?;
        round_trip(TransactionDigest::new(bytes))?;
        round_trip(Digest(u64::from(epoch) << 17))?;
        round_trip(Epoch(epoch))?;
        prop_assert_eq!(event.to_string().parse::<EventId>().unwrap(), event);
    }

    // SF-001: one text for one identifier, upper-case hex and leading zeros aside.
    #[test]
    fn what_parses_prints_the_same(text in "[0-9A-Za-z_-]{40,45}") {
        if let Ok(id) = text.parse::<BlobId>() {
            prop_assert_eq!(id.to_string(), text.clone());
        }
        if let Ok(id) = text.parse::<TransactionDigest>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

fn bytes(hex: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex, &mut bytes).unwrap();
    bytes
}

// SF-001: the genesis checkpoints of Sui's mainnet and testnet, whose first four bytes are the
// networks' well-known chain identifiers, 35834a8a and 4c78adac.
#[test]
fn digests_print_as_sui_prints_them() {
    let known = [
        (
            "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S",
            "35834a8ac17ca48fb14ac8f99c17c98747e95dd07294ae41a46b382246a4499b",
        ),
        (
            "69WiPg3DAQiwdxfncX6wYQ2siKwAe6L9BZthQea3JNMD",
            "4c78adacf2a2f5ad80f27ed7d54aa69d3a78f1ca67fdef9ecf5754f5b8bb77b0",
        ),
        (
            "11111111111111111111111111111111",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ];
    for (text, hex) in known {
        let digest = TransactionDigest::new(bytes(hex));
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        let event = EventId {
            tx_digest: digest,
            event_seq: 42,
        };
        assert_eq!(event.to_string(), format!("{text}:42"));
        assert_eq!(format!("{text}:42").parse(), Ok(event));
    }
}

// SF-001: the example of the Walrus documentation.
#[test]
fn blob_ids_print_as_walrus_prints_them() {
    let text = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk";
    let hex = "33886c646435a0292d7737a007a1e723a322dbc4b69ea38f1f12be5bbff80549";
    assert_eq!(BlobId::new(bytes(hex)).to_string(), text);
    assert_eq!(text.parse(), Ok(BlobId::new(bytes(hex))));
    assert_eq!(BlobId::ZERO.to_string(), "A".repeat(43));
}

// SF-001: the system object of Walrus on mainnet.
#[test]
fn object_ids_print_as_sui_prints_them() {
    let hex = "2134d52768ea07e8c43570ef975eb3e4c27a39fa6396bef985b5abc58d03ddd2";
    let id = ObjectId::new(bytes(hex));
    assert_eq!(id.to_string(), format!("0x{hex}"));
    assert_eq!(format!("0x{hex}").parse(), Ok(id));
    assert_eq!(format!("0x{}", hex.to_uppercase()).parse(), Ok(id));
}

#[test]
fn what_is_no_identifier_is_refused() {
    fn refuses<T: FromStr<Err: Debug> + Debug>(texts: &[&str]) {
        for text in texts {
            assert!(
                text.parse::<T>().is_err(),
                "{text} is no {}",
                std::any::type_name::<T>()
            );
        }
    }
    let hex = "0".repeat(64);
    refuses::<ObjectId>(&[
        "",
        "0x",
        "0x0",
        &hex,
        &format!("0X{hex}"),
        &format!("0x{hex}0"),
        &format!("0x{}g", "0".repeat(63)),
        &format!(" 0x{hex}"),
    ]);
    refuses::<BlobId>(&[
        "",
        "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BU",
        "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUkA",
        // Bits behind the last byte that are not zero; padding; the other alphabet.
        "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUl",
        "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk=",
        "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK+W7/4BUk",
    ]);
    refuses::<TransactionDigest>(&[
        "",
        "1111111111111111111111111111111",
        "111111111111111111111111111111111",
        // Not in the alphabet: 0, O, I, l.
        "0btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S",
        "lbtiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S",
    ]);
    let digest = "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S";
    refuses::<EventId>(&[
        "",
        digest,
        ":1",
        &format!("{digest}:"),
        &format!("{digest}:+1"),
        &format!("{digest}:-1"),
        &format!("{digest}: 1"),
        &format!("{digest}:1:2"),
        &format!("{digest}:18446744073709551616"),
    ]);
    refuses::<Epoch>(&["", "-1", "+1", " 1", "1.0", "4294967296", "one"]);
    refuses::<Digest>(&[
        "",
        "0123456789abcde",
        "0123456789abcdef0",
        "0x23456789abcdef",
        "g123456789abcdef",
    ]);
    refuses::<Framing>(&["", "Sealed", "sealed ", "counted2"]);
}

#[test]
fn refusals_say_what_was_expected_and_stay_short() {
    let error = "x".repeat(10_000).parse::<BlobId>().unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("43 characters of URL-safe base64"),
        "{message}"
    );
    assert!(message.len() < 250, "{} bytes", message.len());
}

#[test]
fn names_of_framings_and_tables_parse_or_match_the_node() {
    for framing in [Framing::Sealed, Framing::Counted] {
        assert_eq!(framing.to_string().parse(), Ok(framing));
        assert_eq!(serde_json::to_value(framing).unwrap(), framing.name());
    }
    for table in Table::ALL {
        assert_eq!(serde_json::to_value(table).unwrap(), table.name());
    }
}

// SF-001: as JSON, identifiers are text; SF-100: a digest has 16 lower-case digits.
#[test]
fn json_forms() {
    let mut header = SealedHeader::offline(Epoch(12));
    header.event_cursor = EventCursor {
        event_id: Some(
            "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S:3"
                .parse()
                .unwrap(),
        ),
        element_index: 77,
    };
    let value = serde_json::to_value((
        Header::Sealed(header),
        Digest(0xab),
        PerTable::from_fn(|table| table.name().len()),
    ));
    insta::assert_snapshot!(serde_json::to_string_pretty(&value.unwrap()).unwrap());
}
