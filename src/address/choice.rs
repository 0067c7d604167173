//! Which of several addresses is used: the first that takes a TCP connection.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::stats::Stage;
use crate::tls::{Failure, connect_failure, timed_out};

/// Most addresses of one host that are tried.
pub const MOST_TRIED: usize = 8;

/// The addresses of a host, and which of them are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// All of them, in the order in which they are tried; never empty.
    pub addresses: Vec<SocketAddr>,
    /// The one that is used; `None` where all are.
    pub used: Option<usize>,
    /// Those that were tried and did not answer.
    pub failed: Vec<Tried>,
}

/// An address that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// It.
    pub address: SocketAddr,
    /// Why.
    pub failure: Failure,
}

impl Choice {
    /// Takes the first address that accepts a TCP connection, which is closed at once; if none does, the
    /// first. One address alone is not tried: the load will tell.
    pub(crate) fn first_that_answers(addresses: Vec<SocketAddr>, limit: Duration) -> Self {
        let mut failed = Vec::new();
        if addresses.len() > 1 {
            for (index, &address) in addresses.iter().enumerate().take(MOST_TRIED) {
                match TcpStream::connect_timeout(&address, limit) {
                    Ok(_) => {
                        return Self {
                            addresses,
                            used: Some(index),
                            failed,
                        };
                    }
                    Err(error) => failed.push(Tried {
                        address,
                        failure: match error.kind() {
                            std::io::ErrorKind::TimedOut => timed_out(Stage::Connect, limit),
                            _ => connect_failure(&error),
                        },
                    }),
                }
            }
        }
        Self {
            addresses,
            used: Some(0),
            failed,
        }
    }

    /// Takes them all; which answer will be seen in the figures.
    pub(crate) fn all(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            used: None,
            failed: Vec::new(),
        }
    }

    /// Those that are used.
    pub(crate) fn used(&self) -> &[SocketAddr] {
        match self.used {
            None => &self.addresses,
            Some(index) => self.addresses.get(index..=index).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::FailureClass;
    use std::net::TcpListener;

    /// An address of loopback on which nothing listens, at the port of one on which something does.
    fn deaf(listener: &TcpListener) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 99], listener.local_addr().unwrap().port()))
    }

    #[test]
    fn the_first_that_answers_is_taken_and_the_others_are_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (good, deaf) = (listener.local_addr().unwrap(), deaf(&listener));
        let limit = Duration::from_secs(5);
        let choice = Choice::first_that_answers(vec![deaf, good, good], limit);
        assert_eq!((choice.used(), choice.used), (&[good][..], Some(1)));
        let [tried] = &choice.failed[..] else {
            panic!("{choice:?}")
        };
        assert_eq!(tried.address, deaf);
        assert_eq!(tried.failure.0, FailureClass::ConnectRefused);
        let none = Choice::first_that_answers(vec![deaf, deaf], limit);
        assert_eq!((none.used(), none.failed.len()), (&[deaf][..], 2));
    }

    #[test]
    fn one_alone_is_not_tried_and_all_are_all() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let choice = Choice::first_that_answers(vec![address], Duration::from_secs(5));
        assert_eq!(choice.used(), [address]);
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "it was connected to");
        let both = vec![address, deaf(&listener)];
        assert_eq!(Choice::all(both.clone()).used(), both);
    }
}
