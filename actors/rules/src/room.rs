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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use spotter_protocol::{ClientId, CommandId, Fault, Hide, Show, Timestamp};
    use uuid::Uuid;

    use super::*;
    use crate::{Entity, Verdict};

    const COACH: UserId = UserId(Uuid::from_u128(1));

    fn athlete(number: u128) -> UserId {
        UserId(Uuid::from_u128(100 + number))
    }

    fn hide(number: u128) -> RoomCommand {
        Hide { athlete: athlete(number) }.into()
    }

    fn show(number: u128) -> RoomCommand {
        Show { athlete: athlete(number) }.into()
    }

    /// Judges and applies command `n`; athletes 0 to 4 are on the roster.
    fn tell(room: &mut Entity<Room>, n: u64, command: &RoomCommand) -> Verdict<RoomEvent> {
        let ask = Ask {
            owner: COACH,
            id: COACH.0,
            command,
            command_id: CommandId(Uuid::from_u128(u128::from(n))),
            author: COACH,
            client: ClientId(COACH.0),
            n,
            after: 0,
            device_at: Timestamp(0),
            offset: 0,
            received_at: Timestamp(0),
        };
        let roster = room.state().needs(command).roster;
        let brief = Brief { roster: (0..5).filter(|_| roster).map(athlete).collect(), ..Brief::default() };
        let verdict = room.judge(&ask, &brief);
        if let Verdict::Accept(events) = &verdict {
            *room = room.after(events);
        }
        verdict
    }

    fn refused(verdict: Verdict<RoomEvent>) -> Option<ErrorCode> {
        match verdict {
            Verdict::Refuse(Fault { code, .. }) => Some(code),
            Verdict::Accept(_) | Verdict::Repeat(_) => None,
        }
    }

    #[test]
    fn a_hidden_athlete_is_off_the_wall_until_shown() {
        let mut room = Entity::<Room>::default();
        assert_eq!(refused(tell(&mut room, 1, &hide(3))), None);
        assert!(room.state().hides(athlete(3)));
        assert_eq!(refused(tell(&mut room, 2, &show(3))), None);
        assert!(!room.state().hides(athlete(3)));
    }

    #[test]
    fn what_is_so_already_is_refused() {
        let mut room = Entity::<Room>::default();
        tell(&mut room, 1, &hide(3));
        assert_eq!(refused(tell(&mut room, 2, &hide(3))), Some(ErrorCode::NoChange));
        assert_eq!(refused(tell(&mut room, 3, &show(4))), Some(ErrorCode::NoChange));
    }

    #[test]
    fn only_athletes_of_the_roster_can_be_hidden() {
        let mut room = Entity::<Room>::default();
        assert_eq!(refused(tell(&mut room, 1, &hide(5))), Some(ErrorCode::NotOnRoster));
    }

    #[test]
    fn a_room_has_a_view_before_anything_happened() {
        let view = Entity::<Room>::default().state().view(View::Coach);
        assert_eq!(view, Some(EntityView::Room(RoomView::default())));
    }

    proptest! {
        #[test]
        fn any_choices_replay_to_the_same_room_also_from_a_snapshot(
            choices in vec((any::<bool>(), 0..6_u128, 1..30_u64), 0..40),
            cut: prop::sample::Index,
        ) {
            let mut room = Entity::<Room>::default();
            let mut journal = Vec::new();
            for (hides, number, n) in choices {
                let before = room.clone();
                match tell(&mut room, n, &if hides { hide(number) } else { show(number) }) {
                    Verdict::Accept(events) => journal.extend(events),
                    Verdict::Repeat(_) | Verdict::Refuse(_) => prop_assert_eq!(&room, &before),
                }
            }
            let (head, tail) = journal.split_at(cut.index(journal.len() + 1));
            let stored = rmp_serde::to_vec_named(&Entity::<Room>::default().after(head)).unwrap();
            let loaded: Entity<Room> = rmp_serde::from_slice(&stored).unwrap();
            prop_assert_eq!(loaded.after(tail), room);
        }
    }
}
