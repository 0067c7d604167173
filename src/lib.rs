//! shakedown: a load tester and benchmark harness for mutual TLS.

pub mod pki;
pub mod text;
