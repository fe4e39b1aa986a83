//! Where a command goes: `kind / owner / id`. The gym is never part of it: it is the token's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{GymId, SessionId, UserId};

/// How many shards the owners are spread over. Fixed for ever: it is part of what is stored.
pub const SHARDS: u16 = 1024;

/// The kinds of entity: the things that are actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// One live execution of a workout.
    Session,
    /// A user's messages and notifications.
    Inbox,
    /// A coach's wall over many athletes.
    Room,
}

impl EntityKind {
    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Inbox => "inbox",
            Self::Room => "room",
        }
    }
}

impl FromStr for EntityKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "session" => Ok(Self::Session),
            "inbox" => Ok(Self::Inbox),
            "room" => Ok(Self::Room),
            _ => Err("an address begins with session, inbox or room"),
        }
    }
}

/// The address of one entity. On the wire a list of three: `["session", owner, id]`; in logs and
/// address bars `session/owner/id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(EntityKind, UserId, Uuid)", into = "(EntityKind, UserId, Uuid)")]
pub struct Address {
    /// What kind of entity.
    pub kind: EntityKind,
    /// The user it belongs to.
    pub owner: UserId,
    /// Which one of that user's; of an inbox or a room it equals the owner.
    pub id: Uuid,
}

impl Address {
    /// The address of `owner`'s session `id`.
    pub const fn session(owner: UserId, id: SessionId) -> Self {
        Self { kind: EntityKind::Session, owner, id: id.0 }
    }

    /// The address of `owner`'s inbox.
    pub const fn inbox(owner: UserId) -> Self {
        Self { kind: EntityKind::Inbox, owner, id: owner.0 }
    }

    /// The address of the room that a gym shares: the gym stands for its owner.
    pub const fn shared_room(gym: GymId) -> Self {
        Self::room(UserId(gym.0))
    }

    /// Whether it belongs to the gym itself.
    pub fn is_shared_in(&self, gym: GymId) -> bool {
        self.owner.0 == gym.0
    }

    /// The address of `owner`'s room.
    pub const fn room(owner: UserId) -> Self {
        Self { kind: EntityKind::Room, owner, id: owner.0 }
    }

    /// The shard of everything that belongs to the owner.
    pub fn shard(&self) -> Shard {
        Shard::of(self.owner)
    }

    /// Whether an entity can live here: the id of an inbox or a room equals its owner.
    pub fn is_well_formed(&self) -> bool {
        match self.kind {
            EntityKind::Session => true,
            EntityKind::Inbox | EntityKind::Room => self.id == self.owner.0,
        }
    }
}

impl From<(EntityKind, UserId, Uuid)> for Address {
    fn from((kind, owner, id): (EntityKind, UserId, Uuid)) -> Self {
        Self { kind, owner, id }
    }
}

impl From<Address> for (EntityKind, UserId, Uuid) {
    fn from(address: Address) -> Self {
        (address.kind, address.owner, address.id)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.as_str(), self.owner, self.id)
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an address is kind/owner/id";
        let mut parts = text.split('/');
        let (Some(kind), Some(owner), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(FORM);
        };
        let owner = owner.parse().map_err(|_| FORM)?;
        let id = id.parse().map_err(|_| FORM)?;
        Ok(Self { kind: kind.parse()?, owner, id })
    }
}

/// One of the [`SHARDS`] groups of owners; the unit of fencing. 0 to 1023.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// The shard of an owner: `xxh3_64(owner's 16 bytes, seed 0) mod 1024`.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 1024")]
    pub fn of(owner: UserId) -> Self {
        Self((xxh3_64_with_seed(owner.0.as_bytes(), 0) % u64::from(SHARDS)) as u16)
    }

    /// All of them, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard's number, 0 to 1023.
    pub const fn number(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_an_owner_never_changes() {
        let owner = |n: u128| UserId(Uuid::from_u128(n));
        let shards =
            [0, 1, 2, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef].map(|n| Shard::of(owner(n)).number());
        assert_eq!(shards, [360, 955, 671, 655]);
    }

    #[test]
    fn an_address_reads_back_from_its_text() {
        let address = Address::session(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        assert_eq!(address.to_string().parse(), Ok(address));
        assert!("session/1".parse::<Address>().is_err());
    }
}
