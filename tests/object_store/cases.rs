//! What shards do at a bucket, in a process of its own: endpoint and credentials are in its environment.

use std::process::Command;
use std::time::{Duration, SystemTime};

use shakedown::meeting::{MeetError, Meeting, Met, Patience, Place, meet};
use shakedown::shard::Shard;

/// Variables that say to a process which case it is.
const CASE: &str = "SHAKEDOWN_TEST_CASE";
const URL: &str = "SHAKEDOWN_TEST_URL";
/// What must never be seen.
const SECRET: &str = "Zx81+very/secret0123456789";
/// What a case says before its error.
const ERROR: &str = "error: ";

/// Enough on a busy machine, too.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(1_500);

/// Runs a case at a place of the server with that address, and gives the error that it ends with.
pub fn said(case: &str, url: &str, address: &str) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") || name.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    if case != "without-http" {
        command.env("AWS_ALLOW_HTTP", "true");
    }
    let output = command
        .args(["--exact", "cases::in_a_process_of_its_own", "--nocapture"])
        .env(CASE, case)
        .env(URL, url)
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE1234567")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_SESSION_TOKEN", format!("token-{SECRET}"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("very/secret"), "{text}");
    assert!(output.status.success(), "{text}");
    let error = text
        .split_once(ERROR)
        .map(|(_, error)| error.lines().next());
    match error {
        Some(error) => Err(error.unwrap_or_default().to_owned()),
        None => Ok(()),
    }
}

#[test]
fn in_a_process_of_its_own() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    let url = std::env::var(URL).unwrap();
    let place = Place::parse(&url).unwrap();
    match case.as_str() {
        "results" => results(&place),
        "one-result" => one_result(&place),
        "meeting" => meeting(&place),
        "missing" => missing(&place),
        _ => {
            let error = meet(&place, &shard(0, 2, SHORT), &|| false).unwrap_err();
            println!("{ERROR}{error}");
        }
    }
}

fn shard(index: u32, of: u32, timeout: Duration) -> Meeting {
    Meeting {
        shard: Shard::new(index, of).unwrap(),
        workers: 2,
        host: None,
        plan: "ab".repeat(32),
        slot: Duration::from_secs(12),
        lead: Duration::from_secs(5),
        timeout,
    }
}

fn all_meet(place: &Place, meetings: &[Meeting]) -> Vec<Result<Met, MeetError>> {
    std::thread::scope(|scope| {
        let comes = |meeting| scope.spawn(move || meet(place, meeting, &|| false));
        let all: Vec<_> = meetings.iter().map(comes).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn results(place: &Place) {
    let stop = || false;
    let patience = Patience::new(LONG, &stop);
    assert_eq!(place.start(&patience).unwrap(), None);
    assert!(place.results(&patience).unwrap().is_empty());
    let content = |n: usize| format!("{n}{}", "x".repeat(100_000)).into_bytes();
    let put = |index: u32, n: usize| {
        let patience = Patience::new(LONG, &stop);
        place.put_result(Shard::new(index, 11).unwrap(), content(n), &patience)
    };
    let won: Vec<bool> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|n| scope.spawn(move || put(2, n).is_ok()))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let winner = won.iter().position(|won| *won).unwrap();
    assert_eq!(
        place.result(2, 1 << 20, &patience).unwrap(),
        Some(content(winner))
    );
    put(10, 0).unwrap();
    put(0, 0).unwrap();
    assert_eq!(place.results(&patience).unwrap(), [0, 2, 10]);
    assert_eq!(place.result(1, 9, &patience).unwrap(), None);
    let error = put(0, 1).unwrap_err().to_string();
    assert!(error.contains("a result of shard 0/11 already"), "{error}");
    let error = place.result(0, 9, &patience).unwrap_err().to_string();
    assert!(
        error.contains("it holds 100001 bytes, and at most 9 are read"),
        "{error}"
    );
}

fn one_result(place: &Place) {
    let stop = || false;
    let patience = Patience::new(LONG, &stop);
    let shard = Shard::new(0, 1).unwrap();
    place.put_result(shard, b"{}".to_vec(), &patience).unwrap();
    assert_eq!(place.result(0, 9, &patience).unwrap().unwrap(), b"{}");
}

fn meeting(place: &Place) {
    let all: Vec<Meeting> = (0..3).map(|index| shard(index, 3, LONG)).collect();
    let before = SystemTime::now();
    let met: Vec<Met> = all_meet(place, &all)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let start = &met[0].start;
    assert!(met.iter().all(|one| one.start == *start));
    let attempts: Vec<_> = met.iter().map(|one| one.attempt.clone()).collect();
    assert_eq!(start.attempts, attempts);
    assert!(start.at >= before + Duration::from_secs(5));
    for one in &met {
        // The server is this machine, and its clock in answers has whole seconds.
        let (offset, error) = (
            one.clock.offset_ns.unwrap(),
            one.clock.offset_error_ns.unwrap(),
        );
        assert!(
            offset.unsigned_abs() <= error + 1_000_000,
            "{offset} ± {error}"
        );
        assert!((500_000_000..60_000_000_000).contains(&error), "{error}");
    }
    let stop = || false;
    let patience = Patience::new(LONG, &stop);
    assert_eq!(place.start(&patience).unwrap().as_ref(), Some(start));
    let again = meet(place, &all[1], &stop).unwrap_err().to_string();
    assert!(
        again.contains("with another process as shard 1/3"),
        "{again}"
    );
}

fn missing(place: &Place) {
    let ends = all_meet(place, &[shard(0, 3, SHORT), shard(2, 3, SHORT)]);
    for end in ends {
        let said = end.unwrap_err().to_string();
        assert!(said.contains("2 of 3 shards came within"), "{said}");
        assert!(said.contains("; missing: shard 1; "), "{said}");
    }
}
