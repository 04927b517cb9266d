use std::io::Write;

/// Appends a number as Orion writes it: a whole number without a point, others with at most nine decimals, and what
/// is too large for 64 bits with an exponent.
pub(crate) fn write_number(number: f64, out: &mut Vec<u8>) {
    // Up to here a double's whole part fits in an i64.
    const LARGE: f64 = 9_223_372_036_854_774_784.0;
    if number.abs() > LARGE {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => {
                let _ = write!(out, "{digits}e+{power}");
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
        return;
    }
    let whole = number.trunc();
    let rest = (number - whole).abs();
    // The tenth decimal does not count, and the ninth alone is taken for noise.
    if rest <= 1.000_01e-9 {
        let _ = write!(out, "{}", whole as i64);
        return;
    }
    let start = out.len();
    // Below this a double is less than half of a ninth decimal away from its shortest text, so that where the text has
    // no more decimals it is the rounded one too, and found several times faster.
    const SHORTEST: f64 = 4_194_304.0;
    if number.abs() < SHORTEST {
        let _ = write!(out, "{number}");
        let point = out[start..].iter().position(|byte| *byte == b'.');
        if point.is_some_and(|point| out.len() - start - point - 1 <= 9) {
            return;
        }
        out.truncate(start);
    }
    let _ = write!(out, "{number:.9}");
    while out.len() > start && out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64) -> String {
        let mut out = Vec::new();
        write_number(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_have_at_most_nine_decimals() {
        assert_eq!(text(442.123_456_785_551), "442.123456786");
        assert_eq!(text(200.0), "200");
        assert_eq!(text(42.999_999_999), "42.999999999");
        assert_eq!(text(42.999_999_999_9), "43");
        assert_eq!(text(42.000_000_001), "42");
        assert_eq!(text(-0.5), "-0.5");
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(2_523_232_323_232_323.0), "2523232323232323");
    }

    #[test]
    fn the_fast_way_and_the_exact_way_agree() {
        for step in 0..200_000_u32 {
            let number = f64::from(step) * 0.372_951_7 - 37_000.0;
            let exact = format!("{number:.9}");
            let exact = exact.trim_end_matches('0').trim_end_matches('.');
            if (number - number.trunc()).abs() > 1e-8 {
                assert_eq!(text(number), exact);
            }
        }
    }

    #[test]
    fn what_is_very_large_has_an_exponent() {
        assert_eq!(text(1.79e308), "1.79e+308");
        assert_eq!(text(-f64::MAX), "-1.7976931348623157e+308");
        assert_eq!(text(f64::MIN_POSITIVE), "0");
    }
}
