//! How a run is asked to end before its time.

/// A request to end; each is stronger than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupt {
    /// None.
    None,
    /// No new sessions; those in flight may finish within the grace period.
    Drain,
    /// At once.
    Abort,
}
