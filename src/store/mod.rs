//! Results, comparisons and baselines on disk: written whole or not at all, read back strictly.

mod baselines;
mod collect;
mod file;
mod harmless;

pub use baselines::{
    BASELINES, Baseline, baselines, find_baseline, holds_baselines, record_baseline,
};
pub use collect::{Kept, load_all, load_any, load_comparison, result_files};
pub use file::{
    SIZE_CAP, StoreError, bytes, check_writable, expected_size, load, load_part, parse, parse_part,
    save, save_comparison, save_new, save_text,
};
