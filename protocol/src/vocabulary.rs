//! One macro for the closed lists of commands and events: each has a name on the wire, a body of its own,
//! and is written as `{"name": {…body…}}`. The names are listed once, beside their bodies.

use serde::Serialize;
use serde::de::{DeserializeOwned, MapAccess};

use crate::codec;

/// A closed list of named bodies.
pub trait Vocabulary: Sized {
    /// The names without the bodies.
    type Kind: Copy + Eq + std::fmt::Debug + 'static;

    /// Every name in the order of the list.
    const KINDS: &'static [Self::Kind];

    /// Which one this is.
    fn kind(&self) -> Self::Kind;

    /// The name on the wire and in the journal.
    fn name(kind: Self::Kind) -> &'static str;

    /// The kind of that name.
    fn kind_of(name: &str) -> Option<Self::Kind> {
        Self::KINDS.iter().copied().find(|kind| Self::name(*kind) == name)
    }

    /// Reads the value of the map entry whose key named `kind`.
    ///
    /// # Errors
    /// What the format says of a body that does not fit.
    fn read_entry<'de, A: MapAccess<'de>>(kind: Self::Kind, map: &mut A) -> Result<Self, A::Error>;

    /// The body alone, as MessagePack with named fields.
    ///
    /// # Errors
    /// When the body cannot be written, which a body of this crate always can.
    fn body_to_msgpack(&self) -> Result<Vec<u8>, rmp_serde::encode::Error>;

    /// Reads a body that [`Vocabulary::body_to_msgpack`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a body.
    fn body_from_msgpack(kind: Self::Kind, bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error>;
}

/// Writes one body.
pub(crate) fn write_body(body: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    codec::msgpack(body)
}

/// Reads one body.
pub(crate) fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

macro_rules! vocabulary {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, $kind:ident { $( $(#[$vmeta:meta])* $variant:ident = $text:literal, )* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$vmeta])* $variant($variant), )*
        }

        #[doc = concat!("The names of [`", stringify!($name), "`] without the bodies.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {
            $( $(#[$vmeta])* $variant, )*
        }

        impl $crate::vocabulary::Vocabulary for $name {
            type Kind = $kind;

            const KINDS: &'static [$kind] = &[$($kind::$variant),*];

            fn kind(&self) -> $kind {
                match self { $( Self::$variant(_) => $kind::$variant, )* }
            }

            fn name(kind: $kind) -> &'static str {
                match kind { $( $kind::$variant => $text, )* }
            }

            fn read_entry<'de, A: serde::de::MapAccess<'de>>(kind: $kind, map: &mut A) -> Result<Self, A::Error> {
                match kind { $( $kind::$variant => map.next_value().map(Self::$variant), )* }
            }

            fn body_to_msgpack(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
                match self { $( Self::$variant(body) => $crate::vocabulary::write_body(body), )* }
            }

            fn body_from_msgpack(kind: $kind, bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
                match kind { $( $kind::$variant => $crate::vocabulary::read_body(bytes).map(Self::$variant), )* }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                match self { $( Self::$variant(body) => map.serialize_entry($text, body)?, )* }
                map.end()
            }
        }

        $(
            impl From<$variant> for $name {
                fn from(body: $variant) -> Self {
                    Self::$variant(body)
                }
            }
        )*
    };
}
pub(crate) use vocabulary;
