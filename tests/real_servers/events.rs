//! Events against servers of others: sessions before and after a renewal as the server's log has them, by serial number.

use std::collections::BTreeMap;

use shakedown::record::{EventRecord, RunRecord};

use crate::server::Server;

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

/// Runs a load in which 20 identities are renewed; what came of that.
fn renewed(server: &Server, seed: u32, overlap: &str) -> (RunRecord, EventRecord) {
    let result = server.pki().with_file_name(format!("out-{seed}.json"));
    let (status, said) = server.shakedown(&format!(
        "run https://localhost:PORT/ --cacert pki/ca.pem --workers 2 --rate 50/s --warmup 0s -d 6s \
         --fleet mint:20,ca=pki/intermediate.pem,ca-key=pki/intermediate.key,seed={seed} \
         --event renew:at=4s,over=1s,overlap={overlap} -q -o {}",
        result.display()
    ));
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
    for (seed, overlap) in [(1, "1s"), (2, "-2s")] {
        let before = server.log(claimed);
        let (record, event) = renewed(&server, seed, overlap);
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
fn nginx_sees_old_and_new_certificates_as_often_as_we_say() {
    a_renewal_is_what_the_log_says("nginx");
}

#[test]
fn haproxy_sees_old_and_new_certificates_as_often_as_we_say() {
    a_renewal_is_what_the_log_says("haproxy");
}
