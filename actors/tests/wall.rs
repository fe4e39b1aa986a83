//! Rooms over the simulated journal: what their watchers are told, and when.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spotter_actors::{
    Alone, Ask, Claims, Clock, Engine, Journal, Listener, LocalBackplane, Ports, Publication, ReplyTo,
    SimulatedJournal, Tuning, Watch,
};
use spotter_protocol::{
    Actual, Address, Attention, Badge, ClientId, Codec, Command, CommandFrame, CommandId, Complete, Dismiss,
    ExerciseId, Fail, GymId, Hide, LoadKind, Name, Pin, Place, Presence, Reps, RoomCommand, ServerFrame,
    SessionId, SetId, SetType, Show, Start, Tile, TilesFrame, Timestamp, Title, UserId, Version, View,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
const COACH: UserId = UserId(Uuid::from_u128(2));
const OTHER_COACH: UserId = UserId(Uuid::from_u128(3));
const ANA: UserId = UserId(Uuid::from_u128(11));
const BEN: UserId = UserId(Uuid::from_u128(12));
const TICK: Duration = Duration::from_millis(100);
/// Long enough for a frame to come, and for a roster to be read again.
const A_WHILE: Duration = Duration::from_secs(6);

/// The clock of the paused runtime.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp(1_760_000_000_000_000 + i64::try_from(self.0.elapsed().as_micros()).unwrap())
    }
}

struct Gym {
    engine: Arc<Engine>,
    sent: AtomicU64,
}

impl Gym {
    /// Ana and Ben are on both coaches' rosters.
    async fn open() -> Self {
        let journal = Arc::new(SimulatedJournal::default());
        for coach in [COACH, OTHER_COACH] {
            journal.set_roster(GYM, coach, vec![ANA, BEN]);
        }
        let claim = journal.claim(Uuid::from_u128(9));
        let ports = Ports {
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            library: Arc::clone(&journal) as _,
            dead_letters: journal,
            backplane: Arc::new(LocalBackplane::default()),
            clock: Arc::new(Paused(Instant::now())),
            peers: Arc::new(Alone),
        };
        let tuning = Tuning {
            idle: Duration::from_secs(60),
            tick: TICK,
            snapshot_every: 10,
            rotate_every: 1000,
            lanes: 2,
        };
        Self {
            engine: Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap(),
            sent: AtomicU64::new(0),
        }
    }

    async fn send(&self, author: UserId, to: Address, command: impl Into<Command>) -> Version {
        let n = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.engine.clock().now();
        let frame = CommandFrame {
            req: n,
            id: CommandId(Uuid::from_u128(n.into())),
            client: ClientId(Uuid::from_u128(77)),
            n,
            after: 0,
            at: now,
            to,
            command: command.into(),
        };
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
        self.engine.dispatch(Ask::new(GYM, author, frame, 0, now, reply));
        answer.await.unwrap().unwrap().version
    }

    async fn start(&self, athlete: UserId) {
        self.send(athlete, session(athlete), Start { workout: None, title: Some(Title::clipped("Legs")) })
            .await;
    }

    /// Logs a set that nobody planned; answers the version that holds it.
    async fn complete(&self, athlete: UserId, set: u128) -> Version {
        let set = SetId(Uuid::from_u128(set));
        self.send(athlete, session(athlete), Complete { set, actual: five(), place: Some(squats()) }).await
    }

    async fn fail(&self, athlete: UserId, set: u128) -> Version {
        let set = SetId(Uuid::from_u128(set));
        self.send(athlete, session(athlete), Fail { set, actual: five(), place: Some(squats()) }).await
    }

    async fn choose(&self, command: impl Into<RoomCommand>) {
        self.send(COACH, Address::room(COACH), command.into()).await;
    }

    fn watch(&self, coach: UserId) -> (Arc<Screen>, Watch) {
        let screen = Arc::new(Screen::default());
        let watch = self.engine.watch(GYM, coach, Arc::clone(&screen) as Arc<dyn Listener>);
        (screen, watch)
    }
}

