//! Drawings as SVG text, each with a title and a description in words. ADR 0023 says why they are our own.

mod frame;
mod scale;

pub(super) mod course;
pub(super) mod effects;
pub(super) mod heat;
pub(super) mod percentiles;
pub(super) mod recovery;
pub(super) mod series;
pub(super) mod stack;
pub(super) mod svg;
