//! A cable to a server on this machine, which can be cut: then nothing comes through any of its connections any more,
//! and neither end is told. New connections come through.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::future::pending;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A cable between a port of its own and that of a server.
pub struct Cable {
    port: u16,
    cut: Arc<Notify>,
}

impl Cable {
    /// A cable to a port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(Notify::new()));
        let cuts = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&cuts)));
            }
        });
        Self { port, cut }
    }

    /// Where the cable begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Nothing comes through any more on the connections there are.
    pub fn cut(&self) {
        self.cut.notify_waiters();
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
