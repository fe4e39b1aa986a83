//! The ways between nodes, as the engine uses them: publications reach whoever listens on any node, and commands the node
//! that holds their entity. All of it may be lost and nothing depends on it: what is lost is noticed by one of its two ends,
//! and whoever may have missed something looks into the journal.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use spotter_actors::{
    Ask, Backplane, Claims, Engine, Listener, Listening, LocalBackplane, Peers, Publication, ReplyTo,
    elsewhere,
};
use spotter_protocol::{GymId, Shard, UserId};
use spotter_rules::Connected;
use tokio::sync::{Notify, mpsc};
use tracing::warn;
use uuid::Uuid;

use super::away::Away;
use super::message::{Forwarded, Message, decode_news, split};
use crate::store::View;

/// What waits to be said; more is lost.
const OUTGOING_MAX: usize = 65_536;
/// People about whom something was lost that are remembered by name.
const LOST_MAX: usize = 4_096;
/// People in one message.
const PEOPLE_AT_ONCE: usize = 1_000;

/// Something that is to be said.
pub(super) enum Outgoing {
    /// To one node.
    To(Uuid, Message),
    /// To all nodes.
    ToAll(Message),
    /// To the nodes where somebody listens to an owner.
    News(UserId, Arc<Publication>),
}

/// One node's ends of the ways.
pub(super) struct Mesh {
    pub(super) claims: Arc<Claims>,
    pub(super) local: LocalBackplane,
    routes: RwLock<Routes>,
    pub(super) away: Away,
    outgoing: mpsc::Sender<Outgoing>,
    /// Owners to whom somebody listens since lately, or nobody any more.
    pub(super) interest: Interest,
    lost: Mutex<Lost>,
    /// Whether both directions are open.
    open: AtomicBool,
    engine: OnceLock<Weak<Engine>>,
    /// Shards have changed hands: the server is to be looked at.
    pub(super) look: Notify,
}

/// Who holds what, as it was last seen.
#[derive(Default)]
struct Routes {
    holders: Vec<Option<Uuid>>,
    nodes: BTreeSet<Uuid>,
}

/// A set that somebody waits for.
#[derive(Default)]
pub(super) struct Interest {
    owners: Mutex<BTreeSet<UserId>>,
    pub(super) changed: Notify,
}

/// Whom something was lost about.
#[derive(Default)]
enum Lost {
    #[default]
    Nothing,
    About(BTreeSet<UserId>),
    Anything,
}

