//! Runs against several nodes of one server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::fake::{self, Broken, What, World};
use super::{Outcome, SCENARIO, harness};

/// Two nodes of one small server.
pub(crate) struct Nodes {
    world: Arc<Mutex<World>>,
    nodes: [(SocketAddr, JoinHandle<()>); 2],
}

impl Nodes {
    pub(crate) async fn serve(broken: Option<(Broken, What)>) -> Self {
        let world = Arc::new(Mutex::new(World::with(broken)));
        let node = async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener.local_addr().unwrap(), fake::serve_node(listener, Arc::clone(&world)))
        };
        let nodes = [node().await, node().await];
        Self { world, nodes }
    }

    /// A run against both, and what becomes of it.
    async fn load(&self, scenario: &str) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = self.addresses();
        let mut harness = harness(folder.path(), scenario, &format!("ws://{first}"), first);
        harness.args(["--target", &format!("ws://{second}")]);
        let output = harness.output().await.unwrap();
        Outcome::read(folder.path(), &output)
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [self.nodes[0].0, self.nodes[1].0]
    }

    /// How often a socket was opened at each.
    pub(crate) fn opened(&self) -> [usize; 2] {
        let opened = &self.world.lock().unwrap().opened;
        self.addresses().map(|address| opened.get(&address).copied().unwrap_or_default())
    }
}

#[tokio::test]
async fn nodes_share_the_load() {
    let nodes = Nodes::serve(None).await;
    let outcome = nodes.load(SCENARIO).await;
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    let [first, second] = nodes.opened();
    assert!(first >= 4 && second >= 4, "four phones and four devices: {first}, {second}");
    assert_eq!(outcome.results["run"]["nodes"], 2);
    assert!(outcome.said.contains("(2 nodes)"), "{}", outcome.said);
}

#[tokio::test]
async fn whoever_loses_a_node_comes_back_to_another() {
    let nodes = Nodes::serve(None).await;
    let second_goes = async {
        while nodes.opened()[1] < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        nodes.nodes[1].1.abort();
    };
    let scenario = SCENARIO.to_owned() + "\n[[faults]]\nat = 0.5\nwhat = \"cut sockets\"\n";
    let (outcome, ()) = tokio::join!(nodes.load(&scenario), second_goes);
    assert_eq!((outcome.code, outcome.found()), (0, [false; 4]), "{}", outcome.said);
    assert_eq!(nodes.opened()[1], 4, "nobody was let in any more");
    assert!(outcome.count("resume") >= 8, "{}", outcome.said);
    assert!(outcome.said.contains("error: connect: lost"), "who was on the first tried it: {}", outcome.said);
}

#[tokio::test]
async fn a_promise_that_is_broken_between_nodes_is_caught() {
    let run = async |broken| Nodes::serve(Some((broken, What::Set))).await.load(SCENARIO).await;
    run(Broken::Undelivered).await.assert_only(0, "never came to reader 0");
    run(Broken::Leaked).await.assert_only(3, "of gym 1 was shown version");
}

#[tokio::test]
async fn nodes_that_cannot_be_are_refused() {
    for (arguments, why) in [
        (&["--self-contained", "--nodes", "2"][..], "they share one PostgreSQL: --postgres"),
        (&["--self-contained", "--redis"][..], "--postgres"),
        (&["--self-contained", "--postgres", "--nodes", "17"][..], "17 is not in 1..=16"),
        (&["--target", "ws://127.0.0.1:1", "--people", "p", "--nodes", "2"][..], "cannot be used with"),
        (&["--target", "ws://127.0.0.1:1", "--people", "p", "--redis"][..], "cannot be used with"),
        (&["--self-contained", "--postgres", "--redis", "127.0.0.1:1"][..], "begins with redis://"),
    ] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_spotter-load"));
        let folder = tempfile::tempdir().unwrap();
        let output = run.current_dir(folder.path()).args(["run", "smoke"]).args(arguments).output().await;
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}
