//! Every command and every role against the table, over each way two people can stand to one another.

use std::collections::BTreeMap;

use spotter_protocol::{
    Address, CommandKind, EntityKind, LinkPermission, Name, Role, SessionId, SignalKey, UserId, View, rule,
};
use uuid::Uuid;

use super::*;
use crate::accounts::tests::{NOW, a_gym};
use crate::accounts::{Accounts, Gym, NewUser, User};
use crate::db::both::on_both;

/// How the caller stands to the owner of what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Own,
    LinkedWith(LinkPermission),
    LinkedWithNothing,
    LinkEnded,
    LinkInvited,
    /// The owner coaches the caller, with every permission.
    Coached,
    NotLinked,
    /// Linked with every permission by a row that should not be: the two are in different gyms.
    OtherGym,
    /// Nobody has the owner's id.
    Absent,
}

const ROLES: [Role; 4] = Role::ALL;

fn ties() -> Vec<Tie> {
    let mut ties = vec![
        Tie::Own,
        Tie::LinkedWithNothing,
        Tie::LinkEnded,
        Tie::LinkInvited,
        Tie::Coached,
        Tie::NotLinked,
        Tie::OtherGym,
        Tie::Absent,
    ];
    ties.extend(LinkPermission::ALL.map(Tie::LinkedWith));
    ties
}

fn commands() -> Vec<CommandKind> {
    CommandKind::all().collect()
}

fn address(owner: UserId, command: CommandKind) -> Address {
    match command {
        CommandKind::Session(_) => Address::session(owner, SessionId(Uuid::from_u128(7))),
        CommandKind::Inbox(_) => Address::inbox(owner),
        CommandKind::Room(_) => Address::room(owner),
    }
}

struct Stage {
    db: Db,
    policy: Policy,
    accounts: Accounts,
    gym: Gym,
    other_gym: Gym,
}

impl Stage {
    async fn new(db: Db) -> Self {
        let accounts = Accounts::new(db.clone());
        let (gym, other_gym) = (a_gym(&accounts, "north").await, a_gym(&accounts, "south").await);
        Self { policy: Policy::new(db.clone()), db, accounts, gym, other_gym }
    }

    async fn user(&self, gym: &Gym, role: Role) -> User {
        let email = format!("{}@example.com", Uuid::new_v4().simple()).parse().unwrap();
        let new = NewUser { email, name: Name::clipped("Someone"), role, password_hash: None };
        self.accounts.add_users(gym, vec![new], NOW).await.unwrap().remove(0)
    }

    async fn link(&self, coach: &User, athlete: &User, state: &str, permissions: &[LinkPermission]) {
        db::query("INSERT INTO links VALUES ($1, $2, $3, $4, $5, $6, 0)")
            .bind(Uuid::new_v4())
            .bind(coach.gym.id.0)
            .bind(coach.id.0)
            .bind(athlete.id.0)
            .bind(state)
            .bind(permissions.iter().copied().collect::<Permissions>().to_string())
            .execute(&self.db.writer)
            .await
            .unwrap();
    }

    /// Someone of the gym whom `coach` is linked to.
    async fn linked(&self, coach: &User, state: &str, permissions: &[LinkPermission]) -> UserId {
        let owner = self.user(&self.gym, Role::Coach).await;
        self.link(coach, &owner, state, permissions).await;
        owner.id
    }

