//! Everybody of a run: athletes with phones and second devices, and coaches. They are seated before anything begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use spotter_protocol::{Address, UserId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::coach::Coach;
use crate::history::Pages;
use crate::ledger::Ledger;
use crate::line::Line;
use crate::phone::{Owner, Phone, ReaderOrders};
use crate::reader::Reader;
use crate::scenario::Scenario;
use crate::schedule::PhoneOrder;
use crate::talk::Talk;
use crate::tally::Tally;
use crate::target::Target;

/// Everybody of the run.
pub(crate) struct People<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) opens: bool,
    pub(crate) target: &'a Target,
    pub(crate) tally: &'a Arc<Tally>,
    pub(crate) ledger: &'a Arc<Mutex<Ledger>>,
    pub(crate) run: u32,
}

impl People<'_> {
    fn line(&self, user: UserId, node: usize) -> Line {
        let token = self.target.tokens.follow(user);
        Line::new(self.target.nodes.clone(), node, token, Arc::clone(self.tally))
    }

    /// What a coach does over a line.
    fn coach(&self, gym: u16, user: UserId, line: &Line) -> anyhow::Result<Coach> {
        let (ledger, tally) = (Arc::clone(self.ledger), Arc::clone(self.tally));
        let athletes = &self.target.gyms[usize::from(gym)].athletes;
        Ok(Coach {
            user,
            run: self.run,
            talk: Talk::new(user, self.run, line, Arc::clone(&ledger), Arc::clone(&tally)),
            pages: Pages::of(self.target.nodes.clone())?,
            token: self.target.tokens.follow(user),
            athletes: athletes.iter().map(|athlete| athlete.user).collect(),
            ledger,
            tally,
            sessions: BTreeMap::new(),
            reading: JoinSet::new(),
        })
    }

    /// Starts the readers: second devices of all athletes, then coaches. Answers each one's number in the ledger.
    pub(crate) fn seat(
        &self,
        readers: &mut JoinSet<()>,
        ended: &watch::Receiver<bool>,
        ready: &mpsc::Sender<()>,
        talking: mpsc::Sender<()>,
    ) -> anyhow::Result<Vec<(usize, ReaderOrders)>> {
        let mut seats = Vec::new();
        let mut book = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        // Athletes first: their numbers are those of their phones.
        let gyms = || self.target.gyms.iter().zip(0_u16..);
        let athletes =
            gyms().flat_map(|(gym, number)| gym.athletes.iter().map(move |person| (number, person)));
        let coaches = gyms().flat_map(|(gym, number)| gym.coaches.iter().map(move |person| (number, person)));
        for (gym, person) in athletes.chain(coaches) {
            book.person(person.user, gym);
            if self.scenario.has_messages() {
                book.open_inbox(person.user);
            }
        }
        let devices = gyms().flat_map(|(gym, number)| {
            gym.athletes.iter().map(move |person| (number, person, None::<Address>))
        });
        let devices = devices.filter(|_| self.scenario.gym.second_devices);
        let coaches = gyms().flat_map(|(gym, number)| {
            gym.coaches.iter().map(move |person| (number, person, Some(Address::room(person.user))))
        });
        for (gym, person, room) in devices.chain(coaches) {
            let (orders, told) = mpsc::unbounded_channel();
            let number = book.reader(gym, room.is_some());
            // An athlete's devices are on different nodes.
            let line = self.line(person.user, number + 1);
            let coach = room.map(|_| self.coach(gym, person.user, &line)).transpose()?;
            let inbox = self.scenario.has_messages().then(|| Address::inbox(person.user));
            inbox.iter().for_each(|inbox| book.follow(*inbox, number));
            let reader = Reader {
                number,
                run: self.run,
                line,
                ledger: Arc::clone(self.ledger),
                tally: Arc::clone(self.tally),
                followed: room.into_iter().chain(inbox).map(|to| (to, None)).collect::<BTreeMap<_, _>>(),
                coach,
            };
            seats.push((number, orders));
            readers.spawn(reader.run(told, ended.clone(), ready.clone(), talking.clone()));
        }
        Ok(seats)
    }

    /// Starts the phones of all athletes.
    pub(crate) fn train(
        &self,
        phones: &mut JoinSet<()>,
        readers: &[(usize, ReaderOrders)],
        ready: &mpsc::Sender<()>,
    ) -> Vec<mpsc::UnboundedSender<(PhoneOrder, Instant)>> {
        let people = self.scenario.gym;
        let (athletes, coaches) = (people.athletes as usize, people.coaches as usize);
        let devices = if people.second_devices { self.scenario.athletes() as usize } else { 0 };
        let mut all = Vec::new();
        for (gym, gym_people) in self.target.gyms.iter().enumerate() {
            for (place, person) in gym_people.athletes.iter().enumerate() {
                let athlete = gym * athletes + place;
                let device = (devices > 0).then(|| readers[athlete].clone());
                let watching = if place < people.coach_follows as usize { coaches } else { 0 };
                let first_coach = devices + gym * coaches;
                let watching = &readers[first_coach..first_coach + watching];
                let owner = Owner {
                    user: person.user,
                    run: self.run,
                    gym: gym as u16,
                    athlete: athlete as u32,
                    note_bytes: self.scenario.mix.note_bytes,
                    opens: self.opens,
                    coaches: gym_people.coaches.iter().map(|coach| coach.user).collect(),
                    followers: device.into_iter().chain(watching.iter().cloned()).collect(),
                };
                let (orders, told) = mpsc::unbounded_channel();
                let phone = Phone::new(
                    owner,
                    self.line(person.user, athlete),
                    Arc::clone(self.ledger),
                    Arc::clone(self.tally),
                );
                phones.spawn(phone.run(told, ready.clone()));
                all.push(orders);
            }
        }
        all
    }
}
