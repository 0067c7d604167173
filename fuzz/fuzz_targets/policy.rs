//! Any text as a policy of a gate: it is refused with an error that renders, or its limits are in range
//! and its thresholds are the same after they were written out and read again.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use shakedown::compare::{Policy, Rules, Subject, Threshold};

fuzz_target!(|text: &str| -> Corpus { fuzz(text) });

fn fuzz(text: &str) -> Corpus {
    let policy = match Policy::parse("fuzz.toml", text) {
        Ok(policy) => policy,
        Err(error) => {
            renders(&error.to_string());
            return Corpus::Keep;
        }
    };
    assert!(
        (0.5..1.0).contains(&policy.confidence),
        "{}",
        policy.confidence
    );
    for cell in ["mtls", "tcp"] {
        check(&policy.of(cell));
    }
    if let Err(error) = policy.check_cells(&["mtls".to_owned()]) {
        renders(&error.to_string());
    }
    Corpus::Keep
}

fn check(rules: &Rules) {
    for (figure, limit) in &rules.allowed {
        assert!((0.0..=10.0).contains(limit), "{figure}: {limit}");
    }
    for threshold in &rules.thresholds {
        assert!(
            threshold.limit.is_finite() && threshold.limit >= 0.0,
            "{threshold}"
        );
        let written = threshold.to_string();
        let (subject, rule) = written.split_once(": ").expect("a subject and a rule");
        let subject: Subject = subject.parse().expect("a subject of ours");
        let again = Threshold::parse(subject, rule).expect("a rule of ours");
        assert_eq!(*threshold, again, "written out as {written}");
    }
}

fn renders(shown: &str) {
    assert!(
        shown.contains("fuzz.toml"),
        "an error without place: {shown}"
    );
    assert!(shown.contains("help: "), "an error without help: {shown}");
}
