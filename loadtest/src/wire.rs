//! What an athlete speaks through: the socket of Spotter's protocol, or that of a server it is compared with.

use spotter_client::{Closed, Socket};
use spotter_protocol::{ClientFrame, ClientId, ServerFrame};

use crate::athlete::now;
use crate::server::{Person, Protocol, Server};
use crate::socketio::SocketIo;

/// An open connection.
pub(crate) enum Wire {
    Spotter(Socket),
    SocketIo(SocketIo),
}

impl Wire {
    /// Connects as `person`.
    pub(crate) async fn open(server: &Server, person: &Person, client: ClientId) -> Result<Self, Closed> {
        match server.protocol() {
            Protocol::Spotter => {
                let (socket, _) = Socket::open(&server.socket(), &person.token, client, None, now).await?;
                Ok(Self::Spotter(socket))
            }
            Protocol::SocketIo => SocketIo::open(&server.socket(), person).await.map(Self::SocketIo),
        }
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Closed> {
        match self {
            Self::Spotter(socket) => socket.send(frame).await,
            Self::SocketIo(socket) => socket.send(frame).await,
        }
    }

    /// The next frame. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Closed> {
        match self {
            Self::Spotter(socket) => socket.next().await,
            Self::SocketIo(socket) => socket.next().await,
        }
    }
}
