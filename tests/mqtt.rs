//! MQTT sessions against the embedded broker: counted as it counts them, in both versions and every mode.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{against, only, pki_in, reasons, run, scenario, target, total, try_run};
use shakedown::record::RunRecord;
use shakedown::scenario::ProtocolKind;
use shakedown::stats::OkKind;
use shakedown::tls::ServerAuth;

const VERSIONS: [&str; 2] = ["3.1.1", "5"];

fn assert_target_agrees(record: &RunRecord) {
    for cell in &record.cells {
        for trial in &cell.trials {
            let counts = trial.target_counts.expect("the target is ours");
            let confirmed = trial.total.ok_total();
            assert_eq!(counts.established(), confirmed, "{}", cell.cell.name);
            assert_eq!(trial.total.failed_total(), 0, "{:?}", trial.total);
            let authenticated = if cell.is_mutual() { confirmed } else { 0 };
            assert_eq!(counts.authenticated, authenticated, "{}", cell.cell.name);
        }
    }
}

#[test]
fn both_versions_agree_with_the_broker_in_every_cell() {
    for version in VERSIONS {
        for qos in [0, 1] {
            let record = run(scenario(&format!(
                "[load]\nsessions = 4\ntotal = 40\n\
                 [protocol]\nkind = \"mqtt\"\nmqtt-version = \"{version}\"\nqos = {qos}\n\
                 exchanges = 3\npayload = \"20KiB\"\n\
                 [matrix]\nauth = [\"none\", \"server\", \"mutual\"]\ntls = [\"1.2\", \"1.3\"]\n",
            )));
            assert_target_agrees(&record);
            assert_eq!(record.cells.len(), 5);
            for cell in &record.cells {
                assert_eq!(cell.total().ok_total(), 40, "{version} {}", cell.cell.name);
                for kind in cell.trials[0].kinds.values() {
                    assert_eq!(kind.histograms["exchange"].count, 3 * 40);
                    assert_eq!(kind.histograms["confirm"].count, 40);
                }
            }
        }
    }
}

#[test]
fn held_sessions_ping_before_the_broker_gives_them_up() {
    // It closes a session after 1.5 s of silence.
    for version in VERSIONS {
        let record = run(scenario(&format!(
            "[load]\nsessions = 5\ntotal = 5\nhold = \"2500ms\"\n\
             [protocol]\nkind = \"mqtt\"\nmqtt-version = \"{version}\"\nkeep-alive = \"1s\"\n",
        )));
        let trial = &only(&record).trials[0];
        assert_eq!((total(&record).ok_total(), trial.lost_while_held), (5, 0));
        assert_target_agrees(&record);
    }
}

#[test]
fn held_sessions_publish_now_and_then() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 2\nhold = \"1s\"\n\
         [protocol]\nkind = \"mqtt\"\nevery = \"100ms\"\nkeep-alive = \"1s\"\n",
    ));
    let trial = &only(&record).trials[0];
    assert_eq!((total(&record).ok_total(), trial.lost_while_held), (2, 0));
    let exchanges = trial.kinds[&OkKind::Full].histograms["exchange"].count;
    assert!((4..=20).contains(&exchanges), "{exchanges}");
}

#[test]
fn a_client_of_another_authority_is_never_ok() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pki = pki_in(here.path());
    pki_in(elsewhere.path());
    let required = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, required, ProtocolKind::Mqtt);
    let wrong = scenario("[load]\nsessions = 2\ntotal = 20\n[matrix]\ntls = [\"1.3\"]\n");
    let url = format!("mqtts://localhost:{}/topic", addr.port());
    let record = run(against(wrong, &url, here.path(), Some(elsewhere.path())));
    let counts = total(&record);
    assert_eq!(counts.ok_total(), 0, "{counts:?}");
    assert_eq!(counts.failed["alert.unknown_ca"].count, 20, "{counts:?}");
    assert!(reasons(&record).contains(&"nothing-confirmed"));
}

#[test]
fn early_data_is_refused_since_every_session_begins_differently() {
    let scenario = scenario(
        "[load]\nsessions = 1\ntotal = 2\n[protocol]\nkind = \"mqtt\"\n\
         [resumption]\nmode = \"ticket\"\nearly-data = true\n[matrix]\ntls = [\"1.3\"]\n",
    );
    let refused = scenario.check("test", "").unwrap_err().to_string();
    assert!(
        refused.contains("differs from session to session"),
        "{refused}"
    );
}

#[test]
fn plain_mqtt_to_a_tls_port_is_refused() {
    let mut scenario = scenario("[matrix]\nauth = [\"none\"]\n");
    scenario.target.url = Some("mqtts://localhost:1/".to_owned());
    let refused = scenario.check("test", "").unwrap_err().to_string();
    assert!(refused.contains("plain MQTT to a TLS port"), "{refused}");
}

/// One packet, whose length is in one byte.
fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 2];
    if stream.read_exact(&mut packet).is_err() {
        return Vec::new();
    }
    let mut body = vec![0; packet[1].into()];
    stream.read_exact(&mut body).unwrap();
    packet.extend(body);
    packet
}

#[test]
fn every_session_has_a_client_id_of_its_own_and_leaves() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || {
                let connect = packet(&mut tcp);
                if connect.is_empty() {
                    // Whoever only looks whether somebody listens.
                    return;
                }
                tcp.write_all(&[0x20, 2, 0, 0]).unwrap();
                let publish = packet(&mut tcp);
                tcp.write_all(&[0x40, 2, 0, publish[publish.len() - 65]])
                    .unwrap();
                let leave = packet(&mut tcp);
                tell.send((connect[14..].to_vec(), publish, leave)).unwrap();
            });
        }
    });
    let mut scenario = scenario("[load]\nsessions = 3\ntotal = 30\n[workers]\ncount = 2\n");
    scenario.target.url = Some(format!("mqtt://127.0.0.1:{port}/a/topic"));
    let record = try_run(scenario).unwrap();
    assert_eq!(total(&record).ok_total(), 30, "{:?}", total(&record));
    let seen: Vec<_> = told.iter().take(30).collect();
    let ids: HashSet<_> = seen.iter().map(|(id, ..)| id).collect();
    assert_eq!(ids.len(), 30);
    for (id, publish, leave) in &seen {
        assert!(id.len() <= 23 && id.iter().all(u8::is_ascii_alphanumeric));
        assert!(publish[2..].starts_with(b"\0\x07a/topic"), "{publish:x?}");
        assert_eq!(leave[..], [0xe0, 0]);
    }
}

#[test]
fn silence_while_held_is_lost_in_its_class() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            thread::spawn(move || {
                packet(&mut tcp);
                let _ = tcp.write_all(&[0x20, 2, 0, 0]);
                packet(&mut tcp);
                let _ = tcp.write_all(&[0x40, 2, 0, 1]);
                while !packet(&mut tcp).is_empty() {}
            });
        }
    });
    let mut scenario = scenario(
        "[load]\nsessions = 1\ntotal = 1\nhold = \"5s\"\n\
         [protocol]\nkind = \"mqtt\"\nkeep-alive = \"1s\"\n",
    );
    scenario.target.url = Some(format!("mqtt://127.0.0.1:{port}"));
    let began = Instant::now();
    let record = try_run(scenario).unwrap();
    assert!(began.elapsed() < Duration::from_secs(4));
    let trial = &only(&record).trials[0];
    assert_eq!((total(&record).ok_total(), trial.lost_while_held), (1, 1));
}
