//! Who may ask what, and who may see what: one table each. A command or an event without a row does not compile.

use serde::{Deserialize, Serialize};

use crate::{
    CommandKind, Event, InboxCommandKind, InboxEvent, RoomCommandKind, RoomEvent, SessionCommandKind,
    SessionEvent, SignalKey,
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
            | S::Pain
            | S::Rest
            | S::Pause
            | S::Resume
            | S::Finish
            | S::Reopen,
        ) => Rule { owner: ANYONE, coach: Some(LinkPermission::LogSets) },
        CommandKind::Session(S::Add | S::DropSets | S::Swap | S::Reorder) => {
            Rule { owner: ANYONE, coach: Some(LinkPermission::EditPlans) }
        }
        CommandKind::Session(S::Readiness | S::SeeCue | S::ActOnCue) => Rule { owner: ANYONE, coach: None },
        CommandKind::Session(S::Cue) => Rule { owner: &[], coach: Some(LinkPermission::Message) },
        CommandKind::Session(S::Patch) => Rule { owner: &[], coach: Some(LinkPermission::EditPlans) },
        CommandKind::Session(S::DeliverCue | S::Abandon) => SERVER_ONLY,
        CommandKind::Inbox(I::Message | I::Read | I::ReadNotifications) => {
            Rule { owner: ANYONE, coach: None }
        }
        CommandKind::Inbox(I::Delivered | I::Receive | I::Receipt | I::Notify) => SERVER_ONLY,
        CommandKind::Room(R::Hide | R::Show | R::Pin | R::Unpin | R::Dismiss) => {
            Rule { owner: COACHES, coach: None }
        }
    }
}

/// Who may send a signal about an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Its owner, when in one of the roles.
    Owner(&'static [Role]),
    /// Whoever may write messages to its owner.
    Correspondent,
    /// No one.
    Nobody,
}

/// The row of a signal: what an athlete wears or lifts speaks for the athlete alone.
pub const fn speaker_of(key: SignalKey) -> Speaker {
    match key {
        SignalKey::HeartRate | SignalKey::Velocity => Speaker::Owner(ANYONE),
        SignalKey::Typing => Speaker::Correspondent,
        SignalKey::Unknown => Speaker::Nobody,
    }
}

/// The roles in which anybody of a gym may send a command to what belongs to the gym itself: its shared room,
/// whose owner is the gym's id.
pub const fn gym_rule(command: CommandKind) -> &'static [Role] {
    match command {
        CommandKind::Room(_) => &[Role::GymOwner],
        CommandKind::Session(_) | CommandKind::Inbox(_) => &[],
    }
}

/// The widest view of their gym's shared room that somebody has. Whoever coaches may watch everybody there, and
/// sees of nobody what is between athletes and their own coaches.
pub const fn gym_room_view(role: Role) -> Option<View> {
    match role {
        Role::Coach | Role::GymOwner => Some(View::Operator),
        Role::Athlete | Role::Admin => None,
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
    /// Of somebody who runs the floor without a link: names and sets, no remarks, pain or cues.
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
        Event::Session(
            SessionEvent::Noted(_)
            | SessionEvent::ReadinessNoted(_)
            | SessionEvent::PainNoted(_)
            | SessionEvent::Cued(_)
            | SessionEvent::CueDelivered(_)
            | SessionEvent::CueSeen(_)
            | SessionEvent::CueActed(_),
        ) => matches!(view, View::Athlete | View::Coach),
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
            | SessionEvent::PrWithdrawn(_)
            | SessionEvent::SetsAdded(_)
            | SessionEvent::SetsDropped(_)
            | SessionEvent::ExerciseSwapped(_)
            | SessionEvent::Reordered(_)
            | SessionEvent::PlanPatched(_)
            | SessionEvent::Abandoned(_),
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
        // Nothing happened that anybody could see.
        Event::Session(SessionEvent::SessionRebased(_))
        | Event::Inbox(InboxEvent::InboxRebased(_))
        | Event::Room(RoomEvent::RoomRebased(_)) => false,
    }
}
