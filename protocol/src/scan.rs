//! The structural scan: bounds on bytes, depth and lengths, checked before anything is decoded, so that no
//! claim inside a frame makes the server allocate or recurse.

/// Longest frame accepted from a client, in bytes.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Longest frame a client accepts from the server, in bytes: a snapshot of a full session fits.
pub const SERVER_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting accepted, counting the envelope.
pub const DEPTH_MAX: usize = 16;
/// Most entries of one list or map.
pub const ENTRIES_MAX: usize = 1024;

/// Why bytes were refused unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Over the bound of its direction.
    #[error("the frame is too long")]
    TooLong,
    /// Over [`DEPTH_MAX`].
    #[error("the frame nests deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Over [`ENTRIES_MAX`].
    #[error("a list or map has more than {ENTRIES_MAX} entries")]
    TooMany,
    /// The bytes end inside a value.
    #[error("the frame ends too early")]
    Truncated,
    /// Bytes follow the frame.
    #[error("bytes follow the frame")]
    Trailing,
    /// A type that no frame uses: extension types and floating point.
    #[error("the frame holds a type no frame uses")]
    Foreign,
    /// Not a list of a kind and a body, or not text where text is due.
    #[error("the frame is not an envelope of kind and body")]
    NotAnEnvelope,
}

/// Checks one MessagePack frame and splits it into its kind and the bytes of its body.
pub(crate) fn msgpack_frame(bytes: &[u8], bytes_max: usize) -> Result<(&str, &[u8]), ScanError> {
    if bytes.len() > bytes_max {
        return Err(ScanError::TooLong);
    }
    let Some((0x92, rest)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else {
        return Err(ScanError::NotAnEnvelope);
    };
    let body = skip_value(rest, 1)?;
    let kind = short_str(&rest[..rest.len() - body.len()])?;
    match skip_value(body, 1)? {
        [] => Ok((kind, body)),
        _ => Err(ScanError::Trailing),
    }
}

/// A string of one value's bytes, when it is one of at most 255 bytes.
fn short_str(value: &[u8]) -> Result<&str, ScanError> {
    let text = match value {
        [0xa0..=0xbf, text @ ..] | [0xd9, _, text @ ..] => text,
        _ => return Err(ScanError::NotAnEnvelope),
    };
    std::str::from_utf8(text).map_err(|_| ScanError::NotAnEnvelope)
}

/// The bytes after the first value of `bytes`. Walks with a stack of bounded size, never by recursion.
fn skip_value(bytes: &[u8], depth: usize) -> Result<&[u8], ScanError> {
    let mut rest = bytes;
    // Values still due at each level; a map of n entries owes 2n.
    let mut due = [0_usize; DEPTH_MAX + 1];
    let mut level = depth;
    due[level] = 1;
    loop {
        while due[level] == 0 {
            if level == depth {
                return Ok(rest);
            }
            level -= 1;
        }
        due[level] -= 1;
        let (marker, tail) = rest.split_first().ok_or(ScanError::Truncated)?;
        rest = tail;
        let (length, children) = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, 0),
            0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f)),
            0x90..=0x9f => (0, usize::from(marker & 0x0f)),
            0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
            0xc4 | 0xd9 => (take_length(&mut rest, 1)?, 0),
            0xc5 | 0xda => (take_length(&mut rest, 2)?, 0),
            0xc6 | 0xdb => (take_length(&mut rest, 4)?, 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 => (2, 0),
            0xce | 0xd2 => (4, 0),
            0xcf | 0xd3 => (8, 0),
            0xdc => (0, take_count(&mut rest, 2)?),
            0xdd => (0, take_count(&mut rest, 4)?),
            0xde => (0, 2 * take_count(&mut rest, 2)?),
            0xdf => (0, 2 * take_count(&mut rest, 4)?),
            0xc1 | 0xc7..=0xc9 | 0xca | 0xcb | 0xd4..=0xd8 => return Err(ScanError::Foreign),
        };
        rest = rest.get(length..).ok_or(ScanError::Truncated)?;
        if children > 0 {
            level += 1;
            *due.get_mut(level).ok_or(ScanError::TooDeep)? = children;
        }
    }
}