impl Mesh {
    pub(super) fn new(claims: Arc<Claims>) -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (outgoing, waiting) = mpsc::channel(OUTGOING_MAX);
        let mesh = Self {
            claims,
            local: LocalBackplane::default(),
            routes: RwLock::default(),
            away: Away::default(),
            outgoing,
            interest: Interest::default(),
            lost: Mutex::default(),
            open: AtomicBool::new(false),
            engine: OnceLock::new(),
            look: Notify::new(),
        };
        (Arc::new(mesh), waiting)
    }

    /// What is heard from now on is for `engine`.
    pub(super) fn serve(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine));
    }

    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.get()?.upgrade()
    }

    /// Commands go where `view` says.
    pub(super) fn route(&self, view: &View) {
        let nodes: BTreeSet<Uuid> = view.members.iter().map(|member| member.node).collect();
        let holders = view.shards.iter().map(|(holder, _)| holder.filter(|holder| nodes.contains(holder)));
        let holders = holders.collect();
        self.away.look_after(&nodes);
        let (was_alone, is_alone) = (self.is_alone(), nodes.len() < 2);
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Routes { holders, nodes };
        if was_alone && !is_alone {
            // Nothing was said while nobody was there.
            self.say_people(None);
            self.say(Outgoing::ToAll(Message::Missed(Vec::new())));
        }
    }

    fn holder(&self, shard: Shard) -> Option<Uuid> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        *routes.holders.get(usize::from(shard.number()))?
    }

    fn is_alone(&self) -> bool {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).nodes.len() < 2
    }

    /// Says something, or loses it.
    pub(super) fn say(&self, outgoing: Outgoing) {
        if let Err(lost) = self.outgoing.try_send(outgoing) {
            self.lose(lost.into_inner());
        }
    }

    /// Both directions are open, or one is not.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Release);
        metrics::gauge!("spotter_cluster_open").set(if open { 1.0 } else { 0.0 });
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Something was not said, or nobody can tell.
    pub(super) fn lose(&self, outgoing: Outgoing) {
        metrics::counter!("spotter_cluster_lost_total").increment(1);
        match outgoing {
            Outgoing::To(_, Message::Command(number, _)) => self.away.lost(number),
            Outgoing::News(owner, _) => self.lost().add(&[owner]),
            Outgoing::ToAll(Message::Missed(owners)) if owners.is_empty() => *self.lost() = Lost::Anything,
            Outgoing::ToAll(Message::Missed(owners)) => self.lost().add(&owners),
            // Who waits for an answer gives up some time, letters are looked for now and then, and who is there is said
            // again when the way is open.
            Outgoing::To(..) | Outgoing::ToAll(_) => {}
        }
    }

    /// What others are to be told was lost; nothing was when it is `None`.
    pub(super) fn take_lost(&self) -> Option<Message> {
        match std::mem::take(&mut *self.lost()) {
            Lost::Nothing => None,
            Lost::About(owners) => Some(Message::Missed(owners.into_iter().collect())),
            Lost::Anything => Some(Message::Missed(Vec::new())),
        }
    }

    fn lost(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who is connected here.
    pub(super) fn say_people(&self, to: Option<Uuid>) {
        let Some(engine) = self.engine() else { return };
        let people = engine.people().mine();
        let people = people.iter().map(|(user, connected)| (*user, connected.since, connected.closed_at));
        let people: Vec<_> = people.collect();
        let none = people.is_empty().then_some([].as_slice());
        for (place, some) in people.chunks(PEOPLE_AT_ONCE).chain(none).enumerate() {
            let message = Message::People(place == 0, some.to_vec());
            self.say(match to {
                Some(node) => Outgoing::To(node, message),
                None => Outgoing::ToAll(message),
            });
        }
    }

    /// Has everybody look again who listens here to one of these; those whose shards are held here have missed nothing.
    pub(super) fn doubt(&self, owners: impl IntoIterator<Item = UserId>) {
        for owner in owners {
            if !self.claims.admit(Shard::of(owner)) {
                self.doubt_here(owner);
            }
        }
    }

    /// The same, whoever holds their shards.
    pub(super) fn doubt_here(&self, owner: UserId) {
        self.local.tell(owner, &Arc::new(Publication::Doubt(owner)));
    }

    /// Takes what was heard about an owner.
    pub(super) fn hear_news(&self, owner: UserId, bytes: &[u8]) {
        if let Some((from, news)) = split(bytes)
            && from != self.claims.node()
            && self.local.is_heard(owner)
        {
            self.local.tell(owner, &Arc::new(decode_news(owner, news)));
        }
    }

    /// Takes what was said to this node, or to all.
    pub(super) fn hear(self: &Arc<Self>, bytes: &[u8]) {
        let Some((from, said)) = split(bytes) else { return };
        let Some(engine) = self.engine().filter(|_| from != self.claims.node()) else { return };
        let message = match rmp_serde::from_slice(said) {
            Ok(message) => message,
            Err(error) => return warn!(%from, %error, "another node says what this build does not know"),
        };
        match message {
            Message::Command(number, forwarded) => {
                let mesh = Arc::clone(self);
                let reply = ReplyTo::new(move |answer| {
                    mesh.say(Outgoing::To(from, Message::answer(number, answer)));
                });
                engine.dispatch_from_peer(forwarded.ask(reply));
            }
            Message::Answer(number, answer) => {
                if let Some(reply) = self.away.answered(number, from) {
                    reply.send(answer.map(|answered| answered.done()));
                }
            }
            Message::Letters(gym, recipient) => engine.hint(gym, recipient),
            Message::People(anew, people) => {
                if anew {
                    engine.people().heard_anew(from);
                }
                for (user, since, closed_at) in people {
                    engine.people().heard(from, user, Connected { since, closed_at, turn: 0 });
                }
            }
            Message::WhoIsThere => self.say_people(Some(from)),
            Message::Missed(owners) if owners.is_empty() => self.doubt(self.local.owners()),
            Message::Missed(owners) => self.doubt(owners),
            Message::Look => self.look.notify_one(),
        }
    }
}

