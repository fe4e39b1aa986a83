//! Who may send what where, and who may see whom: the protocol's permission tables applied to the links of the
//! caller's gym. Nothing else decides on rights.

mod people;
mod standing;
#[cfg(test)]
mod tests;

pub use people::Person;
pub use standing::{Changes, Standing};

use spotter_protocol::{
    Address, Command, CommandKind, EntityKind, InboxCommand, LinkPermission, Role, SignalKey, Speaker,
    UserId, View, gym_room_view, gym_rule, rule, speaker_of, view_for,
};

use crate::accounts::Permissions;
use crate::auth::Caller;
use crate::db::{self, Db};

/// Why a caller may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Absent, of another gym, or not allowed: the three are not told apart.
    #[error("there is no such thing, or you may not see it")]
    NotFound,
    /// The database did not answer: ask again.
    #[error("rights cannot be read just now")]
    Unavailable,
}

/// Judges callers by the rights that are stored when it is asked.
#[derive(Clone, Debug)]
pub struct Policy {
    db: Db,
}

impl Policy {
    /// Judges by the users and links in `db`.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Whether `caller` may send a command of that kind to the entity at `address`. The entity need not exist.
    ///
    /// # Errors
    /// [`Denied::NotFound`] also when such a command goes to another kind of entity.
    pub async fn may_command(
        &self,
        caller: &Caller,
        address: Address,
        command: CommandKind,
    ) -> Result<(), Denied> {
        let kind = match command {
            CommandKind::Session(_) => EntityKind::Session,
            CommandKind::Inbox(_) => EntityKind::Inbox,
            CommandKind::Room(_) => EntityKind::Room,
        };
        if address.kind != kind || !address.is_well_formed() {
            return Err(Denied::NotFound);
        }
        if address.is_shared_in(caller.gym) {
            return allow(gym_rule(command).contains(&caller.role));
        }
        let rule = rule(command);
        if caller.user == address.owner {
            return allow(rule.owner.contains(&caller.role));
        }
        let (Some(needed), Role::Coach | Role::GymOwner) = (rule.coach, caller.role) else {
            return Err(Denied::NotFound);
        };
        allow(self.link_to(caller, address.owner).await?.allow(needed))
    }

    /// Whether `caller` may send this very command: what its kind allows, and for a message also a link with the
    /// recipient. A coach needs the permission for it; their athletes may always answer.
    ///
    /// # Errors
    /// See [`Policy::may_command`]; [`Denied::NotFound`] when the two are not linked so.
    pub async fn may_send(&self, caller: &Caller, address: Address, command: &Command) -> Result<(), Denied> {
        self.may_command(caller, address, command.kind()).await?;
        match command {
            Command::Inbox(InboxCommand::Message(message)) => self.may_message(caller, message.to).await,
            Command::Inbox(_) | Command::Session(_) | Command::Room(_) => Ok(()),
        }
    }

    /// Whether an active link lets `caller` write to `to`.
    ///
    /// # Errors
    /// [`Denied::NotFound`] when none does.
    pub async fn may_message(&self, caller: &Caller, to: UserId) -> Result<(), Denied> {
        let linked = db::query(
            "SELECT 1 FROM links l JOIN users u ON u.id = $3 AND u.gym = l.gym
             WHERE l.gym = $1 AND l.state = 'active' AND (
                 ($5 AND l.coach = $2 AND l.athlete = $3 AND ',' || l.permissions || ',' LIKE '%,' || $4 || ',%')
                 OR (l.coach = $3 AND l.athlete = $2))",
        )
        .bind(caller.gym.0)
        .bind(caller.user.0)
        .bind(to.0)
        .bind(LinkPermission::Message.as_str())
        .bind(matches!(caller.role, Role::Coach | Role::GymOwner))
        .fetch_optional(&self.db.reader)
        .await
        .map_err(unavailable)?;
        allow(linked.is_some())
    }

