//! What a node saw of the others last, and which shards it is about to take, hand over or let go of. What was seen is always a
//! little old: whatever this node itself has changed since the server was asked is told apart by the epochs, which only grow.

use std::collections::BTreeSet;

use spotter_actors::{Claims, Epoch};
use spotter_protocol::Shard;
use uuid::Uuid;

use crate::store::View;

/// What a node knows of the others.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) view: View,
    /// Renewals in a row that succeeded.
    pub(super) renewals: u32,
    /// Shards that this node is taking, handing over or letting go of.
    moving: BTreeSet<Shard>,
    /// Those among them of which only a look that begins from now on can tell whose they are.
    unknown: BTreeSet<Shard>,
}

impl Seen {
    /// A look begins: it will tell of these.
    pub(super) fn take_unknown(&mut self) -> BTreeSet<Shard> {
        std::mem::take(&mut self.unknown)
    }

    /// Only a look that begins from now on can tell whose these are.
    pub(super) fn is_unknown(&mut self, shards: BTreeSet<Shard>) {
        self.unknown.extend(shards);
    }

    /// A look has succeeded that tells of shards that were unknown; answers which have changed hands.
    pub(super) fn see(&mut self, view: View, told: &BTreeSet<Shard>) -> BTreeSet<Shard> {
        let View { members, shards } = view;
        let mut changed = BTreeSet::new();
        if self.view.shards.is_empty() {
            self.view.shards.clone_from(&shards);
        }
        for ((shard, known), now) in Shard::all().zip(&mut self.view.shards).zip(shards) {
            if now.1 > known.1 {
                *known = now;
                changed.insert(shard);
            }
        }
        self.view.members = members;
        self.moving.retain(|shard| !told.contains(shard));
        self.renewals = self.renewals.saturating_add(1);
        changed
    }

    /// Shards were given to a node, as the server has answered.
    pub(super) fn give(&mut self, node: Uuid, shards: &[(Shard, Epoch)]) {
        for (shard, epoch) in shards {
            if let Some(known) = self.view.shards.get_mut(usize::from(shard.number())) {
                *known = (Some(node), *epoch);
            }
        }
    }

    /// Shards that are this node's and that it does not serve yet.
    pub(super) fn given(&self, claims: &Claims) -> Vec<(Shard, Epoch)> {
        let mine = self.at_rest().filter(|(_, holder, _)| *holder == Some(claims.node()));
        let served = |shard, epoch| claims.admit(shard) && claims.epoch(shard) == Some(epoch);
        let new = mine.filter(|(shard, _, epoch)| !served(*shard, *epoch));
        new.map(|(shard, _, epoch)| (shard, epoch)).collect()
    }

    /// Shards that this node believes to hold and that are another's.
    pub(super) fn lost(&self, claims: &Claims) -> BTreeSet<Shard> {
        let theirs = self.at_rest().filter(|(_, holder, _)| *holder != Some(claims.node()));
        let believed = |shard, epoch| claims.epoch(shard).is_some_and(|mine| mine < epoch);
        let lost = theirs.filter(|(shard, _, epoch)| believed(*shard, *epoch));
        lost.map(|(shard, ..)| shard).collect()
    }

    /// Those that do not move.
    fn at_rest(&self) -> impl Iterator<Item = (Shard, Option<Uuid>, Epoch)> {
        let held =
            Shard::all().zip(&self.view.shards).map(|(shard, (holder, epoch))| (shard, *holder, *epoch));
        held.filter(|(shard, ..)| !self.moving.contains(shard))
    }

    /// Shards that did not move begin to.
    pub(super) fn begin_to_move(&mut self, shards: &BTreeSet<Shard>) {
        self.moving.extend(shards);
    }

    /// They have moved, or stay.
    pub(super) fn moved(&mut self, shards: &BTreeSet<Shard>) {
        self.moving.retain(|shard| !shards.contains(shard));
    }

    /// Whether any shard moves.
    pub(super) fn is_moving(&self) -> bool {
        !self.moving.is_empty()
    }

    /// Nothing that moves gets anywhere any more.
    pub(super) fn give_up(&mut self) {
        self.moving.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn shard() -> Shard {
        Shard::all().nth(7).unwrap()
    }

    fn view(holder: Uuid, epoch: i64) -> View {
        View { members: Vec::new(), shards: vec![(Some(holder), Epoch(epoch)); Shard::all().len()] }
    }

    fn is_mine(seen: &Seen, claims: &Claims) -> bool {
        seen.given(claims).iter().any(|(given, _)| *given == shard())
    }

    #[test]
    fn a_look_that_began_before_a_shard_was_handed_over_does_not_give_it_back() {
        let (mut seen, claims) = (Seen::default(), Claims::none(ME));
        seen.see(view(ME, 5), &BTreeSet::new());
        claims.take(shard(), Epoch(5));
        seen.give(OTHER, &[(shard(), Epoch(6))]);
        claims.lose(shard());

        let changed = seen.see(view(ME, 5), &BTreeSet::new());

        assert!(!changed.contains(&shard()) && !is_mine(&seen, &claims));
        assert!(seen.see(view(ME, 7), &BTreeSet::new()).contains(&shard()) && is_mine(&seen, &claims));
    }

    #[test]
    fn of_a_hand_over_without_an_answer_only_a_later_look_tells() {
        let (mut seen, claims) = (Seen::default(), Claims::none(ME));
        seen.see(view(ME, 5), &BTreeSet::new());
        seen.begin_to_move(&BTreeSet::from([shard()]));
        let told = seen.take_unknown();
        seen.is_unknown(BTreeSet::from([shard()]));

        seen.see(view(ME, 5), &told);
        assert!(!is_mine(&seen, &claims), "the look had begun before");

        let told = seen.take_unknown();
        seen.see(view(ME, 5), &told);
        assert!(is_mine(&seen, &claims), "it was not handed over");
    }

    #[test]
    fn what_another_holds_under_a_later_epoch_is_lost() {
        let (mut seen, claims) = (Seen::default(), Claims::none(ME));
        claims.take(shard(), Epoch(5));
        seen.see(view(OTHER, 5), &BTreeSet::new());
        assert_eq!(seen.lost(&claims), BTreeSet::new(), "what is claimed here since the look is not");

        seen.see(view(OTHER, 6), &BTreeSet::new());
        assert_eq!(seen.lost(&claims), BTreeSet::from([shard()]));
        seen.begin_to_move(&BTreeSet::from([shard()]));
        assert_eq!(seen.lost(&claims), BTreeSet::new(), "it is being let go of");
    }
}
