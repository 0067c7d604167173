//! The `shakedown` command: parse, dispatch, exit code.

fn main() {}
