//! Which of a server's addresses a run used.

use crate::record::{AddressRecord, RunRecord};
use crate::stats::Accounting;
use crate::units::format_count;

/// The address of the server in a run's words: which of how many it is, those that did not answer before it,
/// or how many sessions went to each.
pub(super) fn reached(record: &RunRecord) -> String {
    let all = &record.plan.addresses;
    let cells = record.cells.first();
    let address = cells.map_or("", |cell| cell.address.as_str());
    let used: Vec<&AddressRecord> = all.iter().filter(|a| a.used).collect();
    match (&all[..], &used[..]) {
        ([] | [_], _) | (_, []) => address.to_owned(),
        (_, [one]) => {
            let place = 1 + all.iter().take_while(|a| !a.used).count();
            let failed = all
                .iter()
                .filter_map(|a| Some(format!("; {}: {}", a.address, a.failure.as_ref()?)));
            let failed: String = failed.collect();
            let none = if one.failure.is_some() {
                "; no address took a connection"
            } else {
                ""
            };
            format!("{address}, {} of {}{none}{failed}", nth(place), all.len())
        }
        (_, several) => {
            let each: Vec<String> = (several.iter())
                .map(|a| {
                    format!(
                        "{} {}",
                        format_count(started(record, &a.address)),
                        a.address
                    )
                })
                .collect();
            format!(
                "{} addresses in turns, sessions: {}",
                several.len(),
                each.join(", ")
            )
        }
    }
}

/// Attempts that went to an address.
fn started(record: &RunRecord, address: &str) -> u64 {
    let trials = record.cells.iter().flat_map(|cell| &cell.trials);
    let counts = trials.filter_map(|trial| trial.addresses.get(address));
    counts.map(|count: &Accounting| count.started).sum()
}

fn nth(place: usize) -> String {
    let ending = match (place % 10, place % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{place}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_words() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 102, 113].map(nth).join(" ");
        assert_eq!(all, "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 113th");
    }
}