fn session(athlete: UserId) -> Address {
    Address::session(athlete, session_of(athlete))
}

fn session_of(athlete: UserId) -> SessionId {
    SessionId(Uuid::from_u128(athlete.0.as_u128() + 100))
}

fn five() -> Actual {
    Actual { reps: Some(Reps::new(5).unwrap()), ..Actual::default() }
}

fn squats() -> Place {
    Place {
        instance: spotter_protocol::InstanceId(Uuid::from_u128(500)),
        exercise: "back-squat".parse::<ExerciseId>().unwrap(),
        name: Name::clipped("Back squat"),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
    }
}

/// What one watcher was told, folded as a page folds it.
#[derive(Default)]
struct Screen(Mutex<Told>);

#[derive(Default)]
struct Told {
    frames: Vec<(Instant, TilesFrame)>,
    on_screens: Vec<Vec<u8>>,
    tiles: BTreeMap<UserId, Tile>,
}

impl Listener for Screen {
    fn hear(&self, publication: &Arc<Publication>) {
        let Publication::Tiles(news) = &**publication else { return };
        let mut told = self.0.lock().unwrap();
        let frame = news.frame.clone();
        if frame.full {
            told.tiles.clear();
        }
        frame.gone.iter().for_each(|gone| drop(told.tiles.remove(gone)));
        for tile in &frame.tiles {
            let before = told.tiles.insert(tile.athlete, tile.clone()).and_then(|tile| tile.glance);
            if let (Some(before), Some(after)) = (before, &tile.glance) {
                assert!(before.session != after.session || before.v <= after.v, "a tile never goes back");
            }
        }
        told.on_screens.push(news.frame(Codec::Json, View::Tv).to_vec());
        told.frames.push((Instant::now(), frame));
    }
}

impl Screen {
    fn tiles(&self) -> Vec<Tile> {
        let mut tiles: Vec<Tile> = self.0.lock().unwrap().tiles.values().cloned().collect();
        tiles.sort_by_key(Tile::place);
        tiles
    }

    fn tile(&self, athlete: UserId) -> Tile {
        self.0.lock().unwrap().tiles[&athlete].clone()
    }

    fn order(&self) -> Vec<UserId> {
        self.tiles().iter().map(|tile| tile.athlete).collect()
    }

    fn frames(&self) -> Vec<(Instant, TilesFrame)> {
        self.0.lock().unwrap().frames.clone()
    }
}

