//! A session driven as the shell drives it, for tests: a plan, bests, and commands with sound defaults.

use spotter_protocol::{
    Actual, Amend, Bests, ClientId, CommandId, Complete, Effort, EffortScale, EntityView, ErrorCode,
    ExerciseId, ExerciseView, Fail, Grams, InstanceId, Load, LoadKind, Millis, Name, Place,
    PrescribedExercise, Recorded, RepRange, Reps, SessionCommand, SessionEvent, SessionId, SessionView,
    SetId, SetType, SetView, Start, Target, Timestamp, Title, Unit, UserId, Version, View, Void, Workout,
    WorkoutId, WorkoutRef,
};
use uuid::Uuid;

use super::Session;
use crate::{Ask, Brief, Entity, Needs, Rules, Verdict};

pub(super) const COACH: UserId = UserId(Uuid::from_u128(7));
pub(super) const ATHLETE: UserId = UserId(Uuid::from_u128(1));
pub(super) const SESSION: SessionId = SessionId(Uuid::from_u128(2));
pub(super) const PLAN: WorkoutRef = WorkoutRef { id: WorkoutId(Uuid::from_u128(3)), revision: 1 };
/// Six exercises of four sets each.
pub(super) const LONG_PLAN: WorkoutRef = WorkoutRef { revision: 24, ..PLAN };
const SECOND: i64 = 1_000_000;

/// Squats, three sets of 5 to 8 at 100 kg and RPE 8 with two minutes of rest, the first a warm-up; curls, two
/// sets with a load in each hand; pull-ups, one set. Squats were done before.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    pub(super) entity: Entity<Session>,
    pub(super) journal: Vec<Recorded<SessionEvent>>,
    sent: u64,
}

/// A command as it reaches the server. Times are seconds after the start.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// By a coach with the permission, not by the athlete.
    pub(super) coach: bool,
    /// 0 is the server itself.
    pub(super) client: u128,
    pub(super) n: u64,
    pub(super) after: u64,
    pub(super) at: i64,
    pub(super) offset: i64,
    pub(super) received: i64,
    pub(super) command: SessionCommand,
}

/// A moment so many seconds after the start.
pub(super) const fn moment(seconds: i64) -> Timestamp {
    Timestamp((1_700_000_000 + seconds) * SECOND)
}

pub(super) fn squat(set: usize) -> SetId {
    SetId::planned(SESSION, 0, set)
}

pub(super) fn curl(set: usize) -> SetId {
    SetId::planned(SESSION, 1, set)
}

pub(super) fn pull_up() -> SetId {
    SetId::planned(SESSION, 2, 0)
}

pub(super) fn slug(id: &str) -> ExerciseId {
    id.parse().unwrap()
}

pub(super) fn kg(kg: u32, reps: u32) -> Actual {
    let load = Some(Load::new(kg * 1000, Unit::Kg).unwrap());
    Actual { load, reps: Some(Reps::new(reps).unwrap()), ..Actual::default() }
}

pub(super) fn rpe(tenths: u8) -> Option<Effort> {
    Some(Effort::new(EffortScale::Rpe, tenths).unwrap())
}

pub(super) fn complete(set: SetId, actual: Actual) -> SessionCommand {
    Complete { set, actual, place: None }.into()
}

pub(super) fn fail(set: SetId, actual: Actual) -> SessionCommand {
    Fail { set, actual, place: None }.into()
}

pub(super) fn amend(set: SetId, actual: Actual) -> SessionCommand {
    Amend { set, actual, reason: None }.into()
}

pub(super) fn void(set: SetId) -> SessionCommand {
    Void { set, reason: None }.into()
}

/// A set outside the plan, in an instance of its own.
pub(super) fn outside(set: u128, instance: u128, exercise: &str, actual: Actual) -> SessionCommand {
    let place = Place {
        instance: InstanceId(Uuid::from_u128(instance)),
        exercise: slug(exercise),
        name: Name::clipped(exercise),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
    };
    Complete { set: SetId(Uuid::from_u128(set)), actual, place: Some(place) }.into()
}

pub(super) fn workout() -> Workout {
    let reps = RepRange { min: Reps::new(5).unwrap(), max: Some(Reps::new(8).unwrap()) };
    let working = Target {
        reps: Some(reps),
        load: Some(Load::new(100_000, Unit::Kg).unwrap()),
        effort: rpe(80),
        rest: Some(Millis(120_000)),
        ..Target::default()
    };
    let warm_up = Target { set_type: SetType::Warmup, ..Target::default() };
    let exercise = |id: &str, load_kind, sets: Vec<Target>| PrescribedExercise {
        exercise: slug(id),
        name: Name::clipped(id),
        load_kind,
        group: None,
        note: None,
        sets,
    };
    Workout {
        id: PLAN.id,
        revision: PLAN.revision,
        title: Title::clipped("Legs and arms"),
        exercises: vec![
            exercise("squat", LoadKind::External, vec![warm_up, working.clone(), working]),
            exercise("curl", LoadKind::PerHand, vec![Target::default(); 2]),
            exercise("pull-up", LoadKind::Bodyweight, vec![Target::default()]),
        ],
    }
}

fn long_workout() -> Workout {
    let squats = &workout().exercises[0];
    let sets = vec![squats.sets[1].clone(); 4];
    let exercise = |number: usize| PrescribedExercise {
        exercise: slug(&format!("barbell-exercise-{number}")),
        name: Name::clipped(&format!("Barbell Exercise {number}")),
        sets: sets.clone(),
        ..squats.clone()
    };
    Workout { revision: LONG_PLAN.revision, exercises: (0..6).map(exercise).collect(), ..workout() }
}

