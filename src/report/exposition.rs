//! The text exposition format of Prometheus, version 0.0.4: families of samples, one after the other.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

/// What every name begins with.
const PREFIX: &str = "shakedown_";

/// A family of samples: its name, type and help, then the samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    name: String,
    head: String,
    samples: Vec<String>,
}

impl Family {
    /// A family without samples; `name` goes without the prefix that all have, `kind` is `counter`, `gauge`,
    /// `histogram` or `summary`.
    pub fn new(name: &str, kind: &str, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            head: format!("# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n"),
            samples: Vec::new(),
        }
    }

    /// Adds a sample; `suffix` is what its name has beyond the family's.
    pub fn add(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let name = &self.name;
        let labels: Vec<String> = (labels.iter())
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
            .collect();
        let labels = labels.join(",");
        let value = if value == f64::INFINITY {
            "+Inf".to_owned()
        } else {
            value.to_string()
        };
        self.samples
            .push(format!("{PREFIX}{name}{suffix}{{{labels}}} {value}\n"));
    }

    /// Writes those that have samples.
    pub fn write_all<'a>(families: impl IntoIterator<Item = &'a Self>) -> String {
        let mut out = String::new();
        for family in families {
            if !family.samples.is_empty() {
                let _ = write!(out, "{}{}", family.head, family.samples.concat());
            }
        }
        out
    }
}

/// Escapes the value of a label.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_be_broken_out_of() {
        let mut family = Family::new("x", "gauge", "X.");
        family.add("", &[("cell", "a\"} 1\nshakedown_y{b=\"\\")], 1.0);
        assert_eq!(
            Family::write_all([&family, &Family::new("empty", "gauge", "Is left out.")]),
            "# HELP shakedown_x X.\n# TYPE shakedown_x gauge\n\
             shakedown_x{cell=\"a\\\"} 1\\nshakedown_y{b=\\\"\\\\\"} 1\n"
        );
    }
}
