//! Hears how actors end and tells the directory. Restarting is the directory's.

use std::sync::Weak;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tracing::info;

use super::Directory;

pub(super) struct Supervisor;

impl Actor for Supervisor {
    type Msg = Weak<Directory>;
    type State = Weak<Directory>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(Weak::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        directory: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        *state = directory;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, failure) = match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => (actor.get_id(), None),
            SupervisionEvent::ActorFailed(actor, error) => (actor.get_id(), Some(error)),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        match state.upgrade() {
            Some(directory) => directory.ended(actor, failure),
            None => info!("entity actor ended after its directory"),
        }
        Ok(())
    }
}