fn take_length(rest: &mut &[u8], width: usize) -> Result<usize, ScanError> {
    let (number, tail) = rest.split_at_checked(width).ok_or(ScanError::Truncated)?;
    *rest = tail;
    Ok(number.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn take_count(rest: &mut &[u8], width: usize) -> Result<usize, ScanError> {
    match take_length(rest, width)? {
        count if count > ENTRIES_MAX => Err(ScanError::TooMany),
        count => Ok(count),
    }
}

/// Checks the bounds of one JSON frame; its grammar is left to the decoder, which rejects trailing text.
pub(crate) fn json_text(bytes: &[u8], bytes_max: usize) -> Result<(), ScanError> {
    if bytes.len() > bytes_max {
        return Err(ScanError::TooLong);
    }
    let mut commas = [0_usize; DEPTH_MAX + 1];
    let mut level = 0;
    let mut in_string = false;
    let mut escaped = false;
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                level += 1;
                *commas.get_mut(level).ok_or(ScanError::TooDeep)? = 0;
            }
            b'}' | b']' => level = level.checked_sub(1).ok_or(ScanError::NotAnEnvelope)?,
            b',' => {
                commas[level] += 1;
                if commas[level] >= ENTRIES_MAX {
                    return Err(ScanError::TooMany);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_splits_into_kind_and_body() {
        assert_eq!(
            msgpack_frame(b"\x92\xa4ping\x81\xa5clock\x07", FRAME_BYTES_MAX),
            Ok(("ping", &b"\x81\xa5clock\x07"[..]))
        );
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        assert_eq!(msgpack_frame(b"\x92\xa4ping\x80\x00", FRAME_BYTES_MAX), Err(ScanError::Trailing));
    }

    #[test]
    fn ten_thousand_levels_are_refused_without_recursion() {
        let mut deep = b"\x92\xa4ping".to_vec();
        deep.extend(std::iter::repeat_n(0x91, 10_000));
        assert_eq!(msgpack_frame(&deep, FRAME_BYTES_MAX), Err(ScanError::TooDeep));
        assert_eq!(json_text("[".repeat(10_000).as_bytes(), FRAME_BYTES_MAX), Err(ScanError::TooDeep));
    }

    #[test]
    fn a_claim_of_four_billion_entries_is_refused_at_once() {
        assert_eq!(
            msgpack_frame(b"\x92\xa4ping\xdd\xff\xff\xff\xff", FRAME_BYTES_MAX),
            Err(ScanError::TooMany)
        );
        assert_eq!(
            msgpack_frame(b"\x92\xa4ping\xdb\xff\xff\xff\xff", FRAME_BYTES_MAX),
            Err(ScanError::Truncated)
        );
    }

    #[test]
    fn floats_and_extensions_are_foreign() {
        assert_eq!(
            msgpack_frame(b"\x92\xa4ping\xcb\x00\x00\x00\x00\x00\x00\x00\x00", FRAME_BYTES_MAX),
            Err(ScanError::Foreign)
        );
        assert_eq!(msgpack_frame(b"\x92\xa4ping\xd4\x00\x00", FRAME_BYTES_MAX), Err(ScanError::Foreign));
    }

    #[test]
    fn the_frame_may_be_exactly_as_long_as_the_limit() {
        let mut long = b"\x92\xa4ping\xda".to_vec();
        let text = FRAME_BYTES_MAX - long.len() - 2;
        long.extend(u16::try_from(text).expect("fits").to_be_bytes());
        long.extend(std::iter::repeat_n(b'x', text));
        assert!(msgpack_frame(&long, FRAME_BYTES_MAX).is_ok());
        long.push(b'x');
        assert_eq!(msgpack_frame(&long, FRAME_BYTES_MAX), Err(ScanError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = msgpack_frame(&bytes, FRAME_BYTES_MAX);
            let _ = json_text(&bytes, FRAME_BYTES_MAX);
        }
    }
}
