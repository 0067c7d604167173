//! What fuzz targets share: a hostile path for a server's bytes, and mutations of JSON that stay JSON.

mod json;
mod path;

pub use json::mutate_json;
pub use path::Path;