    /// A caller of that role and the owner they are tied to.
    async fn pair(&self, role: Role, tie: Tie) -> (Caller, UserId) {
        let user = self.user(&self.gym, role).await;
        let owner = match tie {
            Tie::Own => user.id,
            Tie::Absent => UserId(Uuid::new_v4()),
            Tie::OtherGym => {
                let stranger = self.user(&self.other_gym, Role::Coach).await;
                self.link(&user, &stranger, "active", &LinkPermission::ALL).await;
                stranger.id
            }
            Tie::NotLinked => self.user(&self.gym, Role::Coach).await.id,
            Tie::Coached => {
                let coach = self.user(&self.gym, Role::Coach).await;
                self.link(&coach, &user, "active", &LinkPermission::ALL).await;
                coach.id
            }
            Tie::LinkedWith(permission) => self.linked(&user, "active", &[permission]).await,
            Tie::LinkedWithNothing => self.linked(&user, "active", &[]).await,
            Tie::LinkEnded => self.linked(&user, "ended", &LinkPermission::ALL).await,
            Tie::LinkInvited => self.linked(&user, "invited", &LinkPermission::ALL).await,
        };
        (Caller { user: user.id, gym: self.gym.id, role, generation: 0, expires_at: NOW }, owner)
    }
}

on_both! {
    every_command_is_allowed_exactly_where_the_table_says
    a_signal_comes_from_who_wears_the_sensor_or_writes_the_message
    everyone_gets_the_widest_view_the_table_gives_them
    a_narrower_view_may_be_asked_for_and_a_wider_one_not
    a_room_is_seen_by_its_coach_alone
    a_gym_s_room_is_watched_by_who_coaches_there_and_chosen_in_by_its_owner
    another_gym_s_room_is_not_there
    nothing_but_a_room_belongs_to_a_gym
    a_command_never_reaches_another_kind_of_entity
    people_are_those_one_is_linked_with_and_a_gym_owner_sees_the_gym
    messages_go_along_active_links_and_a_coach_needs_the_permission
}

async fn every_command_is_allowed_exactly_where_the_table_says(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        for tie in ties() {
            let (caller, owner) = stage.pair(role, tie).await;
            for command in commands() {
                let row = rule(command);
                let coaches = matches!(role, Role::Coach | Role::GymOwner);
                let expected = match tie {
                    Tie::Own => row.owner.contains(&role),
                    Tie::LinkedWith(permission) => coaches && row.coach == Some(permission),
                    Tie::LinkedWithNothing
                    | Tie::LinkEnded
                    | Tie::LinkInvited
                    | Tie::Coached
                    | Tie::NotLinked
                    | Tie::OtherGym
                    | Tie::Absent => false,
                };

                let judged = stage.policy.may_command(&caller, address(owner, command), command).await;

                let expected = if expected { Ok(()) } else { Err(Denied::NotFound) };
                assert_eq!(judged, expected, "{role:?} {tie:?} {command:?}");
            }
        }
    }
}

async fn a_signal_comes_from_who_wears_the_sensor_or_writes_the_message(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        for tie in ties() {
            let (caller, owner) = stage.pair(role, tie).await;
            let session = Address::session(owner, SessionId(Uuid::from_u128(7)));
            for key in [SignalKey::HeartRate, SignalKey::Velocity] {
                let judged = stage.policy.may_signal(&caller, session, key).await;

                let own = tie == Tie::Own && role != Role::Admin;
                assert_eq!(judged.is_ok(), own, "{role:?} {tie:?} {key:?}");
                for elsewhere in [Address::room(owner), Address::inbox(owner)] {
                    let judged = stage.policy.may_signal(&caller, elsewhere, key).await;
                    assert_eq!(judged, Err(Denied::NotFound));
                }
            }
            let typing = SignalKey::Typing;
            let judged = stage.policy.may_signal(&caller, Address::inbox(owner), typing).await;
            assert_eq!(judged, stage.policy.may_message(&caller, owner).await, "{role:?} {tie:?}");
            assert_eq!(stage.policy.may_signal(&caller, session, typing).await, Err(Denied::NotFound));
        }
    }
}

