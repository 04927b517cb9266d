//! The CoAP options of oneM2M (TS-0008 6.2.2.4). They were numbered anew with release 3; devices in the field use both
//! rows, and each is answered in its own.

use coap_lite::{CoapOption, Packet};

/// Which row of numbers a message uses. Those that both have (OT, RTURI, TY, RVI) say nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// 256 to 272.
    First,
    /// 259 to 351, all of them critical.
    Second,
}

/// An option of oneM2M.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    From,
    RequestId,
    Originated,
    RequestExpires,
    ResultExpires,
    OperationTime,
    NotifyUris,
    EventCategory,
    StatusCode,
    Type,
    Release,
    Vendor,
}

/// A name, its number in the first row, and in the second.
const NUMBERS: [(Name, u16, u16); 12] = [
    (Name::From, 256, 279),
    (Name::RequestId, 257, 283),
    (Name::Originated, 259, 259),
    (Name::RequestExpires, 260, 291),
    (Name::ResultExpires, 261, 295),
    (Name::OperationTime, 262, 299),
    (Name::NotifyUris, 263, 263),
    (Name::EventCategory, 264, 303),
    (Name::StatusCode, 265, 307),
    (Name::Type, 267, 267),
    (Name::Release, 271, 271),
    (Name::Vendor, 272, 331),
];

/// Options of both rows that are let pass and mean nothing here: NM, GID, CTO, CTS, ATI, GTM, AUS, ASRI, OMR, PRPI, MSU.
const UNUSED: [u16; 16] = [258, 266, 268, 269, 270, 273, 274, 275, 311, 319, 323, 327, 335, 339, 343, 347];

/// The critical options of CoAP that the CSE understands: Uri-Host, Uri-Port, Uri-Path, Uri-Query, Accept, Block2, Block1.
const CRITICAL: [u16; 7] = [3, 7, 11, 15, 17, 23, 27];

impl Row {
    /// The row of a message.
    pub(crate) fn of(packet: &Packet) -> Self {
        let uses = |number: u16| packet.get_option(CoapOption::from(number)).is_some();
        let first = NUMBERS.iter().any(|(_, first, second)| first != second && uses(*first));
        if first { Self::First } else { Self::Second }
    }

    fn number(self, name: Name) -> u16 {
        let found = NUMBERS.iter().find(|(known, ..)| *known == name);
        found.map_or(0, |(_, first, second)| if self == Self::First { *first } else { *second })
    }
}

/// The value of an option, in whichever row.
pub(super) fn get(packet: &Packet, name: Name) -> Option<&[u8]> {
    [Row::Second, Row::First]
        .into_iter()
        .find_map(|row| packet.get_first_option(CoapOption::from(row.number(name))))
        .map(Vec::as_slice)
}

/// A value as text.
pub(super) fn text(packet: &Packet, name: Name) -> Option<String> {
    get(packet, name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// A value as an unsigned integer (RFC 7252 3.2); nothing when it is too long for one.
pub(crate) fn uint(value: &[u8]) -> Option<u64> {
    (value.len() <= 8).then(|| value.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// An unsigned integer as a value: no leading zeros.
pub(crate) fn uint_value(number: u64) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

pub(super) fn put(packet: &mut Packet, row: Row, name: Name, value: impl Into<Vec<u8>>) {
    packet.add_option(CoapOption::from(row.number(name)), value.into());
}

/// The first critical option that the CSE does not understand (RFC 7252 5.4.1).
pub(crate) fn unknown_critical(packet: &Packet) -> Option<u16> {
    let known = |number: u16| {
        CRITICAL.contains(&number)
            || UNUSED.contains(&number)
            || number == 351
            || NUMBERS.iter().any(|(_, first, second)| number == *first || number == *second)
    };
    packet.options().map(|(number, _)| *number).find(|number| number % 2 == 1 && !known(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_uses_one_row_of_numbers() {
        let mut packet = Packet::new();
        put(&mut packet, Row::Second, Name::Type, uint_value(3));
        assert_eq!(Row::of(&packet), Row::Second);
        put(&mut packet, Row::First, Name::From, "S");
        assert_eq!(Row::of(&packet), Row::First);
        assert_eq!(text(&packet, Name::From).as_deref(), Some("S"));
    }

    #[test]
    fn integers_have_no_leading_zeros() {
        for number in [0, 1, 255, 256, 65_535, u64::MAX] {
            assert_eq!(uint(&uint_value(number)), Some(number));
        }
        assert_eq!(uint_value(0), Vec::<u8>::new());
        assert_eq!(uint(&[1; 9]), None);
    }

    #[test]
    fn critical_options_that_nobody_knows_are_found() {
        let mut packet = Packet::new();
        packet.add_option(CoapOption::from(275), Vec::new());
        packet.add_option(CoapOption::from(4000), Vec::new());
        assert_eq!(unknown_critical(&packet), None);
        packet.add_option(CoapOption::from(4001), Vec::new());
        assert_eq!(unknown_critical(&packet), Some(4001));
    }
}
