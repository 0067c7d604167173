//! Where sessions connect to, and from where: addresses and sources in turn.

use std::cell::Cell;
use std::net::IpAddr;

use super::recorder::Attempt;
use crate::session::{Endpoint, Opened, open};

/// The addresses of a cell, which the sessions of a worker take in turns.
#[derive(Debug)]
pub(super) struct Addresses {
    all: Vec<Endpoint>,
    next: Cell<usize>,
}

impl Addresses {
    /// They begin with another than the neighbour's. There is at least one.
    pub(crate) fn new(all: &[Endpoint], worker: usize) -> Self {
        Self {
            all: all.to_vec(),
            next: Cell::new(worker),
        }
    }

    /// Gives an attempt the address whose turn it is, where there are several.
    pub(crate) fn deal(&self, attempt: &mut Attempt) {
        if self.all.len() > 1 {
            let index = self.next.get();
            self.next.set(index.wrapping_add(1));
            attempt.sample.address = Some(index % self.all.len());
        }
    }

    /// The address of an attempt, and its place among them.
    pub(crate) fn of(&self, attempt: &Attempt) -> (usize, &Endpoint) {
        let index = attempt.sample.address.unwrap_or(0);
        (index, &self.all[index])
    }
}

/// Opens one worker's connections.
#[derive(Debug)]
pub(super) struct Connector {
    /// The sources of each address, in turns of their own: each pair of both has all the ports.
    turns: Vec<Turns>,
}

/// The sources of connections to one address.
#[derive(Debug)]
struct Turns {
    /// Those of its family.
    sources: Vec<IpAddr>,
    next: Cell<usize>,
}

impl Connector {
    /// A connector that begins with another source than its neighbours.
    pub(crate) fn new(addrs: &[Endpoint], sources: &[IpAddr], worker: usize) -> Self {
        let turns = addrs.iter().enumerate().map(|(index, to)| {
            let v6 = to.address().is_some_and(|to| to.is_ipv6());
            let of_family = sources.iter().filter(|source| source.is_ipv6() == v6);
            Turns {
                sources: of_family.copied().collect(),
                next: Cell::new(worker.wrapping_add(index)),
            }
        });
        Self {
            turns: turns.collect(),
        }
    }

    /// Begins a connection to the address with this index, from the source whose turn it is; it is established later.
    pub(crate) fn open(&self, index: usize, to: &Endpoint) -> Opened {
        open(to, self.turns.get(index).and_then(Turns::next))
    }
}

impl Turns {
    fn next(&self) -> Option<IpAddr> {
        let index = self.next.get();
        self.next.set(index.wrapping_add(1));
        let place = index.checked_rem(self.sources.len())?;
        self.sources.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_pair_of_source_and_address_has_as_many_connections(
            targets in 1u8..6,
            sources in 1u8..6,
            worker in 0usize..9,
            rounds in 1usize..4,
        ) {
            let to = |last| Endpoint::Tcp(([192, 0, 2, last], 443).into());
            let addrs: Vec<Endpoint> = (0..targets).map(to).collect();
            let from = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
            let sources: Vec<IpAddr> = (0..sources).map(from).collect();
            let connector = Connector::new(&addrs, &sources, worker);
            let mut pairs: BTreeMap<_, usize> = BTreeMap::new();
            for turn in 0..addrs.len() * sources.len() * rounds {
                // As `Addresses` deals them.
                let index = (worker + turn) % addrs.len();
                *pairs.entry((index, connector.turns[index].next().unwrap())).or_default() += 1;
            }
            prop_assert_eq!(pairs.len(), addrs.len() * sources.len());
            prop_assert!(pairs.values().all(|count| *count == rounds));
        }
    }

    #[test]
    fn an_address_has_sources_of_its_own_family() {
        let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let addrs = [v4, v6].map(|ip| Endpoint::Tcp((ip, 1).into()));
        let connector = Connector::new(&addrs, &[v6, v4], 3);
        for turns in 0..4 {
            assert_eq!(connector.turns[0].next(), Some(v4), "{turns}");
            assert_eq!(connector.turns[1].next(), Some(v6), "{turns}");
        }
        assert_eq!(Connector::new(&addrs, &[], 3).turns[1].next(), None);
    }
}
