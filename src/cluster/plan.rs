//! What a node does about what it sees: whom it declares dead, what it claims, and what it hands over. Nothing rests on
//! nodes seeing the same at the same time: of two that claim, one does; a shard that is handed to somebody who would hand it
//! on is handed on.

use std::collections::{BTreeMap, BTreeSet};

use spotter_actors::{Claims, Epoch};
use spotter_protocol::Shard;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::store::View;

/// How long a node has to be there before shards are handed to it, in microseconds: when several start one after another,
/// each shard moves once.
const SETTLED: i64 = 3_000_000;
/// Renewals of its own in a row that a node has to see before it declares another dead: when the server stands still,
/// all fall silent.
const SURE_AFTER: u32 = 4;
/// Shards that are handed over at once.
const GROUP: usize = 64;

/// What a node does next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Nodes that are dead.
    pub(super) bury: BTreeSet<Uuid>,
    /// Shards to claim, whose holders are gone, with the epochs they are under.
    pub(super) claim: Vec<(Shard, Epoch)>,
    /// Shards to hand over, by the node that gets them.
    pub(super) hand_over: BTreeMap<Uuid, Vec<(Shard, Epoch)>>,
}

/// What is to be done by the node of `claims` that sees `view` after so many renewals in a row.
pub(super) fn plan(view: &View, claims: &Claims, renewals: u32) -> Plan {
    let me = claims.node();
    let others = view.members.iter().filter(|member| member.node != me);
    let dead = others.filter(|member| member.is_dead() && renewals >= SURE_AFTER);
    let bury: BTreeSet<Uuid> = dead.map(|member| member.node).collect();

    let stay = view.members.iter().filter(|member| !member.leaving && !member.is_dead());
    let stay: Vec<(Uuid, bool)> = stay.map(|member| (member.node, member.age >= SETTLED)).collect();
    let all: Vec<Uuid> = stay.iter().map(|(node, _)| *node).collect();
    let settled: Vec<Uuid> =
        stay.iter().filter(|(_, is_settled)| *is_settled).map(|(node, _)| *node).collect();
    // When everybody has just come, nobody waits for what nobody holds.
    let claimers = if settled.is_empty() { &all } else { &settled };
    let leaves = !all.contains(&me);

    let listed: BTreeSet<Uuid> = view.members.iter().map(|member| member.node).collect();
    let mut plan = Plan { bury, ..Plan::default() };
    let mut moving = 0;
    for (shard, (holder, epoch)) in Shard::all().zip(&view.shards) {
        match holder {
            Some(holder) if *holder == me => {
                // Who has just come counts already, so that nothing is handed to somebody else meanwhile.
                let taker = if leaves { winner(shard, claimers) } else { winner(shard, &all) };
                let taker = taker.filter(|taker| *taker != me && (leaves || settled.contains(taker)));
                if let Some(taker) = taker.filter(|_| claims.admit(shard) && moving < GROUP) {
                    moving += 1;
                    plan.hand_over.entry(taker).or_default().push((shard, *epoch));
                }
            }
            Some(holder) if listed.contains(holder) => {}
            Some(_) | None if winner(shard, claimers) == Some(me) => plan.claim.push((shard, *epoch)),
            Some(_) | None => {}
        }
    }
    plan
}

