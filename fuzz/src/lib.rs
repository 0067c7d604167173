//! Shared by fuzz targets: a hostile network path, segmentation, and mutations that keep JSON valid.

mod json;
mod path;
mod segments;

pub use json::mutate_json;
pub use path::Path;
pub use segments::segments;
