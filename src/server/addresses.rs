//! Open connections by address, where the configuration limits them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections by address; an IPv6 client counts by its /64, of which it has all addresses.
#[derive(Debug)]
pub(super) struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection; let go when it ends.
#[derive(Debug)]
pub(super) struct Turn {
    addresses: Arc<Addresses>,
    network: IpAddr,
}

impl Addresses {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A turn for a connection from this address; `None` when it has as many as it may.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Turn> {
        let network = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Turn { addresses: Arc::clone(self), network })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            IpAddr::V6((u128::from(address) & !host).into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_number_of_turns_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let from = |text: &str| addresses.take(text.parse().unwrap());
        let first = from("2001:db8::1").unwrap();
        let second = from("2001:db8::2").unwrap();
        assert!(from("2001:db8::3").is_none());
        assert!(from("2001:db8:0:1::1").is_some(), "another network");
        assert!(from("203.0.113.1").is_some());
        drop(first);
        assert!(from("2001:db8::3").is_some());
        drop(second);
        assert!(addresses.open.lock().unwrap().is_empty());
    }
}
