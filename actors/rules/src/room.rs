//! A room's lasting choices: which of the coach's athletes stay off the wall.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    AthleteHidden, AthleteShown, EntityKind, EntityView, ErrorCode, Glance, Recorded, RoomCommand, RoomEvent,
    RoomView, UserId, Version, View,
};

use crate::{Ask, Brief, Needs, ReadRow, Rules};

/// Athletes hidden at once; more are refused as `full`.
const HIDDEN_MAX: usize = 1000;

/// A room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    hidden: BTreeSet<UserId>,
}

impl Room {
    /// Whether an athlete is taken off the wall.
    pub fn hides(&self, athlete: UserId) -> bool {
        self.hidden.contains(&athlete)
    }

    /// The athletes taken off the wall.
    pub fn hidden(&self) -> impl Iterator<Item = UserId> + '_ {
        self.hidden.iter().copied()
    }
}

impl Rules for Room {
    type Command = RoomCommand;
    type Event = RoomEvent;

    const KIND: EntityKind = EntityKind::Room;
    const SNAPSHOT_SCHEMA: u16 = 1;

    fn needs(&self, command: &RoomCommand) -> Needs {
        match command {
            RoomCommand::Hide(_) => Needs { roster: true, ..Needs::default() },
            RoomCommand::Show(_) => Needs::default(),
        }
    }

    fn decide(&self, ask: &Ask<'_, RoomCommand>, brief: &Brief) -> Result<Vec<RoomEvent>, ErrorCode> {
        match ask.command {
            RoomCommand::Hide(hide) if self.hidden.contains(&hide.athlete) => Err(ErrorCode::NoChange),
            RoomCommand::Hide(hide) if !brief.roster.contains(&hide.athlete) => Err(ErrorCode::NotOnRoster),
            RoomCommand::Hide(_) if self.hidden.len() >= HIDDEN_MAX => Err(ErrorCode::Full),
            RoomCommand::Hide(hide) => Ok(vec![AthleteHidden { athlete: hide.athlete }.into()]),
            RoomCommand::Show(show) if self.hidden.contains(&show.athlete) => {
                Ok(vec![AthleteShown { athlete: show.athlete }.into()])
            }
            RoomCommand::Show(_) => Err(ErrorCode::NoChange),
        }
    }

    fn apply(&mut self, recorded: &Recorded<RoomEvent>) {
        match &recorded.event {
            RoomEvent::AthleteHidden(hidden) => self.hidden.insert(hidden.athlete),
            RoomEvent::AthleteShown(shown) => self.hidden.remove(&shown.athlete),
        };
    }

    fn rows(&self, _: uuid::Uuid, _: Version, _: &[Recorded<RoomEvent>]) -> Vec<ReadRow> {
        Vec::new()
    }

    fn view(&self, _: View) -> Option<EntityView> {
        Some(EntityView::Room(RoomView { hidden: self.hidden().collect() }))
    }

    fn glance(&self, _: uuid::Uuid, _: Version) -> Option<Glance> {
        None
    }
}
