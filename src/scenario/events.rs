//! `[[events]]` and `--event`: what happens to identities and sessions while a trial runs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{LoadModel, Stop, TargetPlan};
use super::error::{Problem, refuse};
use super::{BackOff, Jitter, Overlap, ProtocolKind, Scenario};
use crate::text::labelled;
use crate::units::{Ratio, Span};

labelled! {
    serde
    /// What happens.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum EventKind {
        /// Identities change to new certificates: minted ones, or what their files hold from then on.
        Renew = "renew",
        /// Certificates are put on a revocation list, and the server is made to read it.
        Revoke = "revoke",
        /// Certificates expire.
        Expire = "expire",
        /// Held sessions are cut, and come back after a back-off.
        Drop = "drop",
    }
}

/// Something that happens while a trial runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EventSection {
    /// What.
    pub kind: EventKind,
    /// When, since the trial began, warm-up included; not for certificates from files that expire by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// Renew, expire: the time over which it reaches one identity after the other; all at once unless set. Files are
    /// watched for so long, until the end unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Span>,
    /// The share of identities, or of sessions without a fleet, that it happens to; all unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Ratio>,
    /// The group of the fleet's manifest that it happens to; all unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Renew, of minted identities: how long the old certificate is still valid then; negative for a renewal that comes
    /// too late. Certificates end with whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Revoke: the file that the list is written to. Lists of other authorities in it are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
    /// Revoke: the authority that issued the certificates; that of `fleet.mint` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Revoke: its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_key: Option<PathBuf>,
    /// Revoke: a shell command that makes the server read the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// Drop: how long a session waits before it comes back, and again after each failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_off: Option<BackOff>,
    /// Drop: how the wait is drawn; `full` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
}

impl fmt::Display for EventSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        if let Some(over) = self.over {
            write!(f, " over {over}")?;
        }
        f.write_str(" of ")?;
        if let Some(share) = self.share {
            write!(f, "{share} of ")?;
        }
        match &self.group {
            Some(group) => write!(f, "group {group:?}")?,
            None => f.write_str("all")?,
        }
        if self.kind == EventKind::Drop {
            let (back_off, jitter) = (
                self.back_off.unwrap_or_default(),
                self.jitter.unwrap_or_default(),
            );
            write!(f, "; back-off {back_off}, jitter {jitter}")?;
        }
        if let Some(overlap) = self.overlap {
            write!(f, "; overlap {overlap}")?;
        }
        if let Some(crl) = &self.crl {
            write!(f, "; list in {}", crl.display())?;
        }
        if let Some(hook) = &self.hook {
            write!(f, "; hook {hook}")?;
        }
        Ok(())
    }
}

impl EventSection {
    /// Nothing said but what.
    fn of(kind: EventKind) -> Self {
        Self {
            kind,
            at: None,
            over: None,
            share: None,
            group: None,
            overlap: None,
            crl: None,
            ca: None,
            ca_key: None,
            hook: None,
            back_off: None,
            jitter: None,
        }
    }