async fn everyone_gets_the_widest_view_the_table_gives_them(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        for tie in ties() {
            let (caller, owner) = stage.pair(role, tie).await;
            let session = Address::session(owner, SessionId(Uuid::from_u128(7)));
            let linked = tie == Tie::LinkedWith(LinkPermission::ViewSessions);
            let expected = match tie {
                Tie::Own if role == Role::Admin => None,
                Tie::Own => Some(View::Athlete),
                Tie::OtherGym | Tie::Absent => None,
                Tie::LinkedWith(_)
                | Tie::LinkedWithNothing
                | Tie::LinkEnded
                | Tie::LinkInvited
                | Tie::Coached
                | Tie::NotLinked => view_for(role, linked),
            };

            let judged = stage.policy.may_view(&caller, session, None).await;

            assert_eq!(judged, expected.ok_or(Denied::NotFound), "{role:?} {tie:?}");
        }
    }
}

async fn a_narrower_view_may_be_asked_for_and_a_wider_one_not(db: Db) {
    let stage = Stage::new(db).await;
    let tie = Tie::LinkedWith(LinkPermission::ViewSessions);
    let (coach, athlete) = stage.pair(Role::Coach, tie).await;
    let (owner, stranger) = stage.pair(Role::GymOwner, Tie::NotLinked).await;
    let session = |owner| Address::session(owner, SessionId(Uuid::from_u128(7)));
    let cases = [
        (coach, athlete, View::Coach, true),
        (coach, athlete, View::Operator, true),
        (coach, athlete, View::Tv, true),
        (coach, athlete, View::Athlete, false),
        (owner, stranger, View::Tv, true),
        (owner, stranger, View::Coach, false),
    ];
    for (caller, whose, wanted, allowed) in cases {
        let judged = stage.policy.may_view(&caller, session(whose), Some(wanted)).await;
        let expected = if allowed { Ok(wanted) } else { Err(Denied::NotFound) };
        assert_eq!(judged, expected, "{wanted:?} of {whose}");
    }
}

async fn a_room_is_seen_by_its_coach_alone(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        for tie in ties() {
            let (caller, owner) = stage.pair(role, tie).await;
            let mine = tie == Tie::Own && matches!(role, Role::Coach | Role::GymOwner);

            let judged = stage.policy.may_view(&caller, Address::room(owner), None).await;

            let expected = if mine { Ok(View::Coach) } else { Err(Denied::NotFound) };
            assert_eq!(judged, expected, "{role:?} {tie:?}");
        }
    }
}

async fn a_gym_s_room_is_watched_by_who_coaches_there_and_chosen_in_by_its_owner(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        let (caller, _) = stage.pair(role, Tie::NotLinked).await;
        let room = Address::shared_room(stage.gym.id);
        let coaches = matches!(role, Role::Coach | Role::GymOwner);

        let views = [None, Some(View::Operator), Some(View::Tv), Some(View::Coach), Some(View::Athlete)];
        for wanted in views {
            let allowed = coaches && !matches!(wanted, Some(View::Coach | View::Athlete));
            let expected = if allowed { Ok(wanted.unwrap_or(View::Operator)) } else { Err(Denied::NotFound) };
            assert_eq!(stage.policy.may_view(&caller, room, wanted).await, expected, "{role:?} {wanted:?}");
        }
        for command in commands() {
            let of_a_room = matches!(command, CommandKind::Room(_));
            let expected = if of_a_room && role == Role::GymOwner { Ok(()) } else { Err(Denied::NotFound) };
            let judged = stage.policy.may_command(&caller, room, command).await;
            assert_eq!(judged, expected, "{role:?} {command:?}");
        }
    }
}

async fn another_gym_s_room_is_not_there(db: Db) {
    let stage = Stage::new(db).await;
    for role in ROLES {
        let (caller, _) = stage.pair(role, Tie::NotLinked).await;
        let room = Address::shared_room(stage.other_gym.id);

        assert_eq!(stage.policy.may_view(&caller, room, None).await, Err(Denied::NotFound), "{role:?}");
        for command in commands() {
            let judged = stage.policy.may_command(&caller, room, command).await;
            assert_eq!(judged, Err(Denied::NotFound), "{role:?} {command:?}");
        }
    }
}

