//! The HTML report as a browser sees it: nothing from outside, no script, a text for every drawing, and
//! whatever strangers wrote is only words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::injected;
use common::installed::installed;
use common::process::{code, run, text};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shakedown::record::{HistogramRecord, TimelineRecord};
use shakedown::stats::SecondHistogram;

const FIXTURES: [&str; 4] = [
    "result-v1-tax.json",
    "result-v1.json",
    "result-v1-anatomy.json",
    "comparison-v1.json",
];
/// Names and starts of attributes that a page may not have.
const FORBIDDEN: [&str; 14] = [
    "<script", "<img", "<iframe", "<link", "<object", "<embed", "<form", "<base", " src=",
    " style=", " onload", " onerror", "@import", "url(",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn page(result: &Path) -> String {
    page_of(&[result])
}

fn page_of(files: &[&Path]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let output = run(dir.path(), &format!("report {} -f html", files.join(" ")));
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What the pages of these tests are made of: each fixture, and two results that are laid side by side.
fn pages() -> Vec<(String, String)> {
    let each = FIXTURES
        .iter()
        .map(|name| (name.to_string(), page(&fixture(name))));
    let tax = fixture("result-v1-tax.json");
    let two = ("two results".to_owned(), page_of(&[&tax, &tax]));
    each.chain([two]).collect()
}

/// The page without its style and its words: names of elements and their attributes.
fn markup(page: &str) -> String {
    let tags = page
        .split('<')
        .skip(1)
        .filter_map(|part| part.split_once('>'));
    let tags: Vec<String> = tags.map(|(tag, _)| format!("<{tag}>\n")).collect();
    tags.concat()
}

#[test]
fn a_page_is_one_file_that_asks_for_nothing() {
    for (name, page) in pages() {
        assert!(page.len() < 2_000_000, "{name}: {} bytes", page.len());
        let markup = markup(&page);
        for forbidden in FORBIDDEN {
            assert!(!markup.contains(forbidden), "{name}: {forbidden}");
        }
        for link in markup.split(" href=\"").skip(1) {
            assert!(link.starts_with('#'), "{name}: {link}");
        }
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        assert!(!style.contains("url(") && !style.contains("@import"));
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = format!("default-src 'none'; style-src 'sha256-{hash}'");
        assert!(page.replace("&#39;", "'").contains(&policy), "{name}");
    }
}

#[test]
fn every_drawing_has_a_text() {
    let mut drawings = 0;
    for (name, page) in pages() {
        for svg in page.split("<svg ").skip(1) {
            drawings += 1;
            let (svg, _) = svg.split_once("</svg>").unwrap();
            let (head, _) = svg.split_once('>').unwrap();
            assert!(head.contains("role=\"img\" aria-labelledby="), "{head}");
            for part in ["title", "desc"] {
                let (_, rest) = svg.split_once(&format!("<{part} id=")).unwrap();
                let (_, words) = rest.split_once('>').unwrap();
                let (words, _) = words.split_once('<').unwrap();
                assert!(words.len() > 5, "{name}: {part} is {words:?}");
            }
        }
        let ids: Vec<&str> = page
            .split(" id=\"")
            .skip(1)
            .filter_map(|s| s.split('"').next())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "{name}: an id is there twice");
    }
    assert!(drawings > 6, "{drawings}");
}

#[test]
fn a_page_holds_what_the_table_says() {
    let file = fixture("result-v1-tax.json");
    let tax = page(&file);
    for claim in ["multiplies", "class=\"i\""] {
        assert!(!tax.contains(claim), "two rounds show nothing: {claim}");
    }
    assert!(tax.contains("(mtls against tls): 2 rounds cannot tell a difference from noise"));
    assert!(tax.contains("1.65 (2 rounds)"), "the estimate is told");
    // The same in six rounds.
    let mut record = shakedown::store::load(&file).unwrap();
    for cell in &mut record.cells {
        cell.trials = cell.trials.iter().cycle().take(6).cloned().collect();
        for (round, trial) in cell.trials.iter_mut().enumerate() {
            trial.round = round;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let six = dir.path().join("six.json");
    fs::write(&six, serde_json::to_string(&record).unwrap()).unwrap();
    let tax = page(&six);
    for part in [
        "valid: the run did what was asked",
        "Mutual authentication (mtls against tls) multiplies",
        "class=\"i\"",
        "<th scope=\"row\">target CPU per session (µs)</th>",
        "confirm by percentile",
        "Environment",
        "shakedown run --trials 2 -d 3s",
        "[matrix]",
    ] {
        assert!(tax.contains(part), "{part}");
    }
    let failed = page(&fixture("result-v1.json"));
    assert!(failed.contains("INVALID") && failed.contains("<h2>Failures</h2>"));
    let apart = page(&fixture("result-v1-anatomy.json"));
    assert!(
        apart.contains("Sessions taken apart") && apart.contains("the client verifies the server")
    );
    assert!(
        !apart.contains("Latency by percentile"),
        "metered latencies are not for comparing"
    );
}

#[test]
fn what_strangers_wrote_is_only_words() {
    let dir = tempfile::tempdir().unwrap();
    for name in FIXTURES {
        let results = injected::results(dir.path(), name);
        let next = results.iter().cycle().skip(1);
        for (result, next) in results.iter().zip(next) {
            let page = match name {
                // A stranger in each of two files.
                "result-v1-tax.json" => page(result) + &page_of(&[result, next]),
                _ => page(result),
            };
            let markup = markup(&page);
            for forbidden in FORBIDDEN {
                assert!(
                    !markup.contains(forbidden),
                    "{}: {forbidden}",
                    result.display()
                );
            }
            let hidden = |c: char| {
                c != '\n' && c.is_control() || "\u{202e}\u{2066}\u{200f}\u{200b}".contains(c)
            };
            assert!(!page.contains(hidden), "{}", result.display());
            assert!(page.contains("PWNED"), "the corpus is not on the page");
        }
    }
}

/// What Chromium makes of a page: its elements after everything has run, and a picture.
fn browse(dir: &Path, page: &str, flags: &[&str]) -> (String, Vec<u8>) {
    let file = dir.join("page.html");
    fs::write(&file, page).unwrap();
    let picture = dir.join("page.png");
    let url = format!("file://{}", file.display());
    let shot = format!("--screenshot={}", picture.display());
    let chromium = |what: &str| {
        let output = Command::new("timeout")
            .args([
                "60",
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--virtual-time-budget=2000",
                what,
            ])
            .arg(format!("--user-data-dir={}", dir.join("profile").display()))
            .args(flags)
            .arg(&url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    chromium(&shot);
    (chromium("--dump-dom"), fs::read(picture).unwrap())
}

/// A server that counts who comes, and has nothing for them.
fn outside() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let visits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visits);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (here, visits)
}

#[test]
fn chromium_runs_nothing_and_asks_for_nothing() {
    if !installed("chromium") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (here, visits) = outside();
    // What the test looks for can be seen: a page that is not ours runs its script and is asked for.
    let control = format!(
        "<title>x</title><img src=\"http://{here}/x.png\"><script>document.title='PWNED'</script>"
    );
    let (dom, _) = browse(dir.path(), &control, &[]);
    assert!(dom.contains("<title>PWNED</title>"), "{dom}");
    let asked = visits.load(Ordering::SeqCst);
    assert!(asked > 0, "the control page was not seen to ask");
    for (number, name) in FIXTURES.iter().enumerate() {
        let results = injected::results(dir.path(), name);
        let result = &results[number * 5 % results.len()];
        let page = match *name {
            "result-v1-tax.json" => page_of(&[result, &results[3]]),
            _ => page(result),
        };
        let page = page.replace("127.0.0.1:9", &here);
        assert!(page.contains(&here));
        let (dom, picture) = browse(dir.path(), &page, &["--window-size=900,2000"]);
        assert!(!dom.contains("<title>PWNED</title>"), "a script ran");
        let after = visits.load(Ordering::SeqCst);
        assert_eq!(after, asked, "{name}: the page asked for something");
        for forbidden in FORBIDDEN {
            assert!(!markup(&dom).contains(forbidden), "{name}: {forbidden}");
        }
        assert!(
            picture.len() > 20_000,
            "{name}: a picture of {} bytes",
            picture.len()
        );
    }
}

#[test]
fn chromium_follows_the_light_and_the_width() {
    if !installed("chromium") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = page(&fixture("result-v1-tax.json"));
    let size = "--window-size=800,1200";
    let (_, light) = browse(
        dir.path(),
        &page,
        &[size, "--blink-settings=preferredColorScheme=1"],
    );
    let (_, dark) = browse(
        dir.path(),
        &page,
        &[size, "--blink-settings=preferredColorScheme=0"],
    );
    assert!(light != dark, "the page is as light in the dark");
    let (_, narrow) = browse(dir.path(), &page, &["--window-size=500,1200"]);
    let width = |png: &[u8]| u32::from_be_bytes(png[16..20].try_into().unwrap());
    assert_eq!((width(&light), width(&narrow)), (800, 500));
}

/// A result of a matrix with a thousand cells: the fixture's with TLS and mutual TLS, for providers, groups and chains.
fn thousand(dir: &Path) -> PathBuf {
    let text = fs::read_to_string(fixture("result-v1-tax.json")).unwrap();
    let mut result: Value = serde_json::from_str(&text).unwrap();
    let of_auth = |auth: &str| {
        let mut cells = result["cells"].as_array().unwrap().iter();
        cells.find(|c| c["cell"]["auth"] == auth).unwrap().clone()
    };
    let [mut tls, mut mtls] = ["server", "mutual"].map(of_auth);
    for trial in [&mut tls, &mut mtls]
        .into_iter()
        .flat_map(|c| c["trials"].as_array_mut().unwrap())
    {
        for kind in trial["kinds"].as_object_mut().unwrap().values_mut() {
            // Reading the others would only take time.
            let histograms = kind["histograms"].as_object_mut().unwrap();
            histograms.retain(|metric, _| metric == "confirm");
        }
    }
    let mut cells = Vec::new();
    for provider in ["aws-lc-rs", "graviola", "openssl", "ring", "rustcrypto"] {
        for (group, chain) in (0..10).flat_map(|g| (0..10).map(move |c| (g, c))) {
            for (name, cell) in [("tls", &tls), ("mtls", &mtls)] {
                let mut cell = cell.clone();
                let point = &mut cell["cell"];
                point["name"] = format!("{name}1.3-group{group}-chain{chain}-{provider}").into();
                point["provider"] = provider.into();
                point["group"] = format!("group{group}").into();
                point["chain"] = chain.into();
                cells.push(cell);
            }
        }
    }
    result["cells"] = cells.into();
    let file = dir.join("thousand.json");
    fs::write(&file, result.to_string()).unwrap();
    file
}

#[test]
fn a_page_of_a_thousand_cells_stays_small_and_says_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(&thousand(dir.path()));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for part in [
        "And 497 more, which the tables have.",
        "mTLS tax",
        "The first 40 of 500 cells.",
        "providers against aws-lc-rs: client CPU per session",
        "The first 200 of 800 cells; CSV has all of them.",
        "The first 8 of 1000 cells are drawn",
        "The 60 of 1,000 cells with the largest schedule lag",
        "in 500 cells",
        "<th scope=\"row\">mtls1.3-group9-chain9-rustcrypto</th>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let drawings = page.matches("<svg ").count();
    assert!((10..60).contains(&drawings), "{drawings} drawings");
}

/// A file like a fixture's, with trials of this many seconds and ever slower sessions in each but the third.
fn over_time(dir: &Path, seconds: u64) -> PathBuf {
    let mut record = shakedown::store::load(&fixture("result-v1.json")).unwrap();
    for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
        trial.length_ns = seconds * 1_000_000_000 + 5;
        trial.timeline = (0..=seconds).map(second).collect();
    }
    let path = dir.join(format!("{seconds}.json"));
    shakedown::store::save(&path, &record).unwrap();
    path
}

fn second(second: u64) -> TimelineRecord {
    let sessions = if second == 2 { 5 } else { 1_100 };
    let mut latency = SecondHistogram::new();
    for session in 0..sessions {
        latency.record((1_000_000 + session * 100) * (second + 1));
    }
    TimelineRecord {
        second,
        started: sessions,
        ok: sessions,
        in_flight_max: 4,
        latency: Some(HistogramRecord::of(&latency).unwrap()),
        ..TimelineRecord::default()
    }
}

#[test]
fn latency_is_drawn_over_time_where_trials_are_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let drawn = page(&over_time(dir.path(), 6));
    for part in [
        "6 steps of a second each",
        "The p50 of a step: 1.06 ms to 6.36 ms, in the 5 steps that have enough sessions.",
        "latency by step",
    ] {
        assert!(drawn.contains(part), "{part}");
    }
    assert!(!drawn.contains("latency by round"));
    // The gap in the third second parts each line of percentiles.
    for line in ["l s4", "l s5"] {
        let paths = drawn
            .matches(&format!("<polyline class=\"{line}\""))
            .count();
        let cells = drawn.matches("latency by step").count();
        assert_eq!(paths, 2 * cells, "{line}");
    }
    // Trials that are too short, and files from before seconds had latencies.
    for old in [over_time(dir.path(), 3), fixture("result-v1-tax.json")] {
        let old = page(&old);
        assert!(!old.contains("latency by step"));
        assert!(!old.contains("The p50 of a step"));
    }
    assert!(page(&fixture("result-v1-tax.json")).contains("latency by round"));
}

#[test]
fn a_long_trial_is_drawn_in_longer_steps() {
    let dir = tempfile::tempdir().unwrap();
    let long = page(&over_time(dir.path(), 800));
    assert!(long.contains("80 steps of 10 seconds each"));
    assert!(long.len() < 500_000, "{} bytes", long.len());
}
