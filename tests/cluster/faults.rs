//! Everything that a server room does to nodes and to what they stand on, under load.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::athletes::Gym;
use crate::journal::Journal;
use crate::postgres::{Ending, signal};
use crate::{Nodes, TURN, served, watching};

const ATHLETES: usize = 90;
/// How long an athlete waits between two sets.
const PACE: Duration = Duration::from_millis(500);
const SEED: u64 = 0x636c_7573_7465;
/// Commands acknowledged before each fault.
const BEFORE: u64 = 200;
/// How long a program is stopped.
const STOPPED: Duration = Duration::from_secs(8);
/// How long questions about everything may take.
const QUESTIONS: Duration = Duration::from_secs(60);

struct Room {
    nodes: Nodes,
    gym: Arc<Gym>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_service_returns_whatever_happens_to_nodes_and_to_what_they_stand_on() {
    let _turn = TURN.lock().await;
    let nodes = Nodes::start(3, ATHLETES).await;
    let gym = Gym::new(nodes.nodes[0].socket(), nodes.athletes.clone(), PACE, SEED);
    gym.spread(nodes.sockets());
    let mut training = gym.train();
    timeout(QUESTIONS, gym.everyone_is_served()).await.expect("everyone begins");
    let coach = watching::watch(&gym, nodes.coach.clone());
    let mut room = Room { nodes, gym };

    room.survives("kill -9 of a node", async |room| room.nodes.nodes[0].kill().await).await;
    room.nodes.nodes[0].start().await;
    room.nodes.settle().await;
    room.survives("a node stopped until others have its shards", async |room| {
        let stopped = room.nodes.nodes[1].pid();
        signal("STOP", &[stopped]);
        sleep(STOPPED).await;
        signal("CONT", &[stopped]);
    })
    .await;
    room.nodes.settle().await;
    room.survives("a node cut off from PostgreSQL until others have its shards", async |room| {
        room.nodes.cable.pull_out();
        sleep(STOPPED).await;
        room.nodes.cable.plug_in();
    })
    .await;
    room.nodes.settle().await;
    room.survives("nodes that end and start one after another", async |room| {
        for place in 0..3 {
            assert_eq!(room.nodes.nodes[place].stop().await, Some(0), "a drained node exits 0");
            room.nodes.nodes[place].start().await;
        }
    })
    .await;
    room.nodes.settle().await;
    room.survives("kill -9 of Redis", async |room| {
        room.nodes.redis.kill();
        sleep(Duration::from_secs(2)).await;
        room.nodes.redis.run();
    })
    .await;
    room.survives("Redis stopped", async |room| {
        signal("STOP", &[room.nodes.redis.pid()]);
        sleep(STOPPED).await;
        signal("CONT", &[room.nodes.redis.pid()]);
    })
    .await;
    room.survives("restart of PostgreSQL", async |room| room.nodes.postgres.restart(Ending::Immediate)).await;
    room.survives("PostgreSQL stopped", async |room| {
        room.nodes.postgres.stop_processes();
        sleep(STOPPED).await;
        room.nodes.postgres.continue_processes();
    })
    .await;

    let Room { mut nodes, gym } = room;
    gym.stop();
    while let Some(ended) = timeout(QUESTIONS, training.join_next()).await.expect("all is acknowledged") {
        ended.unwrap();
    }
    gym.all_is_done();
    let observed = timeout(QUESTIONS, coach).await.expect("the coach sees everything").unwrap();
    for node in &mut nodes.nodes {
        assert_eq!(timeout(QUESTIONS, node.stop()).await.expect("a stopped node ends"), Some(0));
    }
    let journal = Journal::of_postgres(&nodes.database).await;
    for book in gym.books() {
        assert_eq!(observed[&book.session].version, journal.head(book.session), "the coach saw everything");
    }
}

impl Room {
    /// Has something bad happen under load, and looks at everything once it is over.
    async fn survives(&mut self, fault: &str, happen: impl AsyncFnOnce(&mut Self)) {
        timeout(QUESTIONS, self.gym.more_acks(BEFORE)).await.expect("everyone trains");
        let gym = Arc::clone(&self.gym);
        let served = served::again(&gym, fault, happen(self)).await;
        served.unwrap_or_else(|_| panic!("{fault}: not everyone is served again"));
        let told = served::as_told(&gym, &self.nodes.database, &self.nodes.nodes[0]);
        let looked = timeout(QUESTIONS, told).await;
        looked.unwrap_or_else(|_| panic!("{fault}: everyone has seen everything in time"));
        self.gym.go_on();
    }
}
