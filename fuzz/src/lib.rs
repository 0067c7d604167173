//! What fuzz targets share: a hostile path for a server's bytes, bytes cut into segments, and mutations of JSON that
//! stay JSON.

mod json;
mod path;
mod segments;

pub use json::mutate_json;
pub use path::Path;
pub use segments::segments;
