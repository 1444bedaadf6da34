//! How many refusals of strangers are recorded one by one.
//!
//! Before a trusted certificate or token anybody can cause a refusal, so their
//! records are bounded: by address, so that one does not hide the others, and in
//! all, so that many do not fill the disk. What is beyond is counted.
//!
//! A rate is kept as the time at which an address would have used up what it had
//! (GCRA): one instant an address, a minute's worth of burst.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::time::Timestamp;

/// Records of strangers a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrangerLimits {
    /// From one IPv4 address or one IPv6 /64.
    pub per_address: u32,
    /// From all of them.
    pub in_all: u32,
}

/// Some 300 MB a day at worst, and every attempt of an honest beginner.
impl Default for StrangerLimits {
    fn default() -> Self {
        Self { per_address: 20, in_all: 120 }
    }
}

/// The rates, and the count of what was beyond them.
#[derive(Debug)]
pub(super) struct Strangers {
    limits: StrangerLimits,
    rates: Mutex<Rates>,
    counted: Mutex<Option<Counted>>,
}

#[derive(Debug)]
struct Rates {
    all: Option<Instant>,
    addresses: HashMap<IpAddr, Instant>,
}

/// Refusals that were not recorded one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) since: Timestamp,
    pub(super) refusals: u64,
}

impl Strangers {
    pub(super) fn new(limits: StrangerLimits) -> Self {
        let rates = Rates { all: None, addresses: HashMap::new() };
        Self { limits, rates: Mutex::new(rates), counted: Mutex::new(None) }
    }

    /// Whether one more from this address may be recorded now.
    pub(super) fn admits(&self, address: IpAddr, now: Instant) -> bool {
        let network = network(address);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let one = next(rates.addresses.get(&network).copied(), self.limits.per_address, now);
        let (Some(one), Some(all)) = (one, next(rates.all, self.limits.in_all, now)) else {
            return false;
        };
        if rates.addresses.len() >= ADDRESSES && !rates.addresses.contains_key(&network) {
            rates.addresses.retain(|_, used| *used > now);
            if rates.addresses.len() >= ADDRESSES {
                // All may start afresh; the rate in all still holds.
                rates.addresses.clear();
            }
        }
        rates.all = Some(all);
        rates.addresses.insert(network, one);
        true
    }

    /// Whether one more would be recorded, without using up anything.
    pub(super) fn has_room(&self, address: IpAddr, now: Instant) -> bool {
        let rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let used = rates.addresses.get(&network(address)).copied();
        next(used, self.limits.per_address, now).is_some() && next(rates.all, self.limits.in_all, now).is_some()
    }

    /// Counts one that was not recorded.
    pub(super) fn count(&self, at: Timestamp) {
        self.add(Counted { since: at, refusals: 1 });
    }

    /// Adds to the count.
    pub(super) fn add(&self, more: Counted) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted = Some(match *counted {
            None => more,
            Some(before) => {
                Counted { since: before.since.min(more.since), refusals: before.refusals.saturating_add(more.refusals) }
            }
        });
    }

    /// Takes the count, which starts anew.
    pub(super) fn take(&self) -> Option<Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// When the rate will be used up after one more; `None` when it is.
fn next(used: Option<Instant>, limit: u32, now: Instant) -> Option<Instant> {
    let share = MINUTE.checked_div(limit)?;
    let next = used.map_or(now, |used| used.max(now)) + share;
    (next <= now + MINUTE).then_some(next)
}

/// An IPv6 network is given to one customer as a whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// 160 KB of table.
const ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_does_not_use_up_the_others() {
        let strangers = Strangers::new(StrangerLimits { per_address: 3, in_all: 5 });
        let now = Instant::now();
        let admitted = |last, now| (0..10).filter(|_| strangers.admits(address(last), now)).count();
        assert_eq!(admitted(1, now), 3);
        assert_eq!(admitted(2, now), 2);
        assert_eq!(admitted(3, now), 0);
        assert_eq!(admitted(1, now + MINUTE / 3), 1);
        assert_eq!(admitted(4, now + MINUTE * 2), 3);
    }

    #[test]
    fn nothing_is_admitted_at_a_limit_of_zero() {
        let strangers = Strangers::new(StrangerLimits { per_address: 0, in_all: 5 });
        assert!(!strangers.admits(address(1), Instant::now()));
    }

    #[test]
    fn a_look_uses_up_nothing() {
        let strangers = Strangers::new(StrangerLimits { per_address: 1, in_all: 5 });
        let (one, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        assert!(strangers.has_room(one, now) && strangers.has_room(one, now));
        assert!(strangers.admits(one, now));
        assert!(!strangers.has_room(one, now));
        assert!(strangers.has_room("192.0.2.2".parse().unwrap(), now));
    }

    #[test]
    fn an_ipv6_network_is_one() {
        let strangers = Strangers::new(StrangerLimits { per_address: 1, in_all: 5 });
        let now = Instant::now();
        assert!(strangers.admits("2001:db8::1".parse().unwrap(), now));
        assert!(!strangers.admits("2001:db8::ffff:2".parse().unwrap(), now));
        assert!(strangers.admits("2001:db8:0:1::1".parse().unwrap(), now));
        assert!(strangers.admits("::ffff:192.0.2.1".parse().unwrap(), now));
        assert!(!strangers.admits(address(1), now));
    }

    #[test]
    fn the_table_is_bounded() {
        let strangers = Strangers::new(StrangerLimits { per_address: 1, in_all: u32::MAX });
        let now = Instant::now();
        for number in 0..3 * u32::try_from(ADDRESSES).unwrap() {
            strangers.admits(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(strangers.rates.lock().unwrap().addresses.len() <= ADDRESSES);
    }

    #[test]
    fn counts_add_up_and_are_taken_once() {
        let strangers = Strangers::new(StrangerLimits::default());
        strangers.count(Timestamp::from_unix_seconds(5));
        strangers.count(Timestamp::from_unix_seconds(9));
        let counted = Counted { since: Timestamp::from_unix_seconds(5), refusals: 2 };
        assert_eq!(strangers.take(), Some(counted));
        assert_eq!(strangers.take(), None);
    }
}
