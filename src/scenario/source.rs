//! Local addresses that connections are made from: one, a range or a block, as it is written.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Scenario;
use super::error::{Problem, refuse};
use crate::text::escape_untrusted;
use crate::units::as_text;

/// Most addresses of a scenario.
const MOST: usize = 1024;
/// Most characters of what was written in an error.
const TEXT_CAP: usize = 60;

/// `10.0.0.1`, `10.0.0.1-10.0.0.9` or `10.0.0.0/28`, which is its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddresses {
    text: String,
    /// The first and the last as numbers.
    bounds: (u128, u128),
    v6: bool,
}

impl SourceAddresses {
    /// How many there are.
    fn count(&self) -> u128 {
        self.bounds.1 - self.bounds.0 + 1
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let v6 = self.v6;
        let to_address = move |bits: u128| match u32::try_from(bits) {
            Ok(bits) if !v6 => IpAddr::from(Ipv4Addr::from(bits)),
            _ => IpAddr::from(Ipv6Addr::from(bits)),
        };
        (self.bounds.0..=self.bounds.1).map(to_address)
    }
}

as_text!(
    SourceAddresses,
    "SourceAddresses",
    "local addresses, e.g. 10.0.0.1, 10.0.0.1-10.0.0.9 or 10.0.0.0/28, which is its hosts"
);

impl Display for SourceAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for SourceAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = escape_untrusted(text, TEXT_CAP);
        let no_address = || {
            format!(
                "\"{shown}\" is no local address; write one such as 10.0.0.1, a range such as \
                 10.0.0.1-10.0.0.9, or a block such as 10.0.0.0/28"
            )
        };
        let parse = |text: &str| text.parse::<IpAddr>().map_err(|_| no_address());
        let (v6, bounds) = if let Some((base, length)) = text.split_once('/') {
            let length = length.parse::<u32>().map_err(|_| no_address())?;
            let base = parse(base)?;
            (base.is_ipv6(), hosts(base, length).ok_or_else(no_address)?)
        } else if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (parse(first)?, parse(last)?);
            if first.is_ipv6() != last.is_ipv6() || first > last {
                return Err(format!(
                    "\"{shown}\" does not go from an address to a later one"
                ));
            }
            (first.is_ipv6(), (bits(first), bits(last)))
        } else {
            let only = parse(text)?;
            (only.is_ipv6(), (bits(only), bits(only)))
        };
        let parsed = Self {
            text: text.to_owned(),
            bounds,
            v6,
        };
        if parsed.count() > MOST as u128 {
            return Err(format!(
                "\"{shown}\" has {} addresses, and a run takes at most {MOST}",
                parsed.count()
            ));
        }
        match parsed.each().find(|ip| cannot_be_a_source(*ip)) {
            Some(ip) => Err(format!(
                "\"{shown}\": no connection is made from {ip}; write addresses of this host"
            )),
            None => Ok(parsed),
        }
    }
}