async fn a_while() {
    tokio::time::sleep(A_WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn two_walls_fed_alike_say_the_same_however_late_one_of_them_opened() {
    let gym = Gym::open().await;
    let _ana = gym.engine.people().arrive(ANA);
    let (early, _watch) = gym.watch(COACH);
    gym.start(ANA).await;
    gym.start(BEN).await;
    a_while().await;
    gym.fail(ANA, 1).await;
    a_while().await;
    gym.complete(BEN, 2).await;
    let ben = gym.engine.people().arrive(BEN);
    a_while().await;
    drop(ben);
    a_while().await;

    let (late, _late_watch) = gym.watch(OTHER_COACH);
    a_while().await;

    assert_eq!(late.tiles(), early.tiles());
    assert_eq!(early.tile(ANA).attention, Attention::Failed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(late.tiles(), early.tiles(), "also after what silence has changed");
    assert!(early.tile(BEN).stale && early.tile(ANA).glance.unwrap().badges.contains(&Badge::Stalled));
}

#[tokio::test(start_paused = true)]
async fn however_many_sets_come_there_is_at_most_one_frame_a_tick() {
    let gym = Gym::open().await;
    let (screen, _watch) = gym.watch(COACH);
    gym.start(ANA).await;
    a_while().await;
    let before = screen.frames().len();

    let begun = Instant::now();
    for set in 0..200 {
        gym.complete(ANA, 1_000 + set).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let ticks = begun.elapsed().as_millis() / TICK.as_millis() + 2;
    a_while().await;

    let frames = screen.frames();
    assert!((frames.len() - before) as u128 <= ticks, "{} frames in {ticks} ticks", frames.len() - before);
    for pair in frames.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= TICK && pair[1].1.tick > pair[0].1.tick);
    }
    assert_eq!(screen.tile(ANA).glance.unwrap().done, 200, "the newest is shown");
}

#[tokio::test(start_paused = true)]
async fn a_screen_in_the_room_is_told_nothing_private() {
    let gym = Gym::open().await;
    let (screen, _watch) = gym.watch(COACH);
    let _ana = gym.engine.people().arrive(ANA);
    gym.start(ANA).await;
    gym.fail(ANA, 1).await;
    gym.choose(Pin { athlete: ANA }).await;
    tokio::time::sleep(Duration::from_secs(600)).await;

    let told = screen.0.lock().unwrap();
    assert!(!told.on_screens.is_empty());
    for bytes in &told.on_screens {
        let frame = ServerFrame::decode(Codec::Json, bytes).unwrap();
        let ServerFrame::Tiles(frame) = frame else { panic!("not tiles: {frame:?}") };
        for tile in frame.tiles {
            assert!(!tile.pinned && tile.presence.is_none());
            assert!(matches!(tile.attention, Attention::Away | Attention::Working | Attention::Pr));
            assert_eq!(tile.glance.map_or_else(Vec::new, |glance| glance.badges), []);
        }
    }
    assert!(told.tiles[&ANA].glance.as_ref().unwrap().badges.contains(&Badge::Failed), "the coach is told");
}

#[tokio::test(start_paused = true)]
async fn the_wall_honours_what_its_coach_chose_before_and_while_it_is_watched() {
    let gym = Gym::open().await;
    gym.choose(Hide { athlete: BEN }).await;
    gym.start(ANA).await;
    let v = gym.fail(ANA, 1).await;
    let (screen, _watch) = gym.watch(COACH);
    a_while().await;
    assert_eq!(screen.order(), [ANA]);

    gym.choose(Show { athlete: BEN }).await;
    gym.choose(Pin { athlete: BEN }).await;
    a_while().await;
    assert_eq!(screen.order(), [BEN, ANA]);

    let session = session_of(ANA);
    gym.choose(Dismiss { athlete: ANA, session, badge: Badge::Failed, v }).await;
    a_while().await;
    assert_eq!(screen.tile(ANA).attention, Attention::Working);

    gym.fail(ANA, 2).await;
    a_while().await;
    assert_eq!(screen.tile(ANA).attention, Attention::Failed, "a newer set shows it again");
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_blinks_never_flickers_on_the_wall() {
    let gym = Gym::open().await;
    let phone = gym.engine.people().arrive(ANA);
    gym.start(ANA).await;
    let (screen, _watch) = gym.watch(COACH);
    a_while().await;
    let before = screen.tile(ANA);
    assert!(before.presence.unwrap().here, "they were here before the wall opened");
    let frames = screen.frames().len();

    drop(phone);
    tokio::time::sleep(Duration::from_secs(19)).await;
    let phone = gym.engine.people().arrive(ANA);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(screen.frames().len(), frames);

    let left = gym.engine.clock().now();
    drop(phone);
    tokio::time::sleep(Duration::from_secs(22)).await;
    let after = screen.tile(ANA);
    assert_eq!((after.presence, after.stale), (Some(Presence { here: false, since: left }), true));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_loaded_again_finds_the_room_awake_and_one_that_stays_away_does_not() {
    let gym = Gym::open().await;
    let activation = |screen: &Screen| screen.frames().first().map(|(_, frame)| frame.activation).unwrap();
    let (first, watch) = gym.watch(COACH);
    a_while().await;

    drop(watch);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (again, watch) = gym.watch(COACH);
    a_while().await;
    assert_eq!(activation(&again), activation(&first));
    assert!(again.frames()[0].1.full, "whoever begins is told everything");

    drop(watch);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (later, _watch) = gym.watch(COACH);
    a_while().await;
    let activations: BTreeSet<Uuid> = [&first, &later].map(|screen| activation(screen)).into();
    assert_eq!(activations.len(), 2);
}
