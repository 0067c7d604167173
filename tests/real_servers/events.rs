//! Events against servers of others: sessions before and after a renewal as the server's log has them, by serial number;
//! revoked and expired certificates refused, and no session in the log that we do not claim.

use std::collections::BTreeMap;

use shakedown::record::{EventRecord, RunRecord};
use shakedown::stats::Timing;

use crate::server::{Server, installed, script};
use crate::verdicts;

/// Accepted requests in a log by the name of the client and the serial number of its certificate, in the order in which
/// these came up.
fn by_serial(log: &str) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut clients: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for line in log.lines().filter(|line| line.starts_with("200 ")) {
        let field = |begin: &str, ends: &[char]| {
            let rest = line.split_once(begin).unwrap_or_else(|| panic!("{line}")).1;
            rest.split(ends).next().unwrap().to_owned()
        };
        let (name, serial) = (field("CN=", &['"', ',', '/']), field("serial=", &[' ']));
        let serials = clients.entry(name).or_default();
        match serials.iter_mut().find(|(known, _)| *known == serial) {
            Some((_, count)) => *count += 1,
            None => serials.push((serial, 1)),
        }
    }
    clients
}

/// Runs a load of 20 minted identities with an event; what came of that.
fn with_event(server: &Server, seed: u32, event: &str) -> (RunRecord, EventRecord) {
    let result = server.pki().with_file_name(format!("out-{seed}.json"));
    let (status, said) = server.shakedown_with(
        &format!(
            "run {} --cacert pki/ca.pem --workers 2 --rate 50/s --warmup 0s -d 6s \
             --fleet mint:20,ca=pki/intermediate.pem,ca-key=pki/intermediate.key,seed={seed} -q -o {}",
            server.url,
            result.display()
        ),
        &["--event", event],
    );
    // A busy machine may not keep the schedule; the counts hold all the same.
    assert!([0, 106].contains(&status), "{said}");
    let record = shakedown::store::load(&result).unwrap();
    let event = record.cells[0].trials[0].events[0].clone();
    (record, event)
}

fn a_renewal_is_what_the_log_says(name: &'static str) {
    let Some(server) = Server::start(name, &["--threads", "1"]) else {
        return;
    };
    let mut claimed = 0;
    for (seed, overlap) in [(1, "2s"), (2, "-2s")] {
        let before = server.log(claimed);
        let event = format!("renew:at=4s,over=1s,overlap={overlap}");
        let (record, event) = with_event(&server, seed, &event);
        let (old, new) = (
            event.before.unwrap().sessions,
            event.after.unwrap().sessions,
        );
        claimed += old.ok_total() + new.ok_total();
        let log = server.log(claimed);
        let clients = by_serial(&log[before.len()..]);
        assert_eq!(clients.len(), 20, "{name}");
        let nth = |place: usize| -> u64 {
            let serials = clients.values().filter_map(|serials| serials.get(place));
            serials.map(|(_, count)| count).sum()
        };
        assert!(
            clients.values().all(|serials| serials.len() == 2),
            "{clients:?}"
        );
        assert_eq!(
            (old.ok_total(), new.ok_total()),
            (nth(0), nth(1)),
            "{name} {overlap}"
        );
        assert!(
            nth(0) >= 60 && nth(1) >= 40,
            "{name} {overlap}: {clients:?}"
        );
        assert_eq!(event.changes.unwrap().changed, 20);
        assert_eq!(new.failed_total(), 0, "{name} {overlap}: {new:?}");
        // With an overlap nobody notices; without one the old certificates are refused for a while.
        let failed = record.cells[0].total().failed_total();
        assert_eq!(failed, old.failed_total());
        assert_eq!(failed > 0, overlap == "-2s", "{name} {overlap}: {old:?}");
    }
}

#[test]
fn mosquitto_lets_in_whom_we_say_before_and_after_a_renewal() {
    let Some(server) = Server::start("mosquitto", &[]) else {
        return;
    };
    let mut claimed = 0;
    for (seed, overlap) in [(1, "2s"), (2, "-2s")] {
        let event = format!("renew:at=4s,over=1s,overlap={overlap}");
        let (record, event) = with_event(&server, seed, &event);
        let (old, new) = (
            event.before.unwrap().sessions,
            event.after.unwrap().sessions,
        );
        assert!(
            old.ok_total() >= 60 && new.ok_total() >= 40,
            "{old:?} {new:?}"
        );
        assert_eq!(new.failed_total(), 0, "{overlap}: {new:?}");
        assert_eq!(
            old.failed_total() > 0,
            overlap == "-2s",
            "{overlap}: {old:?}"
        );
        // Its log has names, which a renewal keeps, and no serial numbers.
        claimed += record.cells[0].total().ok_total();
        assert_eq!(server.logged(claimed), claimed, "{overlap}");
    }
}

#[test]
fn nginx_sees_old_and_new_certificates_as_often_as_we_say() {
    a_renewal_is_what_the_log_says("nginx");
}

#[test]
fn haproxy_sees_old_and_new_certificates_as_often_as_we_say() {
    a_renewal_is_what_the_log_says("haproxy");
}

/// Half of the identities are revoked in one run, and expire in the next.
fn bad_ones_are_refused(name: &'static str) {
    if !installed(name) {
        return;
    }
    let server = Server::start_in(name, &["--crl"], verdicts::mint);
    let reload = format!("{} reload --run run {name}", script().display());
    let mut claimed = 0;
    let events = [
        format!("revoke:at=2s,share=0.5,crl=pki/crl.pem,hook={reload}"),
        "expire:at=2s,share=0.5".to_owned(),
    ];
    for (seed, event) in (1..).zip(&events) {
        let (record, event) = with_event(&server, seed, event);
        assert_eq!(event.error, None, "{name}");
        let total = record.cells[0].total();
        let (before, after) = (
            event.before.as_ref().unwrap(),
            event.after.as_ref().unwrap(),
        );
        assert!(before.sessions.ok_total() >= 20, "{name}: {before:?}");
        assert!(after.sessions.failed_total() >= 20, "{name}: {after:?}");
        // Refused for good, the last acceptance within the time of a reload.
        let reaction = event.reaction();
        let bound = 3_000_000_000;
        assert!(
            matches!(reaction, Some(Timing::At(ns)) if ns < bound),
            "{name}: {reaction:?}"
        );
        // All others go on. OpenSSL refuses a certificate in the last second that it names as valid, before it expires.
        let refused = before.sessions.failed_total() + after.sessions.failed_total();
        assert_eq!(total.failed_total(), refused, "{name}: {:?}", total.failed);
        claimed += total.ok_total();
        assert_eq!(server.logged(claimed), claimed, "{name}: {}", event.kind);
    }
}

#[test]
fn nginx_refuses_revoked_and_expired_certificates() {
    bad_ones_are_refused("nginx");
}

#[test]
fn haproxy_refuses_revoked_and_expired_certificates() {
    bad_ones_are_refused("haproxy");
}

#[test]
fn mosquitto_refuses_revoked_and_expired_certificates() {
    bad_ones_are_refused("mosquitto");
}

#[test]
fn postgresql_refuses_revoked_and_expired_certificates() {
    bad_ones_are_refused("postgresql-15");
}

#[test]
fn etcd_refuses_revoked_and_expired_certificates() {
    bad_ones_are_refused("etcd");
}