    /// Reads an event as it is written in one word: `KIND:KEY=VALUE,…`. `hook` takes the rest.
    ///
    /// # Errors
    ///
    /// Fails on a kind, key or value that does not exist.
    pub fn parse(word: &str) -> Result<Self, String> {
        let (kind, mut rest) = word.split_once(':').unwrap_or((word, ""));
        let kind = EventKind::named(kind)
            .ok_or("write renew, revoke, expire or drop, as in drop:at=10s,share=0.5")?;
        let mut event = Self::of(kind);
        while !rest.is_empty() {
            let (pair, more) = match rest.strip_prefix("hook=") {
                Some(_) => (rest, ""),
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            event
                .set(key, value)
                .map_err(|why| format!("{pair:?}: {why}"))?;
            rest = more;
        }
        Ok(event)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        fn read<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<Option<T>, String> {
            value.parse().map(Some).map_err(|error| format!("{error}"))
        }
        match key {
            "at" => self.at = read(value)?,
            "over" => self.over = read(value)?,
            "share" => self.share = read(value)?,
            "group" => self.group = Some(value.to_owned()),
            "overlap" => self.overlap = read(value)?,
            "crl" => self.crl = Some(value.into()),
            "ca" => self.ca = Some(value.into()),
            "ca-key" => self.ca_key = Some(value.into()),
            "hook" => self.hook = Some(value.to_owned()),
            "back-off" => self.back_off = read(value)?,
            "jitter" => {
                self.jitter = Some(Jitter::named(value).ok_or("write none, equal or full")?);
            }
            _ => {
                return Err(
                    "write at, over, share, group, overlap, crl, ca, ca-key, hook, back-off or jitter"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Keys that only some kinds have.
    fn only_of(&self) -> [(&'static str, bool, &'static [EventKind]); 8] {
        use EventKind::{Drop, Expire, Renew, Revoke};
        [
            ("events.over", self.over.is_some(), &[Renew, Expire]),
            ("events.overlap", self.overlap.is_some(), &[Renew]),
            ("events.crl", self.crl.is_some(), &[Revoke]),
            ("events.ca", self.ca.is_some(), &[Revoke]),
            ("events.ca-key", self.ca_key.is_some(), &[Revoke]),
            ("events.hook", self.hook.is_some(), &[Revoke]),
            ("events.back-off", self.back_off.is_some(), &[Drop]),
            ("events.jitter", self.jitter.is_some(), &[Drop]),
        ]
    }

    fn check(&self, scenario: &Scenario, remote: bool, stop: Stop) -> Result<(), Problem> {
        let kind = self.kind;
        for (key, given, kinds) in self.only_of() {
            refuse(
                given && !kinds.contains(&kind),
                key,
                format!("it says nothing about the event {kind}"),
                "drop it",
            )?;
        }
        let minted = scenario
            .fleet
            .as_ref()
            .is_some_and(|fleet| fleet.mint.is_some());
        refuse(
            kind != EventKind::Drop && scenario.fleet.is_none(),
            "events.kind",
            format!("the event {kind} is about the identities of a fleet, and there is none"),
            "write [fleet] (--fleet FILE, FOLDER or mint:COUNT); a single certificate is a fleet of one",
        )?;
        let by_itself = kind == EventKind::Expire && !minted;
        refuse(
            by_itself && (self.at.is_some() || self.over.is_some()),
            "events.at",
            "certificates from files say themselves when they expire",
            "drop it, or mint the fleet",
        )?;
        refuse(
            !by_itself && self.at.is_none(),
            "events.at",
            "there is no time at which it happens",
            "write at = \"10s\"",
        )?;
        let begins = self.at.unwrap_or_default().0;
        refuse(
            begins + self.over.unwrap_or_default().0 >= stop.warmup + stop.duration,
            "events.at",
            "the load has ended by then",
            "write an earlier time, or a longer load.duration (warm-up and duration count)",
        )?;
        refuse(
            self.overlap.is_some() && !minted,
            "events.overlap",
            "certificates from files say themselves how long they are valid",
            "drop it, or mint the fleet",
        )?;
        refuse(
            self.share == Some(Ratio::ZERO),
            "events.share",
            "it would happen to nobody",
            "write a share above 0",
        )?;
        let resumes = !super::resumption::shares(scenario).is_empty();
        refuse(
            resumes && matches!(kind, EventKind::Renew | EventKind::Expire),
            "events.kind",
            format!(
                "the event {kind} is not offered with [resumption]: tickets are gathered before the trial, with certificates of their own"
            ),
            "drop [resumption]; `shakedown audit --resumption` tells whether tickets outlive certificates",
        )?;
        match kind {
            EventKind::Revoke => self.check_revoke(remote, minted),
            _ => Ok(()),
        }
    }

    fn check_revoke(&self, remote: bool, minted: bool) -> Result<(), Problem> {
        let given = [
            ("events.crl", self.crl.is_some()),
            ("events.ca", self.ca.is_some()),
            ("events.ca-key", self.ca_key.is_some()),
            ("events.hook", self.hook.is_some()),
        ];
        for (key, given) in given {
            refuse(
                !remote && given,
                key,
                "the embedded target is given the list of its own authority",
                "drop it, or give target.url",
            )?;
        }
        refuse(
            remote && self.crl.is_none(),
            "events.crl",
            "the list has no file from which the server could read it",
            "write the file that the server reads, such as crl = \"pki/crl.pem\"",
        )?;
        refuse(
            remote && !minted && self.ca.is_none(),
            "events.ca",
            "only the authority that issued the certificates can revoke them",
            "write ca and ca-key, such as intermediate.pem and intermediate.key of `shakedown pki new`",
        )
    }
}

/// Checks the events against the rest of the scenario.
pub(super) fn check(
    scenario: &Scenario,
    target: &TargetPlan,
    (load, stop): (&LoadModel, Stop),
    kind: ProtocolKind,
    cells: usize,
) -> Result<(), Problem> {
    let remote = matches!(target, TargetPlan::Remote { .. });
    for event in &scenario.events {
        event.check(scenario, remote, stop)?;
    }
    let of = |kind| {
        scenario
            .events
            .iter()
            .filter(move |event| event.kind == kind)
    };
    refuse(
        of(EventKind::Expire).count() > 1,
        "events.kind",
        "a certificate expires once",
        "write one expire, with over, share or group as needed",
    )?;
    refuse(
        remote && of(EventKind::Revoke).next().is_some() && scenario.trials.count * cells > 1,
        "events.kind",
        "a list stays in place, so every trial after the first would begin with revoked certificates",
        "write one cell (--auth mutual) and trials.count = 1, or run it against the embedded target",
    )?;
    let drops = of(EventKind::Drop).next().is_some();
    refuse(
        drops && scenario.load.hold.unwrap_or_default().0.is_zero(),
        "events.kind",
        "no session is held that could be dropped",
        "write load.hold (--hold)",
    )?;
    refuse(
        drops && kind == ProtocolKind::Handshake,
        "events.kind",
        "a handshake alone is confirmed by its orderly close, so it cannot be dropped",
        "write protocol.kind = \"http1\" or \"echo\"",
    )?;
    refuse(
        drops && matches!(load, LoadModel::Open { .. }) && scenario.load.total.is_some(),
        "events.kind",
        "sessions that come back would be more than load.total",
        "drop load.total, or write load.sessions",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_an_event() {
        let event = EventSection::parse(
            "revoke:at=10s,share=0.05,group=gate,crl=x/crl.pem,hook=kill -HUP 1, then wait",
        )
        .unwrap();
        assert_eq!(
            (event.kind, event.at),
            (EventKind::Revoke, Some(Span::secs(10)))
        );
        assert_eq!(event.group.as_deref(), Some("gate"));
        assert_eq!(event.hook.as_deref(), Some("kill -HUP 1, then wait"));
        let event = EventSection::parse("drop:at=1s,back-off=constant 5s,jitter=none").unwrap();
        assert_eq!(event.jitter, Some(Jitter::None));
        assert_eq!(event.back_off.unwrap().to_string(), "constant 5s");
        for (wrong, why) in [
            ("", "renew, revoke, expire or drop"),
            ("explode:at=1s", "renew, revoke, expire or drop"),
            ("drop:colour=red", "back-off or jitter"),
            ("drop:at=soon", "at=soon"),
            ("drop:jitter=some", "none, equal or full"),
            (
                "drop:back-off=exponential 9s..1s",
                "longer than the longest",
            ),
            ("drop:back-off=linear 1s", "exponential 1s..128s"),
        ] {
            let error = EventSection::parse(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