/// Squats: 110 kg once, 105 kg for five.
pub(super) fn squat_bests() -> Bests {
    let mut rep_max = vec![Grams(110_000)];
    rep_max.extend([Grams(105_000); 4]);
    Bests { exercise: slug("squat"), heaviest: Some(Grams(110_000)), e1rm: Some(Grams(122_500)), rep_max }
}

/// What the library would answer.
pub(super) fn brief(needs: &Needs) -> Brief {
    let wants_squats = needs.workout.is_some() || needs.bests.contains(&slug("squat"));
    Brief {
        workout: [workout(), long_workout()]
            .into_iter()
            .find(|known| needs.workout == Some(known.reference())),
        bests: wants_squats.then(squat_bests).into_iter().collect(),
        roster: Vec::new(),
    }
}

impl Floor {
    /// Nothing has happened.
    pub(super) fn empty() -> Self {
        Self { entity: Entity::default(), journal: Vec::new(), sent: 0 }
    }

    /// The plan has been started.
    pub(super) fn started() -> Self {
        let mut floor = Self::empty();
        floor.tell(0, Start { workout: Some(PLAN), title: None }).unwrap();
        floor
    }

    /// A session without a plan has been started.
    pub(super) fn ad_hoc() -> Self {
        let mut floor = Self::empty();
        floor.tell(0, Start { workout: None, title: Some(Title::clipped("Open gym")) }).unwrap();
        floor
    }

    /// Sends a command that arrives as it is given.
    pub(super) fn tell(
        &mut self,
        at: i64,
        command: impl Into<SessionCommand>,
    ) -> Result<Vec<SessionEvent>, ErrorCode> {
        self.tell_late(at, at, command)
    }

    /// Sends a command that arrives later than it is given.
    pub(super) fn tell_late(
        &mut self,
        at: i64,
        received: i64,
        command: impl Into<SessionCommand>,
    ) -> Result<Vec<SessionEvent>, ErrorCode> {
        self.sent += 1;
        let (n, command) = (self.sent, command.into());
        self.judged(&Sent { coach: false, client: 1, n, after: 0, at, offset: 0, received, command })
    }

    /// A coach sends a command that arrives as it is given.
    pub(super) fn coach_tells(
        &mut self,
        at: i64,
        command: impl Into<SessionCommand>,
    ) -> Result<Vec<SessionEvent>, ErrorCode> {
        self.sent += 1;
        let (n, command) = (self.sent, command.into());
        self.judged(&Sent { coach: true, client: 2, n, after: 0, at, offset: 0, received: at, command })
    }

    /// The server itself asks.
    pub(super) fn server_tells(
        &mut self,
        at: i64,
        command: impl Into<SessionCommand>,
    ) -> Result<Vec<SessionEvent>, ErrorCode> {
        let command = command.into();
        self.judged(&Sent { coach: false, client: 0, n: 0, after: 0, at, offset: 0, received: at, command })
    }

    fn judged(&mut self, sent: &Sent) -> Result<Vec<SessionEvent>, ErrorCode> {
        match self.send(sent) {
            Verdict::Accept(events) => Ok(events.into_iter().map(|recorded| recorded.event).collect()),
            Verdict::Refuse(fault) => Err(fault.code),
            Verdict::Repeat(version) => panic!("a repeat of {version:?}"),
        }
    }

    /// Judges and applies as the shell does, and looks at every invariant.
    pub(super) fn send(&mut self, sent: &Sent) -> Verdict<SessionEvent> {
        let ask = sent.ask();
        let brief = brief(&self.entity.state().needs(&sent.command));
        let verdict = self.entity.judge(&ask, &brief);
        if let Verdict::Accept(events) = &verdict {
            self.entity = self.entity.after(events);
            self.journal.extend(events.iter().cloned());
        }
        self.entity.state().check_invariants();
        verdict
    }

    pub(super) fn view(&self) -> SessionView {
        match self.entity.state().view(View::Athlete) {
            Some(EntityView::Session(view)) => view,
            other => panic!("no session: {other:?}"),
        }
    }

    pub(super) fn exercise(&self, place: usize) -> ExerciseView {
        self.view().exercises[place].clone()
    }

    pub(super) fn set(&self, id: SetId) -> SetView {
        let exercises = self.view().exercises;
        exercises.into_iter().flat_map(|exercise| exercise.sets).find(|set| set.set == id).unwrap()
    }

    pub(super) fn glance(&self) -> spotter_protocol::Glance {
        self.entity.state().glance(SESSION.0, self.entity.head()).unwrap()
    }

    pub(super) fn rows_of(&self, events: usize) -> Vec<crate::ReadRow> {
        let tail = &self.journal[self.journal.len() - events..];
        self.entity.state().rows(SESSION.0, Version(self.journal.len() as u64), tail)
    }
}

impl Sent {
    pub(super) fn ask(&self) -> Ask<'_, SessionCommand> {
        Ask {
            owner: ATHLETE,
            id: SESSION.0,
            command: &self.command,
            command_id: CommandId(Uuid::from_u128(self.client << 64 | u128::from(self.n))),
            author: if self.coach { COACH } else { ATHLETE },
            client: ClientId(Uuid::from_u128(self.client)),
            n: self.n,
            after: self.after,
            device_at: moment(self.at - self.offset),
            offset: self.offset * SECOND,
            received_at: moment(self.received),
        }
    }
}