/// The first and the last host of a block: without the address of the network and, of IPv4, that of its broadcast.
/// None if there is no such block.
fn hosts(base: IpAddr, length: u32) -> Option<(u128, u128)> {
    let width = if base.is_ipv6() { 128 } else { 32 };
    let host_bits = u32::checked_sub(width, length)?;
    let size_minus_1 = u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
    let first = bits(base);
    if first & size_minus_1 != 0 {
        return None;
    }
    let last = first + size_minus_1;
    // Blocks of one and two have neither (RFC 3021, RFC 6164).
    Some(match host_bits {
        0 | 1 => (first, last),
        _ if base.is_ipv6() => (first + 1, last),
        _ => (first + 1, last - 1),
    })
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn cannot_be_a_source(ip: IpAddr) -> bool {
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    mapped || ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST
}

/// Refuses what has no effect, and more addresses than a run takes.
pub(super) fn check(scenario: &Scenario) -> Result<(), Problem> {
    let key = "workers.source";
    let sources = &scenario.workers.source;
    refuse(
        !sources.is_empty() && scenario.way_in.unix_socket.is_some(),
        key,
        "a Unix socket is connected to from no address",
        "drop it, or way-in.unix-socket (--unix-socket)",
    )?;
    let total: u128 = sources.iter().map(SourceAddresses::count).sum();
    refuse(
        total > MOST as u128,
        key,
        format!("it has {total} addresses, and a run takes at most {MOST}"),
        "drop some; each has the ports of its own towards each address of the target",
    )?;
    let mut known = HashSet::new();
    let twice = sources.iter().flat_map(SourceAddresses::each);
    match twice.into_iter().find(|ip| !known.insert(*ip)) {
        Some(ip) => Err(Problem::new(
            key,
            format!("{ip} is in it twice"),
            "write each address once; they take turns",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(text: &str) -> Result<Vec<String>, String> {
        let parsed: SourceAddresses = text.parse()?;
        assert_eq!(parsed.to_string(), text);
        Ok(parsed.each().map(|ip| ip.to_string()).collect())
    }

    #[test]
    fn addresses_ranges_and_hosts_of_blocks() {
        for (text, all) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("fe80::1", "fe80::1"),
            ("10.0.0.255-10.0.1.1", "10.0.0.255 10.0.1.0 10.0.1.1"),
            ("fd00::f-fd00::10", "fd00::f fd00::10"),
            ("10.0.0.0/30", "10.0.0.1 10.0.0.2"),
            ("10.0.0.4/31", "10.0.0.4 10.0.0.5"),
            ("10.0.0.7/32", "10.0.0.7"),
            ("fd00::/126", "fd00::1 fd00::2 fd00::3"),
            ("fd00::9/128", "fd00::9"),
        ] {
            let all: Vec<String> = all.split(' ').map(str::to_owned).collect();
            assert_eq!(listed(text), Ok(all), "{text}");
        }
        assert_eq!(listed("10.0.0.0/28").unwrap().len(), 14);
        assert_eq!(listed("10.0.0.0/22").unwrap().len(), 1022);
    }

    #[test]
    fn what_is_no_source_says_why() {
        for (text, part) in [
            ("", "such as 10.0.0.1"),
            ("localhost", "such as 10.0.0.1"),
            ("eth0", "such as 10.0.0.1"),
            ("10.0.0.1:80", "such as 10.0.0.1"),
            ("10.0.0.5/28", "such as 10.0.0.1"),
            ("10.0.0.0/33", "such as 10.0.0.1"),
            ("10.0.0.9-10.0.0.1", "to a later one"),
            ("10.0.0.1-::1", "to a later one"),
            ("10.0.0.0/8", "16777214 addresses"),
            ("::/0", "at most 1024"),
            ("fd00::/64", "at most 1024"),
            ("0.0.0.0", "no connection is made from 0.0.0.0"),
            ("::", "no connection is made from ::"),
            ("224.0.0.1", "224.0.0.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
            ("\x1b[31m", "\\u{1b}"),
        ] {
            let error = listed(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_run_takes_each_address_once_and_not_too_many() {
        let check = |all: &[&str]| {
            let mut scenario = Scenario::default();
            scenario.workers.source = all.iter().map(|text| text.parse().unwrap()).collect();
            check(&scenario).map_err(|problem| problem.cause)
        };
        assert_eq!(check(&["10.0.0.1-10.0.0.3", "10.0.0.4", "::1"]), Ok(()));
        let twice = check(&["10.0.0.1-10.0.0.3", "10.0.0.2"]).unwrap_err();
        assert_eq!(twice, "10.0.0.2 is in it twice");
        let many = check(&["10.0.0.0/22", "10.1.0.0/22"]).unwrap_err();
        assert!(many.contains("2044 addresses"), "{many}");
    }

    proptest! {
        #[test]
        fn any_text_is_some_addresses_or_an_error(text in "\\PC{0,40}|[0-9a-f:./-]{0,40}") {
            if let Ok(parsed) = text.parse::<SourceAddresses>() {
                let each: Vec<IpAddr> = parsed.each().collect();
                prop_assert!((1..=MOST).contains(&each.len()));
                prop_assert!(each.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }
}
