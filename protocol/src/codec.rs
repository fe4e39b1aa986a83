//! The two codecs. MessagePack frames are a list `[kind, body]` with named fields in the body; JSON frames
//! are `{"k": kind, "b": body}`, the same names and values as text, for tools.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ErrorCode;
use crate::scan::{self, ScanError};

/// How frames are written on one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Binary frames; the default.
    MsgPack,
    /// Text frames.
    Json,
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Bounds or structure are broken: nothing after this can be trusted.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// No frame has this kind.
    #[error("no frame is of kind {kind:?}")]
    UnknownKind {
        /// The kind, cut short.
        kind: String,
        /// The request, when it could be read.
        req: Option<u64>,
    },
    /// The body does not fit its kind.
    #[error("{text}")]
    Body {
        /// What does not fit.
        text: String,
        /// The request, when it could be read.
        req: Option<u64>,
    },
}

impl DecodeError {
    /// The code of the reply.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Scan(_) | Self::Body { .. } => ErrorCode::BadFrame,
            Self::UnknownKind { .. } => ErrorCode::UnknownFrame,
        }
    }

    /// The request it was, when that could be read.
    pub const fn req(&self) -> Option<u64> {
        match self {
            Self::Scan(_) => None,
            Self::UnknownKind { req, .. } | Self::Body { req, .. } => *req,
        }
    }
}

/// A frame whose body has not been read yet.
pub(crate) struct Envelope<'a> {
    pub(crate) kind: Cow<'a, str>,
    body: Raw<'a>,
}

enum Raw<'a> {
    MsgPack(&'a [u8]),
    Json(&'a RawValue),
}

#[derive(Serialize)]
struct JsonFrame<'a, T> {
    k: &'a str,
    b: &'a T,
}

#[derive(Deserialize)]
struct RawJsonFrame<'a> {
    #[serde(borrow)]
    k: Cow<'a, str>,
    #[serde(borrow)]
    b: &'a RawValue,
}

#[derive(Deserialize)]
struct OnlyReq {
    req: u64,
}

/// What most frames and bodies fit in.
const USUAL_BYTES: usize = 128;

/// A value as MessagePack with named fields.
pub(crate) fn msgpack<T: Serialize>(value: &T) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    rmp_serde::encode::write_named(&mut bytes, value)?;
    Ok(bytes)
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 2] = [Self::MsgPack, Self::Json];

    /// The WebSocket subprotocol that stands for it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::MsgPack => "spotter.v1.msgpack",
            Self::Json => "spotter.v1.json",
        }
    }

    /// Writes a frame.
    ///
    /// # Panics
    /// Never: every body of this crate can be written in both codecs.
    #[expect(
        clippy::expect_used,
        reason = "writing to memory fails only on types without a form, of which there are none"
    )]
    pub fn encode<T: Serialize>(self, kind: &str, body: &T) -> Vec<u8> {
        match self {
            Self::MsgPack => msgpack(&(kind, body)).expect("a body has a MessagePack form"),
            Self::Json => {
                serde_json::to_vec(&JsonFrame { k: kind, b: body }).expect("a body has a JSON form")
            }
        }
    }

    /// Scans a frame and takes its envelope off.
    pub(crate) fn open(self, bytes: &[u8], bytes_max: usize) -> Result<Envelope<'_>, DecodeError> {
        match self {
            Self::MsgPack => {
                let (kind, body) = scan::msgpack_frame(bytes, bytes_max)?;
                Ok(Envelope { kind: Cow::Borrowed(kind), body: Raw::MsgPack(body) })
            }
            Self::Json => {
                scan::json_text(bytes, bytes_max)?;
                let frame: RawJsonFrame<'_> = serde_json::from_slice(bytes)
                    .map_err(|error| DecodeError::Body { text: clip(&error), req: None })?;
                Ok(Envelope { kind: frame.k, body: Raw::Json(frame.b) })
            }
        }
    }
}

impl Envelope<'_> {
    /// Reads the body.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let read = match self.body {
            Raw::MsgPack(bytes) => rmp_serde::from_slice(bytes).map_err(|error| clip(&error)),
            Raw::Json(raw) => serde_json::from_str(raw.get()).map_err(|error| clip(&error)),
        };
        read.map_err(|text| DecodeError::Body { text, req: self.req() })
    }

    /// The request number alone, for answering a body that cannot be read.
    pub(crate) fn req(&self) -> Option<u64> {
        let read: Option<OnlyReq> = match self.body {
            Raw::MsgPack(bytes) => rmp_serde::from_slice(bytes).ok(),
            Raw::Json(raw) => serde_json::from_str(raw.get()).ok(),
        };
        read.map(|only| only.req)
    }
}

/// The decoder's own words, short enough to send back.
fn clip(error: &impl std::fmt::Display) -> String {
    error.to_string().chars().take(200).collect()
}
