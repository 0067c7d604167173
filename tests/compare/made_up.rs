//! Results made from a fixture: valid, with ten trials, and slower or faster as the test wants.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use shakedown::record::{HistogramRecord, RunRecord, TrialRecord};
use shakedown::stats::LatencyHistogram;
use shakedown::store::{load, save};

/// Noise of up to one percent, the same in every result.
const WOBBLE: [f64; 10] = [
    0.0, 0.004, -0.007, 0.002, -0.003, 0.008, -0.005, 0.006, -0.001, -0.004,
];

/// Sessions of a trial, as many as the fixture's.
const SESSIONS: usize = 1_200;

/// A valid result whose CPU times and durations are `factor` times the fixture's.
pub fn result(factor: f64) -> RunRecord {
    static FIXTURE: LazyLock<RunRecord> = LazyLock::new(fixture);
    let mut record = FIXTURE.clone();
    for cell in &mut record.cells {
        let model = cell.trials[0].clone();
        let trials = WOBBLE.iter().enumerate();
        cell.trials = trials
            .map(|(round, wobble)| {
                let mut trial = model.clone();
                trial.round = round;
                scale(&mut trial, factor * (1.0 + wobble));
                trial
            })
            .collect();
    }
    record
}

/// The fixture without what would make these tests slow: the cells and histograms that none looks at.
fn fixture() -> RunRecord {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut record = load(&root.join("tests/fixtures/result-v1-tax.json")).unwrap();
    record.validity.valid = true;
    record.validity.complete = true;
    record.validity.reasons.clear();
    record.cells.truncate(2);
    for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
        for kind in trial.kinds.values_mut() {
            kind.histograms
                .retain(|metric, _| ["confirm", "latency"].contains(&metric.as_str()));
        }
    }
    record
}

/// Scales what a trial measured; what was asked and counted stays. Durations are spread evenly around
/// 300 µs before.
fn scale(trial: &mut TrialRecord, factor: f64) {
    trial.worker_cpu.cpu_ns = times(trial.worker_cpu.cpu_ns, factor);
    for kind in trial.kinds.values_mut() {
        let mut scaled = LatencyHistogram::new();
        for sample in 0..SESSIONS {
            scaled.record(times(250_000 + 100 * sample as u64, factor));
        }
        let stored = HistogramRecord::of(&scaled).unwrap();
        for histogram in kind.histograms.values_mut() {
            *histogram = stored.clone();
        }
    }
}

/// The same result with a third of its sessions silent for 5 s.
pub fn silenced(mut record: RunRecord) -> RunRecord {
    let trials = record.cells.iter_mut().flat_map(|cell| &mut cell.trials);
    for kind in trials.flat_map(|trial| trial.kinds.values_mut()) {
        for stored in kind.histograms.values_mut() {
            let mut histogram = stored.decode::<3>().unwrap();
            for _ in 0..SESSIONS / 2 {
                histogram.record_beyond(5_000_000_000);
            }
            *stored = HistogramRecord::of(&histogram).unwrap();
        }
    }
    record
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time times about one"
)]
fn times(ns: u64, factor: f64) -> u64 {
    (ns as f64 * factor).round() as u64
}

/// Writes a result into a folder, which is made if it is not there.
pub fn write(dir: &Path, name: &str, record: &RunRecord) {
    fs::create_dir_all(dir).unwrap();
    save(&dir.join(name), record).unwrap();
}
