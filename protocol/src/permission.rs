//! Who may ask what, and who may see what: one table each. A command or an event without a row does not compile.

use serde::{Deserialize, Serialize};

use crate::{
    CommandKind, Event, InboxCommandKind, InboxEvent, RoomCommandKind, RoomEvent, SessionCommandKind,
    SessionEvent,
};

/// What a user is in the gym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Trains.
    Athlete,
    /// Coaches the athletes linked to them.
    Coach,
    /// Runs the gym.
    GymOwner,
    /// Operates the server; belongs to no gym.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Athlete, Self::Coach, Self::GymOwner, Self::Admin];

    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Athlete => "athlete",
            Self::Coach => "coach",
            Self::GymOwner => "gym_owner",
            Self::Admin => "admin",
        }
    }
}

/// What a coaching link allows its coach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPermission {
    /// See the athlete's sessions.
    ViewSessions,
    /// Send cues and messages.
    Message,
    /// Log and correct sets for the athlete.
    LogSets,
    /// Change the remaining plan.
    EditPlans,
    /// Change goals.
    EditGoals,
}

impl LinkPermission {
    /// Every permission.
    pub const ALL: [Self; 5] =
        [Self::ViewSessions, Self::Message, Self::LogSets, Self::EditPlans, Self::EditGoals];

    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ViewSessions => "view_sessions",
            Self::Message => "message",
            Self::LogSets => "log_sets",
            Self::EditPlans => "edit_plans",
            Self::EditGoals => "edit_goals",
        }
    }
}

/// Who may send a command: the entity's owner, when in one of the roles, and coaches linked to the owner
/// with the permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The roles in which the owner may.
    pub owner: &'static [Role],
    /// The permission a linked coach needs; absent when no coach may.
    pub coach: Option<LinkPermission>,
}

const ANYONE: &[Role] = &[Role::Athlete, Role::Coach, Role::GymOwner];
/// What only the server itself asks: a timer, a receipt, a letter from another entity.
const SERVER_ONLY: Rule = Rule { owner: &[], coach: None };
const COACHES: &[Role] = &[Role::Coach, Role::GymOwner];

/// The row of a command.
pub const fn rule(command: CommandKind) -> Rule {
    use InboxCommandKind as I;
    use RoomCommandKind as R;
    use SessionCommandKind as S;
    match command {
        CommandKind::Session(
            S::Start
            | S::Complete
            | S::Skip
            | S::Fail
            | S::Amend
            | S::Void
            | S::Note
            | S::Rest
            | S::Pause
            | S::Resume
            | S::Finish
            | S::Reopen,
        ) => Rule { owner: ANYONE, coach: Some(LinkPermission::LogSets) },
        CommandKind::Inbox(I::Message | I::Read | I::ReadNotifications) => {
            Rule { owner: ANYONE, coach: None }
        }
        CommandKind::Inbox(I::Delivered | I::Receive | I::Receipt | I::Notify) => SERVER_ONLY,
        CommandKind::Room(R::Hide | R::Show | R::Pin | R::Unpin | R::Dismiss) => {
            Rule { owner: COACHES, coach: None }
        }
    }
}

/// What a subscriber sees of an entity: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The owner's: everything.
    Athlete,
    /// A linked coach's: everything.
    Coach,
    /// A screen in the room: names and sets, no remarks.
    Tv,
    /// The gym owner's, without a link: names and sets, no remarks.
    Operator,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 4] = [Self::Athlete, Self::Coach, Self::Tv, Self::Operator];
}

/// The widest view of an athlete's session that someone else in the gym has; `linked` says whether a link
/// with [`LinkPermission::ViewSessions`] is active.
pub const fn view_for(role: Role, linked: bool) -> Option<View> {
    match (role, linked) {
        (Role::Coach | Role::GymOwner, true) => Some(View::Coach),
        (Role::GymOwner, false) => Some(View::Operator),
        (Role::Coach, false) | (Role::Athlete | Role::Admin, _) => None,
    }
}

/// Whether a view shows an event. One it does not show is sent as `hidden`, with its version.
pub const fn shows(view: View, event: &Event) -> bool {
    match event {
        Event::Session(SessionEvent::Noted(_)) => matches!(view, View::Athlete | View::Coach),
        Event::Session(
            SessionEvent::Started(_)
            | SessionEvent::ExerciseAdded(_)
            | SessionEvent::SetAdded(_)
            | SessionEvent::SetCompleted(_)
            | SessionEvent::SetFailed(_)
            | SessionEvent::SetSkipped(_)
            | SessionEvent::SetAmended(_)
            | SessionEvent::SetVoided(_)
            | SessionEvent::Rested(_)
            | SessionEvent::Paused(_)
            | SessionEvent::Resumed(_)
            | SessionEvent::Finished(_)
            | SessionEvent::Reopened(_)
            | SessionEvent::Pr(_)
            | SessionEvent::PrWithdrawn(_),
        )
        | Event::Inbox(
            InboxEvent::MessageSent(_)
            | InboxEvent::MessageReceived(_)
            | InboxEvent::MessagesDelivered(_)
            | InboxEvent::MessagesRead(_)
            | InboxEvent::ReceiptReceived(_)
            | InboxEvent::Notified(_)
            | InboxEvent::NotificationsRead(_),
        ) => true,
        // A screen is for everybody in the room; what its coach chose is not.
        Event::Room(
            RoomEvent::AthleteHidden(_)
            | RoomEvent::AthleteShown(_)
            | RoomEvent::AthletePinned(_)
            | RoomEvent::AthleteUnpinned(_)
            | RoomEvent::BadgeDismissed(_),
        ) => !matches!(view, View::Tv),
    }
}
