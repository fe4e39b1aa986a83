//! Which scenario a command drives.

use crate::run::NotRun;
use crate::scenario::Scenario;

/// A scenario, as a command names it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Chosen {
    /// smoke, gym-evening, coach-wall-fanout, reconnect-storm, slow-readers, offline-sync-burst, idle, rolling-restart, or a file
    scenario: String,
    /// Another seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
}

impl Chosen {
    /// The scenario.
    ///
    /// # Errors
    /// [`NotRun::Called`] when there is none of that name, or it asks for what no run does.
    pub(crate) fn scenario(&self) -> Result<Scenario, NotRun> {
        let mut scenario = Scenario::find(&self.scenario).map_err(NotRun::Called)?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        Ok(scenario)
    }
}
