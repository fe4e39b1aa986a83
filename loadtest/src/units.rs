//! Quantities as a person reads them.

use time::OffsetDateTime;

use crate::figures::shown;

/// Microseconds, in the unit that suits them.
pub(crate) fn delay(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", shown(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", shown(us / 1e3)),
        us => format!("{us:.0} µs"),
    }
}

/// Kibibytes, in the unit that suits them.
pub(crate) fn memory(kib: f64) -> String {
    match kib {
        kib if kib >= 1024.0 * 1024.0 => format!("{} GiB", shown(kib / 1024.0 / 1024.0)),
        kib if kib >= 1024.0 => format!("{} MiB", shown(kib / 1024.0)),
        kib => format!("{} KiB", shown(kib)),
    }
}

/// A count, its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in seconds.
pub(crate) fn length(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7_200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// A moment given in microseconds since 1970, to the second.
pub(crate) fn moment(at: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.div_euclid(1_000_000)) else {
        return "at an odd time".to_owned();
    };
    let (hour, minute, second) = at.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", at.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_takes_the_unit_that_suits_it() {
        assert_eq!([870.0, 1_240.0, 2.5e6].map(delay), ["870 µs", "1.24 ms", "2.50 s"]);
        assert_eq!([12.0, 61_030.4, 3e6].map(memory), ["12.0 KiB", "59.6 MiB", "2.86 GiB"]);
        assert_eq!([999, 1_000, 1_234_567].map(count), ["999", "1,000", "1,234,567"]);
        assert_eq!([59.6, 125.0, 7_260.0].map(length), ["60 s", "2 min 05 s", "2 h 01 min"]);
    }

    #[test]
    fn a_moment_is_a_date_and_a_time() {
        assert_eq!(moment(1_795_282_384_123_456), "2026-11-21 17:33:04 UTC");
    }
}
