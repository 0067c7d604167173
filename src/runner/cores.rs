//! Which cores the workers and the embedded target get.

use super::RunError;
use crate::affinity::{available_cores, parse_cores, split_cores};
use crate::scenario::{Checked, TargetPlan};

/// The core of each thread; `None` where the system does not say which cores there are.
pub(super) struct CorePlan {
    pub workers: Vec<Option<usize>>,
    pub target: Vec<Option<usize>>,
}

impl CorePlan {
    /// Shares the cores out. What was given is taken as given; what was not is chosen so that
    /// target and workers do not meet.
    pub(crate) fn of(checked: &Checked) -> Result<Self, RunError> {
        let available = available_cores();
        let section = &checked.scenario.workers;
        let read = |place: &'static str, text: &Option<String>| {
            text.as_deref()
                .map(|text| parse_cores(text, &available))
                .transpose()
                .map_err(|source| RunError::Cores { place, source })
        };
        let for_workers = read("workers.cores (--cores)", &section.cores)?;
        let TargetPlan::Embedded(embedded) = &checked.target else {
            let cores = for_workers.unwrap_or(available);
            return Ok(Self {
                workers: assign(&cores, section.count),
                target: Vec::new(),
            });
        };
        let for_target = read("target.embedded.cores (--target-cores)", &embedded.cores)?;
        let without = |taken: &[usize]| -> Vec<usize> {
            let rest: Vec<usize> = available
                .iter()
                .copied()
                .filter(|c| !taken.contains(c))
                .collect();
            if rest.is_empty() {
                available.clone()
            } else {
                rest
            }
        };
        let (target, workers) = match (for_target, for_workers) {
            (Some(target), Some(workers)) => (target, workers),
            (Some(target), None) => (target.clone(), without(&target)),
            (None, Some(workers)) => (without(&workers), workers),
            (None, None) => split_cores(&available, embedded.threads),
        };
        Ok(Self {
            workers: assign(&workers, section.count),
            target: assign(&target, Some(embedded.threads)),
        })
    }
}

/// One core per thread, in turn if there are more threads than cores; as many threads as cores
/// unless a count is given.
fn assign(cores: &[usize], count: Option<usize>) -> Vec<Option<usize>> {
    let count = count.unwrap_or(cores.len()).max(1);
    (0..count)
        .map(|i| (!cores.is_empty()).then(|| cores[i % cores.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_take_cores_in_turn() {
        assert_eq!(assign(&[2, 3], None), [Some(2), Some(3)]);
        assert_eq!(assign(&[2, 3], Some(3)), [Some(2), Some(3), Some(2)]);
        assert_eq!(assign(&[], None), [None]);
    }
}