/// Who is to have a shard: the node for which a hash of both is highest, so that one that comes or goes moves only what is
/// its own (highest random weight: Thaler and Ravishankar, 1998).
fn winner(shard: Shard, nodes: &[Uuid]) -> Option<Uuid> {
    nodes
        .iter()
        .copied()
        .max_by_key(|node| (xxh3_64_with_seed(node.as_bytes(), shard.number().into()), *node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::Member;

    const ME: Uuid = Uuid::from_u128(1);
    const OLD: i64 = SETTLED;

    fn member(node: u128, age: i64) -> Member {
        let node = Uuid::from_u128(node);
        Member { node, address: String::new(), leaving: false, age, silent: 0 }
    }

    fn view(members: Vec<Member>, holder: impl Fn(Shard) -> Option<u128>) -> View {
        let held = Shard::all().map(|shard| (holder(shard).map(Uuid::from_u128), Epoch(5)));
        View { members, shards: held.collect() }
    }

    fn holding(view: &View) -> Claims {
        let claims = Claims::none(ME);
        for (shard, (holder, epoch)) in Shard::all().zip(&view.shards) {
            if *holder == Some(ME) {
                claims.take(shard, *epoch);
            }
        }
        claims
    }

    #[test]
    fn the_first_takes_everything_at_once() {
        let view = view(vec![member(1, 0)], |_| None);
        let plan = plan(&view, &holding(&view), 1);
        assert_eq!(plan.claim.len(), 1024);
        assert!(plan.bury.is_empty() && plan.hand_over.is_empty());
    }

    #[test]
    fn who_joins_gets_a_fair_share_in_groups_once_it_is_settled() {
        let fresh = view(vec![member(1, OLD), member(2, OLD - 1)], |_| Some(1));
        assert_eq!(plan(&fresh, &holding(&fresh), 9), Plan::default());

        let mut seen = view(vec![member(1, OLD), member(2, OLD)], |_| Some(1));
        let mut moved = 0;
        loop {
            let plan = plan(&seen, &holding(&seen), 9);
            let Some(shards) = plan.hand_over.get(&Uuid::from_u128(2)) else { break };
            assert!(shards.len() <= GROUP);
            moved += shards.len();
            for (shard, _) in shards {
                seen.shards[usize::from(shard.number())].0 = Some(Uuid::from_u128(2));
            }
        }
        assert!((400..=624).contains(&moved), "{moved} of 1024");
    }

    #[test]
    fn of_several_who_join_one_after_another_each_gets_its_share_at_once() {
        let seen = view(vec![member(1, OLD), member(2, OLD), member(3, OLD - 1)], |_| Some(1));
        let handed = plan(&seen, &holding(&seen), 9).hand_over;
        let all = [1, 2, 3].map(Uuid::from_u128);
        assert!(handed.keys().eq(&[Uuid::from_u128(2)]), "the third is not settled");
        assert!(handed.values().flatten().all(|(shard, _)| winner(*shard, &all) == Some(Uuid::from_u128(2))));
    }

    #[test]
    fn a_shard_that_is_being_handed_over_is_not_handed_over_again() {
        let seen = view(vec![member(1, OLD), member(2, OLD)], |_| Some(1));
        let claims = holding(&seen);
        Shard::all().for_each(|shard| claims.close(shard));
        assert_eq!(plan(&seen, &claims, 9), Plan::default());
    }

    #[test]
    fn who_is_silent_is_declared_dead_by_one_who_has_heard_the_server_for_a_while() {
        let silent = Member { silent: 3_600_000, ..member(2, OLD) };
        let seen = view(vec![member(1, OLD), silent], |_| Some(2));
        assert_eq!(plan(&seen, &holding(&seen), 3), Plan::default());
        let plan = plan(&seen, &holding(&seen), 4);
        assert_eq!(plan.bury, BTreeSet::from([Uuid::from_u128(2)]));
        assert!(plan.claim.is_empty(), "not before it is off the list");
    }

    #[test]
    fn what_the_dead_held_goes_to_the_living_each_shard_to_one() {
        let members = vec![member(1, OLD), member(2, OLD), member(3, OLD)];
        let seen = view(members, |_| Some(4));
        let mut taken = BTreeSet::new();
        for node in 1..=3 {
            let plan = plan(&seen, &Claims::none(Uuid::from_u128(node)), 9);
            assert!(plan.claim.iter().all(|(shard, _)| taken.insert(*shard)));
        }
        assert_eq!(taken.len(), 1024);
    }

    #[test]
    fn who_leaves_hands_everything_over_and_is_given_nothing() {
        let leaving = Member { leaving: true, ..member(1, OLD) };
        let seen = view(vec![leaving.clone(), member(2, OLD)], |_| Some(1));
        assert_eq!(plan(&seen, &holding(&seen), 9).hand_over[&Uuid::from_u128(2)].len(), GROUP);

        let last = view(vec![leaving], |_| Some(1));
        assert_eq!(plan(&last, &holding(&last), 9), Plan::default(), "there is nobody to hand anything to");
    }
}