    /// Whether `caller` may send a signal of that key about the entity at `address`. The entity need not exist.
    ///
    /// # Errors
    /// [`Denied::NotFound`] also when such signals are about another kind of entity.
    pub async fn may_signal(&self, caller: &Caller, address: Address, key: SignalKey) -> Result<(), Denied> {
        let about_it = key.about().is_some_and(|(kind, _)| kind == address.kind);
        allow(about_it && address.is_well_formed())?;
        match speaker_of(key) {
            Speaker::Owner(roles) => allow(caller.user == address.owner && roles.contains(&caller.role)),
            Speaker::Correspondent => self.may_message(caller, address.owner).await,
            Speaker::Nobody => Err(Denied::NotFound),
        }
    }

    /// The view in which `caller` may watch the entity at `address`: the one asked for, or the widest they have.
    ///
    /// # Errors
    /// [`Denied::NotFound`] also when a wider view is asked for than they have.
    pub async fn may_view(
        &self,
        caller: &Caller,
        address: Address,
        wanted: Option<View>,
    ) -> Result<View, Denied> {
        if !address.is_well_formed() {
            return Err(Denied::NotFound);
        }
        let widest = match address.kind {
            EntityKind::Inbox => widest_of_inbox(caller, address.owner),
            EntityKind::Room => self.widest_of_room(caller, address),
            EntityKind::Session => self.widest_of_session(caller, address.owner).await?,
        };
        let widest = widest.ok_or(Denied::NotFound)?;
        let wanted = wanted.unwrap_or(widest);
        allow(includes(widest, wanted)).map(|()| wanted)
    }

    /// A room is its coach's alone, and the gym's own is watched by whoever coaches there.
    fn widest_of_room(&self, caller: &Caller, room: Address) -> Option<View> {
        if room.is_shared_in(caller.gym) {
            return gym_room_view(caller.role);
        }
        match caller.role {
            Role::Coach | Role::GymOwner if caller.user == room.owner => Some(View::Coach),
            Role::Coach | Role::GymOwner | Role::Athlete | Role::Admin => None,
        }
    }

    async fn widest_of_session(&self, caller: &Caller, owner: UserId) -> Result<Option<View>, Denied> {
        match caller.role {
            Role::Admin => Ok(None),
            Role::Athlete | Role::Coach | Role::GymOwner if caller.user == owner => Ok(Some(View::Athlete)),
            Role::Athlete => Ok(None),
            Role::Coach | Role::GymOwner => {
                let linked = self.link_to(caller, owner).await?.allow(LinkPermission::ViewSessions);
                Ok(view_for(caller.role, linked))
            }
        }
    }

    /// What an active link allows the caller with `owner`: nothing without one.
    ///
    /// # Errors
    /// [`Denied::NotFound`] when the caller's gym has no such user.
    async fn link_to(&self, caller: &Caller, owner: UserId) -> Result<Permissions, Denied> {
        let row = db::query(
            "SELECT coalesce(l.permissions, '') AS permissions FROM users u
             LEFT JOIN links l ON l.coach = $1 AND l.athlete = u.id AND l.gym = u.gym AND l.state = 'active'
             WHERE u.id = $2 AND u.gym = $3",
        )
        .bind(caller.user.0)
        .bind(owner.0)
        .bind(caller.gym.0)
        .fetch_optional(&self.db.reader)
        .await
        .map_err(unavailable)?
        .ok_or(Denied::NotFound)?;
        db::parsed(&row, "permissions").map_err(unavailable)
    }
}

/// An inbox is its owner's alone.
fn widest_of_inbox(caller: &Caller, owner: UserId) -> Option<View> {
    (caller.user == owner && caller.role != Role::Admin).then_some(View::Athlete)
}

/// Whether who has the view `widest` may ask for `wanted`: a coach's stands beside the athlete's own, and both
/// screens show less.
const fn includes(widest: View, wanted: View) -> bool {
    match widest {
        View::Athlete => true,
        View::Coach => matches!(wanted, View::Coach | View::Operator | View::Tv),
        View::Operator => matches!(wanted, View::Operator | View::Tv),
        View::Tv => matches!(wanted, View::Tv),
    }
}

fn allow(allowed: bool) -> Result<(), Denied> {
    if allowed { Ok(()) } else { Err(Denied::NotFound) }
}

fn unavailable(error: sqlx::Error) -> Denied {
    tracing::error!(%error, "rights cannot be read");
    Denied::Unavailable
}
