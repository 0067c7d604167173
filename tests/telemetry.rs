//! What a run tells Prometheus and OpenTelemetry while it goes on, as their own readers understand it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/foreign.rs"]
mod foreign;
#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use process::{Running, code, run, shakedown, text, wait_for_stderr};
use serde_json::Value;
use shakedown::store;

/// One answer of the endpoint: its head and body.
fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn get(address: &str, path: &str) -> (String, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// The families of a scrape, as Prometheus' own parser reads them.
fn scrape(address: &str, here: &Path) -> Option<Value> {
    let (head, body) = get(address, "/metrics");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let file = here.join("scraped.prom");
    fs::write(&file, body).unwrap();
    foreign::foreign(&["prometheus", file.to_str().unwrap()])
}

/// The sum of a sample's values over all its labels.
fn sum(families: &Value, name: &str) -> f64 {
    let samples = families
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|family| family["samples"].as_array().unwrap());
    samples
        .filter(|sample| sample[0] == name)
        .map(|sample| sample[2].as_f64().unwrap())
        .sum()
}

fn start(here: &Path, more: &str) -> Running {
    let mut command = shakedown(here);
    let load = "run --auth mutual --resumption off --sessions 4 --workers 1 --trials 1 --warmup 0s -o result.json";
    command.args(load.split(' ')).args(more.split(' '));
    Running::start(command)
}

/// Sessions confirmed in the whole of a run.
fn confirmed(here: &Path) -> u64 {
    let record = store::load(&here.join("result.json")).unwrap();
    let trials = record.cells.iter().flat_map(|cell| &cell.trials);
    trials.map(|trial| trial.total.ok_total()).sum()
}

#[test]
fn prometheus_scrapes_a_run_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let mut running = start(here, "--duration 4s --metrics 127.0.0.1:0");
    let line = wait_for_stderr(&mut running, "metrics at http://");
    let address = line
        .trim()
        .trim_start_matches("metrics at http://")
        .trim_end_matches("/metrics");
    for (request, status) in [
        ("GET / ", "404"),
        ("POST /metrics ", "405"),
        ("HEAD /metrics ", "200"),
    ] {
        let (head, body) = ask(address, &format!("{request}HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
        assert_eq!(body.is_empty(), status == "200", "{body}");
    }
    let mut seen: Vec<f64> = Vec::new();
    while seen.len() < 2 {
        let Some(families) = scrape(address, here) else {
            return;
        };
        let now = sum(&families, "shakedown_sessions_confirmed_total");
        assert!((sum(&families, "shakedown_latency_seconds_count") - now).abs() < 0.5);
        assert!(sum(&families, "shakedown_attempts_total") >= now);
        assert!((sum(&families, "shakedown_trials") - 1.0).abs() < 0.5);
        if now > seen.last().copied().unwrap_or_default() {
            assert!(sum(&families, "shakedown_in_flight") <= 4.0, "{families}");
            assert!(sum(&families, "shakedown_latency_seconds_sum") > 0.0);
            assert!(sum(&families, "shakedown_worker_cpu_seconds_total") > 0.0);
            seen.push(now);
        }
    }
    let (code, _, stderr) = running.wait_with_stderr();
    assert!([0, 106].contains(&code), "{stderr}");
    assert!(confirmed(here) as f64 >= seen[1]);
    assert!(
        TcpStream::connect(address).is_err(),
        "it is gone with the run"
    );
}

#[test]
fn connections_that_ask_nothing_do_not_keep_others_from_asking() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), "--duration 5s --metrics 127.0.0.1:0");
    let line = wait_for_stderr(&mut running, "metrics at http://");
    let address = (line.trim())
        .trim_start_matches("metrics at http://")
        .trim_end_matches("/metrics");
    let idle: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            if number % 2 == 1 {
                stream
                    .write_all(b"GET /metrics HTTP/1.1\r\nHost: ")
                    .unwrap();
            }
            stream
        })
        .collect();
    let began = std::time::Instant::now();
    let (head, _) = get(address, "/metrics");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
    drop(idle);
    assert_eq!(running.wait().0, 0);
}

#[test]
fn an_endpoint_for_everyone_or_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (address, status, part) in [
        ("0.0.0.0:9464".to_owned(), 2, "not a loopback address"),
        (
            "9464".to_owned(),
            2,
            "no port; give an address and a port, e.g. 127.0.0.1:",
        ),
        (taken.to_string(), 1, "does something else listen there?"),
    ] {
        let output = run(
            dir.path(),
            &format!("run --metrics {address} -o result.json"),
        );
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), status, "{stderr}");
        assert!(
            stderr.contains("--metrics") && stderr.contains(part),
            "{stderr}"
        );
        assert!(!dir.path().join("result.json").exists());
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use super::*;

    /// The points of a metric in one message.
    fn points<'a>(message: &'a Value, name: &str) -> Vec<&'a Value> {
        let metrics = &message["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        let metrics = metrics
            .as_array()
            .unwrap()
            .iter()
            .filter(|metric| metric["name"] == name);
        metrics
            .flat_map(|metric| {
                ["sum", "gauge", "histogram"].map(|kind| &metric[kind]["dataPoints"])
            })
            .filter_map(Value::as_array)
            .flatten()
            .collect()
    }

    fn total(message: &Value, name: &str) -> f64 {
        let points = points(message, name).into_iter();
        points
            .map(|point| point["asDouble"].as_f64().unwrap())
            .sum()
    }

    #[test]
    fn a_collector_has_in_the_end_what_the_result_has() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path();
        let file = here.join("received");
        let Some(collector) = foreign::collector(&file) else {
            return;
        };
        let mut collector = Running::start(collector);
        let url = collector.first_line();
        let running = start(here, &format!("--duration 6s --otlp {}", url.trim()));
        let (code, _, stderr) = running.wait_with_stderr();
        assert!(
            [0, 106].contains(&code) && !stderr.contains("warning:"),
            "{stderr}"
        );
        let received = fs::read_to_string(&file).unwrap();
        let messages: Vec<Value> = received
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(messages.len() >= 2, "{received}");
        let name = "shakedown.sessions.confirmed";
        let counts: Vec<f64> = messages
            .iter()
            .map(|message| total(message, name))
            .collect();
        assert!(counts.is_sorted() && counts[0] > 0.0, "{counts:?}");
        let last = messages.last().unwrap();
        assert!(
            (total(last, name) - confirmed(here) as f64).abs() < 0.5,
            "{counts:?}"
        );
        let latency = points(last, "shakedown.latency")[0];
        assert_eq!(latency["count"], confirmed(here).to_string());
        let (buckets, ends) = (&latency["bucketCounts"], &latency["explicitBounds"]);
        assert_eq!(
            buckets.as_array().unwrap().len(),
            ends.as_array().unwrap().len() + 1
        );
        let resource = last["resourceMetrics"][0]["resource"]["attributes"].to_string();
        assert!(resource.contains("service.name"), "{resource}");
    }

    #[test]
    fn a_collector_that_is_not_there_costs_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = closed.local_addr().unwrap();
        drop(closed);
        let running = start(dir.path(), &format!("--duration 1s --otlp http://{gone}"));
        let (code, _, stderr) = running.wait_with_stderr();
        assert!([0, 106].contains(&code), "{stderr}");
        assert!(stderr.contains("could not be sent to --otlp"), "{stderr}");
        assert!(confirmed(dir.path()) > 0);
    }
}
