//! A room's lasting choices: which of its athletes stay off the wall, which come first, and which badges have
//! been dealt with.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    AthleteHidden, AthletePinned, AthleteShown, AthleteUnpinned, Badge, BadgeDismissed, Dismiss, EntityKind,
    EntityView, ErrorCode, Glance, Rebased, Recorded, RoomCommand, RoomEvent, RoomView, SessionId, UserId,
    Version, View,
};

use crate::{Ask, Brief, Needs, ReadRow, Rules};

/// Athletes hidden at once; more are refused as `full`.
const HIDDEN_MAX: usize = 1000;
/// Athletes pinned at once; more are refused as `full`.
const PINNED_MAX: usize = 1000;
/// Badges dismissed at once; past it the dismissal made longest ago is forgotten.
const DISMISSED_MAX: usize = 500;

/// A room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    hidden: BTreeSet<UserId>,
    pinned: BTreeSet<UserId>,
    /// Oldest first; one of each athlete and badge.
    dismissed: Vec<BadgeDismissed>,
}

impl Room {
    /// Whether an athlete is taken off the wall.
    pub fn hides(&self, athlete: UserId) -> bool {
        self.hidden.contains(&athlete)
    }

    /// Whether an athlete comes first.
    pub fn pins(&self, athlete: UserId) -> bool {
        self.pinned.contains(&athlete)
    }

    /// Whether a badge that version `v` of a session brought has been dealt with.
    pub fn has_dismissed(&self, athlete: UserId, session: SessionId, badge: Badge, v: Version) -> bool {
        let dealt_with = |known: &BadgeDismissed| {
            known.badge == badge && known.athlete == athlete && known.session == session && v <= known.v
        };
        self.dismissed.iter().any(dealt_with)
    }

    /// Folds in the next event.
    pub fn fold(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::AthleteHidden(hidden) => {
                self.hidden.insert(hidden.athlete);
            }
            RoomEvent::AthleteShown(shown) => {
                self.hidden.remove(&shown.athlete);
            }
            RoomEvent::AthletePinned(pinned) => {
                self.pinned.insert(pinned.athlete);
            }
            RoomEvent::AthleteUnpinned(unpinned) => {
                self.pinned.remove(&unpinned.athlete);
            }
            RoomEvent::BadgeDismissed(dismissed) => {
                let same = |known: &BadgeDismissed| {
                    known.athlete == dismissed.athlete && known.badge == dismissed.badge
                };
                self.dismissed.retain(|known| !same(known));
                if self.dismissed.len() >= DISMISSED_MAX {
                    self.dismissed.remove(0);
                }
                self.dismissed.push(dismissed.clone());
            }
            RoomEvent::RoomRebased(_) => {}
        }
    }
}

impl Rules for Room {
    type Command = RoomCommand;
    type Event = RoomEvent;

    const KIND: EntityKind = EntityKind::Room;
    const FORM: u16 = 2;
    const REBASED: fn(Rebased) -> RoomEvent = RoomEvent::RoomRebased;

    fn rebased(event: &RoomEvent) -> Option<&Rebased> {
        if let RoomEvent::RoomRebased(rebased) = event { Some(rebased) } else { None }
    }

    fn needs(&self, command: &RoomCommand) -> Needs {
        match command {
            RoomCommand::Hide(_) | RoomCommand::Pin(_) | RoomCommand::Dismiss(_) => {
                Needs { roster: true, ..Needs::default() }
            }
            RoomCommand::Show(_) | RoomCommand::Unpin(_) => Needs::default(),
        }
    }

    fn decide(&self, ask: &Ask<'_, RoomCommand>, brief: &Brief) -> Result<Vec<RoomEvent>, ErrorCode> {
        let on_roster = |athlete| brief.roster.contains(athlete).then_some(()).ok_or(ErrorCode::NotOnRoster);
        let changes = |changes: bool| changes.then_some(()).ok_or(ErrorCode::NoChange);
        let has_room = |taken: usize, max| (taken < max).then_some(()).ok_or(ErrorCode::Full);
        let event = match ask.command {
            RoomCommand::Hide(hide) => {
                changes(!self.hidden.contains(&hide.athlete))?;
                on_roster(&hide.athlete)?;
                has_room(self.hidden.len(), HIDDEN_MAX)?;
                AthleteHidden { athlete: hide.athlete }.into()
            }
            RoomCommand::Show(show) => {
                changes(self.hidden.contains(&show.athlete))?;
                AthleteShown { athlete: show.athlete }.into()
            }
            RoomCommand::Pin(pin) => {
                changes(!self.pinned.contains(&pin.athlete))?;
                on_roster(&pin.athlete)?;
                has_room(self.pinned.len(), PINNED_MAX)?;
                AthletePinned { athlete: pin.athlete }.into()
            }
            RoomCommand::Unpin(unpin) => {
                changes(self.pinned.contains(&unpin.athlete))?;
                AthleteUnpinned { athlete: unpin.athlete }.into()
            }
            RoomCommand::Dismiss(Dismiss { athlete, session, badge, v }) => {
                changes(!self.has_dismissed(*athlete, *session, *badge, *v))?;
                on_roster(athlete)?;
                BadgeDismissed { athlete: *athlete, session: *session, badge: *badge, v: *v }.into()
            }
        };
        Ok(vec![event])
    }

    fn apply(&mut self, recorded: &Recorded<RoomEvent>) {
        self.fold(&recorded.event);
    }

    fn rows(&self, _: uuid::Uuid, _: Version, _: &[Recorded<RoomEvent>]) -> Vec<ReadRow> {
        Vec::new()
    }

    /// A screen is told none of the choices: its tiles keep them.
    fn view(&self, view: View) -> Option<EntityView> {
        Some(EntityView::Room(match view {
            View::Tv => RoomView::default(),
            View::Athlete | View::Coach | View::Operator => RoomView {
                hidden: self.hidden.iter().copied().collect(),
                pinned: self.pinned.iter().copied().collect(),
                dismissed: self.dismissed.clone(),
            },
        }))
    }

    fn glance(&self, _: uuid::Uuid, _: Version) -> Option<Glance> {
        None
    }
}

#[cfg(test)]
mod tests;
