//! Any bytes as a result file: refused with an error that renders, or summed up and reported without
//! a panic and without a figure that was not measured.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use shakedown::analysis;
use shakedown::record::RunRecord;
use shakedown::report::{Style, render};
use shakedown::store;
use shakedown_fuzz::mutate_json;

fuzz_target!(|bytes: &[u8]| {
    match store::parse(Path::new("fuzz.json"), bytes) {
        Ok(record) => report(&record),
        Err(error) => assert!(error.to_string().contains("fuzz.json"), "{error}"),
    }
});

// Every other mutation is one of JSON.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = if seed.is_multiple_of(2) {
        mutate_json(&data[..size], seed, mutate_bytes)
    } else {
        None
    };
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// One of libFuzzer's own mutations, which may lengthen the bytes a little.
fn mutate_bytes(bytes: &mut Vec<u8>) {
    let size = bytes.len();
    bytes.resize(size + 16, 0);
    let room = bytes.len();
    let size = fuzzer_mutate(bytes, size, room);
    bytes.truncate(size);
}

fn report(record: &RunRecord) {
    let damaged = analysis::Decoded::of(record).is_err();
    match render(
        record,
        Style {
            color: true,
            ..Style::default()
        },
    ) {
        Ok(text) => {
            assert!(!damaged, "a report of histograms that cannot be read");
            assert!(
                text.to_lowercase().contains("valid"),
                "no verdict in:\n{text}"
            );
        }
        Err(error) => assert!(damaged, "{error}"),
    }
}