impl Backplane for Mesh {
    fn publish(&self, owner: UserId, make: &dyn Fn() -> Publication) {
        if self.is_alone() {
            return self.local.publish(owner, make);
        }
        let publication = Arc::new(make());
        self.local.tell(owner, &publication);
        match &*publication {
            Publication::Events(_) | Publication::Signal(_) => self.say(Outgoing::News(owner, publication)),
            Publication::Tiles(_) | Publication::Presence(..) | Publication::Doubt(_) => {}
        }
    }

    fn listen(&self, owner: UserId, listener: Arc<dyn Listener>) -> Listening {
        let listening = self.local.listen(owner, listener);
        self.interest.note([owner]);
        listening
    }

    fn leave(&self, owner: UserId, listening: Listening) {
        self.local.leave(owner, listening);
        if !self.local.is_heard(owner) {
            self.interest.note([owner]);
        }
    }
}

impl Peers for Mesh {
    fn forward(&self, ask: Ask) {
        let holder = self.holder(ask.address().shard()).filter(|holder| *holder != self.claims.node());
        let Some(holder) = holder.filter(|_| self.is_open()) else {
            return ask.reply.send(Err(elsewhere()));
        };
        let (forwarded, reply) = Forwarded::of(ask);
        match self.away.add(holder, reply) {
            Ok(number) => {
                metrics::counter!("spotter_cluster_forwarded_total").increment(1);
                self.say(Outgoing::To(holder, Message::Command(number, Box::new(forwarded))));
            }
            Err(reply) => reply.send(Err(elsewhere())),
        }
    }

    fn hint(&self, gym: GymId, recipient: UserId) {
        if let Some(holder) = self.holder(Shard::of(recipient)).filter(|holder| *holder != self.claims.node())
        {
            self.say(Outgoing::To(holder, Message::Letters(gym, recipient)));
        }
    }

    fn presence(&self, user: UserId, here: Connected) {
        if !self.is_alone() {
            self.say(Outgoing::ToAll(Message::person(user, here)));
        }
    }
}

impl Interest {
    /// Whether somebody listens to these is to be looked at.
    pub(super) fn note(&self, owners: impl IntoIterator<Item = UserId>) {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).extend(owners);
        self.changed.notify_one();
    }

    pub(super) fn take(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut *self.owners.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lost {
    fn add(&mut self, more: &[UserId]) {
        match self {
            Self::Nothing => *self = Self::About(more.iter().copied().collect()),
            Self::About(owners) if owners.len() + more.len() > LOST_MAX => *self = Self::Anything,
            Self::About(owners) => owners.extend(more),
            Self::Anything => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(number: usize) -> UserId {
        UserId(Uuid::from_u128(number as u128))
    }

    fn news(number: usize) -> Outgoing {
        Outgoing::News(owner(number), Arc::new(Publication::Doubt(owner(number))))
    }

    fn told(mesh: &Mesh) -> Option<Vec<UserId>> {
        let Message::Missed(owners) = mesh.take_lost()? else { panic!("it tells of nothing lost") };
        Some(owners)
    }

    #[test]
    fn what_is_lost_is_told_until_that_is_not_lost_either() {
        let (mesh, _waiting) = Mesh::new(Arc::new(Claims::none(Uuid::from_u128(1))));
        assert_eq!(told(&mesh), None);

        mesh.lose(news(1));
        mesh.lose(news(2));
        assert_eq!(told(&mesh), Some(vec![owner(1), owner(2)]));
        assert_eq!(told(&mesh), None, "said once");

        mesh.lose(Outgoing::ToAll(Message::Missed(vec![owner(1)])));
        mesh.lose(news(3));
        assert_eq!(told(&mesh), Some(vec![owner(1), owner(3)]));

        (0..=LOST_MAX).for_each(|number| mesh.lose(news(number)));
        assert_eq!(told(&mesh), Some(Vec::new()), "of anybody");
        mesh.lose(Outgoing::ToAll(Message::Missed(Vec::new())));
        assert_eq!(told(&mesh), Some(Vec::new()), "still of anybody");
    }

    #[test]
    fn what_finds_no_room_is_lost() {
        let (mesh, _waiting) = Mesh::new(Arc::new(Claims::none(Uuid::from_u128(1))));
        (0..OUTGOING_MAX).for_each(|_| mesh.say(news(1)));
        assert_eq!(told(&mesh), None);
        mesh.say(news(2));
        assert_eq!(told(&mesh), Some(vec![owner(2)]));
    }
}
