//! The small server as a program, for runs that start one: a script that is called as `spotter` is, and in which this
//! test's executable serves. It keeps each command in a file before it answers.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use spotter_protocol::{ClientFrame, Codec, CommandFrame};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::fake::{self, World};

/// What becomes of it when it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartedAgain {
    KeepsAll,
    /// It has lost half of what it acknowledged.
    Forgets,
    /// It ends at once.
    StaysAway,
}

/// In its environment: what becomes of it when it is started again.
const STARTED_AGAIN: &str = "SPOTTER_FAKE_STARTED_AGAIN";

/// Writes the program into a folder.
pub(crate) fn write(folder: &Path, started_again: StartedAgain) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let script = format!(
        r#"#!/bin/sh
        # token --gym lt-1 --role athlete
        if [ "$1 $5" = "token athlete" ]; then
            gym=${{3#lt-}}
            for athlete in 0 1; do
                user=$(printf '00000000-0000-%04x-0000-%012x' "$gym" $((athlete + 1)))
                printf 'a%d@%s\t%s\t%d.%d\n' "$athlete" "$3" "$user" "$gym" "$athlete"
            done
        fi
        [ "$1" = serve ] || exit 0
        if [ {started_again:?} = StaysAway ] && [ -s "$SPOTTER_DATA_DIR/journal" ]; then
            echo 'it stays away' >&2
            exit 1
        fi
        export {STARTED_AGAIN}={started_again:?}
        exec '{}' --exact this_executable_serves_when_it_is_started_as_a_server >/dev/null
        "#,
        this.display()
    );
    let program = folder.join("spotter");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program
}

/// Serves until it is asked to end, when this executable was started as the program; does nothing otherwise.
pub(crate) async fn serve() {
    let Ok(started_again) = std::env::var(STARTED_AGAIN) else { return };
    let address: SocketAddr = std::env::var("SPOTTER_LISTEN").unwrap().parse().unwrap();
    let data = PathBuf::from(std::env::var("SPOTTER_DATA_DIR").unwrap());
    fs::create_dir_all(&data).unwrap();
    let (journal, mut kept) = Journal::open(&data.join("journal"));
    if started_again == format!("{:?}", StartedAgain::Forgets) {
        kept.truncate(kept.len() / 2);
    }
    let mut world = World::default();
    for (gym, command) in kept {
        world.command(&command, gym, command.to.owner);
    }
    world.journal = Some(journal);
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    fake::serve_on(TcpListener::bind(address).await.unwrap(), world);
    terminate.recv().await;
}

/// A file with a line for each command: its gym, and the bytes of its frame.
pub(crate) struct Journal(File);

impl Journal {
    /// Opens it, and answers what it holds.
    fn open(path: &Path) -> (Self, Vec<(u128, CommandFrame)>) {
        let kept = fs::read_to_string(path).unwrap_or_default();
        let kept = kept.lines().filter_map(|line| {
            let (gym, bytes) = line.split_once(' ')?;
            let byte = |at: usize| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..bytes.len()).step_by(2).map(byte).collect();
            let frame = ClientFrame::decode(Codec::MsgPack, &bytes).unwrap();
            let ClientFrame::Command(command) = frame else { panic!("{frame:?}") };
            Some((gym.parse().unwrap(), command))
        });
        (Self(OpenOptions::new().create(true).append(true).open(path).unwrap()), kept.collect())
    }

    pub(crate) fn keep(&mut self, gym: u128, command: &CommandFrame) {
        let bytes = ClientFrame::Command(command.clone()).encode(Codec::MsgPack);
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.write_all(format!("{gym} {bytes}\n").as_bytes()).unwrap();
    }
}
