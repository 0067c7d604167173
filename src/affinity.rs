//! Pins threads to cores, and parses lists of cores.

use core_affinity::CoreId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where one thread was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The thread, e.g. `worker-0`.
    pub thread: String,
    /// The core it was meant for; `None` if the system did not say which cores there are.
    pub core: Option<usize>,
    /// Whether the system accepted the pinning.
    pub pinned: bool,
}

/// A list of cores that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CoreListError {
    #[error("{0:?} is not a list of cores; write numbers and ranges such as 0,2-5")]
    Syntax(String),
    #[error(
        "core {core} is not available to this process; it may use {available:?} (see `taskset -p $$` and the cgroup's cpuset)"
    )]
    Unavailable { core: usize, available: Vec<usize> },
}

/// The cores this process may run on, in order; empty where the system does not say.
pub fn available_cores() -> Vec<usize> {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    cores.sort_unstable();
    cores
}

/// Reads `0,2-5` and checks that every core is among `available` (if that is known).
///
/// # Errors
///
/// Fails on anything that is not such a list, and on a core that is not available.
pub fn parse_cores(text: &str, available: &[usize]) -> Result<Vec<usize>, CoreListError> {
    let syntax = || CoreListError::Syntax(text.to_owned());
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| syntax())?;
        let last: usize = last.trim().parse().map_err(|_| syntax())?;
        if last < first || last - first > 4_096 {
            return Err(syntax());
        }
        cores.extend(first..=last);
    }
    match cores
        .iter()
        .find(|core| !available.is_empty() && !available.contains(core))
    {
        Some(core) => Err(CoreListError::Unavailable {
            core: *core,
            available: available.to_vec(),
        }),
        None => Ok(cores),
    }
}

/// Pins the calling thread to a core and says whether that worked.
pub fn pin_current(thread: String, core: Option<usize>) -> Placement {
    // The library panics on a core outside the system's set.
    let pinned = core.is_some_and(|id| {
        available_cores().contains(&id) && core_affinity::set_for_current(CoreId { id })
    });
    Placement {
        thread,
        core,
        pinned,
    }
}

/// Divides cores between the embedded target, which gets the first ones, and the workers. A single core is shared.
pub(crate) fn split_cores(available: &[usize], target_threads: usize) -> (Vec<usize>, Vec<usize>) {
    if available.len() < 2 {
        return (available.to_vec(), available.to_vec());
    }
    let for_target = target_threads.clamp(1, available.len() - 1);
    let (target, workers) = available.split_at(for_target);
    (target.to_vec(), workers.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_ranges() {
        assert_eq!(parse_cores("0,2-5", &[]).unwrap(), [0, 2, 3, 4, 5]);
        assert_eq!(parse_cores("1", &[0, 1]).unwrap(), [1]);
        for bad in ["", "a", "3-1", "0,", "-1", "0-99999"] {
            assert!(parse_cores(bad, &[]).is_err(), "{bad}");
        }
        let error = parse_cores("7", &[0, 1]).unwrap_err().to_string();
        assert!(
            error.contains("core 7") && error.contains("[0, 1]"),
            "{error}"
        );
    }

    #[test]
    fn target_and_workers_are_put_apart() {
        assert_eq!(split_cores(&[0, 1], 1), (vec![0], vec![1]));
        assert_eq!(split_cores(&[0, 1, 2, 3], 2), (vec![0, 1], vec![2, 3]));
        assert_eq!(split_cores(&[0, 1], 5), (vec![0], vec![1]));
        assert_eq!(split_cores(&[3], 1), (vec![3], vec![3]));
    }

    #[test]
    fn pinning_says_whether_it_worked() {
        std::thread::spawn(|| {
            let cores = available_cores();
            let placement = pin_current("t".to_owned(), cores.first().copied());
            assert_eq!(placement.pinned, !cores.is_empty());
            assert!(!pin_current("t".to_owned(), Some(4_000)).pinned);
        })
        .join()
        .unwrap();
    }
}
