//! The flags of what is done on a connection before TLS, the same for every subcommand that is a TLS client.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use shakedown::scenario::{ProxyHeader, Scenario, StartTls};

use super::choice::one_of;
use super::output::say;

/// Variables in which curl and others look for a proxy.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What is done before TLS.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Way in (before TLS)")]
pub struct WayInArgs {
    /// Ask for TLS in a protocol that begins in plain text
    #[arg(long, value_name = "PROTOCOL", value_parser = one_of::<StartTls>())]
    starttls: Option<StartTls>,

    /// Send a PROXY header first, as a load balancer does [default version: v1]
    #[arg(long, value_name = "VERSION", value_parser = one_of::<ProxyHeader>(), num_args = 0..=1, require_equals = true, default_missing_value = "v1")]
    haproxy_protocol: Option<ProxyHeader>,

    /// Connect through an HTTP proxy (CONNECT); variables such as `HTTPS_PROXY` are not used
    #[arg(long, value_name = "http://HOST:PORT")]
    proxy: Option<String>,

    /// File with user:password for the proxy
    #[arg(long, value_name = "FILE")]
    proxy_user_file: Option<PathBuf>,

    /// Environment variable with user:password for the proxy
    #[arg(long, value_name = "NAME", conflicts_with = "proxy_user_file")]
    proxy_user_env: Option<String>,

    /// Connect to a Unix socket; the URL names the server all the same
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,
}

impl WayInArgs {
    /// Overrides the keys of the scenario whose flags are given. Says once that a proxy of the environment is not used.
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        let way_in = &mut scenario.way_in;
        way_in.starttls = self.starttls.or(way_in.starttls);
        way_in.haproxy_protocol = self.haproxy_protocol.or(way_in.haproxy_protocol);
        way_in.proxy = self.proxy.clone().or(way_in.proxy.take());
        if self.proxy_user_file.is_some() || self.proxy_user_env.is_some() {
            way_in.proxy_user_file.clone_from(&self.proxy_user_file);
            way_in.proxy_user_env.clone_from(&self.proxy_user_env);
        }
        way_in.unix_socket = self.unix_socket.clone().or(way_in.unix_socket.take());
        if way_in.proxy.is_none() && way_in.unix_socket.is_none() && scenario.target.url.is_some() {
            note_unused();
        }
    }
}

/// Says that a proxy of the environment is not used.
fn note_unused() {
    static SAID: AtomicBool = AtomicBool::new(false);
    let set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = VARIABLES.iter().find(set)
        && !SAID.swap(true, Ordering::Relaxed)
    {
        say(format_args!(
            "note: {name} is set and not used; connections are direct. To go through it, pass --proxy"
        ));
    }
}
