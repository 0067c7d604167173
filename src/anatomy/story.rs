//! An anatomy in memory as text.

use std::fmt::Write;

use super::{InMemory, InMemoryEnd};
use crate::stats::Spread;
use crate::units::{format_count, three_digits};

const READING: &str = "\
Each figure is the median session of a batch, since the clock of the ledger goes on when the system takes the
core away and that of the CPU does not; on a busy machine a share may still come out above 100 %. What the
ledger cannot see: which message rustls itself is at, random bytes and allocations inside an operation, and
what an operation does to caches for the next one.
Metering is the CPU time by that of the same sessions without it, which took turns with them.
";

/// Tells it as text that ends with a newline.
pub fn story(found: &InMemory) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "in memory, {} sessions of each cell: a handshake, 64 bytes there and back; µs per session, \
         median (least … most) of batches\n",
        format_count(found.sessions as u64)
    );
    let _ = writeln!(
        out,
        "{:<22} {:>24} {:>24} {:>24} {:>27} {:>24}",
        "", "crypto operations", "rustls itself", "thread CPU", "explained", "metering"
    );
    for cell in &found.cells {
        for (name, end) in [("client", cell.client), ("server", cell.server)] {
            row(&mut out, &format!("{} {name}", cell.name), &end);
        }
    }
    out.push('\n');
    out.push_str(READING);
    out
}

fn row(out: &mut String, label: &str, end: &InMemoryEnd) {
    let percent = end.explained.map(|share| Spread {
        median: share.median * 100.0,
        min: share.min * 100.0,
        max: share.max * 100.0,
        ..share
    });
    let _ = writeln!(
        out,
        "{label:<22} {:>24} {:>24} {:>24} {:>27} {:>24}",
        spread(end.crypto_us),
        spread(end.tls_us),
        spread(end.cpu_us),
        format!("{} %", spread(percent)),
        format!("× {}", spread(end.metering)),
    );
}

fn spread(figure: Option<Spread>) -> String {
    figure.map_or("–".to_owned(), |s| {
        format!(
            "{} ({} … {})",
            three_digits(s.median),
            three_digits(s.min),
            three_digits(s.max)
        )
    })
}
