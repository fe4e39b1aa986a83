//! A cable to a server on this machine. What is on it can be lost: then nothing comes through any of its connections any
//! more, and neither end is told. New connections come through, unless it is pulled out.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::future::pending;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// A cable between a port of its own and that of a server.
pub struct Cable {
    port: u16,
    cut: Arc<Notify>,
    plugged: watch::Sender<bool>,
}

impl Cable {
    /// A cable to a port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(Notify::new()));
        let (plugged, mut is_plugged) = watch::channel(true);
        let cuts = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Who connects while it is pulled out waits, as for a server that does not answer.
                if is_plugged.wait_for(|plugged| *plugged).await.is_err() {
                    return;
                }
                tokio::spawn(carry(client, server, Arc::clone(&cuts)));
            }
        });
        Self { port, cut, plugged }
    }

    /// Where the cable begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Nothing comes through any more on the connections there are.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Nothing comes through any more at all, until it is plugged in.
    pub fn pull_out(&self) {
        self.plugged.send_replace(false);
        self.cut();
    }

    /// New connections come through again.
    pub fn plug_in(&self) {
        self.plugged.send_replace(true);
    }
}

async fn carry(mut client: TcpStream, server: u16, cut: Arc<Notify>) {
    let cut = cut.notified();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Both ends stay open, and are never read again.
        () = cut => pending().await,
    }
}
