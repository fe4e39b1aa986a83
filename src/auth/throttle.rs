//! Holds back who guesses passwords, by the account guessed at and by the address that guesses. Only attempts that
//! failed count, and accounts that do not exist are counted like those that do.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use spotter_protocol::{Millis, Timestamp};

use crate::digest::sha256;

/// Failed attempts at one account: ten at once, then one in fifteen seconds.
const ACCOUNT: Allowance = Allowance { burst: 10, every: Millis(15_000) };
/// Failed attempts from one address: a hundred at once, for a gym behind one router, then one a second.
const ADDRESS: Allowance = Allowance { burst: 100, every: Millis(1_000) };
/// Accounts, and addresses, remembered. Past it those are forgotten first that failed least.
const REMEMBERED_MAX: usize = 16_384;

/// How often something may be done.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: u32,
    every: Millis,
}

/// The attempts of late.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    accounts: Attempts<[u8; 32]>,
    addresses: Attempts<IpAddr>,
}

/// One attempt that was let through. It counts as failed unless it is forgiven.
#[derive(Debug)]
pub(super) struct Attempt {
    account: [u8; 32],
    address: Option<IpAddr>,
}

impl Throttle {
    /// Lets an attempt through, or says how long to wait. `address` is not known where nobody listens on a network.
    pub(super) fn admit(
        &self,
        gym: &str,
        email: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        // A NUL is in no slug, so no two accounts are written alike.
        let account = sha256(format!("{gym}\0{}", email.to_lowercase()).as_bytes());
        let address = address.map(network);
        if let Some(address) = address {
            self.addresses.admit(address, ADDRESS, now)?;
        }
        if let Err(wait) = self.accounts.admit(account, ACCOUNT, now) {
            if let Some(address) = address {
                self.addresses.forgive(address, ADDRESS);
            }
            return Err(wait);
        }
        Ok(Attempt { account, address })
    }

    /// The attempt was right, or nothing was compared.
    pub(super) fn forgive(&self, attempt: Attempt) {
        self.accounts.forgive(attempt.account, ACCOUNT);
        if let Some(address) = attempt.address {
            self.addresses.forgive(address, ADDRESS);
        }
    }
}

/// What one subscriber of a network has: an IPv6 address is one of very many.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// For each key the moment at which all its attempts will have been worked off.
#[derive(Debug)]
struct Attempts<K>(Mutex<HashMap<K, Timestamp>>);

impl<K> Default for Attempts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Attempts<K> {
    fn admit(&self, key: K, allowance: Allowance, now: Timestamp) -> Result<(), Duration> {
        let every = allowance.every.micros();
        let mut free_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = free_at.get(&key).copied().unwrap_or(now).max(now).shifted(every);
        let over = next.micros_since(now.shifted(every * i64::from(allowance.burst)));
        if over > 0 {
            return Err(Duration::from_micros(over.unsigned_abs()));
        }
        if free_at.len() >= REMEMBERED_MAX && !free_at.contains_key(&key) {
            forget(&mut free_at, now);
        }
        free_at.insert(key, next);
        Ok(())
    }

    fn forgive(&self, key: K, allowance: Allowance) {
        let mut free_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = free_at.get_mut(&key) {
            *at = at.shifted(-allowance.every.micros());
        }
    }
}

/// Forgets whatever is worked off, and of the rest, where that is not enough, the half that failed least.
fn forget<K: Eq + Hash>(free_at: &mut HashMap<K, Timestamp>, now: Timestamp) {
    free_at.retain(|_, at| *at > now);
    if free_at.len() >= REMEMBERED_MAX {
        let mut moments: Vec<_> = free_at.values().copied().collect();
        let middle = moments.len() / 2;
        let (_, median, _) = moments.select_nth_unstable(middle);
        let median = *median;
        let worse = free_at.values().filter(|at| **at > median).count();
        let mut places = (REMEMBERED_MAX / 2).saturating_sub(worse);
        free_at.retain(|_, at| {
            let kept = *at == median && places > 0;
            places -= usize::from(kept);
            kept || *at > median
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::tests::NOW;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    #[test]
    fn an_account_is_guessed_at_ten_times_and_then_slowly() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            throttle.admit("north", "ada@example.com", None, NOW).unwrap();
        }

        assert_eq!(
            throttle.admit("north", "ADA@example.com", None, NOW).unwrap_err(),
            Duration::from_secs(15)
        );
        assert!(throttle.admit("north", "bea@example.com", None, NOW).is_ok(), "another account");
        assert!(throttle.admit("south", "ada@example.com", None, NOW).is_ok(), "another gym");
        assert!(throttle.admit("north", "ada@example.com", None, NOW.shifted(15_000_000)).is_ok());
        assert!(throttle.admit("north", "ada@example.com", None, NOW.shifted(15_000_000)).is_err());
    }

    #[test]
    fn who_signs_in_is_never_held_back() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            let attempt = throttle.admit("north", "ada@example.com", HERE, NOW).unwrap();
            throttle.forgive(attempt);
        }
    }

    #[test]
    fn one_address_guesses_at_a_hundred_accounts_and_no_more() {
        let throttle = Throttle::default();
        let tried = |n: u32, from| throttle.admit("north", &format!("{n}@example.com"), from, NOW).is_ok();

        assert_eq!((0..1000).filter(|n| tried(*n, HERE)).count(), 100);
        let street = |n: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]));
        let sixes = (0..1000).filter(|n| tried(u32::from(*n) + 1000, street(*n))).count();
        assert_eq!(sixes, 100, "a network of addresses is one");
        assert!(tried(5000, Some(IpAddr::from([192, 0, 2, 2]))), "another address");
    }

    #[test]
    fn however_many_are_guessed_at_memory_is_bounded_and_the_worst_are_remembered() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            throttle.admit("north", "victim@example.com", None, NOW).unwrap();
        }
        for n in 0..3 * REMEMBERED_MAX {
            throttle.admit("north", &format!("{n}@example.com"), None, NOW).unwrap();
        }

        assert!(throttle.accounts.0.lock().unwrap().len() <= REMEMBERED_MAX);
        assert!(throttle.admit("north", "victim@example.com", None, NOW).is_err());
    }
}
