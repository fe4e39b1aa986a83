//! An engine over the simulated journal, and a phone that speaks to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spotter_actors::{
    Alone, Answer, Ask, Claims, Clock, Done, Engine, Journal, Library, LocalBackplane, Ports, ReplyTo,
    SimulatedJournal, StoreError, Tuning,
};
use spotter_protocol::{
    Actual, Address, ClientId, Command, CommandFrame, CommandId, Complete, ExerciseId, GymId, InstanceId,
    LoadKind, Note, NoteText, Persistence, Place, Reps, SessionId, SetId, SetType, Start, Text, Timestamp,
    Title, UserId, Version,
};
use spotter_rules::{Brief, Needs};
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) const GYM: GymId = GymId(Uuid::from_u128(1));
pub(crate) const ANA: UserId = UserId(Uuid::from_u128(2));
pub(crate) const SESSION: Address = Address::session(ANA, SessionId(Uuid::from_u128(3)));
const PHONE: ClientId = ClientId(Uuid::from_u128(4));
pub(crate) const NODE: Uuid = Uuid::from_u128(9);
/// Events after which an entity of a [`House::rotating`] begins a new stream.
pub(crate) const ROTATE_EVERY: u64 = 20;
pub(crate) const IDLE: Duration = Duration::from_secs(60);

pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_760_000_000_000_000)
    }
}

/// A library in which looking something up can end in a panic, as a defect in the rules would.
pub(crate) struct Defective {
    journal: Arc<SimulatedJournal>,
    exercises: Mutex<BTreeSet<ExerciseId>>,
}

impl Defective {
    /// From now on whatever needs the bests in `exercise` fails.
    pub(crate) fn fail_on(&self, exercise: &str) {
        self.exercises.lock().unwrap().insert(exercise.parse().unwrap());
    }

    /// Everything works again.
    pub(crate) fn repair(&self) {
        self.exercises.lock().unwrap().clear();
    }
}

#[async_trait]
impl Library for Defective {
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        at: Timestamp,
    ) -> Result<Brief, StoreError> {
        let is_bad = needs.bests.iter().any(|exercise| self.exercises.lock().unwrap().contains(exercise));
        if is_bad {
            std::panic::resume_unwind(Box::new("a defect"));
        }
        self.journal.brief(gym, address, needs, at).await
    }

    async fn roster(&self, gym: GymId, coach: UserId) -> Result<Vec<UserId>, StoreError> {
        self.journal.roster(gym, coach).await
    }
}

/// A running engine and what it stands on.
pub(crate) struct House {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Arc<SimulatedJournal>,
    pub(crate) library: Arc<Defective>,
}

impl House {
    pub(crate) async fn open(idle: Duration) -> Self {
        Self::over(Arc::new(SimulatedJournal::default()), idle).await
    }

    /// A node that starts on what another left in the journal.
    pub(crate) async fn over(journal: Arc<SimulatedJournal>, idle: Duration) -> Self {
        Self::tuned(journal, idle, 1000).await
    }

    /// A house in which streams are short.
    pub(crate) async fn rotating() -> Self {
        Self::tuned(Arc::new(SimulatedJournal::default()), IDLE, ROTATE_EVERY.try_into().unwrap()).await
    }

    async fn tuned(journal: Arc<SimulatedJournal>, idle: Duration, rotate_every: u32) -> Self {
        let claims = Arc::new(Claims::lasting(&journal.claim(NODE)));
        Self::holding(claims, journal, idle, rotate_every).await
    }

    /// A house of what `claims` says.
    pub(crate) async fn holding(
        claims: Arc<Claims>,
        journal: Arc<SimulatedJournal>,
        idle: Duration,
        rotate_every: u32,
    ) -> Self {
        let library = Arc::new(Defective { journal: Arc::clone(&journal), exercises: Mutex::default() });
        let ports = Ports {
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            library: Arc::clone(&library) as _,
            backplane: Arc::new(LocalBackplane::default()),
            dead_letters: Arc::clone(&journal) as _,
            clock: Arc::new(Noon),
            peers: Arc::new(Alone),
        };
        let tuning =
            Tuning { idle, tick: Duration::from_millis(100), snapshot_every: 100, rotate_every, lanes: 2 };
        let engine = Engine::start(ports, claims, tuning).await.unwrap();
        Self { engine, journal, library }
    }

    pub(crate) fn dispatch(&self, frame: CommandFrame) -> oneshot::Receiver<Answer> {
        self.dispatch_in(GYM, frame)
    }

    pub(crate) fn dispatch_in(&self, gym: GymId, frame: CommandFrame) -> oneshot::Receiver<Answer> {
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
        self.engine.dispatch(Ask::new(gym, frame.to.owner, frame, 0, Noon.now(), reply));
        answer
    }

    pub(crate) async fn send(&self, frame: CommandFrame) -> Answer {
        self.dispatch(frame).await.unwrap()
    }

    /// Sends until the answer is not a temporary refusal, as a client does.
    pub(crate) async fn insist(&self, frame: CommandFrame) -> Answer {
        loop {
            match self.send(frame.clone()).await {
                Err(fault) if fault.kind == Persistence::Temporary => {
                    let wait = fault.retry_after_ms.map_or(50, |wait| wait.0);
                    tokio::time::sleep(Duration::from_millis(wait.into())).await;
                }
                answer => return answer,
            }
        }
    }

    /// The journal of an entity: each version with the command that wrote it.
    pub(crate) async fn journaled(&self, address: Address) -> Vec<(u64, CommandId)> {
        let events = self.journal.events(GYM, address, Version(0), u32::MAX).await.unwrap();
        let events = events.unwrap_or_default();
        events.iter().map(|event| (event.version.0, event.stamp.command)).collect()
    }
}

/// The athlete's `n`th command to a session, behind the one before it.
pub(crate) fn command_to(to: Address, n: u64, command: impl Into<Command>) -> CommandFrame {
    let id = CommandId(Uuid::new_v5(&to.id, &n.to_be_bytes()));
    CommandFrame { req: n, id, client: PHONE, n, after: n - 1, at: Noon.now(), to, command: command.into() }
}

pub(crate) fn command(n: u64, command: impl Into<Command>) -> CommandFrame {
    command_to(SESSION, n, command)
}

pub(crate) fn start() -> CommandFrame {
    command(1, a_start())
}

pub(crate) fn a_start() -> Start {
    Start { workout: None, title: Some(Title::clipped("Legs")) }
}

pub(crate) fn note(n: u64) -> CommandFrame {
    command(n, Note { set: None, text: NoteText::clipped("still here") })
}

/// A set of an exercise that is new to the session, so that the library is asked about it.
pub(crate) fn set_of(exercise: &str, n: u64) -> CommandFrame {
    let place = Place {
        instance: InstanceId(Uuid::new_v5(&SESSION.id, exercise.as_bytes())),
        exercise: exercise.parse().unwrap(),
        name: Text::clipped(exercise),
        load_kind: LoadKind::Bodyweight,
        set_type: SetType::Working,
    };
    let actual = Actual { reps: Some(Reps::new(5).unwrap()), ..Actual::default() };
    let set = SetId(Uuid::from_u128(0x5e7 << 64 | u128::from(n)));
    command(n, Complete { set, actual, place: Some(place) })
}

pub(crate) const fn done(version: u64) -> Answer {
    Ok(Done { version: Version(version), repeat: false })
}
