//! Names in alphabets smaller than Unicode: what a name may not hold is written as an escape character and two
//! hexadecimal digits a byte, as RFC 3986 section 2.1 does it with `%`. The escape character itself is escaped, so
//! every name comes back, and no two names become the same.

use std::fmt::Write;

/// Escapes the bytes that `allowed` refuses, and the escape character; the first byte too when `reserved` says that
/// the name means something else in the target.
pub(crate) fn escape(name: &str, mark: char, allowed: impl Fn(u8) -> bool, reserved: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii() && char::from(byte) != mark && allowed(byte);
        if plain && !(reserved && index == 0) {
            out.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(out, "{mark}{byte:02X}");
        }
    }
    out
}

/// The name that was escaped. What is no escape stays as it is: others write names too.
pub(crate) fn unescape(text: &str, mark: char) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| char::from(bytes[at]) == mark);
        let byte = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_comes_back(name in any::<String>(), reserved in any::<bool>()) {
            let escaped = escape(&name, '%', |byte| byte.is_ascii_alphanumeric(), reserved);
            prop_assert_eq!(unescape(&escaped, '%'), name);
        }
    }
}
