//! A scenario evened out: its people, its mix and its mishaps at one rate.

use crate::scenario::{Rate, Scenario, Stage};

impl Scenario {
    /// Operations a second, as a mean over the stages.
    pub(crate) fn mean_rate(&self) -> f64 {
        self.mean(|stage| f64::midpoint(stage.per_second.after(0.0), stage.per_second.after(1.0)))
    }

    /// The same people doing the same at `per_second` for `seconds`. Connections that a stage cuts at once are cut one by
    /// one, as many in all; shares without signal and of slow readers are means over the stages.
    pub(crate) fn steady(&self, per_second: f64, seconds: u32) -> Self {
        let length = self.length().as_secs_f64();
        let connections = f64::from(self.athletes() + self.readers());
        let at_once: f64 = self.stages.iter().map(|stage| stage.cut * connections).sum();
        let slowest = self.stages.iter().filter(|stage| stage.slow > 0.0).map(|stage| stage.slow_ms).max();
        let first = self.stages[0].clone();
        let stage = Stage {
            name: "steady".to_owned(),
            seconds,
            per_second: Rate::Steady(per_second),
            cuts_per_second: self.mean(|stage| stage.cuts_per_second) + at_once / length,
            cut: 0.0,
            without_signal: self.mean(|stage| stage.without_signal),
            slow: self.mean(|stage| stage.slow),
            slow_ms: slowest.unwrap_or(first.slow_ms),
        };
        let name = format!("{} at {per_second:.0}/s", self.name);
        Self { name, stages: vec![stage], ..self.clone() }
    }

    fn mean(&self, figure: impl Fn(&Stage) -> f64) -> f64 {
        let weighed = self.stages.iter().map(|stage| figure(stage) * f64::from(stage.seconds));
        weighed.sum::<f64>() / self.length().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(measured: f64, expected: f64) {
        assert!((measured - expected).abs() < 1e-9, "{measured}");
    }

    #[test]
    fn an_evening_is_evened_out() {
        let evening = Scenario::find("gym-evening").unwrap();
        // 15 s of 105/s, 30 s of 200/s and 15 s of 105/s.
        close(evening.mean_rate(), 152.5);

        let steady = evening.steady(400.0, 10);

        let [stage] = &steady.stages[..] else { panic!("one stage") };
        close(stage.per_second.after(0.7), 400.0);
        close(stage.cuts_per_second, 1.5);
        close(stage.without_signal, 0.025);
        assert_eq!((steady.length().as_secs(), steady.athletes()), (10, evening.athletes()));
    }

    #[test]
    fn a_storm_cuts_as_many_one_by_one() {
        let storm = Scenario::find("reconnect-storm").unwrap();
        let steady = storm.steady(10.0, storm.length().as_secs() as u32);
        let cuts = steady.stages[0].cuts_per_second * steady.length().as_secs_f64();
        close(cuts, f64::from(2 * (storm.athletes() + storm.readers())));
    }
}
