//! Where sessions connect to, and from where: addresses and sources in turn.

use std::cell::Cell;
use std::net::Ipv4Addr;

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

    /// The address of an attempt.
    pub(crate) fn of(&self, attempt: &Attempt) -> &Endpoint {
        &self.all[attempt.sample.address.unwrap_or(0)]
    }
}

/// Opens one worker's connections.
#[derive(Debug)]
pub(super) struct Connector {
    sources: Vec<Ipv4Addr>,
    next: Cell<usize>,
}

impl Connector {
    /// A connector that begins with another source than its neighbours.
    pub(crate) fn new(sources: &[Ipv4Addr], worker: usize) -> Self {
        Self {
            sources: sources.to_vec(),
            next: Cell::new(worker),
        }
    }

    /// Begins a connection, from the source whose turn it is; it is established later.
    pub(crate) fn open(&self, to: &Endpoint) -> Opened {
        let source = (!self.sources.is_empty()).then(|| {
            let index = self.next.get();
            self.next.set(index.wrapping_add(1));
            self.sources[index % self.sources.len()]
        });
        open(to, source)
    }
}
