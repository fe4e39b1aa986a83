//! A scenario evened out: its people, its mix and its mishaps at one rate.

use crate::rate::Rate;
use crate::scenario::{Scenario, Stage};

impl Scenario {
    /// Operations a second of all athletes and coaches, as a mean over the stages.
    pub(crate) fn mean_rate(&self) -> f64 {
        self.mean(|stage| self.of_athletes(stage) + of_coaches(stage))
    }

    /// The same people doing the same at `per_second` for `seconds`: athletes and coaches as much of it as they do in all
    /// stages, at moments independent of each other, not after rests. Connections that a stage cuts at once are cut one by
    /// one, as many in all; who leaves, and shares without signal and of slow readers, are means over the stages.
    pub(crate) fn steady(&self, per_second: f64, seconds: u32) -> Self {
        let length = self.length().as_secs_f64();
        let connections = f64::from(self.athletes() + self.readers());
        let at_once: f64 = self.stages.iter().map(|stage| stage.cut * connections).sum();
        let slowest = self.stages.iter().filter(|stage| stage.slow > 0.0).map(|stage| stage.slow_ms).max();
        let leaves_per_second = self.mean(|stage| stage.leaves_per_second);
        let away = self.mean(|stage| stage.leaves_per_second * stage.away_s);
        let mean_rate = self.mean_rate();
        let by_coaches = if mean_rate > 0.0 { self.mean(of_coaches) / mean_rate } else { 0.0 };
        let first = self.stages[0].clone();
        let stage = Stage {
            name: "steady".to_owned(),
            seconds,
            per_second: Rate::Steady(per_second * (1.0 - by_coaches)),
            coach_per_second: Rate::Steady(per_second * by_coaches),
            rests: None,
            leaves_per_second,
            away_s: if leaves_per_second > 0.0 { away / leaves_per_second } else { first.away_s },
            cuts_per_second: self.mean(|stage| stage.cuts_per_second) + at_once / length,
            cut: 0.0,
            without_signal: self.mean(|stage| stage.without_signal),
            slow: self.mean(|stage| stage.slow),
            slow_ms: slowest.unwrap_or(first.slow_ms),
        };
        let name = format!("{} at {per_second:.0}/s", self.name);
        Self { name, stages: vec![stage], ..self.clone() }
    }

    fn of_athletes(&self, stage: &Stage) -> f64 {
        stage.per_second.mean(stage.seconds.into()) + self.after_rests(stage)
    }

    fn mean(&self, figure: impl Fn(&Stage) -> f64) -> f64 {
        let weighed = self.stages.iter().map(|stage| figure(stage) * f64::from(stage.seconds));
        weighed.sum::<f64>() / self.length().as_secs_f64()
    }
}

fn of_coaches(stage: &Stage) -> f64 {
    stage.coach_per_second.mean(stage.seconds.into())
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
        // Athletes: 15 s of 105/s, 30 s of 100/s and of 200 who rest for 2 s, 15 s of 105/s; coaches: 30 s of 2/s, 30 s of 8/s.
        close(evening.mean_rate(), 152.5 + 5.0);

        let steady = evening.steady(315.0, 10);

        let [stage] = &steady.stages[..] else { panic!("one stage") };
        close(stage.per_second.at(7.0, 10.0), 305.0);
        close(stage.coach_per_second.at(7.0, 10.0), 10.0);
        assert!(stage.rests.is_none());
        close(stage.leaves_per_second, 0.5);
        close(stage.away_s, 3.0);
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

    #[test]
    fn athletes_of_a_scenario_that_does_nothing_do_all_of_it() {
        let idle = Scenario::find("idle").unwrap().steady(10.0, 10);
        close(idle.stages[0].per_second.mean(10.0), 10.0);
    }
}
