//! Any text as a scenario: it is refused with an error that renders, or it means something and is
//! the same after it was written out and read again.
#![no_main]

use std::fmt::Display;

use libfuzzer_sys::{Corpus, fuzz_target};
use shakedown::scenario::Scenario;

fuzz_target!(|text: &str| -> Corpus { fuzz(text) });

fn fuzz(text: &str) -> Corpus {
    let scenario = match Scenario::parse("fuzz.toml", text) {
        Ok(scenario) => scenario,
        Err(error) => {
            renders(&error);
            return Corpus::Keep;
        }
    };
    let written = toml::to_string(&scenario).expect("a parsed scenario can be written out");
    let again = Scenario::parse("again.toml", &written)
        .unwrap_or_else(|error| panic!("written out it is refused: {error}\n{written}"));
    assert_eq!(scenario, again, "written out as:\n{written}");
    match scenario.check("fuzz.toml", text) {
        Ok(checked) => {
            assert!(!checked.cells.is_empty(), "nothing to measure");
            assert!(!checked.stop.duration.is_zero(), "no time to measure in");
            assert!(checked.load.max_in_flight() > 0, "no session may start");
        }
        Err(error) => renders(&error),
    }
    Corpus::Keep
}

fn renders(error: &impl Display) {
    let shown = error.to_string();
    assert!(shown.contains("help: "), "an error without help: {shown}");
}
