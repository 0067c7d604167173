//! The machine a result was measured on, as far as it explains numbers. No host or user names.

use std::fs;

use nix::sys::resource::{Resource, getrlimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::affinity::available_cores;

/// Facts about the generator's host. What the system does not tell is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// CPU model.
    pub cpu: Option<String>,
    /// Cores this process may use.
    pub cores: Vec<usize>,
    /// Operating system and architecture.
    pub platform: String,
    /// Kernel release.
    pub kernel: Option<String>,
    /// The kernel's clock source.
    pub clock_source: Option<String>,
    /// CPU frequency governor of the first core.
    pub governor: Option<String>,
    /// Whether the CPU says that it is virtual.
    pub virtual_machine: Option<bool>,
    /// Total memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Load average of the last minute, before the run.
    pub load_average: Option<f64>,
    /// Soft limit of open files.
    pub file_limit: Option<u64>,
    /// `net.ipv4.ip_local_port_range`.
    pub port_range: Option<String>,
    /// `net.core.somaxconn`.
    pub somaxconn: Option<u64>,
    /// `net.ipv4.tcp_tw_reuse`.
    pub tcp_tw_reuse: Option<u64>,
}

impl Environment {
    /// Reads the facts of this host.
    pub fn gather() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok();
        let field = |name: &str| {
            let text = cpuinfo.as_deref()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_once(':')
                .map(|(_, value)| value.trim().to_owned())
        };
        Self {
            cpu: field("model name"),
            cores: available_cores(),
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: line("/proc/sys/kernel/osrelease"),
            clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            virtual_machine: field("flags")
                .map(|flags| flags.split(' ').any(|f| f == "hypervisor")),
            memory_bytes: total_memory(),
            load_average: line("/proc/loadavg")
                .and_then(|text| text.split(' ').next()?.parse().ok()),
            file_limit: getrlimit(Resource::RLIMIT_NOFILE)
                .ok()
                .map(|(soft, _)| soft),
            port_range: line("/proc/sys/net/ipv4/ip_local_port_range")
                .map(|t| t.replace('\t', "-")),
            somaxconn: line("/proc/sys/net/core/somaxconn").and_then(|t| t.parse().ok()),
            tcp_tw_reuse: line("/proc/sys/net/ipv4/tcp_tw_reuse").and_then(|t| t.parse().ok()),
        }
    }
}

impl Environment {
    /// A name for hosts whose figures may be compared: CPU model, number of cores, `vm`
    /// where the CPU says that it is virtual, operating system, architecture, and the kernel's first
    /// two numbers. It is fit for a folder's name and is the same for the same facts in every build.
    ///
    /// Left out is what changes from boot to boot or is in the file beside it: memory, load, limits.
    pub fn host_class(&self) -> String {
        let kernel = self.kernel.as_deref().unwrap_or("unknown");
        let kernel = kernel.split(['.', '-']).take(2).collect::<Vec<_>>();
        let parts = [
            self.cpu.clone().unwrap_or_else(|| "unknown-cpu".to_owned()),
            format!("{}c", self.cores.len()),
            if self.virtual_machine == Some(true) {
                "vm".to_owned()
            } else {
                String::new()
            },
            self.platform.clone(),
            kernel.join("."),
        ];
        let text = parts.join(" ").to_ascii_lowercase();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        let words = words.map(|word| word.trim_matches('.'));
        // What every model's name has.
        let empty = |word: &&str| !["", "r", "tm", "cpu", "processor", "core"].contains(word);
        words.filter(empty).collect::<Vec<_>>().join("-")
    }
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = text
        .lines()
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_host_is_stable_and_a_folder_name() {
        let mut host = Environment {
            cpu: Some("Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz".to_owned()),
            cores: vec![0, 1],
            platform: "linux/x86_64".to_owned(),
            kernel: Some("6.18.0-12-amd64".to_owned()),
            virtual_machine: Some(true),
            ..Environment::gather()
        };
        let class = "intel-xeon-e5-2670-v3-2.30ghz-2c-vm-linux-x86-64-6.18";
        assert_eq!(host.host_class(), class);
        host.load_average = Some(9.0);
        host.kernel = Some("6.18.7".to_owned());
        assert_eq!(host.host_class(), class);
        host.cores = vec![0];
        assert_ne!(host.host_class(), class);
        host.cpu = Some("../..".to_owned());
        assert!(!host.host_class().contains('/') && !host.host_class().starts_with('.'));
    }
}
