//! Any bytes, read as a frame of either side in either codec: no panic, and what was read is written back to bytes
//! that read the same.

use std::fmt::Debug;

use spotter_protocol::{ClientFrame, Codec, DecodeError, ServerFrame};

/// Reads `data` in every way a socket can.
pub(crate) fn check(data: &[u8]) {
    for codec in Codec::ALL {
        reads_back(codec, data, ClientFrame::decode, ClientFrame::encode);
        reads_back(codec, data, ServerFrame::decode, ServerFrame::encode);
    }
}

fn reads_back<F: PartialEq + Debug>(
    codec: Codec,
    data: &[u8],
    decode: fn(Codec, &[u8]) -> Result<F, DecodeError>,
    encode: fn(&F, Codec) -> Vec<u8>,
) {
    let Ok(frame) = decode(codec, data) else { return };
    for other in Codec::ALL {
        let written = encode(&frame, other);
        match decode(other, &written) {
            Ok(again) => assert_eq!(again, frame, "{other:?} reads back what was read as {codec:?}"),
            // The bounds hold for what is written too, and one codec is longer than the other.
            Err(DecodeError::Scan(_)) => {}
            Err(error) => panic!("{frame:?} is not read back as {other:?}: {error}"),
        }
    }
}