async fn nothing_but_a_room_belongs_to_a_gym(db: Db) {
    let stage = Stage::new(db).await;
    let (owner, _) = stage.pair(Role::GymOwner, Tie::NotLinked).await;
    let gym = UserId(stage.gym.id.0);
    for address in [Address::session(gym, SessionId(Uuid::from_u128(7))), Address::inbox(gym)] {
        assert_eq!(stage.policy.may_view(&owner, address, None).await, Err(Denied::NotFound), "{address}");
    }
}

async fn a_command_never_reaches_another_kind_of_entity(db: Db) {
    let stage = Stage::new(db).await;
    let (coach, own) = stage.pair(Role::Coach, Tie::Own).await;
    let crooked = Address { kind: EntityKind::Room, owner: own, id: Uuid::from_u128(9) };
    for command in commands() {
        let swapped = match command {
            CommandKind::Session(_) | CommandKind::Inbox(_) => Address::room(own),
            CommandKind::Room(_) => crooked,
        };
        assert_eq!(stage.policy.may_command(&coach, swapped, command).await, Err(Denied::NotFound));
    }
    assert_eq!(stage.policy.may_view(&coach, crooked, None).await, Err(Denied::NotFound));
}

async fn people_are_those_one_is_linked_with_and_a_gym_owner_sees_the_gym(db: Db) {
    let stage = Stage::new(db).await;
    let coach = stage.user(&stage.gym, Role::Coach).await;
    let athlete = stage.user(&stage.gym, Role::Athlete).await;
    let former = stage.user(&stage.gym, Role::Athlete).await;
    let owner = stage.user(&stage.gym, Role::GymOwner).await;
    let elsewhere = stage.user(&stage.other_gym, Role::GymOwner).await;
    let permissions = [LinkPermission::ViewSessions, LinkPermission::Message];
    stage.link(&coach, &athlete, "active", &permissions).await;
    stage.link(&coach, &former, "ended", &permissions).await;

    let seen = async |user: &User| {
        let caller =
            Caller { user: user.id, gym: user.gym.id, role: user.role, generation: 0, expires_at: NOW };
        let people = stage.policy.visible_people(&caller).await.unwrap();
        people
            .into_iter()
            .map(|person| (person.id, person.permissions.to_string()))
            .collect::<BTreeMap<_, _>>()
    };

    let none = String::new;
    let both = || "view_sessions,message".to_owned();
    assert_eq!(seen(&coach).await, BTreeMap::from([(coach.id, none()), (athlete.id, both())]));
    assert_eq!(seen(&athlete).await, BTreeMap::from([(coach.id, both()), (athlete.id, none())]));
    assert_eq!(seen(&former).await, BTreeMap::from([(former.id, none())]));
    let everyone = [coach.id, athlete.id, former.id, owner.id].map(|id| (id, none()));
    assert_eq!(seen(&owner).await, BTreeMap::from(everyone));
    assert_eq!(seen(&elsewhere).await, BTreeMap::from([(elsewhere.id, none())]));
}

async fn messages_go_along_active_links_and_a_coach_needs_the_permission(db: Db) {
    let stage = Stage::new(db).await;
    for permission in LinkPermission::ALL {
        let (coach, athlete) = stage.pair(Role::Coach, Tie::LinkedWith(permission)).await;
        let allowed = if permission == LinkPermission::Message { Ok(()) } else { Err(Denied::NotFound) };
        assert_eq!(stage.policy.may_message(&coach, athlete).await, allowed, "{permission:?}");
        let answering = Caller { user: athlete, role: Role::Athlete, ..coach };
        assert_eq!(stage.policy.may_message(&answering, coach.user).await, Ok(()), "{permission:?}");
    }
    for tie in [Tie::Own, Tie::NotLinked, Tie::OtherGym, Tie::Absent] {
        let (coach, other) = stage.pair(Role::Coach, tie).await;
        assert_eq!(stage.policy.may_message(&coach, other).await, Err(Denied::NotFound), "{tie:?}");
    }
}
